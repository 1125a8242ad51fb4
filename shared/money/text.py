"""Decimal text to whole units and back, exactly; the only door through which an amount comes in from outside.

The grammar is JSON's number: a digit, perhaps a fraction, perhaps an exponent. Nothing is rounded, nothing is guessed,
and no text, however long or large, costs more than a glance.
"""

import re
from typing import Final

MAX_TEXT_LENGTH: Final = 100
MAX_DIGITS: Final = 60  # of base units; more than any asset has ever had, less than any column holds (numeric 78)
MAX_EXPONENT: Final = 60  # so that "1e400" is refused before it becomes a number of 400 digits

_NUMBER: Final = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?")
_NOT_FINITE: Final = re.compile(r"[+-]?(?:s?nan|inf|infinity)", re.IGNORECASE)


class MoneyError(ValueError):
    """An amount that cannot be taken as it stands; `rule` completes the sentence "the amount ..."."""

    def __init__(self, rule: str) -> None:
        super().__init__(f"the amount {rule}")
        self.rule = rule


def units_from_text(text: str, decimals: int, *, cut: bool, signed: bool) -> int:
    """Whole units of 10**-decimals.

    `cut` drops digits beyond the unit (toward zero) where they would else be refused; `signed` allows a minus sign.
    Raises MoneyError with the broken rule, and TypeError for anything that is not text: a float has already lost it.
    """
    if type(text) is not str:
        raise TypeError(f"an amount is parsed from text, not from {type(text).__name__}")
    sign, whole, fraction, exponent = _parts(text)
    if sign and not signed:
        raise MoneyError("must not be negative")
    digits = (whole + fraction).lstrip("0")
    shift = exponent - len(fraction) + decimals
    magnitude = _shifted(digits, shift, decimals, cut=cut)
    if magnitude >= 10**MAX_DIGITS:
        raise MoneyError("is too large")
    return -magnitude if sign else magnitude


def _parts(text: str) -> tuple[str, str, str, int]:
    if len(text) > MAX_TEXT_LENGTH:
        raise MoneyError(f"must not be longer than {MAX_TEXT_LENGTH} characters")
    if _NOT_FINITE.fullmatch(text):
        raise MoneyError("must be a finite number")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise MoneyError("must be a decimal number in plain digits")
    sign, whole, fraction, exponent_text = match.groups(default="")
    exponent = int(exponent_text or "0")
    if exponent > MAX_EXPONENT:
        raise MoneyError("is too large")
    if exponent < -MAX_EXPONENT:
        raise MoneyError(f"has an exponent below -{MAX_EXPONENT}")
    return sign, whole, fraction, exponent


def _shifted(digits: str, shift: int, decimals: int, *, cut: bool) -> int:
    """The digits moved `shift` places to the left; places beyond the unit are cut or refused."""
    if shift >= 0:
        grown: int = int(digits or "0") * 10**shift
        return grown
    kept, beyond = digits[:shift], digits[shift:]
    if beyond.strip("0") and not cut:
        raise MoneyError(f"has more digits than the unit's {decimals} decimals")
    return int(kept or "0")


def decimal_text(units: int, decimals: int) -> str:
    """All decimals of the unit, always: "0.040000" for 40000 at 6. Exact, and sorts out nothing."""
    whole, fraction = divmod(abs(units), 10**decimals)
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


def short_text(units: int, decimals: int, least: int = 0) -> str:
    """Without trailing zeros, but at least `least` decimals: "0.04", "1.50". Exact as well."""
    whole, _, fraction = decimal_text(units, decimals).partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    return f"{whole}.{fraction}" if fraction else whole
