"""`gcpay sim --mutants`: every mutant is played until something is noticed, and the table says by what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.ops.exits import Exit
from shared.sandbox.simulator.mutants.listed import MUTANTS, mutant_named
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.mutants.noticing import Noticed, run_mutants

_WIDTH: Final = max(len(mutant.name) for mutant in MUTANTS)


def run_every_mutant(mutants: Sequence[Mutant] = MUTANTS, *, as_json: bool) -> Exit:
    """Plays them on all cores. Exit.NO when one is missed. Progress goes to standard error."""
    columns = (
        TextColumn("mutants"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[last]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("mutants", total=len(mutants), last="")
        noticed = run_mutants(mutants, heard=lambda one: shown.update(task, advance=1, last=one.name))
    missed = [one.name for one in noticed if one.missed]
    if as_json:
        click.echo(json.dumps({"mutants": [one.as_json() for one in noticed], "missed": missed}))
    else:
        for one in noticed:
            click.echo(f"{one.name:{_WIDTH}}  {_words(one)}")
        click.echo(f"{len(noticed)} mutants, {len(missed)} missed")
    return Exit.NO if missed else Exit.OK


def _words(one: Noticed) -> str:
    if one.missed:
        return "MISSED"
    if one.first_seed is not None:
        return f"seed {one.first_seed}: {one.invariant}"
    return f"history {one.history}: {one.invariant} (its seeds are masked: {mutant_named(one.name).masked_by})"
