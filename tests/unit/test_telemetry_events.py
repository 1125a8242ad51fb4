"""One vocabulary for the log: the list and the code agree, and the machines' moves are in it under the same names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.lifecycle import TABLES
from shared.telemetry import EVENTS
from shared.telemetry.events import marker_of

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical"}
# The marks of the predecessor's log; people know these and no others.
KNOWN_MARKS = set("❌✅🆔📊💰🔄🔐🔓🎯🔍⏰🌐🔀🔌👤🏢📬💳📡🔁💀🛑🔗📝⏳💾🚀📋🎉📤🏦📦💸💎🔢⛽📍📄📢🚨") | {
    "⚠️",
    "⚙️",
    "🗄️",
    "☁️",
    "🕒",
    "⏱️",
}


def sources() -> Iterator[Path]:
    for folder in ("shared", "GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"):
        yield from (ROOT / folder).rglob("*.py")


def logged_events(source: Path) -> Iterator[tuple[str, int]]:
    """Every constant event that is logged (`log.info`), alerted (`alert`) or kept for after the commit (`say`)."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        event = node.args[0].value
        called = node.func
        if isinstance(called, ast.Name) and called.id == "alert" and isinstance(event, str):
            yield event, node.lineno
        if isinstance(called, ast.Attribute) and called.attr in LEVELS | {"say"} and isinstance(event, str):
            owner = called.value
            makes_logger = (
                isinstance(owner, ast.Call) and isinstance(owner.func, ast.Name) and owner.func.id == "get_logger"
            )
            if (
                called.attr == "say"
                or makes_logger
                or (isinstance(owner, ast.Name) and owner.id in ("log", "logger", "_log"))
            ):
                yield event, node.lineno


def test_every_event_in_the_code_is_in_the_vocabulary() -> None:
    unknown = [
        f"{source.relative_to(ROOT)}:{line}: {event}"
        for source in sources()
        for event, line in logged_events(source)
        if event not in EVENTS
    ]
    assert unknown == []


def test_every_event_of_the_vocabulary_is_in_the_code() -> None:
    vocabulary = ROOT / "shared" / "telemetry" / "events.py"
    texts = {
        node.value
        for source in sources()
        if source != vocabulary
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(EVENTS) - texts == set()


def test_every_move_of_every_machine_has_its_event_in_the_vocabulary() -> None:
    moves = {step.event for table in TABLES.values() for step in table.values() if hasattr(step, "event")}
    assert moves - set(EVENTS) == set()
    assert "payment_recorded" in moves


def test_events_are_past_tense_names_of_words() -> None:
    for event in EVENTS:
        assert event.isascii()
        assert event == event.lower()
        assert all(word.isalnum() for word in event.split("_"))


def test_every_mark_is_one_that_people_know() -> None:
    assert set(EVENTS.values()) - KNOWN_MARKS == set()


@pytest.mark.parametrize(
    ("event", "level", "mark"),
    [
        ("attempt_signed", "info", "🔐"),
        ("Booting worker with pid: 1", "info", "  "),
        ("something foreign", "warning", "⚠️"),
        ("something foreign", "error", "❌"),
        ("something foreign", "critical", "🚨"),
    ],
)
def test_a_mark_is_chosen_from_the_event_name(event: str, level: str, mark: str) -> None:
    assert marker_of(event, level) == mark
