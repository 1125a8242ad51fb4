"""`gcpay report` for a person, a program and a spreadsheet: the same lines, and totals that are their sums."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from shared.db import Database, DatabaseUnreachable, PermissionMissing
from shared.db.settings import DatabaseSettings
from shared.money import Ether, Tether, Usd
from shared.money.text import short_text
from shared.ops.exits import Exit, Leave
from shared.ops.report.lines import UNIT_OF, Money
from shared.ops.report.period import period_of
from shared.ops.report.read import read_report
from shared.ops.views.parked import age_text
from shared.ops.where import settings_from

if TYPE_CHECKING:
    from pathlib import Path

    from shared.ops.report.figures import Report, Stage, Swapped

COLUMNS: Final = ("kind", "group", "name", "rows", "oldest", "amount", "asset", "base_units", "unit")
_PPM_DECIMALS: Final = 4  # of a percent
_NAME: Final = 52


def show_report(root: Path, since: str | None, until: str | None, form: str, *, ask_chain: bool) -> Exit:
    """Print the report as `text`, `json` or `csv`. 1 when anything is unexplained."""
    now = datetime.now(UTC)
    period = period_of(since, until, now)
    wallet = _wallet(root) if ask_chain else None
    with _database(root) as database, database.read() as conn:
        report = read_report(conn, period, now, wallet)
    click.echo({"json": as_json, "csv": as_csv, "text": as_text}[form](report).rstrip("\n"))
    return Exit.OK if report.everything_is_explained else Exit.NO


def as_json(report: Report) -> str:
    """One object: every line, the control totals, and each batch with its spread."""
    told = {
        "ok": report.everything_is_explained,
        "at": report.now.isoformat(),
        "since": report.period.since.isoformat(),
        "until": report.period.until.isoformat(),
        "chain_was_asked": report.chain is not None,
        "unbalanced_postings": list(report.unbalanced_postings),
        "lines": [line.as_json() for line in report.lines()],
        "totals": [total.as_json() for total in report.totals()],
        "batches": [
            {"batch": each.batch, "to_quote_ppm": each.to_quote_ppm, "to_feed_ppm": each.to_feed_ppm}
            for each in report.swapped
        ],
    }
    return json.dumps(told, indent=2)


def as_csv(report: Report) -> str:
    """A row per line and, last, a row per control total whose `rows` is the number of lines it sums up."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in report.lines():
        oldest = "" if line.oldest is None else line.oldest.isoformat()
        rows = "" if line.rows is None else line.rows
        writer.writerow(["line", line.group, line.name, rows, oldest, *_amount_cells(line.amount)])
    for total in report.totals():
        writer.writerow(["total", total.group, "", total.lines, "", *_amount_cells(total.amount)])
    return out.getvalue()


def as_text(report: Report) -> str:
    """For a person: money first, then what is wrong, then what the period did and cost."""
    return "\n".join(_text(report))


def _amount_cells(amount: Money) -> list[str]:
    return [amount.decimal_text(), amount.SYMBOL, str(amount.base_units), UNIT_OF[amount.SYMBOL]]


def _text(report: Report) -> Iterator[str]:
    yield f"Money at {report.now:%Y-%m-%d %H:%M:%S} UTC"
    yield ""
    yield _row("clients' money", "payments", "USD weight", "ETH", "USDT", "oldest")
    for stage in report.stages:
        yield _stage(report.now, stage)
    usd = _short(Usd.total(stage.usd for stage in report.stages))
    eth = _short(Ether.total(stage.eth for stage in report.stages))
    usdt = _short(Tether.total(stage.usdt for stage in report.stages))
    yield _row("sum", str(sum(stage.payments for stage in report.stages)), usd, eth, usdt)
    yield ""
    yield _row("account (debit +)", "", "", "ETH", "USDT", "oldest")
    for eth_line, usdt_line in zip(report.standing[::2], report.standing[1::2], strict=True):
        if not (eth_line.amount.is_zero() and usdt_line.amount.is_zero()):
            age = "" if eth_line.oldest is None else age_text(report.now - eth_line.oldest)
            yield _row(eth_line.name, "", "", _short(eth_line.amount), _short(usdt_line.amount), age)
    yield _row("sum", "", "", _short(report.balances.eth_sum()), _short(report.balances.usdt_sum()))
    yield ""
    yield from _verdict(report)
    yield ""
    yield from _of_the_period(report)


def _verdict(report: Report) -> Iterator[str]:
    wrong = [line for line in report.lines_unexplained() if not line.amount.is_zero()]
    yield f"Unexplained: {len(wrong) or 'nothing'}{' amount(s)' if wrong else ''}"
    for line in wrong:
        yield f"  {line.name}: {line.amount}"
    for each in report.unexplained:
        if not each.difference.is_zero():
            yield f"  {each.account}: rows say {each.rows_say}, books say {each.books_say}"
    if report.unbalanced_postings:
        yield f"  postings that do not sum to zero: {', '.join(map(str, report.unbalanced_postings))}"
    if report.chain is None:
        yield "The chain was not asked: --chain compares the wallet with it."


def _of_the_period(report: Report) -> Iterator[str]:
    yield f"From {report.period}"
    for line in report.taken:
        yield f"  {line.group:<{_NAME}}{line.amount!s:>26}  of {line.rows} payment(s)"
    for line in report.moved:
        yield f"  {line.name:<{_NAME}}{line.amount!s:>26}  in {line.rows} entries"
    yield f"  batches shared out: {len(report.swapped)}"
    for each in report.swapped:
        yield from _swapped(each)
    if report.swapped:
        gas = Ether.total(each.gas for each in report.swapped)
        spread = Tether.total(each.spread for each in report.swapped)
        yield f"  their gas: {gas}; against their quotes: {spread}"


def _swapped(each: Swapped) -> Iterator[str]:
    yield f"    {each.batch}  {each.at:%Y-%m-%d %H:%M}  {each.payments} payment(s) worth {each.weight}"
    yield f"      ordered {each.ordered}, gas {each.gas}; quoted {each.quoted}, arrived {each.arrived}"
    to_quote, to_feed = _percent(each.to_quote_ppm), _percent(each.to_feed_ppm)
    yield f"      against the quote {to_quote}, against the feed ({each.at_feed}) {to_feed}"


def _percent(ppm: int) -> str:
    return f"{'+' if ppm > 0 else ''}{short_text(ppm, _PPM_DECIMALS, 2)} %"


def _stage(now: datetime, stage: Stage) -> str:
    age = "" if stage.oldest is None else age_text(now - stage.oldest)
    usd, eth, usdt = ("" if each.is_zero() else _short(each) for each in (stage.usd, stage.eth, stage.usdt))
    return _row(stage.name, str(stage.payments), usd, eth, usdt, age)


def _row(name: str, rows: str, usd: str, eth: str, usdt: str, age: str = "") -> str:
    shown = name if len(name) < _NAME else f"{name[: _NAME - 4]}..."  # --json and --csv have all of it
    return f"{shown:<{_NAME}}{rows:>9}{usd:>16}{eth:>24}{usdt:>16}  {age}".rstrip()


def _short(amount: Money) -> str:
    return str(amount).rpartition(" ")[0]


def _wallet(root: Path) -> tuple[Ether, Tether]:
    """What the host wallet holds at the newest block that the providers agree is final."""
    from shared.chain import ChainSettings, EthereumChain  # half a second of web3, which most reports do without

    settings = settings_from(root, ChainSettings)
    chain = EthereumChain.from_settings(settings)
    block = chain.agreed_finalized()
    return (
        Ether(chain.balance_wei(settings.host_wallet_eth_address, block)),
        Tether(chain.usdt_balance(settings.host_wallet_usdt_address, block, settings.usdt_contract_address).units),
    )


@contextmanager
def _database(root: Path) -> Iterator[Database]:
    with closing(Database.from_settings(settings_from(root, DatabaseSettings), "gcpay-report")) as database:
        try:
            yield database
        except DatabaseUnreachable as error:
            raise Leave(f"{error.message} Is the fleet, or `gcpay up`, running?", Exit.UNAVAILABLE) from error
        except PermissionMissing as error:
            raise Leave("This database role may not read everything: connect as gcpay_operator.", Exit.USAGE) from error
