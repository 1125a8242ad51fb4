"""Ethereum addresses with their EIP-55 checksum, without a chain library.

A wrong address is money sent to nobody, so mixed case with a wrong checksum is refused everywhere. Intake checks
wallets on its hot path, therefore this module costs nothing to import: keccak is fetched on first use.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

ZERO_ADDRESS: Final = "0x" + "0" * 40

_SHAPE = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


def is_address(text: object) -> bool:
    """Is this 0x and forty hex digits, all in one case or with the right EIP-55 checksum?"""
    if not isinstance(text, str) or not _SHAPE.fullmatch(text):
        return False
    digits = text[2:]
    return digits in (digits.lower(), digits.upper()) or text == _with_checksum(digits.lower())


def to_checksum(text: str) -> str:
    """The address in EIP-55 spelling. Raises ValueError for anything that `is_address` refuses."""
    if not is_address(text):
        raise ValueError("not an Ethereum address, or its checksum is wrong")
    return _with_checksum(text[2:].lower())


def same_address(one: str, other: str) -> bool:
    """Do both name one account? Case is spelling; anything that is no address equals nothing."""
    return is_address(one) and is_address(other) and one.lower() == other.lower()


def keccak(content: bytes) -> bytes:
    """Keccak-256, the chain's hash."""
    return _keccak()(content)


@lru_cache(maxsize=4_096)  # our own addresses, and the payees of the day: each is hashed once
def _with_checksum(lower: str) -> str:
    digest = keccak(lower.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit for digit, nibble in zip(lower, digest, strict=False)
    )


@cache
def _keccak() -> Callable[[bytes], bytes]:
    # 35 ms of import that only a process which meets an address has to pay.
    from eth_hash.auto import keccak as eth_keccak

    return eth_keccak
