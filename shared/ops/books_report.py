"""`gcpay books`: what stands in every account, and whether the wallet on chain holds what the books say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from shared.books import Account, Balances, Report, check, totals
from shared.chain import ChainSettings
from shared.db import Database, DatabaseUnreachable
from shared.db.settings import DatabaseSettings
from shared.money import Ether, Tether
from shared.ops.exits import Exit, Leave
from shared.ops.where import settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from shared.chain import Chain


def show_totals(root: Path, *, as_json: bool) -> None:
    """Print the balance of every account that was ever used, per asset, and the sum, which is zero."""
    with _database(root) as database, database.read() as conn:
        balances = totals(conn)
    click.echo(json.dumps(_as_json(balances), indent=2) if as_json else "\n".join(_lines(balances)))


def check_books(root: Path, *, as_json: bool) -> Exit:
    """Compare the books with the chain at one finalized block; say every difference. 1 when there is one."""
    from shared.chain import EthereumChain  # half a second of web3, which the totals alone do not need

    settings = settings_from(root, ChainSettings)
    with _database(root) as database:
        report = reconcile(database, EthereumChain.from_settings(settings), settings)
    if as_json:
        unbalanced = list(report.unbalanced_postings)
        click.echo(
            json.dumps({"ok": report.everything_balances, **report.as_json(), "unbalanced_postings": unbalanced})
        )
    else:
        click.echo("\n".join([*_lines(report.balances), *_verdict(report)]))
    return Exit.OK if report.everything_balances else Exit.NO


def reconcile(database: Database, chain: Chain, settings: ChainSettings) -> Report:
    """The books against the wallet at the newest block that the providers agree is final."""
    block = chain.agreed_finalized()
    eth = Ether(chain.balance_wei(settings.host_wallet_eth_address, block))
    usdt = chain.usdt_balance(settings.host_wallet_usdt_address, block, settings.usdt_contract_address)
    with database.read() as conn:
        return check(conn, eth, usdt)


@contextmanager
def _database(root: Path) -> Iterator[Database]:
    database = Database.from_settings(settings_from(root, DatabaseSettings), "gcpay-books")
    try:
        yield database
    except DatabaseUnreachable as error:
        raise Leave(f"{error.message} Is the fleet, or `gcpay up`, running?", Exit.UNAVAILABLE) from error
    finally:
        database.close()


def _as_json(balances: Balances) -> dict[str, dict[str, str]]:
    return {
        "eth_wei": {account.value: str(amount.wei) for account, amount in balances.eth.items()},
        "usdt": {account.value: amount.decimal_text() for account, amount in balances.usdt.items()},
    }


def _lines(balances: Balances) -> Iterator[str]:
    """A line per account that was used; accounts with zero in both assets say nothing."""
    yield f"{'account':<20}{'ETH':>28}{'USDT':>20}"
    for account in Account:
        eth, usdt = balances.eth[account], balances.usdt[account]
        if not (eth.is_zero() and usdt.is_zero()):
            yield _line(account.value, eth, usdt)
    yield _line("sum", balances.eth_sum(), balances.usdt_sum())


def _line(name: str, eth: Ether, usdt: Tether) -> str:
    return f"{name:<20}{eth.decimal_text():>28}{usdt.decimal_text():>20}"


def _verdict(report: Report) -> Iterator[str]:
    yield _line("chain less books", report.eth_unexplained, report.usdt_unexplained)
    if report.unbalanced_postings:
        yield f"Postings that do not sum to zero: {', '.join(map(str, report.unbalanced_postings))}"
    if report.everything_balances:
        yield "The books balance to the last unit and explain the whole wallet."
    else:
        yield "The books do NOT explain the wallet. A transfer of the last minutes may not be booked yet: look again."
