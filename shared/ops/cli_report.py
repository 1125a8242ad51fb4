"""The verb of `gcpay` that reports money. `shared.ops.cli` takes it in."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from shared.ops.exits import Exit, Leave

ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option("--since", metavar="WHEN", help="2026-03-01, an instant, 12h or 7d. Default: 30 days before --until.")
@click.option("--until", metavar="WHEN", help="Up to and without. Default: now.")
@click.option("--chain", "ask_chain", is_flag=True, help="Compare the wallet with the chain, too.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
@click.option("--csv", "as_csv", is_flag=True, help="Only CSV, with control totals at its end.")
def report(since: str | None, until: str | None, ask_chain: bool, as_json: bool, as_csv: bool) -> None:
    """Where is all money, is every unit explained, and what did a period bring and cost?

    Money first: sums and oldest age by stage, the accounts, then what rows and books do not agree about (nothing is
    right). Then what was taken in, moved and swapped in the period, with gas and spread of each batch. One snapshot;
    nothing is written. Leaves with 1 when a unit is unexplained.
    """
    if as_json and as_csv:
        raise Leave("Say --json or --csv, not both.", Exit.USAGE)
    from shared.ops.report.show import show_report

    form = "json" if as_json else "csv" if as_csv else "text"
    sys.exit(show_report(ROOT, since, until, form, ask_chain=ask_chain))


VERBS = (report,)
