"""The bytes of an EIP-1559 transfer before and after it is signed, for signers whose key is elsewhere.

Written beside the decoder on purpose: `check_signed` reads these bytes back, so neither vouches for itself.
"""

from __future__ import annotations

from typing import Final

import rlp  # type: ignore[import-untyped]

from shared.chain.port import TransferFields

_TYPE: Final = b"\x02"
_NO_CALL_DATA: Final = b""
_NO_ACCESS_LIST: Final[list[bytes]] = []


def unsigned_payload(fields: TransferFields) -> bytes:
    """What is hashed with keccak and then signed."""
    return _TYPE + bytes(rlp.encode(_parts(fields)))


def with_signature(fields: TransferFields, y_parity: int, r: int, s: int) -> bytes:
    """The bytes that a node accepts."""
    return _TYPE + bytes(rlp.encode([*_parts(fields), *map(_scalar, (y_parity, r, s))]))


def _parts(fields: TransferFields) -> list[bytes | list[bytes]]:
    return [
        *map(_scalar, (fields.chain_id, fields.nonce, fields.tip_wei, fields.cap_wei, fields.gas_limit)),
        bytes.fromhex(fields.to[2:]),
        _scalar(fields.value_wei),
        _NO_CALL_DATA,
        _NO_ACCESS_LIST,
    ]


def _scalar(number: int) -> bytes:
    """Without leading zeros: zero is the empty string."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
