"""Reads a report from one snapshot: where the money of clients and platform is, and where rows and books differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.books import Account, Balances, check
from shared.db import Queries
from shared.money import Ether, Price, Tether, Usd
from shared.ops.report.figures import PARKED, STAGES, Report, Stage, Swapped, Unexplained
from shared.ops.report.lines import Line, Money

if TYPE_CHECKING:
    from shared.db import Connection, Row
    from shared.ops.report.period import Period

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_OWED: Final = "owed to clients"
_OF_STATE: Final = {"pending": "pending", "completed": _OWED}


def read_report(conn: Connection, period: Period, now: datetime, wallet: tuple[Ether, Tether] | None = None) -> Report:
    """The report, from the snapshot of `conn`. `wallet`: what the chain shows at a finalized block before it."""
    books = check(conn, *(wallet or (Ether.zero(), Tether.zero())))
    payments, in_transit = _QUERIES.all(conn, "payments"), _QUERIES.all(conn, "in_transit")
    debt, gas = _QUERIES.only(conn, "debt"), _QUERIES.only(conn, "gas")
    stages = [*_stages(payments, _QUERIES.all(conn, "open_batches"), debt)]
    between = {"since": period.since, "until": period.until}
    told: dict[tuple[Account, type[Money]], Money] = {
        (Account.CLIENTS_PENDING, Ether): -Ether.total(stage.eth for stage in stages),
        (Account.IN_TRANSIT, Ether): Ether.total(Ether(row["wei"]) for row in in_transit),
        (Account.IN_TRANSIT, Tether): -Tether.total(stage.usdt for stage in stages if stage.name == "arriving"),
        (Account.CLIENTS_OWED, Tether): -Tether.total(stage.usdt for stage in stages if stage.name == _OWED),
        (Account.PLATFORM_FEE, Ether): -Ether.total(Ether(row["fee_wei"]) for row in payments),
        (Account.DUST, Ether): -Ether(_QUERIES.only(conn, "dust")["wei"]),
        (Account.GAS, Ether): Ether(gas["wei"]),
    }
    return Report(
        now=now,
        period=period,
        stages=stages,
        balances=books.balances,
        standing=list(_standing(books.balances, in_transit, gas["slots"])),
        unexplained=[
            Unexplained(account.value, rows_say, _balance(books.balances, account, asset))
            for (account, asset), rows_say in told.items()
        ],
        unbalanced_postings=books.unbalanced_postings,
        taken=list(_taken(_QUERIES.only(conn, "taken_in", **between))),
        moved=[_moved(row) for row in _QUERIES.all(conn, "moved", **between)],
        swapped=[_swapped(row) for row in _QUERIES.all(conn, "swapped", **between)],
        chain=wallet,
    )


def _stages(payments: Sequence[Row], batches: Sequence[Row], debt: Row) -> Iterator[Stage]:
    """Every stage, empty ones too, then what is parked by reason. Payments in a batch are told by their batch."""
    found: dict[str, list[Stage]] = {name: [] for name in STAGES}
    for row in payments:
        name = _OF_STATE.get(row["conversion_status"], f"{PARKED}{row['parked_reason']}")
        if row["conversion_status"] == "completed":
            owed = Tether(row["share_units"]) - Tether(debt["paid_units"])
            found[name].append(Stage(name, row["payments"], Usd.zero(), Ether.zero(), owed, debt["oldest"]))
        elif row["conversion_status"] != "swapping":
            usd, eth = Usd(row["usd_micros"]), Ether(row["net_wei"])
            found.setdefault(name, []).append(Stage(name, row["payments"], usd, eth, Tether.zero(), row["oldest"]))
    for row in batches:
        name = row["stage"] if row["stage"] != "parked" else f"{PARKED}{row['reason']}"
        money = Usd(row["usd_micros"]), Ether(row["ordered_wei"]), Tether(row["usdt_units"])
        found.setdefault(name, []).append(Stage(name, row["payments"], *money, row["oldest"]))
    for name, same in found.items():
        yield _together(name, same)


def _together(name: str, same: Sequence[Stage]) -> Stage:
    """A payment and a batch may be parked for one reason."""
    ages = [stage.oldest for stage in same if stage.oldest is not None]
    return Stage(
        name,
        sum(stage.payments for stage in same),
        Usd.total(stage.usd for stage in same),
        Ether.total(stage.eth for stage in same),
        Tether.total(stage.usdt for stage in same),
        min(ages, default=None),
    )


def _standing(balances: Balances, in_transit: Sequence[Row], slots: int) -> Iterator[Line]:
    """Every account of the books, debit positive; the lines of an asset sum to zero. With what rows know of its age."""
    rows = sum(row["transfers"] for row in in_transit)
    oldest = min((row["oldest"] for row in in_transit), default=None)
    for account in Account:
        eth = balances.eth[account]
        match account:
            case Account.IN_TRANSIT:
                yield Line("standing", account.value, eth, rows, oldest)
            case Account.GAS:
                yield Line("standing", account.value, eth, slots)
            case _:
                yield Line("standing", account.value, eth)
        yield Line("standing", account.value, balances.usdt[account])


def _balance(balances: Balances, account: Account, asset: type[Money]) -> Money:
    return balances.eth[account] if asset is Ether else balances.usdt[account]


def _taken(row: Row) -> Iterator[Line]:
    for name, column in (("paid", "paid_usd_micros"), ("fee", "fee_usd_micros"), ("net", "usd_micros")):
        yield Line(f"taken in: {name}", "payments", Usd(row[column]), row["payments"])


def _moved(row: Row) -> Line:
    amount = Ether(row["amount"]) if row["asset"] == Ether.SYMBOL else Tether(row["amount"])
    return Line("moved", f"{row['event']}: {row['account']}", amount, row["entries"])


def _swapped(row: Row) -> Swapped:
    ordered = Ether(row["ordered_wei"])
    return Swapped(
        batch=row["batch_conversion_id"],
        at=row["at"],
        payments=row["payment_count"],
        weight=Usd(row["total_pending_usd_micros"]),
        ordered=ordered,
        at_feed=Price(row["feed_answer"], row["feed_decimals"]).value(ordered),
        quoted=Tether(row["expected_usdt_units"]),
        arrived=Tether(row["usdt_arrived_units"]),
        gas=Ether(row["gas_wei"]),
    )
