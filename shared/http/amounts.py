"""Amounts and percentages as settings: exact decimal text in the environment, checked at start, never a float."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator

from shared.money import Ether, MoneyError, Percent, Usd
from shared.settings import Range, Unit


def _text_that(holds: Callable[[str], bool], rule: str) -> AfterValidator:
    def check(text: str) -> str:
        try:
            if holds(text):
                return text
        except MoneyError as error:
            raise ValueError(rule) from error
        raise ValueError(rule)

    return AfterValidator(check)


UsdText = Annotated[
    str,
    _text_that(lambda text: Usd.parse(text).is_positive(), "must be US dollars above 0 with at most 6 decimals"),
    Range("above 0, at most 6 decimals"),
]
EtherText = Annotated[
    str,
    _text_that(lambda text: Ether.parse(text).is_positive(), "must be ETH above 0 with at most 18 decimals"),
    Range("above 0, at most 18 decimals"),
]
PercentText = Annotated[
    str,
    _text_that(
        lambda text: Percent.parse(text).ppm <= Percent.WHOLE_PPM, "must be a percentage from 0 to 100, 4 decimals"
    ),
    Unit("percent"),
    Range("0 to 100, at most 4 decimals"),
]
