"""The three assets. A dollar, an ether and a tether cannot be added, compared or mistaken for one another.

Amounts are signed, because a book entry has two sides; what comes from outside is parsed and never negative.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Self

from shared.money.text import decimal_text, short_text, units_from_text


@dataclass(frozen=True, slots=True, repr=False)
class _Amount:
    """What the assets share. Each operation takes its own class only, for the type checker and at run time."""

    base_units: int

    DECIMALS: ClassVar[int]
    SYMBOL: ClassVar[str]
    LEAST_SHOWN: ClassVar[int]

    def __post_init__(self) -> None:
        if type(self.base_units) is not int:
            raise TypeError(f"{type(self).__name__} counts whole units, not {type(self.base_units).__name__}")

    @classmethod
    def zero(cls) -> Self:
        return cls(0)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Exactly what the text says, never negative. MoneyError if it has more digits than the unit."""
        return cls(units_from_text(text, cls.DECIMALS, cut=False, signed=False))

    @classmethod
    def parse_cut(cls, text: str) -> Self:
        """As `parse`, but digits beyond the unit are cut toward zero; keep the raw text beside it (DESIGN 6)."""
        return cls(units_from_text(text, cls.DECIMALS, cut=True, signed=False))

    @classmethod
    def parse_signed(cls, text: str) -> Self:
        """As `parse`, for texts of our own that may be negative: book entries, differences."""
        return cls(units_from_text(text, cls.DECIMALS, cut=False, signed=True))

    @classmethod
    def total(cls, amounts: Iterable[Self]) -> Self:
        """The exact sum; zero for none."""
        result = cls(0)
        for amount in amounts:
            result = result + amount
        return result

    def __add__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.base_units + other.base_units)

    def __sub__(self, other: Self) -> Self:
        if type(other) is not type(self):
            return NotImplemented
        return type(self)(self.base_units - other.base_units)

    def __neg__(self) -> Self:
        return type(self)(-self.base_units)

    def __abs__(self) -> Self:
        return type(self)(abs(self.base_units))

    def __lt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.base_units < other.base_units

    def __le__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.base_units <= other.base_units

    def __gt__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.base_units > other.base_units

    def __ge__(self, other: Self) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.base_units >= other.base_units

    def __bool__(self) -> NoReturn:
        # "if amount" reads the same for nothing and for none; confusing them is how a failed read becomes a zero.
        raise TypeError(f"ask {type(self).__name__} is_zero() or is_positive(), or compare with None")

    def is_zero(self) -> bool:
        return self.base_units == 0

    def is_positive(self) -> bool:
        return self.base_units > 0

    def is_negative(self) -> bool:
        return self.base_units < 0

    def decimal_text(self) -> str:
        """All decimals, for machines: "0.040000000000000000"; `parse_signed` gives the same amount back."""
        return decimal_text(self.base_units, self.DECIMALS)

    def short_text(self) -> str:
        """No trailing zeros, no symbol: "0.04"; exact, for the exchange's amount fields."""
        return short_text(self.base_units, self.DECIMALS)

    def scaled(self) -> str:
        """For logs: amount, asset and scale, as in "0.040000000000000000 ETH/18"."""
        return f"{self.decimal_text()} {self.SYMBOL}/{self.DECIMALS}"

    def __str__(self) -> str:
        return f"{short_text(self.base_units, self.DECIMALS, self.LEAST_SHOWN)} {self.SYMBOL}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_units})"


@dataclass(frozen=True, slots=True, repr=False)
class Usd(_Amount):
    """US dollars as a measure of value, in micros (6 decimals). Not an asset anybody holds: never in the books."""

    DECIMALS: ClassVar[int] = 6
    SYMBOL: ClassVar[str] = "USD"
    LEAST_SHOWN: ClassVar[int] = 2

    @property
    def micros(self) -> int:
        return self.base_units


@dataclass(frozen=True, slots=True, repr=False)
class Ether(_Amount):
    """Ether on Ethereum, in wei (18 decimals)."""

    DECIMALS: ClassVar[int] = 18
    SYMBOL: ClassVar[str] = "ETH"
    LEAST_SHOWN: ClassVar[int] = 0

    @property
    def wei(self) -> int:
        return self.base_units


@dataclass(frozen=True, slots=True, repr=False)
class Tether(_Amount):
    """USDT on Ethereum, in the contract's units (6 decimals)."""

    DECIMALS: ClassVar[int] = 6
    SYMBOL: ClassVar[str] = "USDT"
    LEAST_SHOWN: ClassVar[int] = 2

    @property
    def units(self) -> int:
        return self.base_units
