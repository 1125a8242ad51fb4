"""The verbs of `gcpay` by which a fleet takes over from the predecessor. `shared.ops.cli` takes them in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from shared.ops.cli_operate import operation

ROOT = Path(__file__).resolve().parents[2]


@click.command("import-v1")
@click.option(
    "--from",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where payout_accumulation.csv and batch_conversions.csv are, as psql's \\copy writes them.",
)
@click.option("--fee", required=True, metavar="PERCENT", help="What the predecessor took (TP_FLAT_FEE), as 15.")
@click.option("--outcome-currency", default="eth", show_default=True, metavar="TICKER", help="What arrived.")
@click.option("--refused", default=0, metavar="COUNT", help="So many rows are refused, you have read them: leave them.")
@operation
def import_v1(folder: Path, fee: str, outcome_currency: str, refused: int, **options: Any) -> None:
    """Import the predecessor's open payments, once: pending as pending, swapping as parked.

    Shows control totals first. All in one transaction; a repeat imports nothing. The predecessor must have stopped,
    and the database is used as the owner of the tables. Leaves with 1 when rows are refused.
    """
    from shared.ops.upgrade.command import run_import

    sys.exit(run_import(ROOT, folder, fee=fee, outcome_currency=outcome_currency, refused=refused, **options))


@click.command("release-v1")
@click.argument("name", metavar="BATCH")
@operation
def release_v1(name: str, **options: Any) -> None:
    """Let the payments of a batch of the predecessor's go on, whose order was never paid.

    Nothing here can see whether it was: look at the order at the exchange and at all that the wallet sent, and say in
    --reason what you saw. If it was paid after all, they are paid twice.
    """
    from shared.ops.operations import operate
    from shared.ops.upgrade import release_v1 as act

    sys.exit(operate(ROOT, act(name), **options))


VERBS = (import_v1, release_v1)
