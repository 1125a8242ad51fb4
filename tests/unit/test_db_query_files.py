"""The form of a `.sql` file: what is accepted, and what refuses to load."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from shared.db import Queries, Query, QueryFileWrong, evidence_text
from shared.db.errors import (
    CommitUnknown,
    ConstraintViolated,
    Contended,
    DatabaseUnreachable,
    PermissionMissing,
    PlanStale,
    QueryBroken,
    StatementTimedOut,
    reaction_to,
    reaction_to_commit,
)
from shared.lifecycle.reactions import Reaction, TryLater
from shared.money import Ether


def load(tmp_path: Path, text: str) -> Queries:
    (tmp_path / "store.sql").write_text(text)
    return Queries.load(tmp_path / "store.sql")


def test_a_query_has_a_name_parameters_and_a_sentence(tmp_path: Path) -> None:
    queries = load(
        tmp_path,
        """-- All about payments.

-- name: find(payment_ref, status)
-- Finds a payment;
-- relies on payment_counted_once.
select id -- :comment is no parameter
from payout_accumulation
where payment_ref = :payment_ref::text and ':text' <> "a:b" and status = :status and x = :payment_ref;

-- name: count()
-- Counts.
select count(*) as n from payout_accumulation
""",
    )
    assert list(queries) == ["find", "count"]
    find = queries["find"]
    assert find.params == ("payment_ref", "status")
    assert find.sentence == "Finds a payment; relies on payment_counted_once."
    assert "payment_ref = $1::text" in find.text
    assert "status = $2 and x = $1" in find.text
    assert "':text' <> \"a:b\"" in find.text
    assert find.values({"status": "s", "payment_ref": "r"}) == ("r", "s")
    assert queries["count"].params == ()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-- name: a(x)\n-- One.\nselect 1;\n", "declares"),
        ("-- name: a()\n-- One.\nselect :x;\n", "declares"),
        ("-- name: a()\nselect 1;\n", "needs a sentence"),
        ("-- name: a()\n-- no full stop\nselect 1;\n", "needs a sentence"),
        ("-- name: a\n-- One.\nselect 1;\n", "not '-- name"),
        ("-- name: Big()\n-- One.\nselect 1;\n", "not '-- name"),
        ("-- name: a()\n-- One.\nselect 1; select 2;\n", "one statement"),
        ("-- name: a()\n-- One.\nselect $1;\n", "one statement"),
        ("-- name: a()\n-- One.\n", "no statement"),
        ("-- name: a()\n-- One.\nselect 1;\n-- name: a()\n-- Two.\nselect 2;\n", "twice"),
        ("select 1;\n-- name: a()\n-- One.\nselect 1;\n", "SQL before"),
        ("-- nothing here\n", "no query"),
    ],
)
def test_a_file_out_of_form_does_not_load(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(QueryFileWrong, match=what):
        load(tmp_path, text)


def test_a_call_with_other_parameters_than_declared_is_a_programming_error() -> None:
    query = Query.of("select :a, :b")
    for given in ({"a": 1}, {"a": 1, "b": 2, "c": 3}, {"a": 1, "c": 3}):
        with pytest.raises(TypeError):
            query.values(given)


@pytest.mark.parametrize(
    ("sqlstate", "text", "reaction"),
    [
        ("40001", "", Contended),
        ("40P01", "", Contended),
        ("55P03", "", Contended),
        ("57014", "", StatementTimedOut),
        ("57P01", "", DatabaseUnreachable),
        ("53300", "", DatabaseUnreachable),
        ("08006", "", DatabaseUnreachable),
        ("58030", "", DatabaseUnreachable),
        ("0A000", "cached plan must not change result type", PlanStale),
        ("0A000", "something else is not supported", QueryBroken),
        ("26000", "prepared statement does not exist", PlanStale),
        ("42501", "", PermissionMissing),
        ("23505", "", ConstraintViolated),
        ("42703", "", QueryBroken),
        ("22003", "", QueryBroken),
        ("XX000", "", QueryBroken),
        ("", "", QueryBroken),
    ],
)
def test_every_answer_of_the_server_has_one_reaction(sqlstate: str, text: str, reaction: type[Reaction]) -> None:
    assert type(reaction_to({"C": sqlstate, "M": text})) is reaction


@pytest.mark.parametrize("sqlstate", ["23505", "40001", "40P01", "57014", "P0001"])
def test_a_commit_that_was_rolled_back_for_certain_is_not_unknown(sqlstate: str) -> None:
    assert not isinstance(reaction_to_commit({"C": sqlstate}), CommitUnknown)


@pytest.mark.parametrize("sqlstate", ["57P01", "57P02", "08006", "53100", "58030", "XX000", ""])
def test_a_commit_that_failed_otherwise_is_unknown(sqlstate: str) -> None:
    reaction = reaction_to_commit({"C": sqlstate})
    assert isinstance(reaction, CommitUnknown)
    assert not isinstance(reaction, TryLater)


def test_evidence_keeps_asset_and_scale_and_takes_no_float() -> None:
    text = evidence_text(
        {
            "sent": Ether(4 * 10**16),
            "at": datetime(2026, 3, 1, tzinfo=UTC),
            "batch": UUID(int=1),
            "blocks": [1, 2],
            "more": {"none": None, "yes": True},
        }
    )
    assert text == (
        '{"sent":"0.040000000000000000 ETH/18","at":"2026-03-01T00:00:00+00:00",'
        '"batch":"00000000-0000-0000-0000-000000000001","blocks":[1,2],"more":{"none":null,"yes":true}}'
    )
    for wrong in (0.1, {1, 2}, b"bytes", [0.1]):
        with pytest.raises(TypeError):
            evidence_text({"wrong": wrong})
