"""Looks for what was lost: messages that never became tasks, and batches in which nothing happened in time.

Every step is one that a handler could have taken; taking it again is harmless. At most one order is asked for in a
sweep, because an order is an outside effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.db import (
    SWEEP_EVERY,
    Alert,
    Connection,
    Contended,
    StatementTimedOut,
    beat,
    raise_alert,
    tell_of_silent_jobs,
)
from shared.lifecycle import BatchState, Broken, OrderState, Refused, RequestState
from shared.lifecycle import facts as f
from shared.money import Ether
from shared.telemetry import get_logger

from . import store
from .batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER, SERVICE, TAKEN_WITHIN, Batcher
from .deliver_alert import hand_out_alerts
from .distribute import distribute
from .fence import ask_to_give_up, is_fenced_off, reopen_batch
from .form_batch import intend_order
from .market import meet_market, or_held_back, read_feed
from .open_order import give_up_attempt, open_order, park_batch, put_pay_batch, release_batch
from .overdue import tell_overdue_batches_and_orders, tell_overdue_payments
from .price_guard import HeldBack
from .rows import Batch, OrderAttempt

log = get_logger()

_MOST_BATCHES: Final = 100
OUTBOX_GRACE_S: Final = 30  # the handler itself makes its tasks at once; later than this, it died
MOST_MESSAGES: Final = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: messages that became tasks, and late batches that it looked after."""

    tasks_made: int
    batches_redriven: int


@dataclass(frozen=True, slots=True)
class _Attempt:
    batch_conversion_id: UUID
    order_id: int
    amount: Ether


def sweep(batcher: Batcher, now: datetime, trace: str) -> Swept:
    """One sweep. Nothing it does depends on a task having been delivered."""
    tasks_made = batcher.outbox.sweep(now, OUTBOX_GRACE_S // batcher.terms.limits.time_scale, MOST_MESSAGES).made
    _watch(batcher, now)  # first: people are told also while the exchange cannot be read
    with batcher.database.read() as conn:
        late = store.batches_past_due(conn, now, _MOST_BATCHES)
    order_asked, redriven = False, 0
    busy: list[Contended | StatementTimedOut] = []
    # Batches that need the exchange come last: while it cannot be read, the others are looked after all the same.
    for batch_id, status in sorted(late, key=lambda each: each[1] is BatchState.PENDING):
        try:
            if status is not BatchState.PENDING:
                _look_after_swap(batcher, batch_id, now, trace)
            elif order_asked:
                continue  # it stays late, for the next sweep
            else:
                order_asked = True  # also if it fails: the exchange may have been asked
                order_asked = _try_order_again(batcher, batch_id, now, trace)
        except (Contended, StatementTimedOut) as held:
            busy.append(held)  # one batch that somebody holds must not keep the others from being looked after
            continue
        redriven += 1
    log.info("sweep_done", tasks_made=tasks_made, batches=redriven)
    if busy:
        raise busy[0]
    return Swept(tasks_made, redriven)


def _try_order_again(batcher: Batcher, batch_id: UUID, now: datetime, trace: str) -> bool:
    """Calls an attempt without an answer unknown and makes the next one. True when the exchange was asked.

    The market is met anew: since the claim it may have left the bands, and every attempt opens a real order. Raises
    TryLater when it cannot be read; then no attempt is spent.
    """
    with batcher.database.transaction() as conn:
        batch = store.lock_batch(conn, batch_id)
        if batch is None or batch.status is not BatchState.PENDING or not batch.is_late(now):
            return False
        spent = len(store.lock_orders(conn, batch_id)) - batch.attempts_forgiven >= MOST_ORDER_ATTEMPTS
        paused = store.why_paused(conn, "batching", now) is not None
    if not spent and not paused and _is_held_back(batcher, batch, now):
        return True
    attempt = _next_attempt(batcher, batch_id, now, trace)
    if attempt is None:
        return False
    open_order(batcher, attempt.batch_conversion_id, attempt.order_id, attempt.amount, now, trace)
    return True


def _is_held_back(batcher: Batcher, batch: Batch, now: datetime) -> bool:
    """Whether the guard forbids this batch's order now; then it waits, and the next sweep asks again."""
    market = or_held_back(
        batcher, lambda: meet_market(batcher, batch.ordered, batch.total, read_feed(batcher, now)), now
    )
    if not isinstance(market, HeldBack):
        return False
    with batcher.database.transaction() as conn:
        store.postpone_batch(conn, batch.batch_conversion_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))
    return True


def _next_attempt(batcher: Batcher, batch_id: UUID, now: datetime, trace: str) -> _Attempt | None:
    with batcher.database.transaction() as conn:
        batch = store.lock_batch(conn, batch_id)
        if batch is None or batch.status is not BatchState.PENDING or not batch.is_late(now):
            return None  # another sweep's attempt may be at the exchange at this moment: it is not given up
        if store.why_paused(conn, "batching", now) is not None:
            store.postpone_batch(conn, batch_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))
            return None  # whoever paused batching wants no order at this price, or at this exchange
        attempts = store.lock_orders(conn, batch_id)
        last = attempts[-1]
        unclear = f.OrderUnclear("no answer was stored in time")
        if last.status is OrderState.SENDING:
            give_up_attempt(conn, batcher, last, unclear, None, now, trace)
        if len(attempts) - batch.attempts_forgiven >= MOST_ORDER_ATTEMPTS:
            reason = f"{len(attempts)} attempts to open an order had no clear answer"
            park_batch(conn, batcher, batch, f.OrderAttemptsSpent(reason), now, trace)
            return None
        order_id = intend_order(conn, batcher, batch_id, last.attempt_no + 1, batch.ordered, now, trace)
        store.postpone_batch(conn, batch_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))
    return _Attempt(batch_id, order_id, batch.ordered)


def _look_after_swap(batcher: Batcher, batch_id: UUID, now: datetime, trace: str) -> None:
    """A batch that waits for its swap: do what a report that was lost would have done, or send a lost request again.

    The conductor's rows are the truth: they are read here as its messages would have told them.
    """
    with batcher.database.read() as conn:
        arrived = store.arrival_of(conn, batch_id) is not None
    if arrived:
        _distribute_late(batcher, batch_id, now, trace)
        return
    message_ids = []
    with batcher.database.transaction() as conn:
        batch = store.lock_batch(conn, batch_id)
        if batch is None or batch.status not in (BatchState.SWAPPING, BatchState.PARKED) or not batch.is_late(now):
            return
        store.postpone_batch(conn, batch_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))
        orders = store.lock_orders(conn, batch_id)
        adopted = [order for order in orders if order.status is OrderState.ADOPTED]
        request = store.request_of(conn, batch_id)
        if request is not None and adopted and request.cn_api_id != adopted[0].cn_api_id:
            request = None  # it was for an order that was given up
        if any(order.status is OrderState.REFUNDED for order in orders):
            release_batch(conn, batcher, batch, f.RefundProven(), now, trace)
        elif adopted and is_fenced_off(conn, adopted[0]):
            reopen_batch(conn, batcher, batch, adopted[0], now, trace)
        elif request is not None and request.status == RequestState.PARKED.value:
            park_batch(conn, batcher, batch, f.SwapStuck(request.reason or "its request is parked"), now, trace)
            if adopted:
                message_ids += ask_to_give_up(conn, batcher, batch, adopted[0], now)
        elif adopted and request is None:
            message_ids.append(_ask_again(conn, batcher, batch, adopted[0], now, trace))
    batcher.outbox.flush(message_ids, now)


def _ask_again(
    conn: Connection, batcher: Batcher, batch: Batch, order: OrderAttempt, now: datetime, trace: str
) -> UUID:
    """Sends the request anew. One that is not taken for an hour is refused: a person is told, and asking slows down."""
    assert order.cn_api_id is not None
    assert order.payin_address is not None
    batch_id, patience = batch.batch_conversion_id, batcher.terms.limits.wait(TAKEN_WITHIN)
    if batch.status is BatchState.PARKED:
        store.postpone_batch(conn, batch_id, now + patience)
    elif now - batch.updated_at >= patience:
        park_batch(conn, batcher, batch, f.SwapStuck("the conductor does not take the request to pay it"), now, trace)
    return put_pay_batch(conn, batcher, batch_id, order.cn_api_id, order.amount, order.payin_address, now)


def _distribute_late(batcher: Batcher, batch_id: UUID, now: datetime, trace: str) -> None:
    """Shares out an arrival whose report was lost. What forbids it is told, and does not stop the sweep of others."""
    try:
        distribute(batcher, batch_id, now, trace)
    except (Refused, Broken) as forbidden:
        with batcher.database.transaction() as conn:
            batch = store.lock_batch(conn, batch_id)
            assert batch is not None, "a batch row is never deleted"
            evidence = {"code": forbidden.code}
            at_risk = (batch.ordered, batch.total)
            alert = Alert("distribution_forbidden", str(batch_id), str(forbidden), evidence, at_risk)
            raise_alert(conn, SERVICE, alert, now)
            store.postpone_batch(conn, batch_id, now + batcher.terms.limits.wait(REDRIVE_AFTER))


def _watch(batcher: Batcher, now: datetime) -> None:
    """What people must know: what is overdue, which job is silent; and alerts that are due become tasks."""
    batcher, limits = batcher.with_present_threshold(now), batcher.terms.limits
    with batcher.database.transaction() as conn:
        beat(conn, "batcher /sweep", now, limits.wait(SWEEP_EVERY))
        tell_of_silent_jobs(conn, SERVICE, now)
        tell_overdue_payments(conn, batcher, now)
        tell_overdue_batches_and_orders(conn, limits, now)
        message_ids = hand_out_alerts(conn, batcher, now)
    batcher.outbox.flush(message_ids, now)
