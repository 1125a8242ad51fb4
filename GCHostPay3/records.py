"""The executor's rows as values, and how a row becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Row
from shared.lifecycle import AccountState, TransferState
from shared.money import Ether


@dataclass(frozen=True, slots=True)
class OurRows:
    """A request and its order as the conductor wrote them."""

    unique_id: str
    context: str
    batch_conversion_id: UUID | None
    order_id: int
    cn_api_id: str
    amount: Ether
    payin_address: str
    request_status: str
    order_context: str
    order_batch_conversion_id: UUID | None
    order_status: str
    from_currency: str
    from_network: str
    order_amount: Ether
    order_payin_address: str
    order_cn_api_id: str


@dataclass(frozen=True, slots=True)
class Account:
    """The wallet on one chain; `next_nonce` only grows."""

    address: str
    chain_id: int
    state: AccountState
    reason: str | None
    next_nonce: int
    driven_at: datetime

    @property
    def subject(self) -> str:
        """The account's name in history and alerts."""
        return f"{self.chain_id}:{self.address}"


@dataclass(frozen=True, slots=True)
class Transfer:
    """One outgoing payment."""

    unique_id: str
    request_hash: str
    context: str
    batch_conversion_id: UUID | None
    cn_api_id: str
    order_id: int
    account_address: str
    chain_id: int
    to_address: str
    value: Ether
    state: TransferState
    reason: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A nonce that belongs to one transfer for ever."""

    nonce: int
    gas_limit: int
    hold: Ether
    outcome: str | None
    evidence: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """Stored bytes of a slot; `raw` is spendable and is never printed."""

    nonce: int
    seq: int
    kind: str
    raw: bytes
    tx_hash: str
    tip_wei: int
    cap_wei: int
    first_send_started_at: datetime | None
    last_send_started_at: datetime | None
    first_block: int | None
    included_block_hash: str | None

    def __repr__(self) -> str:
        return f"Attempt(nonce={self.nonce}, seq={self.seq}, tx_hash={self.tx_hash!r})"


@dataclass(frozen=True, slots=True)
class Holds:
    """What open slots hold, how many there are, and the highest block in which one of the account's slots ended."""

    held: Ether
    open_slots: int
    final_block: int


@dataclass(frozen=True, slots=True)
class Open:
    """How many transfers wait, with a nonce and without one yet."""

    with_nonce: int
    without_nonce: int


def our_rows_from(row: Row) -> OurRows:
    return OurRows(
        unique_id=row["unique_id"],
        context=row["context"],
        batch_conversion_id=row["batch_conversion_id"],
        order_id=row["order_id"],
        cn_api_id=row["cn_api_id"],
        amount=Ether(row["amount_wei"]),
        payin_address=row["payin_address"],
        request_status=row["request_status"],
        order_context=row["order_context"],
        order_batch_conversion_id=row["order_batch_conversion_id"],
        order_status=row["order_status"],
        from_currency=row["from_currency"],
        from_network=row["from_network"],
        order_amount=Ether(row["order_amount_wei"]),
        order_payin_address=row["order_payin_address"] or "",
        order_cn_api_id=row["order_cn_api_id"] or "",
    )


def account_from(row: Row) -> Account:
    return Account(
        address=row["address"],
        chain_id=row["chain_id"],
        state=AccountState(row["account_status"]),
        reason=row["reason"],
        next_nonce=row["next_nonce"],
        driven_at=row["updated_at"],
    )


def transfer_from(row: Row) -> Transfer:
    return Transfer(
        unique_id=row["unique_id"],
        request_hash=row["request_hash"],
        context=row["context"],
        batch_conversion_id=row["batch_conversion_id"],
        cn_api_id=row["cn_api_id"],
        order_id=row["order_id"],
        account_address=row["account_address"],
        chain_id=row["chain_id"],
        to_address=row["to_address"],
        value=Ether(row["value_wei"]),
        state=TransferState(row["transfer_status"]),
        reason=row["reason"],
    )


def slot_from(row: Row) -> Slot:
    return Slot(
        nonce=row["nonce"],
        gas_limit=row["gas_limit"],
        hold=Ether(row["hold_wei"]),
        outcome=row["outcome"],
        evidence=row["evidence"],
    )


def attempt_from(row: Row) -> Attempt:
    return Attempt(
        nonce=row["nonce"],
        seq=row["seq"],
        kind=row["kind"],
        raw=bytes(row["raw"]),
        tx_hash=row["tx_hash"],
        tip_wei=row["tip_wei"],
        cap_wei=row["cap_wei"],
        first_send_started_at=row["first_send_started_at"],
        last_send_started_at=row["last_send_started_at"],
        first_block=row["first_block"],
        included_block_hash=row["included_block_hash"],
    )
