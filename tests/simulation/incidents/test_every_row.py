"""No row of the incident list is forgotten, and none is explained away while a test plays it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

from .counted import line_of
from .explained import EXPLAINED, NOT_COVERED_YET, PARTLY
from .rows import LATENT, RECORDED, ROWS

ROW = re.compile(r"[IL]-\d\d")


def modules() -> Iterator[ModuleType]:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        yield import_module(f"{__package__}.{path.stem}")


def covered() -> set[str]:
    """The rows that stand in the id of a test's parameter."""
    found: set[str] = set()
    for module in modules():
        for name, test in vars(module).items():
            if name.startswith("test_"):
                found |= set(_rows_of(test))
    return found


def _rows_of(test: object) -> Iterator[str]:
    for mark in getattr(test, "pytestmark", ()):
        if mark.name != "parametrize":
            continue
        label = mark.kwargs.get("ids")
        for parameter in mark.args[1]:
            told = getattr(parameter, "id", None) or (label(parameter) if callable(label) else "")
            yield from ROW.findall(told or "")


def test_the_list_is_whole() -> None:
    assert list(RECORDED) == [f"I-{number:02}" for number in range(1, 74)]
    assert list(LATENT) == [f"L-{number:02}" for number in range(1, 83)]
    assert all(ROWS.values())


def test_every_row_is_covered_explained_or_said_to_be_missing_and_only_one_of_these() -> None:
    played, explained, missing = covered(), set(EXPLAINED), set(NOT_COVERED_YET)
    assert played | explained | missing == set(ROWS), set(ROWS) ^ (played | explained | missing)
    assert not played & explained, "explained, and played all the same"
    assert not played & missing, "said to be missing, and played all the same"
    assert not explained & missing
    assert set(PARTLY) <= played, "in part, and not played at all"


def test_every_explanation_is_a_sentence() -> None:
    for reason in (*EXPLAINED.values(), *NOT_COVERED_YET.values(), *PARTLY.values()):
        assert reason[0].isupper()
        assert reason.endswith(".")
        assert len(reason) > 40


@dataclass(frozen=True)
class Report:
    """What pytest tells of a test that ended."""

    nodeid: str


def test_a_run_counts_the_rows_whose_tests_all_passed() -> None:
    here = "tests/simulation/incidents/test_paid_once.py::test_it"
    passed = [Report(f"{here}[L-01]"), Report(f"{here}[L-02][L-03-twice]"), Report("tests/unit/test_x.py::test[L-09]")]
    (line, broken) = line_of({"passed": passed}), line_of({"passed": passed, "failed": [Report(f"{here}[L-01-odd]")]})
    rest = f"{len(EXPLAINED)} explained, {len(NOT_COVERED_YET)} not covered yet"
    assert line == f"incident suite: 3 rows covered (0 in part), {rest}"
    assert broken == f"incident suite: 2 rows covered (0 in part), {rest}, 1 FAILED"
    assert line_of({"passed": [Report("tests/unit/test_x.py::test[L-09]")]}) is None
