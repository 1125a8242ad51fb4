"""The verbs of `gcpay books`: what stands where, whether it is on the chain, and what only a person can book."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from shared.money import Ether, MoneyError, Tether
from shared.ops.cli_operate import operation

ROOT = Path(__file__).resolve().parents[2]
_TX_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


class _TxHash(click.ParamType[str]):
    name = "tx"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if _TX_HASH.fullmatch(value) is None:
            self.fail(f"{value!r} is no transaction hash: 0x and 64 hexadecimal digits.", param, ctx)
        return str(value).lower()


class _Amount(click.ParamType[Ether | Tether]):
    name = "amount"

    def __init__(self, asset: type[Ether] | type[Tether]) -> None:
        self._asset = asset

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ether | Tether:
        if isinstance(value, Ether | Tether):
            return value
        text, minus = value.removeprefix("-"), value.startswith("-")
        try:
            amount = self._asset.parse(text)
        except MoneyError as error:
            self.fail(f"{value!r}: {error}.", param, ctx)
        return -amount if minus else amount


_transactions = click.argument("transactions", metavar="TX...", nargs=-1, required=True, type=_TxHash())


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
@click.pass_context
def books(ctx: click.Context, as_json: bool) -> None:
    """Show what stands in every account, per asset; check it against the chain, and book what came from outside.

    Whose: the fleet that the environment names (DATABASE_HOST or CLOUD_SQL_CONNECTION_NAME, and what belongs to
    it), else the sandbox that gcpay up runs here.
    """
    ctx.obj = as_json
    if ctx.invoked_subcommand is None:
        from shared.ops.books_report import show_totals

        show_totals(ROOT, as_json=as_json)


@books.command("check")
@click.pass_obj
def books_check(as_json: bool) -> None:
    """Does every asset sum to zero, and does the wallet on chain hold what the books say?"""
    from shared.ops.books_report import check_books

    sys.exit(check_books(ROOT, as_json=as_json))


@books.command("opening")
@operation
def books_opening(**options: Any) -> None:
    """Book what the wallet holds before the fleet begins, as the platform's own. Once."""
    from shared.ops import booking

    sys.exit(booking.book_the_opening(ROOT, **options))


@books.command("gateway")
@_transactions
@click.option("--eth", "told", type=_Amount(Ether), metavar="ETH",
              help="What one TX brought that pays through a contract, where the amount cannot be read.")  # fmt: skip
@operation
def books_gateway(transactions: tuple[str, ...], told: Ether | None, **options: Any) -> None:
    """Book ETH that the payment gateway handed over: each TX is read from a final block, whatever it is said to be."""
    from shared.ops import booking

    sys.exit(booking.book_the_gateways(ROOT, transactions, told, **options))


@books.command("treasury")
@_transactions
@operation
def books_treasury(transactions: tuple[str, ...], **options: Any) -> None:
    """Book ETH or USDT that the platform put into the wallet, such as ETH for gas."""
    from shared.ops import booking

    sys.exit(booking.book_the_treasurys(ROOT, transactions, **options))


@books.command("clients-paid")
@_transactions
@operation
def books_clients_paid(transactions: tuple[str, ...], **options: Any) -> None:
    """Book USDT that left the wallet to clients."""
    from shared.ops import booking

    sys.exit(booking.book_what_clients_got(ROOT, transactions, **options))


@books.command("discrepancy", context_settings={"ignore_unknown_options": True})
@click.argument("asset", type=click.Choice(["ETH", "USDT"], case_sensitive=False))
@click.argument("amount")
@operation
def books_discrepancy(asset: str, amount: str, **options: Any) -> None:
    """Accept that nothing explains AMOUNT: exactly the chain less books of `gcpay books check`, with its sign."""
    from shared.ops import booking

    kind: type[Ether] | type[Tether] = Ether if asset.upper() == "ETH" else Tether
    found = _Amount(kind).convert(amount, None, click.get_current_context())
    sys.exit(booking.book_the_discrepancy(ROOT, found, **options))
