"""Amounts on the exchange's wire: JSON numbers made digit by digit from integers, as a JavaScript server writes them.

No float on the way in or out: an amount is an integer of the smallest unit, and its JSON text is made here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ETHER_DECIMALS = 18
TETHER_DECIMALS = 6
ORDER_DECIMALS = 8  # the exchange keeps eight decimals of a requested amount and drops the rest

_PLAIN = re.compile(r"(\d{1,30})(?:\.(\d{1,40}))?")


class AmountRefused(ValueError):
    """Not a plain positive decimal: signs, exponents, NaN and words are refused."""


@dataclass(frozen=True)
class Number:
    """A JSON number as text, written without quotes."""

    text: str


def number(units: int, decimals: int) -> Number:
    """`units` of the smallest unit as JavaScript prints it: no trailing zeros, an exponent below 1e-6."""
    sign, digits = ("-" if units < 0 else ""), str(abs(units)).rstrip("0") or "0"
    if units == 0:
        return Number("0")
    point = len(str(abs(units))) - decimals  # digits before the decimal point; negative: leading zeros after it
    if point < -5:
        mantissa = digits[0] + (f".{digits[1:]}" if len(digits) > 1 else "")
        return Number(f"{sign}{mantissa}e{point - 1}")
    if point <= 0:
        return Number(f"{sign}0.{'0' * -point}{digits}")
    whole = digits[:point].ljust(point, "0")
    return Number(sign + whole + (f".{digits[point:]}" if len(digits) > point else ""))


def ether_number(wei: int) -> Number:
    """Wei as an ETH amount."""
    return number(wei, ETHER_DECIMALS)


def tether_number(units: int) -> Number:
    """USDT units as a USDT amount."""
    return number(units, TETHER_DECIMALS)


def parse_amount(text: str, decimals: int, kept: int | None = None) -> int:
    """The smallest units in a plain decimal; digits beyond `kept` decimals are dropped. Raises AmountRefused."""
    found = _PLAIN.fullmatch(text)
    if found is None:
        raise AmountRefused(text)
    fraction = (found[2] or "")[: kept if kept is not None else decimals]
    return int(found[1] + fraction.ljust(decimals, "0")[:decimals])


def write_json(value: Any) -> str:
    """JSON text; `Number` is written as it stands, and a float is an error of ours."""
    match value:
        case Number():
            return value.text
        case None | bool() | int() | str():
            return json.dumps(value)
        case Mapping():
            return "{" + ",".join(f"{json.dumps(key)}:{write_json(item)}" for key, item in value.items()) + "}"
        case Sequence():
            return "[" + ",".join(write_json(item) for item in value) + "]"
    raise TypeError(f"{type(value).__name__} cannot stand on the wire")


def read_json(text: bytes) -> Any:
    """Parsed JSON in which every number is kept as its own text (`Number`). Raises ValueError."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number)
