"""Percentages as whole parts per million, so that a fee of 2.9 % is exact."""

from dataclasses import dataclass
from typing import ClassVar, Self

from shared.money.text import MoneyError, short_text, units_from_text


@dataclass(frozen=True, slots=True, order=True, repr=False)
class Percent:
    """A fraction of 1 ppm steps (0.0001 %), never negative; may exceed 100 % (a band), a fee may not."""

    ppm: int

    DECIMALS: ClassVar[int] = 4
    WHOLE_PPM: ClassVar[int] = 1_000_000  # 100 %

    def __post_init__(self) -> None:
        if type(self.ppm) is not int:
            raise TypeError(f"Percent counts whole ppm, not {type(self.ppm).__name__}")
        if self.ppm < 0:
            raise MoneyError("must not be negative")

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "15" is fifteen percent (150000 ppm), "2.9" is 29000 ppm; MoneyError beyond four decimals."""
        return cls(units_from_text(text, cls.DECIMALS, cut=False, signed=False))

    def __str__(self) -> str:
        return f"{short_text(self.ppm, self.DECIMALS)} %"

    def __repr__(self) -> str:
        return f"Percent({self.ppm})"
