"""Hears from the conductor that a swap did not end as ordered: parks the batch, releases it if its ETH is back, or
opens another order if this one is fenced off unpaid."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.lifecycle import Machine, OrderState, decide
from shared.lifecycle import facts as f
from shared.messages import SwapFailed
from shared.telemetry import get_logger

from . import store
from .batcher import Batcher
from .distribute import BatchUnknown, SwapReportContradicts
from .fence import ask_to_give_up, is_fenced_off, reopen_batch
from .open_order import park_batch, release_batch

log = get_logger()


def hear_of_failure(batcher: Batcher, message: SwapFailed, now: datetime, trace: str) -> str:
    """The batch's state afterwards. A repeat, or a report on a batch that ended since, changes nothing.

    A refund is believed when the order's row is `refunded`, which the conductor writes only with the ETH found on
    chain; that an order is never paid, when its transfer's row says so. Raises BatchUnknown, SwapReportContradicts
    (the order is not this batch's).
    """
    message_ids = []
    batch_id = UUID(message.batch_conversion_id)
    with batcher.database.transaction() as conn:
        batch = store.lock_batch(conn, batch_id)
        if batch is None:
            raise BatchUnknown(f"there is no batch {batch_id}")
        orders = {order.cn_api_id: order for order in store.lock_orders(conn, batch_id)}
        order = orders.get(message.cn_api_id)
        if order is None:
            raise SwapReportContradicts(f"order {message.cn_api_id} is not an order of batch {batch_id}")
        if order.status is OrderState.REFUNDED:
            fact = f.RefundProven()
            if decide(Machine.BATCH, batch.status, fact, now, batcher.terms.limits).moved:
                release_batch(conn, batcher, batch, fact, now, trace)
        elif is_fenced_off(conn, order):
            reopen_batch(conn, batcher, batch, order, now, trace)
        elif order.status is not OrderState.ABANDONED:  # else it is told about an order that another one replaced
            park_batch(conn, batcher, batch, f.SwapStuck(message.reason), now, trace)
            message_ids = ask_to_give_up(conn, batcher, batch, order, now)
        after = store.lock_batch(conn, batch_id)
        assert after is not None
    batcher.outbox.flush(message_ids, now)
    log.info("swap_failure_heard", batch=str(batch_id), status=after.status.value, reason=message.reason)
    return after.status.value
