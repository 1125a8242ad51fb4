"""An ECDSA signature in DER, read strictly: one encoding for one pair of numbers, and nothing after it."""

from typing import Final

_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_LONGEST: Final = 72  # two integers of 33 bytes with their headers; hence every length is a single byte


def read_der(der: bytes) -> tuple[int, int] | None:
    """(r, s), or None if these bytes are anything but the one right encoding of two positive numbers.

    Reads them loosely and writes them again: what comes out different was not canonical.
    """
    if not 8 <= len(der) <= _LONGEST:
        return None
    end_of_r = 4 + der[3]
    if len(der) < end_of_r + 2:
        return None
    r, s = int.from_bytes(der[4:end_of_r], "big"), int.from_bytes(der[end_of_r + 2 :], "big")
    return (r, s) if r > 0 and s > 0 and der == write_der(r, s) else None


def write_der(r: int, s: int) -> bytes:
    """The DER encoding of two positive numbers of at most 256 bits."""
    numbers = _integer(r) + _integer(s)
    return bytes([_SEQUENCE, len(numbers)]) + numbers


def _integer(number: int) -> bytes:
    # One bit more than needed: a leading one would make it negative.
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([_INTEGER, len(content)]) + content
