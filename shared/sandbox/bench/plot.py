"""One picture of a report: every line's ratio against its targets."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.sandbox.bench.report import Line, Report

_COLOURS: Final = {"ambitious": "#1b7837", "must": "#7fbf7b", "no": "#b2182b"}
_DPI: Final = 110


def plot(report: Report, path: Path) -> None:
    """Draws a bar per line: how far it is on the way to its must (1.0), and where its ambitious target stands.

    A line for which less is better is turned round, so that longer is better everywhere.
    """
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    lines = [line for line in report.judged() if line.ratio]
    figure, axes = pyplot.subplots(figsize=(9, 0.55 * len(lines) + 1.4))
    places = range(len(lines))
    axes.barh(places, [_of_must(line, line.ratio) for line in lines], color=[_COLOURS[line.reached] for line in lines])
    for place, line in zip(places, lines, strict=True):
        goal = _of_must(line, line.target.ambitious)
        axes.plot([goal, goal], [place - 0.4, place + 0.4], color="black", linewidth=1.5)
        axes.text(_of_must(line, line.ratio), place, f" {line.ratio:.3g}", va="center", fontsize=8)
    axes.axvline(1.0, color="grey", linewidth=1, linestyle="--")
    axes.set_yticks(list(places), [line.name for line in lines])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(
        "ratio to the limit, as a multiple of the target (dashed: must; black: ambitious); longer is better"
    )
    axes.set_title(f"gcpay bench, {report.machine.get('date', '')}")
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)


def _of_must(line: Line, ratio: float | None) -> float:
    target = line.target
    least = target.must if target.must is not None else target.ambitious
    assert ratio is not None
    return ratio / least if target.better == "more" else least / ratio
