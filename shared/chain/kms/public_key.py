"""From the public key that Cloud KMS shows to the Ethereum account that it controls."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from shared.chain.address import keccak, to_checksum

_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----\s+([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----\s*")
# SubjectPublicKeyInfo of an uncompressed point: id-ecPublicKey, curve 1.3.132.0.10, bit string, 04. Any other curve
# begins otherwise: P-256 is the classic mistake, and signs just as willingly.
_SECP256K1: Final = bytes.fromhex("3056301006072a8648ce3d020106052b8104000a03420004")
_FIELD: Final = 2**256 - 2**32 - 977


def address_of_pem(pem: str) -> str | None:
    """The account in EIP-55 spelling, None if this is no public key on secp256k1 in its usual form."""
    found = _PEM.fullmatch(pem)
    if found is None:
        return None
    try:
        der = base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        return None
    point = der.removeprefix(_SECP256K1)
    if len(point) != 64 or der != _SECP256K1 + point:
        return None
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if max(x, y) >= _FIELD or (y * y - x**3 - 7) % _FIELD:
        return None
    return to_checksum("0x" + keccak(point)[-20:].hex())
