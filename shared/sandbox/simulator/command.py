"""`gcpay sim`: what the verb prints. Progress goes to standard error, so that `--json` stays clean."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from shared.ops.exits import Exit
from shared.sandbox.simulator.histories import Ending, play
from shared.sandbox.simulator.place import places
from shared.sandbox.simulator.runner import Result, run_seeds
from shared.sandbox.simulator.silence import silence
from shared.sandbox.simulator.workers import WORKERS

_TOLD_FAILURES: Final = 3
_LAST_LINES: Final = 30


def run_many(seeds: int, *, until_failure: bool, as_json: bool) -> Exit:
    """Plays the seeds from 0; with `until_failure` goes on until one fails."""
    todo: Iterable[int] = count() if until_failure else range(seeds)
    with _progress(None if until_failure else seeds) as heard:
        result = run_seeds(todo, until_failure=until_failure, heard=heard)
    stories = _replayed(result.failures[:_TOLD_FAILURES])
    if as_json:
        click.echo(json.dumps(result.as_json()))
    else:
        for ending in stories:
            _tell_failure(ending)
        click.echo(_summary(result))
    return Exit.NO if result.failures else Exit.OK


def run_one(seed: int, *, as_json: bool) -> Exit:
    """Plays one seed and tells its story, step by step. The same on every machine."""
    (ending,) = _replayed([seed])
    failure = ending.failure
    if as_json:
        told = None if failure is None else {"invariant": failure.invariant, "detail": failure.detail}
        click.echo(json.dumps({"seed": seed, "story": ending.lines, "failure": told}))
    else:
        for line in ending.lines:
            click.echo(line)
        click.echo(
            "everything held, everything settled" if failure is None else f"{failure.invariant}: {failure.detail}"
        )
    return Exit.OK if failure is None else Exit.NO


def _replayed(failed: Iterable[Ending | int]) -> list[Ending]:
    """The same histories again, now with somebody who listens."""
    seeds = [one if isinstance(one, int) else one.seed for one in failed]
    if not seeds:
        return []
    with places(1) as (place,), silence(), place.session() as session:
        return [play(session, seed, listening=True) for seed in seeds]


def _tell_failure(ending: Ending) -> None:
    assert ending.failure is not None
    click.echo(f"seed {ending.seed}: {ending.failure.invariant}: {ending.failure.detail}")
    if len(ending.lines) > _LAST_LINES:
        click.echo(
            f"  ... the last {_LAST_LINES} of {len(ending.lines)} lines; all of them: gcpay sim --seed {ending.seed}"
        )
    for line in ending.lines[-_LAST_LINES:]:
        click.echo(f"  {line}")


def _summary(result: Result) -> str:
    failed = f"{result.violations} violations, {result.unsettled} unsettled"
    return f"{result.histories} histories, {failed}, {result.per_second} per second on {WORKERS} cores"


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[Result], None]]:
    columns = (
        TextColumn("histories"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}/s, {task.fields[failed]} failed"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("histories", total=total, rate="-", failed=0)

        def heard(result: Result) -> None:
            shown.update(task, completed=result.histories, rate=result.per_second, failed=len(result.failures))

        yield heard
