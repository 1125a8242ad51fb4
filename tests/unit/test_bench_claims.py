"""What the benchmark says of a target is computed from what was measured; no line can claim more."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from shared.ops.exits import Exit, Leave
from shared.sandbox.bench.demo import DemoFailed, imposed_seconds
from shared.sandbox.bench.load import Outcome
from shared.sandbox.bench.readme import block
from shared.sandbox.bench.report import Line, Report
from shared.sandbox.bench.run import BenchOptions, run_bench
from shared.sandbox.bench.soak import Soak
from shared.sandbox.bench.table import lines_of
from shared.sandbox.bench.targets import BY_NAME, TARGETS

README = Path(__file__).parents[2] / "README.md"
MACHINE: dict[str, object] = {"date": "2026-03-01", "cores": 2, "python": "3.11.7", "postgres": "18.6", "load": 0.1}


def report(*lines: Line) -> Report:
    return Report(lines, MACHINE, {"tasks_per_batch": {"p50": 22.0, "p99": 23.0}}, quick=False)


@pytest.mark.parametrize(
    ("name", "ours", "beside", "reached"),
    [
        ("intake", 0.249, {}, "no"),
        ("intake", 0.25, {}, "must"),
        ("intake", 0.45, {}, "must"),
        ("intake", 0.45, {"p99_ms": 10.1}, "must"),
        ("intake", 0.45, {"p99_ms": 9.9}, "ambitious"),
        ("claim", 2.01, {}, "no"),
        ("claim", 1.9, {}, "must"),
        ("claim", 1.4, {}, "ambitious"),
        ("pending", 1 / 29, {"growth": 1.0}, "no"),
        ("pending", 1 / 61, {"growth": 1.31}, "must"),
        ("pending", 1 / 61, {"growth": 1.3}, "ambitious"),
        ("distribution", 0.6, {}, "must"),
        ("distribution", 0.6, {"growth": 12.9}, "ambitious"),
        ("demo", 1.01, {}, "no"),
        ("demo", 0.99, {}, "ambitious"),
    ],
)
def test_what_is_reached_follows_from_ratio_and_target(
    name: str, ours: float, beside: dict[str, float], reached: str
) -> None:
    line = Line(name, [(ours, 1.0)], 10_000, beside)
    assert line.as_json()["reached"] == line.reached == reached


def test_a_line_that_was_not_measured_has_reached_nothing_and_says_why() -> None:
    told = Line("reserve_batched", (), missing="there is none").as_json()
    assert (told["ours"], told["limit"], told["ratio"], told["reached"]) == (None, None, None, "no")
    assert told["missing"] == "there is none"


def test_no_figure_that_is_computed_can_be_set() -> None:
    assert {field.name for field in dataclasses.fields(Line)} == {"name", "rounds", "size", "beside", "note", "missing"}
    line = Line("claim", [(3.0, 1.0)])
    with pytest.raises((AttributeError, TypeError)):
        line.reached = "ambitious"  # type: ignore[misc]


def test_ours_and_the_limit_are_medians_and_the_ratio_is_theirs() -> None:
    told = Line("intake", [(100.0, 1_000.0), (900.0, 2_000.0), (400.0, 1_600.0)]).as_json()
    assert (told["ours"], told["limit"], told["ratio"]) == (400.0, 1600.0, 0.25)
    assert told["rounds"] == [[100.0, 1000.0], [900.0, 2000.0], [400.0, 1600.0]]


def test_the_json_has_one_line_per_name_with_its_targets_and_the_other_sizes_apart() -> None:
    told = report(
        Line("claim", [(90.0, 50.0)], 10_000), Line("claim", [(9.0, 5.0)], 1_000), Line("start", [(0.2, 1.0)])
    ).as_json()
    told = json.loads(json.dumps(told))
    assert set(told) == {"quick", "machine", "lines", "sizes", "counts"}
    assert [line["name"] for line in told["lines"]] == ["claim", "start"]
    assert [line["size"] for line in told["sizes"]] == [1_000]
    for line in told["lines"]:
        assert {"name", "ours", "limit", "ratio", "must", "ambitious", "reached"} <= set(line)
        assert line["reached"] in ("must", "ambitious", "no")
    assert (told["lines"][0]["must"], told["lines"][0]["ambitious"]) == (2.0, 1.4)


def test_the_targets_are_those_that_were_promised() -> None:
    promised = {target.name: (target.must, target.ambitious, dict(target.also)) for target in TARGETS}
    assert promised == {
        "intake": (0.25, 0.40, {"p99_ms": 10}),
        "pending": (1 / 30, 1 / 60, {"growth": 1.3}),
        "claim": (2.0, 1.4, {}),
        "distribution": (0.45, 0.55, {"growth": 13}),
        "reserve": (0.15, 0.20, {}),
        "reserve_batched": (0.55, 0.75, {}),
        "start": (0.40, 0.25, {}),
        "demo": (None, 1.0, {}),
    }
    assert set(BY_NAME) == set(promised)


def test_the_table_shows_every_line_with_its_verdict() -> None:
    told = lines_of(report(Line("claim", [(90.0, 50.0)], 10_000), Line("reserve_batched", (), missing="there is none")))
    assert any("claim" in line and "1.80" in line and "must" in line for line in told)
    assert any("reserve_batched" in line and "absent" in line and "no" in line for line in told)
    assert any("tasks_per_batch" in line and "23" in line for line in told)


def test_the_readme_holds_the_block_of_a_whole_run_once() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- bench -->") == 1
    made = block(report(Line("claim", [(90.0, 50.0)], 10_000)))
    assert made.startswith("<!-- bench -->\nMeasured on 2026-03-01")
    assert made.endswith("<!-- end -->")


def test_the_readme_is_written_from_a_whole_run_only() -> None:
    with pytest.raises(Leave, match="whole run"):
        run_bench(README.parent, BenchOptions(quick=True, write_readme=True))
    with pytest.raises(Leave, match="There is no line nonsense") as left:
        run_bench(README.parent, BenchOptions(("nonsense",)))
    assert left.value.code is Exit.USAGE


def test_the_demos_waits_are_read_off_its_story() -> None:
    assert 5 < imposed_seconds(README.read_text(encoding="utf-8")) < 20
    with pytest.raises(DemoFailed):
        imposed_seconds("nothing was sent")


def soak_of(**changed: object) -> Soak:
    outcome = Outcome(accepted=100, seconds=10, failures=[(5.2, "503")])
    facts: dict[str, object] = {
        "outcome": outcome,
        "per_second": 10.0,
        "rows": 100,
        "distinct_accepted": 100,
        "down_s": (5.0, 6.0),
        "memory_mb": [90.0, 100.0, 101.0, 102.0],
    }
    return Soak(**(facts | changed))  # type: ignore[arg-type]


def test_a_soak_in_which_everything_held_has_no_troubles() -> None:
    assert soak_of().troubles() == []
    assert soak_of().as_json()["ok"] is True


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"rows": 99}, "among 99 rows"),
        ({"distinct_accepted": 99}, "99 of them"),
        (
            {"outcome": Outcome(accepted=100, seconds=10, failures=[(1.0, "503")])},
            "1 errors while the database was there",
        ),
        ({"outcome": Outcome(accepted=100, seconds=10, never_accepted=["x"])}, "1 payments were never accepted"),
        ({"memory_mb": [100.0, 100.0, 100.0, 130.0]}, "memory grew 1.30 times"),
    ],
)
def test_a_soak_names_what_did_not_hold(changed: dict[str, object], trouble: str) -> None:
    (told,) = soak_of(**changed).troubles()
    assert trouble in told
