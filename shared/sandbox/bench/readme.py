"""The README's table of the benchmark: made by a run, dated, and never by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from shared.sandbox.bench.plot import plot
from shared.sandbox.bench.report import Report
from shared.sandbox.bench.table import count_lines, markdown

PLOT: Final = Path("deploy") / "bench.png"
_BLOCK: Final = re.compile(r"<!-- bench -->\n.*?<!-- end -->", re.DOTALL)


def write_readme(root: Path, report: Report) -> None:
    """Puts the report's table into the README, and its picture beside it. ValueError without a place for it."""
    path = root / "README.md"
    text = path.read_text(encoding="utf-8")
    made, found = _BLOCK.subn(lambda _: block(report), text)
    if found != 1:
        raise ValueError(f"README.md must hold the block <!-- bench --> once, it holds it {found} times")
    plot(report, root / PLOT)
    path.write_text(made, encoding="utf-8")


def block(report: Report) -> str:
    """The block with its two comments."""
    machine = report.machine
    measured = (
        f"Measured on {machine['date']} with {machine['cores']} cores, Python {machine['python']}, "
        f"PostgreSQL {machine['postgres']} with its default durability on a disk; load at the start {machine['load']}."
    )
    parts = ["<!-- bench -->", measured, "", markdown(report), "", f"![ratios against targets]({PLOT.as_posix()})"]
    if report.counts:
        parts += ["", "Counts of calm days in the simulator, the same on every machine:", "", "```text"]
        parts += [*count_lines(report), "```"]
    return "\n".join([*parts, "<!-- end -->"])
