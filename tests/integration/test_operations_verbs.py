"""The verbs of operations as a person types them, on a real database: what is printed, and the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.db import Database
from shared.ops import operations
from shared.ops.acts import pause, release, resume, retry
from shared.ops.cli import gcpay
from shared.ops.exits import Exit, Leave
from tests.conftest import Postgres
from tests.integration.operations_world import BY, REASON, Operations

ROOT = Path(__file__).parents[2]


@pytest.fixture
def world(
    database: Database,
    database_as: Callable[[str], Database],
    database_name: str,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> Operations:
    """The fleet, and an environment that names its database as an operator's does."""
    for name, value in {
        "DATABASE_HOST": str(postgres.server.host),
        "DATABASE_PORT": str(postgres.server.port),
        "DATABASE_NAME_SECRET": database_name,
        "DATABASE_USER_SECRET": "gcpay_operator",
    }.items():
        monkeypatch.setenv(name, value)
    return Operations.of(database, database_as)


def operate(act: Any, *, yes: bool = True, as_json: bool = True) -> Exit:
    return operations.operate(ROOT, act, by=BY, reason=REASON, yes=yes, as_json=as_json)


def test_a_rehearsal_says_so_and_what_is_meant_names_its_entry(
    world: Operations, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = world.a_batch_with_spent_attempts()
    capsys.readouterr()
    assert operate(release(str(batch)), yes=False, as_json=False) is Exit.OK
    rehearsed = capsys.readouterr().out
    assert rehearsed.startswith(f"release {batch} (a rehearsal)\n")
    assert rehearsed.endswith("Nothing was changed. Say --yes to do it.\n")
    assert world.batch_status(batch) == "parked"
    assert operate(release(str(batch)), as_json=False) is Exit.OK
    assert "in the operator log as entry 1" in capsys.readouterr().out
    assert world.batch_status(batch) == "released"


def test_json_says_whether_anything_changed(world: Operations, capsys: pytest.CaptureFixture[str]) -> None:
    for yes, changed in ((False, False), (True, True)):
        operate(pause("intake", None), yes=yes)
        said = json.loads(capsys.readouterr().out)
        assert said["changed"] is changed
        assert (said["entry"] is not None) is changed
        assert said["subject"] == "intake"


def test_what_is_not_allowed_is_one_sentence_and_exit_1(world: Operations) -> None:
    with pytest.raises(Leave, match="intake is not resumed: intake is not paused") as left:
        operate(resume("intake"))
    assert left.value.code is Exit.NO


def test_status_parked_explain_and_the_log_print_json_and_lines(
    world: Operations, capsys: pytest.CaptureFixture[str]
) -> None:
    payment = world.a_parked_payment()
    capsys.readouterr()
    assert operations.show_status(ROOT, as_json=True) is Exit.NO
    assert json.loads(capsys.readouterr().out)["waits_for_a_person"] == 1
    assert operations.show_parked(ROOT, as_json=True) is Exit.OK
    assert json.loads(capsys.readouterr().out)[0]["allowed"] == [f"gcpay retry {payment}"]
    assert operations.show_explanation(ROOT, payment, as_json=True) is Exit.OK
    assert json.loads(capsys.readouterr().out)["waits"]["on_whom"] == "a person"
    operate(retry(payment))
    assert operations.show_parked(ROOT, as_json=False) is Exit.OK
    assert operations.show_log(ROOT, as_json=False) is Exit.OK
    said = capsys.readouterr().out
    assert "Nothing waits for a person." in said
    assert f"by {BY} as gcpay_operator: {REASON}" in said
    assert "The chain of 1 entries holds" in said


def test_a_log_that_was_tampered_with_is_exit_1(world: Operations, capsys: pytest.CaptureFixture[str]) -> None:
    operate(pause("intake", None))
    with world.owner.transaction() as conn:
        conn.run("update operator_log set by_whom = 'Mallory'")
    assert operations.show_log(ROOT, as_json=False) is Exit.NO
    assert "was changed after it was written" in capsys.readouterr().out


def test_every_command_that_a_view_names_is_a_verb(world: Operations) -> None:
    world.a_held_transfer()
    world.fleet.sweep()
    named = {command for row in world.parked() for command in row.allowed}
    assert len(named) >= 3
    for command in named:
        program, verb, *arguments = command.split()
        assert program == "gcpay"
        context = gcpay.commands[verb].make_context(verb, [*arguments, "--by", "Ada", "--reason", "x"])
        assert context.params["yes"] is False
