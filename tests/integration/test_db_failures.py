"""What happens to a transaction when the database, the network or the process fails around it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.db import (
    CommitUnknown,
    Contended,
    Database,
    DatabaseUnreachable,
    PermissionMissing,
    PlanStale,
    Queries,
    QueryBroken,
    StatementTimedOut,
    plain,
)
from shared.db.roles import INTAKE, OWNER
from shared.lifecycle.reactions import Unknown
from shared.sandbox.postgres_proxy import Moment, PostgresProxy
from tests.conftest import Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAUSE = "insert into pause (stage, reason, paused_by, paused_at) values ('intake', 'x', 'y', :now)"


def paused(database: Database) -> int:
    with database.read() as conn:
        row = conn.one("select count(*) as n from pause")
    assert row is not None
    return int(row["n"])


def end_all_sessions(postgres: Postgres, database_name: str) -> None:
    postgres.superuser.cursor().execute(
        "select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = %s", (database_name,)
    )


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[PostgresProxy]:
    with PostgresProxy(postgres.server.port) as proxy:
        yield proxy


@pytest.fixture
def through_proxy(proxy: PostgresProxy, database_name: str) -> Iterator[Database]:
    database = Database(plain(host="127.0.0.1", port=proxy.port, database=database_name, user=OWNER), pool_size=1)
    yield database
    database.close()


@pytest.mark.parametrize("moment", Moment)
def test_a_commit_whose_answer_is_lost_is_unknown_whether_or_not_it_happened(
    proxy: PostgresProxy, through_proxy: Database, database: Database, moment: Moment
) -> None:
    proxy.cut_at(moment)
    with pytest.raises(CommitUnknown) as caught, through_proxy.transaction() as conn:
        conn.run(PAUSE, now=NOW)
    assert isinstance(caught.value, Unknown)
    assert proxy.struck == {moment: 1}
    for _ in range(200):  # the server may be a moment behind
        if paused(database) == int(moment is Moment.AFTER_COMMIT):
            break
    assert paused(database) == int(moment is Moment.AFTER_COMMIT)
    assert through_proxy.ping()


@pytest.mark.parametrize("moment", Moment)
def test_a_lone_statement_whose_answer_is_lost_is_unknown_whether_or_not_it_happened(
    proxy: PostgresProxy, through_proxy: Database, database: Database, moment: Moment
) -> None:
    proxy.cut_at(moment)
    with pytest.raises(CommitUnknown), through_proxy.at_once() as conn:
        conn.run(PAUSE, now=NOW)
    assert proxy.struck == {moment: 1}
    for _ in range(200):  # the server may be a moment behind
        if paused(database) == int(moment is Moment.AFTER_COMMIT):
            break
    assert paused(database) == int(moment is Moment.AFTER_COMMIT)
    assert through_proxy.ping()


def test_a_lone_statement_finds_another_connection_when_its_own_died_while_it_was_idle(
    postgres: Postgres, database_name: str
) -> None:
    database = postgres.connect(database_name)
    assert database.ping()
    end_all_sessions(postgres, database_name)
    with database.at_once() as conn:
        conn.run(PAUSE, now=NOW)
    assert paused(database) == 1
    database.close()


def test_a_lone_statement_while_the_database_is_down_does_nothing(
    proxy: PostgresProxy, through_proxy: Database, database: Database
) -> None:
    assert through_proxy.ping()
    proxy.go_down()
    # The news that the server left may arrive a moment after the statement has.
    with pytest.raises((DatabaseUnreachable, CommitUnknown)), through_proxy.at_once() as conn:
        conn.run(PAUSE, now=NOW)
    proxy.come_up()
    assert paused(database) == 0


def test_only_commits_are_cut_and_only_as_many_as_were_asked_for(proxy: PostgresProxy, through_proxy: Database) -> None:
    proxy.cut_at(Moment.BEFORE_COMMIT, 2)
    proxy.cut_at(Moment.AFTER_COMMIT)
    assert paused(through_proxy) == 0  # to read is not to commit
    with pytest.raises(ZeroDivisionError), through_proxy.transaction() as conn:
        conn.run(PAUSE, now=NOW)
        raise ZeroDivisionError  # neither is to roll back
    assert not proxy.struck
    for _ in range(3):
        with pytest.raises(CommitUnknown), through_proxy.transaction() as conn:
            conn.run("update pause set reason = 'COMMIT'")
    with through_proxy.transaction() as conn:
        conn.run(PAUSE, now=NOW)
    assert paused(through_proxy) == 1
    assert proxy.struck == {Moment.BEFORE_COMMIT: 2, Moment.AFTER_COMMIT: 1}


def test_while_the_database_is_down_nobody_gets_in_and_afterwards_everybody(
    proxy: PostgresProxy, through_proxy: Database, database: Database
) -> None:
    with pytest.raises(DatabaseUnreachable), through_proxy.transaction() as conn:
        conn.run(PAUSE, now=NOW)
        assert proxy.go_down() == 1
        conn.run(PAUSE, now=NOW)
    assert not through_proxy.ping()
    proxy.come_up()
    assert through_proxy.ping()
    assert paused(database) == 0


def test_what_is_larger_than_a_packet_passes_whole_in_both_directions(through_proxy: Database) -> None:
    text = "COMMIT;" * 100_000
    with through_proxy.read() as conn:
        assert conn.all("select (:text)::text as text", text=text)[0]["text"] == text


def test_a_server_that_fails_while_committing_leaves_the_outcome_unknown(database: Database) -> None:
    with database.transaction() as conn:
        conn.script(
            """create function fail() returns trigger language plpgsql as
                   $$ begin raise exception 'going down' using errcode = '57P01'; end $$;
               create constraint trigger failing after insert on pause deferrable initially deferred
                   for each row execute function fail()"""
        )
    with pytest.raises(CommitUnknown), database.transaction() as conn:
        conn.run(PAUSE, now=NOW)
    assert database.ping()


def test_a_socket_gives_up_a_little_after_the_server_should_have(database: Database) -> None:
    with database.read() as conn:
        assert conn._raw._usock.gettimeout() == 5 + 5


def test_a_connection_that_breaks_in_the_middle_means_nothing_happened(
    postgres: Postgres, database: Database, database_name: str
) -> None:
    with pytest.raises(DatabaseUnreachable), database.transaction() as conn:
        conn.run(PAUSE, now=NOW)
        end_all_sessions(postgres, database_name)
        conn.run("select 1 as x")
    assert paused(database) == 0


def test_idle_connections_that_died_are_replaced_without_anybody_noticing(
    postgres: Postgres, database: Database, database_name: str
) -> None:
    with database.transaction(), database.transaction(), database.transaction():
        pass
    end_all_sessions(postgres, database_name)
    with database.transaction() as conn:
        conn.run(PAUSE, now=NOW)
    assert paused(database) == 1


def test_a_database_that_is_away_is_try_later_and_an_unhealthy_ping() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    database = Database(plain(host="127.0.0.1", port=port, database="x", user="y"), pool_size=1, pool_wait_s=0.05)
    for _ in range(3):  # a failed try gives its place in the pool back
        assert not database.ping()
        with pytest.raises(DatabaseUnreachable), database.transaction():
            pass


def test_a_database_that_does_not_exist_is_try_later(postgres: Postgres) -> None:
    database = postgres.connect("no_such_database")
    with pytest.raises(DatabaseUnreachable), database.read():
        pass


def test_waiting_for_a_lock_ends_with_try_later(postgres: Postgres, database: Database, database_name: str) -> None:
    impatient = Database(
        plain(
            host=postgres.server.host,
            port=postgres.server.port,
            database=database_name,
            user=OWNER,
            lock_timeout_ms=100,
        )
    )
    with database.transaction() as holder:
        holder.run("lock table pause in exclusive mode")
        with pytest.raises(Contended), impatient.transaction() as conn:
            conn.run(PAUSE, now=NOW)
    impatient.close()


def test_a_statement_that_takes_too_long_is_cancelled(postgres: Postgres, database_name: str) -> None:
    impatient = Database(
        plain(
            host=postgres.server.host,
            port=postgres.server.port,
            database=database_name,
            user=OWNER,
            statement_timeout_ms=100,
        )
    )
    with pytest.raises(StatementTimedOut), impatient.read() as conn:
        conn.all("select pg_sleep(5)::text as x")
    assert impatient.ping()
    impatient.close()


def test_two_transactions_that_wait_for_each_other_are_told_apart_from_a_failure(database: Database) -> None:
    with database.transaction() as conn:
        for stage in ("intake", "sending"):
            conn.run(PAUSE.replace("'intake'", f"'{stage}'"), now=NOW)
    both_hold_one = threading.Barrier(2, timeout=10)
    outcomes: list[str] = []

    def update(first: str, second: str) -> None:
        try:
            with database.transaction() as conn:
                conn.run("update pause set reason = 'a' where stage = :stage", stage=first)
                both_hold_one.wait()
                conn.run("update pause set reason = 'b' where stage = :stage", stage=second)
            outcomes.append("committed")
        except Contended:
            outcomes.append("contended")

    threads = [threading.Thread(target=update, args=pair) for pair in (("intake", "sending"), ("sending", "intake"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["committed", "contended"]


def test_a_migration_under_a_prepared_statement_costs_one_try(
    postgres: Postgres, database_name: str, tmp_path: Path
) -> None:
    (tmp_path / "store.sql").write_text("-- name: everything()\n-- Reads all.\nselect * from pause;\n")
    queries = Queries.load(tmp_path / "store.sql")
    database = postgres.connect(database_name, pool_size=1)
    with database.transaction() as conn:
        queries.all(conn, "everything")
    with database.transaction() as conn:
        conn.script("alter table pause add column colour text")
    with pytest.raises(PlanStale), database.transaction() as conn:
        queries.all(conn, "everything")
    with database.transaction() as conn:
        assert queries.all(conn, "everything") == []
    database.close()


def test_what_the_role_may_not_do_is_broken_and_not_retried(database_as: Callable[[str], Database]) -> None:
    with pytest.raises(PermissionMissing), database_as(INTAKE).transaction() as conn:
        conn.run("delete from history")


def test_a_statement_that_the_schema_does_not_know_keeps_its_sqlstate_for_the_log(database: Database) -> None:
    with pytest.raises(QueryBroken) as caught, database.read() as conn:
        conn.all("select accumulated_eth from payout_accumulation")
    assert caught.value.sqlstate == "42703"
    assert "accumulated_eth" in caught.value.server_message
    assert "accumulated_eth" not in str(caught.value)


def test_an_interrupt_in_the_middle_of_an_answer_does_not_leak_it_to_the_next_reader(
    postgres: Postgres, database_name: str
) -> None:
    database = postgres.connect(database_name, pool_size=1)

    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), database.read() as conn:
        conn._raw.register_in_adapter(25, interrupt)
        conn.all("select 'secret'::text as x from generate_series(1, 5)")
    with database.read() as conn:
        assert conn.all("select 'mine'::text as x") == [{"x": "mine"}]
    database.close()
