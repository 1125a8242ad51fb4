"""Prices and bands, in whole numbers; the only place where ether becomes dollars or dollars ether.

A price guards and sizes an order. It never decides what a payee gets: that is what arrived on chain.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from shared.money.amounts import Ether, Tether, Usd
from shared.money.percent import Percent
from shared.money.text import MoneyError, short_text

M = TypeVar("M", int, Usd, Ether, Tether)

_MAX_DECIMALS: Final = 36
_WEI_PER_ETHER: Final = 10**Ether.DECIMALS
_MICROS_PER_USD: Final = 10**Usd.DECIMALS


@dataclass(frozen=True, slots=True, repr=False)
class Price:
    """US dollars per ether as a feed answers it: `answer` x 10**-`decimals` (Chainlink's ETH/USD has 8)."""

    answer: int
    decimals: int

    def __post_init__(self) -> None:
        if type(self.answer) is not int or type(self.decimals) is not int:
            raise TypeError("Price takes a whole answer and whole decimals")
        if self.answer <= 0:
            raise MoneyError("has no price: the answer must be positive")
        if not 0 <= self.decimals <= _MAX_DECIMALS:
            raise MoneyError(f"has no price: decimals must be between 0 and {_MAX_DECIMALS}")

    def value(self, amount: Ether) -> Usd:
        """What the ether is worth, rounded down to a micro dollar. MoneyError for a negative amount."""
        _refuse_negative(amount.base_units)
        return Usd(amount.wei * self.answer * _MICROS_PER_USD // (_WEI_PER_ETHER * 10**self.decimals))

    def ether_for(self, value: Usd) -> Ether:
        """The ether that is worth so much, rounded down to a wei. MoneyError for a negative value."""
        _refuse_negative(value.base_units)
        return Ether(value.micros * _WEI_PER_ETHER * 10**self.decimals // (_MICROS_PER_USD * self.answer))

    def __str__(self) -> str:
        return f"{short_text(self.answer, self.decimals, Usd.LEAST_SHOWN)} USD/ETH"

    def __repr__(self) -> str:
        return f"Price({self.answer}, {self.decimals})"


def deviation_ppm(observed: M, reference: M) -> int:
    """How far `observed` is from `reference`, in ppm of the reference, rounded **up**: it never looks closer than
    it is. MoneyError unless the reference is positive and the observed value is not negative.
    """
    if type(observed) is not type(reference):
        raise TypeError(f"{type(observed).__name__} is not compared with {type(reference).__name__}")
    seen, expected = _units(observed), _units(reference)
    _refuse_negative(seen)
    if expected <= 0:
        raise MoneyError("cannot be compared: the reference must be positive")
    return -(-abs(seen - expected) * Percent.WHOLE_PPM // expected)


def within_band(observed: M, reference: M, band: Percent) -> bool:
    """Whether `observed` is at most `band` away from `reference`, on either side; exactly at the edge is within."""
    return deviation_ppm(observed, reference) <= band.ppm


def _units(amount: M) -> int:
    if type(amount) is int:
        return amount
    if isinstance(amount, Usd | Ether | Tether):
        return amount.base_units
    raise TypeError(f"whole numbers are compared, not {type(amount).__name__}")


def _refuse_negative(units: int) -> None:
    if units < 0:
        raise MoneyError("must not be negative")
