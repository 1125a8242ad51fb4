"""The key in this process, and the check that signed bytes are exactly what was asked.

One kind of transaction leaves here: EIP-1559, plain ETH, empty call data, chain id spelled out. The check after signing
is not about trust in a library: it is what makes every attempt of a slot provably the same payment.
"""

from __future__ import annotations

from typing import Any, Final

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from shared.chain.address import is_address, keccak, same_address, to_checksum
from shared.chain.port import Signed, TransferFields
from shared.chain.trouble import SignedBytesDiffer

_TYPE: Final = 2
_LEAST_GAS: Final = 21_000
_MOST: Final = 2**256 - 1


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
    """Sender, fields and hash of signed bytes. Raises SignedBytesDiffer if they are no plain EIP-1559 transfer."""
    decoded = _decoded(raw)
    if decoded is None:
        raise SignedBytesDiffer(("encoding",))
    sender, found = decoded
    if bytes(HexBytes(found["data"])) or list(found["accessList"]):
        raise SignedBytesDiffer(("call data",))
    to = bytes(HexBytes(found["to"]))
    if len(to) != 20:  # an empty receiver would create a contract
        raise SignedBytesDiffer(("to",))
    fields = TransferFields(
        chain_id=int(found["chainId"]),
        nonce=int(found["nonce"]),
        to=to_checksum("0x" + to.hex()),
        value_wei=int(found["value"]),
        gas_limit=int(found["gas"]),
        tip_wei=int(found["maxPriorityFeePerGas"]),
        cap_wei=int(found["maxFeePerGas"]),
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


# What the libraries raise for bytes that are no signed transaction.
_UNDECODABLE: Final = (ValueError, TypeError, LookupError, RLPException, BadSignature, ValidationError)
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


def _decoded(raw: bytes) -> tuple[str, dict[str, Any]] | None:
    if raw[:1] != bytes([_TYPE]):
        return None
    try:
        transaction = TypedTransaction.from_bytes(HexBytes(raw))
        sender = str(Account.recover_transaction(HexBytes(raw)))
        found = transaction.as_dict()
        same = transaction.encode() == raw
    except _UNDECODABLE:
        return None
    return (sender, found) if same else None
