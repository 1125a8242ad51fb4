"""One copy: signed bytes and everything that is needed to know what they paid for.

The format is JSON with a version. What the bytes themselves say (nonce, receiver, value, hash, who signed) is never
believed from the text beside them: reading a copy decodes the bytes and compares.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, Self

from shared.archive.port import ArchiveBroken
from shared.chain.address import same_address
from shared.money import Ether

_VERSION: Final = 1
_CANCEL: Final = "cancel"


class CopyUnreadable(ArchiveBroken):
    """A copy is not of the form that this version writes, or its bytes are not what its text says."""

    code: ClassVar[str] = "archive_copy_unreadable"


def request_hash(amount: Ether, address: str, cn_api_id: str, order_id: int) -> str:
    """What must not change under one unique_id: a pay order with another hash is not the same pay order."""
    said = f"{amount.wei}|{address.lower()}|{cn_api_id}|{order_id}"
    return hashlib.sha256(said.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ArchivedMember:
    """A payment of the batch by the gateway's reference: row numbers are given out anew after a restore."""

    payment_ref: str
    weight_usd_micros: int
    wei: int


@dataclass(frozen=True, slots=True)
class ArchivedBatch:
    """The batch as it was claimed."""

    batch_conversion_id: str
    funding: str
    total_pending_usd_micros: int
    threshold_usd_micros: int
    members_wei: int
    dust_in_wei: int
    ordered_wei: int
    dust_out_wei: int
    expected_usdt_units: int
    feed_answer: int
    feed_decimals: int
    members: tuple[ArchivedMember, ...]


@dataclass(frozen=True, slots=True)
class ArchivedOrder:
    """The order that the bytes pay, as it was adopted."""

    context: str
    attempt_no: int
    from_currency: str
    from_network: str
    to_currency: str
    to_network: str
    amount_wei: int
    payout_address: str
    refund_address: str | None
    cn_api_id: str
    payin_address: str
    expected_to_text: str | None
    key_alias: str


@dataclass(frozen=True, slots=True)
class ArchivedAttempt:
    """Signed bytes of one slot. `reserved_under`: the finalized block when its nonce was given out; `at`: when kept."""

    account: str
    chain_id: int
    nonce: int
    seq: int
    kind: str
    unique_id: str
    to: str
    value_wei: int
    raw: bytes
    tx_hash: str
    gas_limit: int
    tip_wei: int
    cap_wei: int
    reserved_under: int
    at: datetime
    order: ArchivedOrder
    batch: ArchivedBatch | None

    def __repr__(self) -> str:
        return f"ArchivedAttempt(nonce={self.nonce}, seq={self.seq}, tx_hash={self.tx_hash!r})"

    @property
    def cancels(self) -> bool:
        """Whether the bytes use the nonce for nothing."""
        return self.kind == _CANCEL

    def to_json(self) -> str:
        """The copy as one line of JSON, the same text for the same copy."""
        parts = asdict(self) | {"raw": self.raw.hex(), "at": self.at.isoformat(), "version": _VERSION}
        return json.dumps(parts, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The copy, checked against its own bytes. Raises CopyUnreadable."""
        try:
            attempt = cls._parsed(json.loads(text, parse_float=_refuse_float))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CopyUnreadable(f"A copy in the archive cannot be read: {error}") from error
        attempt.check()
        return attempt

    def check(self) -> None:
        """That the bytes are signed by the account and say what the text says. Raises CopyUnreadable."""
        from shared.chain import SignedBytesDiffer, TransferFields, check_signed, decode_signed

        fields = TransferFields(
            self.chain_id, self.nonce, self.to, self.value_wei, self.gas_limit, self.tip_wei, self.cap_wei
        )
        try:
            check_signed(self.raw, self.account, fields)
            _, _, tx_hash = decode_signed(self.raw)
        except (SignedBytesDiffer, ValueError) as error:
            raise CopyUnreadable(f"The bytes kept for nonce {self.nonce} are not what their text says.") from error
        moves_nothing = self.value_wei == 0 and same_address(self.to, self.account)
        pays_the_order = self.value_wei == self.order.amount_wei and same_address(self.to, self.order.payin_address)
        if tx_hash != self.tx_hash or not (moves_nothing if self.cancels else pays_the_order):
            raise CopyUnreadable(
                f"The bytes kept for nonce {self.nonce} do not belong to order {self.order.cn_api_id}."
            )

    @classmethod
    def _parsed(cls, parts: Mapping[str, Any]) -> Self:
        known = dict(parts)
        if known.pop("version") != _VERSION:
            raise ValueError("it is of another version")
        known["raw"] = bytes.fromhex(known["raw"])
        known["at"] = datetime.fromisoformat(known["at"])
        known["order"] = ArchivedOrder(**known["order"])
        if known["batch"] is not None:
            members = tuple(ArchivedMember(**member) for member in known["batch"]["members"])
            known["batch"] = ArchivedBatch(**(known["batch"] | {"members": members}))
        return cls(**known)


def _refuse_float(text: str) -> float:
    raise ValueError(f"{text} is not a whole number")
