"""The figures of a report: stages of clients' money, what nobody can explain, batches that were swapped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from shared.books import Account, Balances
from shared.money import Ether, Tether, Usd
from shared.ops.report.lines import Line, Money, Total, minus, totals_of

if TYPE_CHECKING:
    from shared.ops.report.period import Period

_PPM: Final = 1_000_000

STAGES: Final = (
    "pending",
    "claimed",
    "paying",
    "at the exchange",
    "held by the exchange",
    "refund awaited",
    "arriving",
    "owed to clients",
)
"""Where clients' money may be, in the order in which it moves; `parked: REASON` stands beside them."""
PARKED: Final = "parked: "


@dataclass(frozen=True, slots=True)
class Stage:
    """The clients' money of one stage. `usd` is the weight of the payments, not money; what is owed has none left."""

    name: str
    payments: int
    usd: Usd
    eth: Ether
    usdt: Tether
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Unexplained:
    """One account and asset: what our rows say that stands there, and what the books say. Both debit positive."""

    account: str
    rows_say: Money
    books_say: Money

    @property
    def difference(self) -> Money:
        """Rows less books. Zero, unless a fact was written without its posting, or the other way round."""
        return minus(self.rows_say, self.books_say)


@dataclass(frozen=True, slots=True)
class Swapped:
    """A batch that was shared out. One USDT is counted as one dollar where it is compared with the feed."""

    batch: str
    at: datetime
    payments: int
    weight: Usd
    ordered: Ether
    at_feed: Usd
    quoted: Tether
    arrived: Tether
    gas: Ether

    @property
    def spread(self) -> Tether:
        """What arrived less what the exchange had quoted."""
        return self.arrived - self.quoted

    @property
    def to_quote_ppm(self) -> int:
        """The same in millionths of the quote, rounded down."""
        return (self.arrived.units - self.quoted.units) * _PPM // self.quoted.units

    @property
    def to_feed_ppm(self) -> int:
        """What arrived against the value that the independent price gave the order, in millionths, rounded down."""
        return (self.arrived.units - self.at_feed.micros) * _PPM // max(1, self.at_feed.micros)

    def lines(self) -> Iterator[Line]:
        for name, amount in (
            ("weight", self.weight),
            ("ordered", self.ordered),
            ("at the feed", self.at_feed),
            ("quoted", self.quoted),
            ("arrived", self.arrived),
            ("spread to the quote", self.spread),
            ("gas", self.gas),
        ):
            yield Line(f"batch: {name}", self.batch, amount, self.payments, self.at)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything of one moment, and of one period before it. `chain` None: the chain was not asked."""

    now: datetime
    period: Period
    stages: Sequence[Stage]
    balances: Balances
    standing: Sequence[Line]
    unexplained: Sequence[Unexplained]
    unbalanced_postings: Sequence[int]
    taken: Sequence[Line]
    moved: Sequence[Line]
    swapped: Sequence[Swapped]
    chain: tuple[Ether, Tether] | None = None

    @property
    def everything_is_explained(self) -> bool:
        """Whether no unit is unexplained: rows and books agree, books sum to zero, and explain the wallet if asked."""
        return not self.unbalanced_postings and all(line.amount.is_zero() for line in self.lines_unexplained())

    def lines(self) -> Iterator[Line]:
        """Every amount of the report."""
        for stage in self.stages:
            for amount in (stage.usd, stage.eth, stage.usdt):
                yield Line("clients", stage.name, amount, stage.payments, stage.oldest)
        yield from self.standing
        yield from self.lines_unexplained()
        yield from self.taken
        yield from self.moved
        for swapped in self.swapped:
            yield from swapped.lines()

    def lines_unexplained(self) -> Iterator[Line]:
        """What should be zero, each of them."""
        for each in self.unexplained:
            yield Line("unexplained", f"{each.account}: rows less books", each.difference)
        yield Line("unexplained", "sum of the books", self.balances.eth_sum())
        yield Line("unexplained", "sum of the books", self.balances.usdt_sum())
        if self.chain is not None:
            eth, usdt = self.chain
            yield Line("unexplained", "wallet: chain less books", eth - self.balances.eth[Account.WALLET])
            yield Line("unexplained", "wallet: chain less books", usdt - self.balances.usdt[Account.WALLET])

    def totals(self) -> Sequence[Total]:
        """The control totals of all lines."""
        return totals_of(self.lines())
