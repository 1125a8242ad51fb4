"""An IEEE 754 double on the wire as the decimal text that its writer meant, without there ever being a float.

The predecessor put amounts into its tokens as doubles: 0.0123 ETH became the double that is nearest to 0.0123, which
is some 10^-19 away from it. What was meant is the shortest decimal that has this double as its nearest one; it is also
what the same number looks like in the predecessor's own log, and what it told the exchange. Sign, exponent and fraction
are read as whole numbers, and the decimal is found by comparing whole numbers, so that the rule "no float near money"
needs no exception here.
"""

from typing import Final

from shared.messages.fields import FieldRuleBroken

DOUBLE_BYTES: Final = 8
_FRACTION_BITS: Final = 52
_EXPONENT_MASK: Final = 0x7FF
_EXPONENT_OF_ONE_UNIT: Final = 1075  # bias 1023 and the 52 bits of the fraction
_MOST_DIGITS: Final = 17  # as many tell any two doubles apart
_SCALE: Final = 400  # more decimal places than the smallest double's first digit has


def text_of_double(wire: bytes) -> str:
    """The shortest decimal, as "123e-4", whose nearest double these eight big-endian bytes are.

    Of two such decimals of one length the nearer, and of two equally near the even one, as everybody writes doubles.
    FieldRuleBroken for what no amount is: zero, below zero, infinite, not a number.
    """
    assert len(wire) == DOUBLE_BYTES
    bits = int.from_bytes(wire, "big")
    fraction = bits & ((1 << _FRACTION_BITS) - 1)
    biased = bits >> _FRACTION_BITS & _EXPONENT_MASK
    if bits >> 63:
        raise FieldRuleBroken("must not be negative")
    if biased == _EXPONENT_MASK:
        raise FieldRuleBroken("must be a finite number")
    if bits == 0:
        raise FieldRuleBroken("must be more than 0")
    mantissa = fraction | (1 << _FRACTION_BITS if biased else 0)
    # Everything below counts in quarters of the mantissa's last bit, so that the borders between doubles are whole.
    low = 4 * mantissa - (1 if fraction == 0 and biased > 1 else 2)  # below a power of two doubles stand twice as close
    high = 4 * mantissa + 2
    return _shortest(4 * mantissa, low, high, max(biased, 1) - _EXPONENT_OF_ONE_UNIT - 2, inclusive=mantissa % 2 == 0)


def _shortest(value: int, low: int, high: int, exponent: int, *, inclusive: bool) -> str:
    """The shortest decimal between `low` and `high`, which like `value` are multiples of 2**exponent."""
    up, down = 2 ** max(exponent, 0), 2 ** max(-exponent, 0)
    first_place = len(str(value * up * 10**_SCALE // down)) - 1 - _SCALE
    for digits in range(1, _MOST_DIGITS + 1):
        place = first_place - digits + 1
        # c x 10**place against v x up / down, with both sides multiplied out.
        of_candidate = 10 ** max(place, 0) * down
        of_value = up * 10 ** max(-place, 0)
        below = value * of_value // of_candidate
        found = [
            candidate
            for candidate in (below, below + 1)
            if low * of_value < candidate * of_candidate < high * of_value
            or (inclusive and candidate * of_candidate in (low * of_value, high * of_value))
        ]
        if found:
            nearest = min(found, key=lambda each: (abs(each * of_candidate - value * of_value), each % 2))
            return f"{nearest}e{place}"
    raise AssertionError("17 digits tell any two doubles apart")
