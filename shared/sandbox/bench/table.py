"""A report as a table: for a terminal, and for the README."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.sandbox.bench.report import Line, Report

_HEAD: Final = ("line", "size", "ours", "limit", "ratio", "must", "ambitious", "reached", "beside")
_FEW: Final = 0.1


def lines_of(report: Report) -> list[str]:
    """For a terminal: the judged lines, then how they grow, then the counts."""
    rows = [_cells(line) for line in report.judged()]
    grown = [_cells(line)[:5] for line in report.sizes()]
    told = _aligned([_HEAD, *rows])
    told += [""] + [f"{line.name}: {line.target.what}; limit {line.target.limit}" for line in report.judged()]
    told += [""] + [
        f"{line.name}: {line.note or line.missing}" for line in report.judged() if line.note or line.missing
    ]
    if grown:
        told += ["", "Other sizes", *_aligned([_HEAD[:5], *grown])]
    if report.counts:
        told += ["", "Counts of calm days in the simulator (the same on every machine)", *count_lines(report)]
    return told


def markdown(report: Report) -> str:
    """For the README."""
    lines = ["| " + " | ".join(("what", *_HEAD[1:])) + " |", "|" + "---|" * len(_HEAD)]
    for line in report.judged():
        cells = _cells(line)
        lines.append(
            "| " + " | ".join((f"**{line.name}**: {line.target.what}. {line.target.limit}", *cells[1:])) + " |"
        )
    return "\n".join(lines)


def count_lines(report: Report) -> list[str]:
    """The counts, one line each."""
    told = []
    for name, count in report.counts.items():
        if isinstance(count, dict):
            told.append(f"  {name}: " + ", ".join(f"{key} {value}" for key, value in count.items()))
        else:
            told.append(f"  {name}: {count}")
    return told


def _cells(line: Line) -> tuple[str, ...]:
    target = line.target
    sign = "≥ " if target.better == "more" else "≤ "
    beside = [f"{name} {_number(figure)}" for name, figure in line.beside.items()]
    also = "".join(f", {name} ≤ {most:g}" for name, most in target.also.items())
    return (
        line.name,
        f"{line.size:,}" if line.size else "",
        _with_unit(line.ours, target.unit),
        _with_unit(line.limit, target.unit),
        _ratio(line.ratio),
        "" if target.must is None else sign + _ratio(target.must),
        sign + _ratio(target.ambitious) + also,
        line.reached,
        ", ".join(beside),
    )


def _with_unit(figure: float | None, unit: str) -> str:
    return "absent" if figure is None else f"{_number(figure)} {unit}".replace(" /", "/")


def _number(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return "absent"
    return f"1/{1 / ratio:.0f}" if 0 < ratio < _FEW else f"{ratio:.2f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
