"""A savepoint that stands for a service's transaction: it commits, fails and forbids as PostgreSQL's own would."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from shared.db import Alert, ConstraintViolated, PermissionMissing, QueryBroken, raise_alert
from shared.db.roles import BATCHER, INTAKE
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.interruptions import Interruptions, OutsideInTransaction, SimCrash
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.session import Session, SimDatabase

NOW = datetime(2026, 3, 1, tzinfo=UTC)
COUNT = "select count(*) as n from alert"


@pytest.fixture
def history(session: Session) -> Iterator[Session]:
    session.begin_history()
    yield session
    session.end_history()


def database(history: Session, role: str = INTAKE, *, crash_at: tuple[int, ...] = ()) -> SimDatabase:
    interruptions = Interruptions(Faults(Profile()), Dice(0, "interruptions"), crash_at)
    interruptions.running.append("intake")
    return SimDatabase(history, "intake", role, interruptions, Dice(0, "database"))


def alerts(db: SimDatabase) -> int:
    with db.read() as conn:
        row = conn.one(COUNT)
    assert row is not None
    return int(row["n"])


def tell(db: SimDatabase, subject: str) -> None:
    with db.transaction() as conn:
        raise_alert(conn, "intake", Alert("test", subject, "something", {}), NOW)


def test_what_is_committed_stays_and_what_raises_is_taken_back(history: Session) -> None:
    db = database(history)
    tell(db, "one")
    with pytest.raises(ZeroDivisionError), db.transaction() as conn:
        raise_alert(conn, "intake", Alert("test", "two", "something", {}), NOW)
        raise ZeroDivisionError
    tell(db, "three")
    assert alerts(db) == 2


@pytest.mark.parametrize(("point", "left"), [(1, 0), (2, 1)])
def test_a_kill_before_the_commit_takes_back_and_one_after_it_does_not(history: Session, point: int, left: int) -> None:
    with pytest.raises(SimCrash):
        tell(database(history, crash_at=(point,)), "one")
    assert alerts(database(history)) == left


def test_a_rule_that_waits_for_the_commit_is_checked_at_the_end_of_each_transaction(history: Session) -> None:
    db = database(history)
    with pytest.raises(ConstraintViolated) as violated, db.transaction() as conn:
        posting = conn.one(
            "insert into posting (event, subject, trace, at) values ('test', 's', 't', :now) returning id", now=NOW
        )
        assert posting is not None
        conn.run(
            "insert into book_entry (posting_id, line, asset, account, amount) values (:id, 1, 'ETH', 'wallet', 5)",
            id=posting["id"],
        )
    assert violated.value.constraint == "posting_balances"
    with db.read() as conn:
        assert conn.all("select 1 from posting") == []


def test_a_failed_statement_that_is_passed_over_is_no_commit(history: Session) -> None:
    db = database(history)
    with pytest.raises(QueryBroken, match="passed over"), db.transaction() as conn:
        raise_alert(conn, "intake", Alert("test", "one", "something", {}), NOW)
        with pytest.raises(QueryBroken):
            conn.one("select no_such_column from alert")
    assert alerts(db) == 0


def test_a_service_has_the_rights_of_its_own_role(history: Session) -> None:
    with pytest.raises(PermissionMissing), database(history, INTAKE).transaction() as conn:
        conn.run("update batch_conversions set reason = 'mine'")
    with database(history, BATCHER).transaction() as conn:
        assert conn.run("update batch_conversions set reason = 'mine'") == 0


def test_no_transaction_begins_inside_another(history: Session) -> None:
    db = database(history)
    with pytest.raises(OutsideInTransaction), db.transaction(), db.read():
        pass


def test_an_outside_call_inside_a_transaction_is_noticed(history: Session) -> None:
    with pytest.raises(OutsideInTransaction), database(history).transaction():
        history.must_be_outside("the exchange")


def test_serial_numbers_begin_at_one_in_every_history(session: Session) -> None:
    for _ in range(2):
        session.begin_history()
        tell(database(session), "one")
        with database(session).read() as conn:
            assert [row["id"] for row in conn.all("select id from alert")] == [1]
        session.end_history()
