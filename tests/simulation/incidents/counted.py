"""How many rows of the incident list a run has covered: those that its tests name, and all of whose tests passed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .explained import EXPLAINED, NOT_COVERED_YET, PARTLY

_HERE: Final = __package__.replace(".", "/") + "/"
_ROW: Final = re.compile(r"\[([IL]-\d\d)")
_CALLED: Final = ("passed", "failed", "error")


def line_of(stats: Mapping[str, Sequence[Any]]) -> str | None:
    """The closing line of the incident suite, from pytest's reports by outcome; None when no incident was played."""
    rows = {outcome: _rows_in(stats.get(outcome, ())) for outcome in _CALLED}
    broken = rows["failed"] | rows["error"]
    covered = rows["passed"] - broken
    if not covered and not broken:
        return None
    failed = f", {len(broken)} FAILED" if broken else ""
    in_part = len(covered & set(PARTLY))
    return (
        f"incident suite: {len(covered)} rows covered ({in_part} in part), {len(EXPLAINED)} explained, "
        f"{len(NOT_COVERED_YET)} not covered yet{failed}"
    )


def _rows_in(reports: Sequence[Any]) -> set[str]:
    nodes = (str(getattr(report, "nodeid", "")) for report in reports)
    return {row for node in nodes if node.startswith(_HERE) for row in _ROW.findall(node)}
