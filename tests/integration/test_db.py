"""Transactions, reads and queries on a real database."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from shared.db import (
    Connection,
    ConstraintViolated,
    Database,
    NotWhole,
    Queries,
    QueryBroken,
    whole,
)
from shared.lifecycle.reactions import Broken

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def pause(conn: Connection, stage: str = "intake", reason: str = "a test") -> None:
    conn.run(
        "insert into pause (stage, reason, paused_by, paused_at) values (:stage, :reason, 'tester', :now)",
        stage=stage,
        reason=reason,
        now=NOW,
    )


def stages(database: Database) -> list[str]:
    with database.read() as conn:
        return [row["stage"] for row in conn.all("select stage from pause order by stage")]


def test_a_transaction_commits_when_its_block_ends(database: Database) -> None:
    with database.transaction() as conn:
        pause(conn)
    assert stages(database) == ["intake"]


def test_an_exception_takes_everything_back_and_comes_through_unchanged(database: Database) -> None:
    with pytest.raises(LookupError), database.transaction() as conn:
        pause(conn)
        raise LookupError
    assert stages(database) == []


def test_a_violated_rule_is_known_by_its_name(database: Database) -> None:
    with pytest.raises(ConstraintViolated) as caught, database.transaction() as conn:
        pause(conn)
        pause(conn)
    assert (caught.value.constraint, caught.value.table) == ("pause_is_one_per_stage", "pause")
    assert isinstance(caught.value, Broken)
    assert stages(database) == []


def test_a_missing_value_is_known_by_table_and_column(database: Database) -> None:
    with pytest.raises(ConstraintViolated) as caught, database.transaction() as conn:
        conn.run("insert into pause (stage, reason) values ('intake', 'x')")
    assert caught.value.constraint == "pause.paused_by"


def test_a_part_can_fail_inside_a_savepoint_and_the_rest_is_kept(database: Database) -> None:
    with database.transaction() as conn:
        pause(conn, "intake")
        with pytest.raises(ConstraintViolated), conn.savepoint():
            pause(conn, "batching")
            pause(conn, "intake")
        pause(conn, "sending")
    assert stages(database) == ["intake", "sending"]


def test_a_failed_statement_that_is_passed_over_never_commits_silently(database: Database) -> None:
    with pytest.raises(QueryBroken, match="rolled back"), database.transaction() as conn:
        pause(conn)
        with pytest.raises(ConstraintViolated):
            pause(conn)
    assert stages(database) == []


def test_a_read_sees_one_moment_however_long_it_takes(database: Database) -> None:
    with database.read() as conn:
        before = conn.all("select stage from pause")
        with database.transaction() as other:
            pause(other)
        assert conn.all("select stage from pause") == before == []
    assert stages(database) == ["intake"]


def test_a_read_cannot_write(database: Database) -> None:
    with pytest.raises(QueryBroken), database.read() as conn:
        pause(conn)


@pytest.mark.parametrize(
    "words",
    [
        ["a", "b-1", "batch_9:2"],
        ["a,b", "c"],
        ["null", "NULL", "x"],
        ["", "x"],
        ['"', "\\", "{}", "it's", "a b", " x "],
        ["ü", "\n", "١"],
        ["x", None],
        [],
    ],
)
def test_a_list_of_words_goes_in_as_it_is(database: Database, words: list[str | None]) -> None:
    with database.read() as conn:
        rows = conn.all(
            "select * from unnest(:words::text[]) with ordinality as t (word, place) order by place", words=words
        )
    assert [row["word"] for row in rows] == words


@pytest.mark.parametrize("numbers", [[1, -2, 2**62], [10**77, 0], [None, 7], []])
def test_a_list_of_numbers_goes_in_as_it_is(database: Database, numbers: list[int | None]) -> None:
    with database.read() as conn:
        rows = conn.all("select * from unnest(:n::numeric[]) with ordinality as t (n, place) order by place", n=numbers)
    assert [row["n"] for row in rows] == numbers


def test_truths_are_not_written_as_numbers(database: Database) -> None:
    with database.read() as conn:
        assert conn.all("select :truths::boolean[] as truths", truths=[True, False]) == [{"truths": [True, False]}]


def test_a_lone_statement_is_committed_when_it_returns(database: Database) -> None:
    with database.at_once() as conn:
        conn.run("insert into pause (stage, reason, paused_by, paused_at) values ('intake', 'x', 'y', :now)", now=NOW)
        with database.read() as other:
            assert len(other.all("select 1 from pause")) == 1
        with pytest.raises(QueryBroken, match="outside of its transaction"):
            conn.all("select 1 as one")


def test_a_lone_statement_that_fails_wrote_nothing_and_its_connection_goes_on(database: Database) -> None:
    wrong = "insert into pause (stage, reason, paused_by, paused_at) values (:stage, 'x', 'y', :now)"
    for _ in range(2):
        with pytest.raises(ConstraintViolated) as caught, database.at_once() as conn:
            conn.run(wrong, stage="nonsense", now=NOW)
        assert caught.value.constraint == "pause_names_a_stage"
    with database.at_once() as conn:
        assert conn.all("select count(*) as n from pause")[0]["n"] == 0


def test_rules_that_wait_for_the_commit_are_asked_by_a_lone_statement_too(database: Database) -> None:
    unbalanced = """with made as (insert into posting (event, subject, trace, at) values ('x', 'y', 't', :now)
                                  returning id)
                    insert into book_entry (posting_id, line, asset, account, amount)
                    select id, 1, 'ETH', 'wallet', 1 from made"""
    with pytest.raises(ConstraintViolated) as caught, database.at_once() as conn:
        conn.run(unbalanced, now=NOW)
    assert caught.value.constraint == "posting_balances"
    with database.read() as conn:
        assert conn.all("select 1 as one from posting") == []


def test_a_connection_kept_beyond_its_transaction_refuses_to_work(database: Database) -> None:
    with database.transaction() as conn:
        pass
    with pytest.raises(QueryBroken, match="outside"):
        conn.all("select 1 as one")


def test_values_come_back_as_they_went_in(database: Database) -> None:
    wei = 2**256 - 1
    uuid = UUID(int=5)
    evidence = {"wei": wei, "list": [1, "zwei", None]}
    with database.read() as conn:
        row = conn.one(
            """select :wei::numeric(78,0) as wei, :negative::bigint as negative, :uuid::uuid as uuid,
                      :now::timestamptz as at, :raw::bytea as raw, :evidence::jsonb as evidence,
                      :nothing::text as nothing, :amounts::numeric[] as amounts, :texts::text[] as texts,
                      :yes::boolean as yes""",
            wei=wei,
            negative=-7,
            uuid=uuid,
            now=NOW,
            raw=b"\x00\xff",
            evidence=evidence,
            nothing=None,
            amounts=[1, wei],
            texts=["a,b", 'quo"te', "NULL"],
            yes=True,
        )
    assert row == {
        "wei": wei,
        "negative": -7,
        "uuid": uuid,
        "at": NOW,
        "raw": b"\x00\xff",
        "evidence": evidence,
        "nothing": None,
        "amounts": [1, wei],
        "texts": ["a,b", 'quo"te', "NULL"],
        "yes": True,
    }
    assert type(row["wei"]) is int
    assert row["at"].tzinfo is not None


def test_a_sum_of_integers_is_an_integer(database: Database) -> None:
    with database.read() as conn:
        row = conn.one("select sum(x) as total from (values (1::bigint), (2)) as v (x)")
    assert row is not None
    assert row["total"] == 3
    assert type(row["total"]) is int


@pytest.mark.parametrize("fraction", ["1.5::numeric", "'NaN'::numeric", "1.0::float8", "array[0.5]::numeric[]"])
def test_a_fraction_never_comes_out_and_does_not_spoil_the_connection(database: Database, fraction: str) -> None:
    with pytest.raises(NotWhole), database.read() as conn:
        conn.all(f"select {fraction} as x from generate_series(1, 3)")
    with database.read() as conn:
        assert conn.all("select 42 as answer") == [{"answer": 42}]


@pytest.mark.parametrize("value", [0.1, datetime(2026, 3, 1)])  # noqa: DTZ001 - a naive time is the point
def test_no_float_and_no_naive_time_goes_in(database: Database, value: object) -> None:
    with pytest.raises(TypeError), database.transaction() as conn:
        conn.run("select :value::text", value=value)


def test_whole_takes_exact_integers_only() -> None:
    assert whole(5) == 5
    assert whole(Decimal("5.000")) == 5
    for wrong in ("5.1", "NaN", "Infinity"):
        with pytest.raises(NotWhole):
            whole(Decimal(wrong))


def test_named_queries_give_one_row_no_row_all_rows_or_a_count(database: Database, tmp_path: Path) -> None:
    (tmp_path / "store.sql").write_text(
        """-- name: add(stage, now)
-- Pauses a stage.
insert into pause (stage, reason, paused_by, paused_at) values (:stage, 'x', 'y', :now);

-- name: at(stage)
-- Reads one stage.
select stage from pause where stage = :stage;

-- name: everything()
-- Reads all stages.
select stage from pause order by stage;
"""
    )
    queries = Queries.load(tmp_path / "store.sql")
    with database.transaction() as conn:
        assert queries.run(conn, "add", stage="intake", now=NOW) == 1
        assert queries.run(conn, "add", stage="sending", now=NOW) == 1
        assert queries.one(conn, "at", stage="intake") == {"stage": "intake"}
        assert queries.one(conn, "at", stage="batching") is None
        assert queries.all(conn, "everything") == [{"stage": "intake"}, {"stage": "sending"}]
        with pytest.raises(TypeError):
            queries.one(conn, "at", stages="intake")
        with pytest.raises(QueryBroken, match="2 rows"):
            queries.only(conn, "everything")
        with pytest.raises(QueryBroken, match="no row"):
            queries.only(conn, "at", stage="batching")


def test_ad_hoc_statements_leave_nothing_prepared_behind(database: Database) -> None:
    with database.transaction() as conn:
        for number in range(5):
            conn.all(f"select {number} as x")
        row = conn.one("select count(*) as n from pg_prepared_statements")
    assert row == {"n": 1}  # the one that counts
