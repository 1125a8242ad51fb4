"""The batcher's rows: short sentences over store.sql. Decisions and the commit are the caller's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from shared.db import Connection, Queries, Row
from shared.lifecycle import BatchState, OrderState, PaymentState, TransferState
from shared.money import Ether, Tether, Usd

from .rows import Arrived, Batch, Member, NewBatch, NewOrder, OrderAttempt, PendingPayment, RequestSeen, TransferSeen

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def why_paused(conn: Connection, stage: str, now: datetime) -> str | None:
    """The reason a stage is paused now; None when it runs."""
    row = QUERIES.one(conn, "paused", stage=stage, now=now)
    return None if row is None else str(row["reason"])


def pause_stage(conn: Connection, stage: str, reason: str, paused_by: str, now: datetime) -> None:
    QUERIES.run(conn, "pause_stage", stage=stage, reason=reason, paused_by=paused_by, now=now)


def pending_total(conn: Connection) -> tuple[Usd, int]:
    """The sum of all pending weights, and how many payments it is over."""
    row = QUERIES.only(conn, "pending_total")
    return Usd(row["total_usd_micros"]), row["payments"]


def overdue_payments(conn: Connection, now: datetime) -> tuple[Usd, int, int | None]:
    """What the pending payments past their deadline are worth, how many there are, and the id of the first."""
    row = QUERIES.only(conn, "overdue_payments", now=now)
    return Usd(row["total_usd_micros"]), row["payments"], row["oldest"]


def pending_payments(conn: Connection, most: int) -> list[PendingPayment]:
    """Pending payments by id, nothing locked."""
    return [_pending(row) for row in QUERIES.all(conn, "pending_payments", most=most)]


def lock_pending(conn: Connection, payment_ids: Sequence[int]) -> list[PendingPayment]:
    """Those of the payments that are still pending, by id, locked."""
    return [_pending(row) for row in QUERIES.all(conn, "lock_pending_by_id", ids=list(payment_ids))]


def lock_pending_without_wei(conn: Connection, most: int) -> list[PendingPayment]:
    return [_pending(row) for row in QUERIES.all(conn, "lock_pending_without_wei", most=most)]


def park_payments(
    conn: Connection, payment_ids: Sequence[int], reason: str, now: datetime, due_at: datetime | None
) -> None:
    QUERIES.run(conn, "park_payments", payment_ids=list(payment_ids), reason=reason, now=now, due_at=due_at)


def lock_forming(conn: Connection) -> None:
    """One batch is formed at a time; held until the transaction ends."""
    QUERIES.only(conn, "lock_forming")


def carried_dust(conn: Connection) -> Ether:
    """ETH that earlier batches could not order. Read under `lock_forming`, or it may be spent twice.

    Zero while the dust account stands in debit: a released batch's dust that a later one already carried on is first
    made good by what later orders cut off.
    """
    return max(Ether.zero(), Ether(QUERIES.only(conn, "carried_dust")["dust_wei"]))


def insert_batch(conn: Connection, batch: NewBatch, now: datetime, due_at: datetime | None) -> None:
    """The batch and its members, and its payments taken. The payments must be locked."""
    payment_ids = [payment.payment_id for payment in batch.payments]
    QUERIES.run(
        conn,
        "insert_batch",
        batch_conversion_id=batch.batch_conversion_id,
        conversion_status=BatchState.PENDING.value,
        funding=batch.funding,
        payment_count=len(payment_ids),
        total_pending_usd_micros=batch.total.micros,
        threshold_usd_micros=batch.threshold.micros,
        members_wei=batch.members_total.wei,
        dust_in_wei=batch.dust_in.wei,
        ordered_wei=batch.ordered.wei,
        dust_out_wei=batch.dust_out.wei,
        expected_usdt_units=batch.expected.units,
        feed_answer=batch.feed.answer,
        feed_decimals=batch.feed.decimals,
        now=now,
        due_at=due_at,
    )
    QUERIES.run(
        conn,
        "insert_members",
        batch_conversion_id=batch.batch_conversion_id,
        payment_ids=payment_ids,
        weights_usd_micros=[payment.weight.micros for payment in batch.payments],
        weis=[wei.wei for wei in batch.member_wei],
    )


def claim_payments(
    conn: Connection, batch_id: UUID, payment_ids: Sequence[int], now: datetime, due_at: datetime | None
) -> int:
    """Takes pending payments into the batch; how many it took."""
    return QUERIES.run(
        conn, "claim_payments", batch_conversion_id=batch_id, payment_ids=list(payment_ids), now=now, due_at=due_at
    )


def insert_order(conn: Connection, order: NewOrder, now: datetime, due_at: datetime | None) -> int:
    """The attempt's row in state sending; its id.

    Raises ConstraintViolated (order_attempt_is_numbered_once) when another sweep was first.
    """
    row = QUERIES.only(
        conn,
        "insert_order",
        batch_conversion_id=order.batch_conversion_id,
        attempt_no=order.attempt_no,
        order_status=OrderState.SENDING.value,
        amount_wei=order.amount.wei,
        payout_address=order.payout_address,
        refund_address=order.refund_address,
        expected_to_text=None,
        key_alias=order.key_alias,
        now=now,
        due_at=due_at,
    )
    return int(row["id"])


def lock_batch(conn: Connection, batch_id: UUID) -> Batch | None:
    row = QUERIES.one(conn, "lock_batch", batch_conversion_id=batch_id)
    return None if row is None else _batch(row)


def lock_order(conn: Connection, order_id: int) -> OrderAttempt:
    return _order(QUERIES.only(conn, "lock_order", order_id=order_id))


def lock_orders(conn: Connection, batch_id: UUID) -> list[OrderAttempt]:
    """Every attempt of the batch, oldest first, locked."""
    return [_order(row) for row in QUERIES.all(conn, "lock_orders", batch_conversion_id=batch_id)]


def set_order(
    conn: Connection,
    order_id: int,
    status: OrderState,
    now: datetime,
    due_at: datetime | None,
    *,
    reason: str | None = None,
    cn_api_id: str | None = None,
    payin_address: str | None = None,
    expected_to_text: str | None = None,
) -> None:
    """The attempt's next state; what was known before is kept where nothing new is given."""
    QUERIES.run(
        conn,
        "set_order",
        order_id=order_id,
        order_status=status.value,
        reason=reason,
        cn_api_id=cn_api_id,
        payin_address=payin_address,
        expected_to_text=expected_to_text,
        now=now,
        due_at=due_at,
    )


def set_batch(
    conn: Connection, batch_id: UUID, status: BatchState, reason: str | None, now: datetime, due_at: datetime | None
) -> None:
    QUERIES.run(
        conn,
        "set_batch",
        batch_conversion_id=batch_id,
        conversion_status=status.value,
        reason=reason,
        now=now,
        due_at=due_at,
    )


def postpone_batch(conn: Connection, batch_id: UUID, due_at: datetime) -> None:
    QUERIES.run(conn, "postpone_batch", batch_conversion_id=batch_id, due_at=due_at)


def complete_batch(
    conn: Connection, batch_id: UUID, arrived: Tether, eth_tx_hash: str, usdt_tx_hash: str, now: datetime
) -> None:
    QUERIES.run(
        conn,
        "complete_batch",
        batch_conversion_id=batch_id,
        usdt_arrived_units=arrived.units,
        eth_tx_hash=eth_tx_hash,
        usdt_tx_hash=usdt_tx_hash,
        now=now,
    )


def arrival_of(conn: Connection, batch_id: UUID) -> Arrived | None:
    row = QUERIES.one(conn, "arrival_of", batch_conversion_id=batch_id)
    return None if row is None else Arrived(row["tx_hash"], row["cn_api_id"], Tether(row["usdt_units"]))


def request_of(conn: Connection, batch_id: UUID) -> RequestSeen | None:
    row = QUERIES.one(conn, "request_of", batch_conversion_id=batch_id)
    if row is None:
        return None
    return RequestSeen(row["cn_api_id"], row["request_status"], row["eth_tx_hash"], row["reason"])


def transfer_of(conn: Connection, order_id: int) -> TransferSeen | None:
    """The executor's own word on the order's transfer; None while it has none."""
    row = QUERIES.one(conn, "transfer_of", order_id=order_id)
    if row is None:
        return None
    return TransferSeen(TransferState(row["transfer_status"]), row["reason"], row["repayable"])


def lock_members(conn: Connection, batch_id: UUID) -> list[Member]:
    """The live members by payment id, their payments locked."""
    return [
        Member(
            row["payment_id"],
            Usd(row["weight_usd_micros"]),
            Usd(row["pending_usd_amount_micros"]),
            Ether(row["wei"]),
            _optional_ether(row["net_wei"]),
            PaymentState(row["conversion_status"]),
        )
        for row in QUERIES.all(conn, "lock_members", batch_conversion_id=batch_id)
    ]


def credit_shares(
    conn: Connection,
    batch_id: UUID,
    members: Sequence[Member],
    shares: Sequence[Tether],
    eth_tx_hash: str,
    usdt_tx_hash: str,
    now: datetime,
) -> int:
    """Each member's and payment's share; how many payments were credited."""
    payment_ids = [member.payment_id for member in members]
    units = [share.units for share in shares]
    QUERIES.run(conn, "credit_members", batch_conversion_id=batch_id, payment_ids=payment_ids, shares_usdt_units=units)
    return QUERIES.run(
        conn,
        "credit_payments",
        batch_conversion_id=batch_id,
        payment_ids=payment_ids,
        shares_usdt_units=units,
        eth_tx_hash=eth_tx_hash,
        usdt_tx_hash=usdt_tx_hash,
        now=now,
    )


def release_payments(conn: Connection, batch_id: UUID, now: datetime, due_at: datetime | None) -> int:
    """The batch gives its payments back; how many."""
    QUERIES.run(conn, "release_members", batch_conversion_id=batch_id)
    return QUERIES.run(conn, "release_payments", batch_conversion_id=batch_id, now=now, due_at=due_at)


def record_threshold_check(
    conn: Connection, now: datetime, total: Usd, threshold: Usd, outcome: str, reason: str, batch_id: UUID | None
) -> None:
    QUERIES.run(
        conn,
        "record_threshold_check",
        at=now,
        total_pending_usd_micros=total.micros,
        threshold_usd_micros=threshold.micros,
        outcome=outcome,
        reason=reason,
        batch_conversion_id=batch_id,
    )


def batches_past_due(conn: Connection, now: datetime, most: int) -> list[tuple[UUID, BatchState]]:
    """Batches in which nothing happened in time, longest overdue first."""
    rows = QUERIES.all(conn, "batches_past_due", now=now, most=most)
    return [(row["batch_conversion_id"], BatchState(row["conversion_status"])) for row in rows]


def _pending(row: Row) -> PendingPayment:
    return PendingPayment(
        row["id"],
        Usd(row["pending_usd_amount_micros"]),
        _optional_ether(row["net_wei"]),
        row["client_wallet_address"],
    )


def _optional_ether(wei: int | None) -> Ether | None:
    return None if wei is None else Ether(wei)


def _batch(row: Row) -> Batch:
    arrived = row["usdt_arrived_units"]
    return Batch(
        batch_conversion_id=row["batch_conversion_id"],
        status=BatchState(row["conversion_status"]),
        payment_count=row["payment_count"],
        total=Usd(row["total_pending_usd_micros"]),
        members_total=Ether(row["members_wei"]),
        dust_in=Ether(row["dust_in_wei"]),
        ordered=Ether(row["ordered_wei"]),
        dust_out=Ether(row["dust_out_wei"]),
        expected=Tether(row["expected_usdt_units"]),
        arrived=None if arrived is None else Tether(arrived),
        usdt_tx_hash=row["usdt_tx_hash"],
        due_at=row["due_at"],
        updated_at=row["updated_at"],
        attempts_forgiven=row["attempts_forgiven"],
    )


def _order(row: Row) -> OrderAttempt:
    return OrderAttempt(
        order_id=row["id"],
        batch_conversion_id=row["batch_conversion_id"],
        attempt_no=row["attempt_no"],
        status=OrderState(row["order_status"]),
        cn_api_id=row["cn_api_id"],
        payin_address=row["payin_address"],
        amount=Ether(row["amount_wei"]),
    )
