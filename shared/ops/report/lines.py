"""A report is lines: so much of one asset in one place. Totals are made from the lines and from nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.money import Ether, Tether, Usd

Money = Usd | Ether | Tether

UNIT_OF: Final[dict[str, str]] = {Usd.SYMBOL: "micros", Ether.SYMBOL: "wei", Tether.SYMBOL: "units"}
"""The name of the smallest unit of each asset."""


@dataclass(frozen=True, slots=True)
class Line:
    """One amount. Amounts are only ever summed within one `group` and one asset.

    `rows`: how many rows of ours it is made of, `oldest`: since when the first of them waits; None: it has no age.
    """

    group: str
    name: str
    amount: Money
    rows: int | None = None
    oldest: datetime | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "group": self.group,
            "name": self.name,
            **said(self.amount),
            "rows": self.rows,
            "oldest": None if self.oldest is None else self.oldest.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class Total:
    """The control total of one group and asset: the sum, and how many lines it is the sum of."""

    group: str
    lines: int
    amount: Money

    def as_json(self) -> dict[str, object]:
        return {"group": self.group, **said(self.amount), "lines": self.lines}


def totals_of(lines: Iterable[Line]) -> Sequence[Total]:
    """One total per group and asset, in the order in which they first appear."""
    sums: dict[tuple[str, type[Money]], Total] = {}
    for line in lines:
        key = (line.group, type(line.amount))
        before = sums.get(key)
        amount = line.amount if before is None else plus(before.amount, line.amount)
        sums[key] = Total(line.group, 1 if before is None else before.lines + 1, amount)
    return list(sums.values())


def plus(one: Money, other: Money) -> Money:
    """The sum of two amounts of one asset; TypeError for two assets."""
    match one, other:
        case Usd(), Usd():
            return one + other
        case Ether(), Ether():
            return one + other
        case Tether(), Tether():
            return one + other
    raise TypeError(f"{one.SYMBOL} and {other.SYMBOL} are not summed")


def minus(one: Money, other: Money) -> Money:
    """The difference of two amounts of one asset; TypeError for two assets."""
    return plus(one, -other)


def said(amount: Money) -> dict[str, object]:
    """An amount for machines: exact text with all decimals, its asset, and the same in the smallest unit."""
    return {
        "amount": amount.decimal_text(),
        "asset": amount.SYMBOL,
        "base_units": str(amount.base_units),
        "unit": UNIT_OF[amount.SYMBOL],
    }
