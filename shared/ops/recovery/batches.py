"""The batch that signed bytes pay for: its payments, members and row, as they were when it was claimed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.books import batch_ordered, batch_released, post
from shared.lifecycle import BatchState, Machine, OrderState, PaymentState, RequestState, TransferState
from shared.lifecycle import facts as f
from shared.money import Ether
from shared.ops.recovery.step import QUERIES, Step, Unexplained

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.archive import ArchivedBatch
    from shared.db import Row

_MOST_NAMED = 20
_HAS_NO_NONCE = (TransferState.CREATED.value, TransferState.APPROVED.value, TransferState.HELD.value)


def ensure_batch(step: Step, batch: ArchivedBatch, nonce: int) -> None:
    """The batch is claimed and its payments belong to it. Raises Unexplained before anything is written."""
    QUERIES.only(step.conn, "lock_forming")
    payments = _payments(step, batch)
    batch_id = UUID(batch.batch_conversion_id)
    for other in sorted({row["batch_conversion_id"] for row in payments} - {None, batch_id}, key=str):
        supersede(step, other, batch_id, nonce)
    payments = _payments(step, batch)
    known = QUERIES.one(step.conn, "lock_batch", batch_conversion_id=batch_id)
    if known is None:
        _insert(step, batch, batch_id, payments)
    elif known["conversion_status"] == BatchState.RELEASED.value:
        _find_paid(step, batch, batch_id, payments)
    pending = [row["id"] for row in payments if row["conversion_status"] == PaymentState.PENDING.value]
    if not pending:
        return
    by_ref = {row["payment_ref"]: row["id"] for row in payments}
    QUERIES.run(
        step.conn,
        "put_members",
        batch_conversion_id=batch_id,
        payment_ids=[by_ref[member.payment_ref] for member in batch.members],
        weights_usd_micros=[member.weight_usd_micros for member in batch.members],
        weis=[member.wei for member in batch.members],
    )
    for payment_id in pending:
        evidence = {"batch_conversion_id": str(batch_id)}
        claimed = step.move(Machine.PAYMENT, PaymentState.PENDING, f.PaymentClaimed(), str(payment_id), evidence)
    QUERIES.run(
        step.conn,
        "claim_payments",
        batch_conversion_id=batch_id,
        payment_ids=pending,
        now=step.now,
        due_at=claimed.due_at,
    )
    step.done.append(f"{len(pending)} payment(s) claimed again for batch {batch_id}")


def adopt_for_batch(step: Step, batch_conversion_id: str, order_id: int) -> None:
    """The batch has its order: it is swapping, unless it went on from there already."""
    batch_id = UUID(batch_conversion_id)
    row = QUERIES.only(step.conn, "lock_batch", batch_conversion_id=batch_id)
    if row["conversion_status"] != BatchState.PENDING.value:
        return
    evidence = {"order_id": order_id}
    swapping = step.move(Machine.BATCH, BatchState.PENDING, f.OrderAdoptedForBatch(), str(batch_id), evidence)
    _set_batch(step, batch_id, BatchState.SWAPPING, None, swapping.due_at)


def supersede(step: Step, batch_id: UUID, by_batch: UUID, nonce: int) -> None:
    """Takes back a batch whose payments older bytes have paid for. Nothing was ever sent for it, or nothing will be.

    Raises Unexplained if it has a nonce that was given out later: then the same payments may be paid twice.
    """
    nonces = [row["nonce"] for row in QUERIES.all(step.conn, "nonces_of_batch", batch_conversion_id=batch_id)]
    if any(given >= nonce for given in nonces):
        raise Unexplained(
            f"payments of batch {by_batch} (nonce {nonce}) are in batch {batch_id}, which has nonce {max(nonces)}: "
            "compare both transactions on chain before anything else"
        )
    row = QUERIES.only(step.conn, "lock_batch", batch_conversion_id=batch_id)
    status = BatchState(row["conversion_status"])
    if status is BatchState.COMPLETED:
        raise Unexplained(f"payments of batch {by_batch} (nonce {nonce}) are completed in batch {batch_id}")
    reason = f"its payments belong to batch {by_batch}, whose bytes were sent before the database was restored"
    if not nonces:
        _fence(step, batch_id, reason)
    members = QUERIES.all(step.conn, "members_of", batch_conversion_id=batch_id)
    for member in members:
        evidence = {"batch_conversion_id": str(batch_id)}
        back = step.move(Machine.PAYMENT, PaymentState.SWAPPING, f.BatchReleased(), str(member["payment_id"]), evidence)
    QUERIES.run(
        step.conn,
        "release_payments",
        batch_conversion_id=batch_id,
        now=step.now,
        due_at=back.due_at if members else None,
    )
    QUERIES.run(step.conn, "release_members", batch_conversion_id=batch_id)
    step.move(Machine.BATCH, status, f.BatchSuperseded(reason), str(batch_id), {"reason": reason})
    _set_batch(step, batch_id, BatchState.RELEASED, reason, None)
    posting = batch_released(str(batch_id), received=_received(members), **_amounts(row))
    post(step.conn, posting, step.now, step.trace)
    told = f"batch {batch_id} gave its payments back: {reason}"
    step.tell("batch_released", str(batch_id), told, at_risk=(_received(members),))
    step.done.append(f"batch {batch_id} released: {reason}")


def _fence(step: Step, batch_id: UUID, reason: str) -> None:
    """Nothing of this batch is ever paid: transfers void, requests and orders abandoned."""
    for transfer in QUERIES.all(step.conn, "lock_transfers_of", batch_conversion_id=batch_id):
        if transfer["transfer_status"] in _HAS_NO_NONCE:
            void_transfer(step, transfer, reason)
    for order in QUERIES.all(step.conn, "lock_orders_of", batch_conversion_id=batch_id):
        give_up_order(step, order, reason)


def void_transfer(step: Step, transfer: Row, reason: str) -> None:
    """A transfer that has no nonce never gets one."""
    unique_id = transfer["unique_id"]
    state = TransferState(transfer["transfer_status"])
    step.move(Machine.TRANSFER, state, f.VoidAsked(), unique_id, {"reason": reason})
    QUERIES.run(
        step.conn,
        "set_transfer",
        unique_id=unique_id,
        transfer_status=TransferState.VOID.value,
        reason=reason,
        now=step.now,
        due_at=None,
    )


def give_up_order(step: Step, order: Row, reason: str, kept_request: str | None = None) -> None:
    """An order that is open is never paid, and neither is its request, unless that is kept for another order."""
    for request in QUERIES.all(step.conn, "lock_requests_of", order_id=order["id"]):
        if request["unique_id"] != kept_request:
            _abandon_request(step, request, reason)
    state = OrderState(order["order_status"])
    match state:
        case OrderState.ADOPTED:
            after, fact = OrderState.ABANDONED, f.OrderFenced(reason)
        case OrderState.SENDING:
            after, fact = OrderState.UNKNOWN, f.OrderUnclear(reason)  # type: ignore[assignment]
        case _:
            return
    step.move(Machine.ORDER, state, fact, str(order["id"]), {"reason": reason})
    QUERIES.run(step.conn, "set_order", order_id=order["id"], order_status=after.value, reason=reason, now=step.now)


def _abandon_request(step: Step, request: Row, reason: str) -> None:
    state = RequestState(request["request_status"])
    unique_id = request["unique_id"]
    if state is RequestState.RECEIVED:
        state = _moved(step, state, f.CheckAsked(), unique_id, reason)
    if state is RequestState.CHECKING:
        state = _moved(step, state, f.OrderNotPayable(reason), unique_id, reason)
    if state in (RequestState.PAYING, RequestState.PARKED):
        state = _moved(step, state, f.OrderFenced(reason), unique_id, reason)
    QUERIES.run(
        step.conn,
        "set_request",
        unique_id=unique_id,
        request_status=state.value,
        reason=reason,
        now=step.now,
        due_at=None,
    )


def _moved(step: Step, state: RequestState, fact: f.Fact, unique_id: str, reason: str) -> RequestState:
    after = step.move(Machine.REQUEST, state, fact, unique_id, {"reason": reason}).after
    assert isinstance(after, RequestState)
    return after


def _payments(step: Step, batch: ArchivedBatch) -> list[Row]:
    """The batch's payments, locked. Raises Unexplained if one is not there, or is another one than it was."""
    refs = [member.payment_ref for member in batch.members]
    rows = {row["payment_ref"]: row for row in QUERIES.all(step.conn, "lock_payments", payment_refs=refs)}
    missing = [ref for ref in refs if ref not in rows]
    if missing:
        raise Unexplained(
            f"batch {batch.batch_conversion_id} was paid, and {len(missing)} of its payments are lost: "
            f"{_named(missing)}. Have their webhooks delivered again, then run this again"
        )
    for member in batch.members:
        row = rows[member.payment_ref]
        if row["pending_usd_amount_micros"] != member.weight_usd_micros:
            raise Unexplained(
                f"payment {member.payment_ref} has another amount than in batch {batch.batch_conversion_id}"
            )
        if row["conversion_status"] == PaymentState.PARKED.value:
            raise Unexplained(
                f"payment {member.payment_ref} of batch {batch.batch_conversion_id} is parked in this database"
            )
    return [rows[ref] for ref in refs]


def _insert(step: Step, batch: ArchivedBatch, batch_id: UUID, payments: Sequence[Row]) -> None:
    evidence = {"payments": len(batch.members), "ordered": Ether(batch.ordered_wei)}
    claimed = step.move(Machine.BATCH, None, f.PaymentsClaimed(), str(batch_id), evidence)
    QUERIES.run(
        step.conn,
        "insert_batch",
        batch_conversion_id=batch_id,
        funding=batch.funding,
        payment_count=len(batch.members),
        total_pending_usd_micros=batch.total_pending_usd_micros,
        threshold_usd_micros=batch.threshold_usd_micros,
        members_wei=batch.members_wei,
        dust_in_wei=batch.dust_in_wei,
        ordered_wei=batch.ordered_wei,
        dust_out_wei=batch.dust_out_wei,
        expected_usdt_units=batch.expected_usdt_units,
        feed_answer=batch.feed_answer,
        feed_decimals=batch.feed_decimals,
        now=step.now,
        due_at=claimed.due_at,
    )
    _post_ordered(step, batch, batch.batch_conversion_id, payments)
    step.done.append(f"batch {batch_id} of {Ether(batch.ordered_wei)} rebuilt with {len(batch.members)} member(s)")


def _find_paid(step: Step, batch: ArchivedBatch, batch_id: UUID, payments: Sequence[Row]) -> None:
    """The restored database gave the batch up, and bytes that pay for it may be out."""
    step.move(Machine.BATCH, BatchState.RELEASED, f.BatchFoundPaid(), str(batch_id), {})
    _set_batch(step, batch_id, BatchState.SWAPPING, None, None)
    # A posting is made once per fact, and this order was posted and taken back: the second time is a fact of its own.
    _post_ordered(step, batch, f"{batch_id}/recovered", payments)
    step.done.append(f"batch {batch_id} is swapping again: it was given up, and bytes that pay for it were found")


def _post_ordered(step: Step, batch: ArchivedBatch, subject: str, payments: Sequence[Row]) -> None:
    amounts = _amounts(
        {"members_wei": batch.members_wei, "dust_in_wei": batch.dust_in_wei, "dust_out_wei": batch.dust_out_wei}
    )
    post(step.conn, batch_ordered(subject, received=_received(payments), **amounts), step.now, step.trace)


def _received(rows: Sequence[Row]) -> Ether:
    return Ether.total(Ether(row["net_wei"]) for row in rows if row["net_wei"] is not None)


def _amounts(row: Row) -> dict[str, Any]:
    return {
        "members": Ether(row["members_wei"]),
        "dust_in": Ether(row["dust_in_wei"]),
        "dust_out": Ether(row["dust_out_wei"]),
    }


def _set_batch(step: Step, batch_id: UUID, state: BatchState, reason: str | None, due_at: object) -> None:
    QUERIES.run(
        step.conn,
        "set_batch",
        batch_conversion_id=batch_id,
        conversion_status=state.value,
        reason=reason,
        now=step.now,
        due_at=due_at,
    )


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST_NAMED]) + (", ..." if len(names) > _MOST_NAMED else "")
