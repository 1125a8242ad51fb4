"""Every alert that the code can raise has an entry in the table, a next step and a section of the runbook."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.alerts import ALERT_KINDS, RUNBOOK_FOLDER, AlertRecord, body_of, kind_of
from shared.alerts.settings import AlertSettings
from shared.lifecycle import TABLES, Intent, Machine
from shared.lifecycle.transitions import Step
from shared.settings import load_settings

ROOT = Path(__file__).parents[2]
FOLDERS = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3", "shared")
# The executor tells of these moves under the name of the move.
TOLD_BY_THEIR_MOVE = (Machine.TRANSFER, Machine.ACCOUNT)


def sources() -> Iterator[ast.AST]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "sandbox" not in path.parts:
                yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def kind_and_money(node: ast.AST) -> tuple[ast.expr, bool] | None:
    """The kind that a call raises an alert of, and whether it says an amount."""
    if not isinstance(node, ast.Call):
        return None
    called = node.func
    says = any(word.arg == "at_risk" for word in node.keywords)
    if isinstance(called, ast.Name) and called.id == "Alert":
        return node.args[0], says or len(node.args) > 4
    if isinstance(called, ast.Name) and called.id == "tell" and len(node.args) >= 5:
        return node.args[2], says or len(node.args) > 6
    if isinstance(called, ast.Attribute) and called.attr == "tell" and len(node.args) >= 3:
        return node.args[0], says
    return None


def raised_in_the_code() -> dict[str, bool]:
    """Each kind, and whether every place that raises it says an amount."""
    found: dict[str, bool] = {}
    for node in sources():
        match kind_and_money(node):
            case (ast.Constant(value=str(kind)), says):
                found[kind] = found.get(kind, True) and says
            case _:
                pass
    for machine in TOLD_BY_THEIR_MOVE:
        for step in TABLES[machine].values():
            if isinstance(step, Step) and Intent.RAISE_ALERT in step.intents:
                found.setdefault(step.event, machine is Machine.TRANSFER)
    return found


def test_every_kind_that_the_code_raises_is_in_the_table_and_no_other() -> None:
    assert set(raised_in_the_code()) == set(ALERT_KINDS)


def test_a_kind_that_names_money_says_it_wherever_it_is_raised() -> None:
    assert {kind for kind, says in raised_in_the_code().items() if says} == {
        kind.name for kind in ALERT_KINDS.values() if kind.names_money
    }


def test_every_kind_has_a_next_step_and_a_page_of_the_runbooks() -> None:
    for kind in ALERT_KINDS.values():
        assert kind.next_step
        assert kind.runbook == f"{RUNBOOK_FOLDER}/{kind.name}.md"
        assert (ROOT / kind.runbook).read_text(encoding="utf-8").startswith("**Money at risk: ")


def test_a_name_that_the_table_does_not_have_is_told_all_the_same() -> None:
    assert kind_of("something_new").severity == "warning"


def test_a_flood_of_rows_is_cut_in_the_text_and_whole_in_the_fields() -> None:
    rows = [f"payment {number}" for number in range(500)]
    at = datetime(2026, 3, 1, tzinfo=UTC)
    alert = AlertRecord(1, "k", "warning", "s", "7", "m" * 9_000 + "<b>&", ["1 USD"], rows, "r", "n", "d", at)
    body = json.loads(body_of(alert))
    assert "payment 19 and 480 more" in body["text"]
    assert len(body["text"]) < 4_000
    assert body["alert"]["rows"] == rows
    assert body["alert"]["message"] == alert.message


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/a", "https://", "https://user:pw@x.example/a", "https://x.example/a b", "https://x.example:0/"],
)
def test_a_webhook_that_cannot_be_one_stops_the_start_and_is_not_told(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        load_settings(AlertSettings, {"ALERT_WEBHOOK_URL": url})
    assert stopped.value.code == 78
    heard = capsys.readouterr().err
    assert "ALERT_WEBHOOK_URL must be an http(s) address" in heard
    assert "x.example" not in heard


def test_the_webhook_is_a_secret_and_may_be_left_out() -> None:
    settings = load_settings(AlertSettings, {"ALERT_WEBHOOK_URL": "https://hooks.example/services/T0/B0/abcdef"})
    assert "hooks.example" not in repr(settings) + str(settings.webhook())
    assert load_settings(AlertSettings, {}).webhook() is None
