"""CRC-32C (Castagnoli, RFC 3720), with which Google guards secrets, digests and signatures against corruption."""

from typing import Final

_REVERSED_POLYNOMIAL: Final = 0x82F63B78
_ALL_ONES: Final = 0xFFFFFFFF


def _table() -> tuple[int, ...]:
    table = list(range(256))
    for _ in range(8):
        table = [entry >> 1 ^ (_REVERSED_POLYNOMIAL if entry & 1 else 0) for entry in table]
    return tuple(table)


_TABLE: Final = _table()


def crc32c(content: bytes) -> int:
    """The checksum as an unsigned 32-bit number. Secrets, digests and keys are short: a table is fast enough."""
    crc = _ALL_ONES
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ _ALL_ONES
