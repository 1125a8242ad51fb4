"""Opens a batch's order at the exchange, and adopts exactly one.

The attempt's row is committed before the exchange is asked (form_batch.intend_order). Then one POST, never repeated
blindly: an unclear answer makes the attempt `unknown`, which is never paid, and the sweep makes a new attempt, a
bounded number of times. An order that we did not adopt lapses at the exchange unpaid and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from shared.books import batch_released, post
from shared.db import Alert, Connection, raise_alert, record_decision, record_decisions
from shared.exchange import ETH_TO_USDT, Created, Order, OrderMismatch, OrderRequest, RefusedByExchange, Unclear
from shared.lifecycle import BatchState, Machine, OrderState, PaymentState, decide
from shared.lifecycle import facts as f
from shared.messages import BATCHER_TO_CONDUCTOR, PayBatch
from shared.money import Ether
from shared.telemetry import get_logger

from . import store
from .batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER, SERVICE, Batcher
from .distribute import MembersDoNotAddUp
from .rows import Batch, OrderAttempt

log = get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """How an attempt ended: cn_api_id when the batch has its order, else None and the reason."""

    cn_api_id: str | None
    reason: str


def open_order(batcher: Batcher, batch_id: UUID, order_id: int, amount: Ether, now: datetime, trace: str) -> Opened:
    """Asks the exchange once and commits what follows. The attempt must be committed as `sending`.

    Never raises for an answer of the exchange. A crash after the POST leaves the attempt `sending`; the sweep calls
    it unknown and goes on.
    """
    request = OrderRequest(
        pair=ETH_TO_USDT,
        amount=amount,
        payout_address=batcher.terms.payout_address,
        refund_address=batcher.terms.refund_address,
    )
    answer = batcher.exchange.create(request)
    match answer:
        case Created(order=order):
            return _adopt(batcher, batch_id, order_id, order, now, trace)
        case RefusedByExchange(kind=kind, message=message):
            return _refuse(
                batcher, batch_id, order_id, f"the exchange refused the order: {kind}: {message}", now, trace
            )
        case OrderMismatch(cn_api_id=cn_api_id):
            wrong = f.OrderAnsweredWrongly(f"the exchange's answer contradicts the request: {answer.reason}")
            return _give_up(batcher, batch_id, order_id, wrong, cn_api_id, now, trace)
        case Unclear(reason=why):
            fact = f.OrderUnclear(f"the exchange's answer is unclear: {why}")
            return _give_up(batcher, batch_id, order_id, fact, None, now, trace)
        case _:
            assert_never(answer)


def _adopt(batcher: Batcher, batch_id: UUID, order_id: int, order: Order, now: datetime, trace: str) -> Opened:
    limits = batcher.terms.limits
    with batcher.database.transaction() as conn:
        batch, attempt = _locked(conn, batch_id, order_id)
        answered = decide(Machine.ORDER, attempt.status, f.OrderAnswered(), now, limits)
        evidence = {"cn_api_id": order.cn_api_id, "payin_address": order.payin_address}
        record_decision(conn, answered, str(order_id), now, trace, evidence)
        if answered.after is not OrderState.CREATED:
            # A sweep called this attempt unknown while the answer was on its way: the order is real and never funded.
            _note_order(conn, order_id, OrderState.ABANDONED, order, now, None, "its answer came after it was given up")
            return Opened(None, "the answer came too late; a later attempt goes on")
        adopted = decide(Machine.ORDER, OrderState.CREATED, f.OrderAdopted(), now, limits)
        swapping = decide(Machine.BATCH, batch.status, f.OrderAdoptedForBatch(), now, limits)
        _note_order(conn, order_id, OrderState.ADOPTED, order, now, adopted.due_at)
        store.set_batch(conn, batch_id, BatchState.SWAPPING, None, now, now + limits.wait(REDRIVE_AFTER))
        record_decision(conn, adopted, str(order_id), now, trace, evidence)
        record_decision(conn, swapping, str(batch_id), now, trace, {"order_id": order_id, **evidence})
        message_id = put_pay_batch(conn, batcher, batch_id, order.cn_api_id, attempt.amount, order.payin_address, now)
    batcher.outbox.flush([message_id], now)
    log.info("batch_swapping", batch=str(batch_id), cn_api_id=order.cn_api_id, ordered=attempt.amount)
    return Opened(order.cn_api_id, "the order is adopted")


def put_pay_batch(
    conn: Connection,
    batcher: Batcher,
    batch_id: UUID,
    cn_api_id: str,
    amount: Ether,
    payin_address: str,
    now: datetime,
) -> UUID:
    """Writes the message that asks the conductor to have the order paid. A repeat is absorbed by the conductor."""
    message = PayBatch(
        batch_conversion_id=str(batch_id),
        cn_api_id=cn_api_id,
        from_currency="eth",
        from_network="eth",
        amount_wei=amount.wei,
        payin_address=payin_address,
    )
    return batcher.outbox.put(conn, BATCHER_TO_CONDUCTOR, message, now)


def _refuse(batcher: Batcher, batch_id: UUID, order_id: int, reason: str, now: datetime, trace: str) -> Opened:
    """The exchange said no: nothing can ever be paid for this attempt, so the payments go back to pending."""
    limits = batcher.terms.limits
    with batcher.database.transaction() as conn:
        batch, attempt = _locked(conn, batch_id, order_id)
        if attempt.status is not OrderState.SENDING or batch.status is not BatchState.PENDING:
            return Opened(None, "the answer came too late; a later attempt goes on")
        refused = decide(Machine.ORDER, attempt.status, f.OrderRefused(reason), now, limits)
        store.set_order(conn, order_id, OrderState.REFUSED, now, None, reason=reason)
        record_decision(conn, refused, str(order_id), now, trace, {"reason": reason})
        release_batch(conn, batcher, batch, f.OrderRefusedForBatch(reason), now, trace)
    log.warning("batch_released", batch=str(batch_id), reason=reason)
    return Opened(None, reason)


def release_batch(
    conn: Connection,
    batcher: Batcher,
    batch: Batch,
    fact: f.OrderRefusedForBatch | f.RefundProven,
    now: datetime,
    trace: str,
) -> None:
    """Gives the batch's payments back to pending with the wei they came with, and says so. The batch must be locked."""
    limits = batcher.terms.limits
    batch_id = batch.batch_conversion_id
    reason = fact.reason if isinstance(fact, f.OrderRefusedForBatch) else "the order's ETH came back"
    released = decide(Machine.BATCH, batch.status, fact, now, limits)
    given_back = decide(Machine.PAYMENT, PaymentState.SWAPPING, f.BatchReleased(), now, limits)
    members = store.lock_members(conn, batch_id)
    if store.release_payments(conn, batch_id, now, given_back.due_at) != len(members):
        raise MembersDoNotAddUp(f"not every payment of batch {batch_id} is swapping: none is given back")
    store.set_batch(conn, batch_id, BatchState.RELEASED, reason, now, None)
    record_decision(conn, released, str(batch_id), now, trace, {"reason": reason})
    subjects = [str(member.payment_id) for member in members]
    record_decisions(conn, given_back, subjects, now, trace, {"batch_conversion_id": str(batch_id)})
    posting = batch_released(
        str(batch_id),
        received=Ether.total(member.net for member in members if member.net is not None),
        members=batch.members_total,
        dust_in=batch.dust_in,
        dust_out=batch.dust_out,
    )
    post(conn, posting, now, trace)
    message = f"batch {batch_id} gave its payments back: {reason}"
    alert = Alert("batch_released", str(batch_id), message, {}, (batch.ordered, batch.total))
    raise_alert(conn, SERVICE, alert, now)


def _give_up(
    batcher: Batcher,
    batch_id: UUID,
    order_id: int,
    fact: f.OrderUnclear | f.OrderAnsweredWrongly,
    cn_api_id: str | None,
    now: datetime,
    trace: str,
) -> Opened:
    """This attempt is never paid. The batch waits for the next sweep's attempt, or is parked when there were enough."""
    with batcher.database.transaction() as conn:
        batch, attempt = _locked(conn, batch_id, order_id)
        if attempt.status is not OrderState.SENDING or batch.status is not BatchState.PENDING:
            return Opened(None, "the answer came too late; a later attempt goes on")
        give_up_attempt(conn, batcher, attempt, fact, cn_api_id, now, trace)
        if attempt.attempt_no - batch.attempts_forgiven >= MOST_ORDER_ATTEMPTS:
            park_batch(conn, batcher, batch, f.OrderAttemptsSpent(fact.reason), now, trace)
        else:
            store.postpone_batch(conn, batch_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))
    log.warning("order_unclear", batch=str(batch_id), attempt_no=attempt.attempt_no, reason=fact.reason)
    return Opened(None, fact.reason)


def give_up_attempt(
    conn: Connection,
    batcher: Batcher,
    attempt: OrderAttempt,
    fact: f.OrderUnclear | f.OrderAnsweredWrongly,
    cn_api_id: str | None,
    now: datetime,
    trace: str,
) -> None:
    """Marks an attempt as one that is never paid. The attempt must be locked."""
    decision = decide(Machine.ORDER, attempt.status, fact, now, batcher.terms.limits)
    status = OrderState.ABANDONED if isinstance(fact, f.OrderAnsweredWrongly) else OrderState.UNKNOWN
    store.set_order(conn, attempt.order_id, status, now, None, reason=fact.reason, cn_api_id=cn_api_id)
    record_decision(conn, decision, str(attempt.order_id), now, trace, {"reason": fact.reason})
    if isinstance(fact, f.OrderAnsweredWrongly):
        message = f"order attempt {attempt.attempt_no} of batch {attempt.batch_conversion_id}: {fact.reason}"
        alert = Alert("order_abandoned", str(attempt.order_id), message, {}, (attempt.amount,))
        raise_alert(conn, SERVICE, alert, now)


def park_batch(
    conn: Connection,
    batcher: Batcher,
    batch: Batch,
    fact: f.OrderAttemptsSpent | f.SwapStuck,
    now: datetime,
    trace: str,
) -> None:
    """The batch waits for a person. The batch must be locked; a batch that is parked already stays as it is."""
    parked = decide(Machine.BATCH, batch.status, fact, now, batcher.terms.limits)
    if not parked.moved:
        return
    batch_id = str(batch.batch_conversion_id)
    # Parked, but not forgotten: a late arrival completes it, so the sweep keeps looking.
    look_again = now + batcher.terms.limits.wait(REDRIVE_AFTER)
    store.set_batch(conn, batch.batch_conversion_id, BatchState.PARKED, fact.reason, now, look_again)
    record_decision(conn, parked, batch_id, now, trace, {"reason": fact.reason})
    message = f"batch {batch_id} is parked: {fact.reason}"
    raise_alert(conn, SERVICE, Alert("batch_parked", batch_id, message, {}, (batch.ordered, batch.total)), now)


def _locked(conn: Connection, batch_id: UUID, order_id: int) -> tuple[Batch, OrderAttempt]:
    batch = store.lock_batch(conn, batch_id)
    assert batch is not None, "a batch row is never deleted"
    return batch, store.lock_order(conn, order_id)


def _note_order(
    conn: Connection,
    order_id: int,
    status: OrderState,
    order: Order,
    now: datetime,
    due_at: datetime | None,
    reason: str | None = None,
) -> None:
    store.set_order(
        conn,
        order_id,
        status,
        now,
        due_at,
        reason=reason,
        cn_api_id=order.cn_api_id,
        payin_address=order.payin_address,
        expected_to_text=order.expected_to_text,
    )
