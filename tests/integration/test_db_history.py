"""The story of every machine: only allowed moves, written once, never changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from shared.db import (
    NOTHING,
    ConstraintViolated,
    Database,
    PermissionMissing,
    record,
    record_decision,
    record_decisions,
    record_many,
    story_of,
    sync_allowed_transitions,
)
from shared.db.roles import INTAKE
from shared.lifecycle.decide import Limits, decide
from shared.lifecycle.facts import FundsSufficient, PaymentAccepted
from shared.lifecycle.states import AccountState, Machine, PaymentState
from shared.money import Ether

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACCEPTED = (Machine.PAYMENT, NOTHING, PaymentState.PENDING.value, "payment_recorded")


def test_a_transition_is_one_row_with_its_evidence(database: Database) -> None:
    with database.transaction() as conn:
        record(
            conn, "payment", "17", NOTHING, "pending", "payment_recorded", NOW, "trace-1", {"net": Ether(5), "row": 17}
        )
    with database.read() as conn:
        (row,) = story_of(conn, "payment", "17")
    assert {key: value for key, value in row.items() if key != "id"} == {
        "from_state": "",
        "to_state": "pending",
        "event": "payment_recorded",
        "at": NOW,
        "trace": "trace-1",
        "evidence": {"net": "0.000000000000000005 ETH/18", "row": 17},
    }


def test_a_move_that_the_lifecycle_does_not_list_is_refused_by_the_database(database: Database) -> None:
    for to_state, event in (("completed", "payment_recorded"), ("pending", "payment_invented")):
        with pytest.raises(ConstraintViolated) as caught, database.transaction() as conn:
            record(conn, Machine.PAYMENT, "17", NOTHING, to_state, event, NOW, "t", {})
        assert caught.value.constraint == "history_tells_allowed_moves"
    with database.read() as conn:
        assert story_of(conn, Machine.PAYMENT, "17") == []


def test_the_same_move_of_many_is_written_in_one_statement_in_their_order(database: Database) -> None:
    subjects = [str(number) for number in range(2_000, 0, -1)]
    machine, before, after, event = ACCEPTED
    with database.transaction() as conn:
        record_many(conn, machine, subjects, before, after, event, NOW, "t", {"batch": "b"})
    with database.read() as conn:
        rows = conn.all("select subject, evidence from history order by id")
    assert [row["subject"] for row in rows] == subjects
    assert rows[0]["evidence"] == {"batch": "b"}


def test_a_decision_is_written_as_it_was_decided_and_a_stay_is_not(database: Database) -> None:
    moved = decide(Machine.PAYMENT, None, PaymentAccepted(), NOW, Limits())
    stayed = decide(Machine.ACCOUNT, AccountState.ACTIVE, FundsSufficient(), NOW, Limits())
    with database.transaction() as conn:
        record_decision(conn, moved, "17", NOW, "t", {"net": Ether(1)})
        record_decisions(conn, moved, ["18", "19"], NOW, "t", {})
        record_decision(conn, stayed, "0xwallet", NOW, "t", {})
        record_decisions(conn, stayed, ["a", "b"], NOW, "t", {})
        rows = conn.all("select machine, subject, from_state, to_state, event from history order by id")
    assert [tuple(row.values()) for row in rows] == [
        ("payment", subject, "", "pending", "payment_recorded") for subject in ("17", "18", "19")
    ]


def test_the_story_cannot_be_changed_by_a_service(database_as: Callable[[str], Database]) -> None:
    database = database_as(INTAKE)
    with database.transaction() as conn:
        record(conn, "payment", "17", NOTHING, "pending", "payment_recorded", NOW, "t", {})
    for statement in ("update history set trace = 'x'", "delete from history", "truncate history"):
        with pytest.raises(PermissionMissing), database.transaction() as conn:
            conn.run(statement)


def test_known_transitions_stay_and_a_missing_one_comes_back(database: Database) -> None:
    with database.transaction() as conn:
        assert sync_allowed_transitions(conn) == 0
        conn.run("delete from allowed_transition where machine = 'payment' and event = 'payment_claimed'")
        conn.run("insert into allowed_transition values ('payment', 'old', 'older', 'payment_of_old_code')")
        assert sync_allowed_transitions(conn) == 1
        assert conn.one("select event from allowed_transition where from_state = 'old'") is not None
