"""The batcher's rows as values: what a payment, a member, a batch, an order attempt and an arrival are to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.lifecycle import BatchState, OrderState, PaymentState, TransferState
from shared.money import Ether, Price, Tether, Usd


@dataclass(frozen=True, slots=True)
class PendingPayment:
    """A payment that may be batched. net is None when nobody said how much ETH arrived; `wallet` is the client's."""

    payment_id: int
    weight: Usd
    net: Ether | None
    wallet: str


@dataclass(frozen=True, slots=True)
class Member:
    """A payment in a batch: the weight and wei it counts with, and what its own row says (net None: nobody said)."""

    payment_id: int
    weight: Usd
    pending: Usd
    wei: Ether
    net: Ether | None
    status: PaymentState


@dataclass(frozen=True, slots=True)
class NewBatch:
    """Everything that decided a batch, as it is stored."""

    batch_conversion_id: UUID
    funding: str
    payments: Sequence[PendingPayment]
    member_wei: Sequence[Ether]
    dust_in: Ether
    ordered: Ether
    dust_out: Ether
    total: Usd
    threshold: Usd
    expected: Tether
    feed: Price

    @property
    def members_total(self) -> Ether:
        return Ether.total(self.member_wei)


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch's row."""

    batch_conversion_id: UUID
    status: BatchState
    payment_count: int
    total: Usd
    members_total: Ether
    dust_in: Ether
    ordered: Ether
    dust_out: Ether
    expected: Tether
    arrived: Tether | None
    usdt_tx_hash: str | None
    due_at: datetime | None
    updated_at: datetime  # when it came into its state
    attempts_forgiven: int  # how many attempts had been made when a person let it try again

    def is_late(self, now: datetime) -> bool:
        """Whether a sweep is still asked for: another one may have acted since the batch was found."""
        return self.due_at is not None and self.due_at <= now


@dataclass(frozen=True, slots=True)
class OrderAttempt:
    """One attempt to open an order."""

    order_id: int
    batch_conversion_id: UUID
    attempt_no: int
    status: OrderState
    cn_api_id: str | None
    payin_address: str | None
    amount: Ether


@dataclass(frozen=True, slots=True)
class Arrived:
    """USDT seen on chain for a batch."""

    tx_hash: str
    cn_api_id: str
    amount: Tether


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """What the conductor's row says of a batch's request."""

    cn_api_id: str
    status: str
    eth_tx_hash: str | None
    reason: str | None


_WITHOUT_EFFECT: Final = frozenset({TransferState.REVERTED, TransferState.CANCELLED, TransferState.FOREIGN})


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """What the executor's row says of an order's transfer; `repayable`: a person approved that another replaces it."""

    status: TransferState
    reason: str | None
    repayable: bool

    @property
    def moves_nothing(self) -> bool:
        """Now and for ever: it never gets a nonce, or it ended without effect and a person approved another one."""
        return self.status is TransferState.VOID or (self.status in _WITHOUT_EFFECT and self.repayable)

    def is_held_for(self, rule: str) -> bool:
        """Whether this rule of the executor holds it: a reason begins with its rule's name."""
        return (self.reason or "").split(":")[0] == rule


@dataclass(frozen=True, slots=True)
class NewOrder:
    """The intent to open an order."""

    batch_conversion_id: UUID
    attempt_no: int
    amount: Ether
    payout_address: str
    refund_address: str
    key_alias: str
