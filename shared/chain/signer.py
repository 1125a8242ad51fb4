"""The key in this process, and the check that signed bytes are exactly what was asked.

One kind of transaction leaves here: EIP-1559, plain ETH, empty call data, chain id spelled out. The check after signing
is not about trust in a library: it is what makes every attempt of a slot provably the same payment.
"""

from __future__ import annotations

from typing import Final

import rlp  # type: ignore[import-untyped]
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from shared.chain.address import is_address, keccak, same_address, to_checksum
from shared.chain.port import Signed, TransferFields
from shared.chain.recursion import restore_recursion_limit
from shared.chain.trouble import SignedBytesDiffer

restore_recursion_limit()

_TYPE: Final = 2
_LEAST_GAS: Final = 21_000
_MOST: Final = 2**256 - 1

# An EIP-1559 transaction: chain id, nonce, tip, cap, gas, to, value, call data, access list, y parity, r, s.
_PARTS: Final = 12
_TO, _CALL_DATA, _ACCESS_LIST = 5, 7, 8
_SCALARS: Final = (0, 1, 2, 3, 4, 6, 9, 10, 11)
CURVE_ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1


class LocalSigner:
    """`Signer` with the private key in memory. Never shows it; cannot be pickled or copied."""

    __slots__ = ("__account",)

    def __init__(self, private_key: str) -> None:
        """`private_key`: 32 bytes as hex. Raises ValueError, without the key, if it is none."""
        account = _account_of(private_key)
        if account is None:
            raise ValueError("the wallet's private key must be 32 bytes as 64 hex digits")
        self.__account = account

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer cannot be copied out of its process")

    @property
    def address(self) -> str:
        return str(self.__account.address)

    def sign(self, fields: TransferFields) -> Signed:
        refuse_impossible(fields, self.address)
        signed = self.__account.sign_transaction(
            {
                "type": _TYPE,
                "chainId": fields.chain_id,
                "nonce": fields.nonce,
                "to": HexBytes(fields.to),
                "value": fields.value_wei,
                "gas": fields.gas_limit,
                "maxPriorityFeePerGas": fields.tip_wei,
                "maxFeePerGas": fields.cap_wei,
                "data": b"",
                "accessList": [],
            }
        )
        raw = bytes(signed.raw_transaction)
        check_signed(raw, self.address, fields)
        return Signed(raw, "0x" + keccak(raw).hex())


def check_signed(raw: bytes, address: str, fields: TransferFields) -> None:
    """Do the bytes move exactly this, from exactly this account? Raises SignedBytesDiffer naming the fields."""
    sender, decoded, _ = decode_signed(raw)
    wrong = [name for name in _FIELDS if _compared(decoded, name) != _compared(fields, name)]
    if not same_address(sender, address):
        wrong.append("sender")
    if wrong:
        raise SignedBytesDiffer(tuple(wrong))


def decode_signed(raw: bytes) -> tuple[str, TransferFields, str]:
    """Sender, fields and hash of signed bytes. Raises SignedBytesDiffer if they are no plain EIP-1559 transfer.

    Reads the bytes itself, from the RLP up, so that the library that signed does not vouch for itself.
    """
    parts = _parts_of(raw)
    if parts is None:
        raise SignedBytesDiffer(("encoding",))
    chain_id, nonce, tip_wei, cap_wei, gas_limit = (int.from_bytes(part, "big") for part in parts[:5])
    to, value, call_data, access_list = parts[5:9]
    if call_data or access_list:
        raise SignedBytesDiffer(("call data",))
    if len(to) != 20:  # an empty receiver would create a contract
        raise SignedBytesDiffer(("to",))
    sender = _signer_of(parts)
    if sender is None:
        raise SignedBytesDiffer(("signature",))
    fields = TransferFields(
        chain_id=chain_id,
        nonce=nonce,
        to=to_checksum("0x" + to.hex()),
        value_wei=int.from_bytes(value, "big"),
        gas_limit=gas_limit,
        tip_wei=tip_wei,
        cap_wei=cap_wei,
    )
    return sender, fields, "0x" + keccak(raw).hex()


def refuse_impossible(fields: TransferFields, sender: str) -> None:
    """Raise ValueError for fields that no transfer of ours may have. Zero ETH goes to oneself only: a cancel."""
    for name in _FIELDS:
        value = getattr(fields, name)
        if name != "to" and (type(value) is not int or not 0 <= value <= _MOST):
            raise ValueError(f"{name} must be a whole number that is not negative")
    if not is_address(fields.to):
        raise ValueError("to must be an Ethereum address")
    if fields.chain_id == 0:
        raise ValueError("chain_id must be positive")
    if fields.value_wei == 0 and not same_address(fields.to, sender):
        raise ValueError("value_wei must be positive, except to the sender itself")
    if fields.gas_limit < _LEAST_GAS:
        raise ValueError(f"gas_limit must be at least {_LEAST_GAS}")
    if not 0 < fields.tip_wei <= fields.cap_wei:
        raise ValueError("tip_wei must be positive and at most cap_wei")


_FIELDS: Final = ("chain_id", "nonce", "to", "value_wei", "gas_limit", "tip_wei", "cap_wei")


def _compared(fields: TransferFields, name: str) -> object:
    value = getattr(fields, name)
    return value.lower() if name == "to" else value


def _account_of(private_key: str) -> LocalAccount | None:
    # Returns instead of raising from here: the library's errors repeat the key, and a cause is printed too.
    try:
        key = bytes.fromhex(private_key.removeprefix("0x"))
        account: LocalAccount = Account.from_key(key)
    except (ValueError, TypeError, AttributeError, ValidationError):
        return None
    return account if len(key) == 32 else None  # bytes of a secp256k1 key


def _parts_of(raw: bytes) -> list[bytes] | None:
    """The twelve items of an EIP-1559 transaction, None if the bytes are anything else or not canonical."""
    if raw[:1] != bytes([_TYPE]):
        return None
    try:
        parts = rlp.decode(raw[1:])
    except (RLPException, RecursionError):
        return None
    if not isinstance(parts, list) or len(parts) != _PARTS or rlp.encode(parts) != raw[1:]:
        return None
    scalars = (parts[index] for index in _SCALARS)
    if not all(isinstance(part, bytes) and part[:1] != b"\0" and len(part) <= 32 for part in scalars):
        return None
    if not isinstance(parts[_TO], bytes) or not isinstance(parts[_CALL_DATA], bytes):
        return None
    return parts if isinstance(parts[_ACCESS_LIST], list) else None


def _signer_of(parts: list[bytes]) -> str | None:
    y_parity, r, s = (int.from_bytes(part, "big") for part in parts[9:])
    if not (0 < r < CURVE_ORDER and 0 < s <= CURVE_ORDER // 2):
        return None  # EIP-2: the other half of s would be a second hash for the same payment
    return recovered_address(keccak(bytes([_TYPE]) + rlp.encode(parts[:9])), y_parity, r, s)


def recovered_address(digest: bytes, y_parity: int, r: int, s: int) -> str | None:
    """The account whose key made this signature over the digest; None if no key can have made it."""
    try:
        key = Signature(vrs=(y_parity, r, s)).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValidationError):
        return None
    return str(key.to_checksum_address())
