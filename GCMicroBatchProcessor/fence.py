"""Replaces an order that could not be paid: not before the executor has committed that it never will be.

The batcher asks, through the conductor, that the order's transfer be void. When it is, the order is abandoned and the
batch is pending again: the next sweep meets the market and opens a new attempt. Until then the batch waits as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from shared.db import Connection, record_decision
from shared.lifecycle import BatchState, Machine, OrderState, RequestState, TransferState, decide
from shared.lifecycle import facts as f
from shared.messages import BATCHER_TO_CONDUCTOR, GiveUpOrder
from shared.telemetry import get_logger

from . import store
from .batcher import Batcher
from .rows import Batch, OrderAttempt, TransferSeen

log = get_logger()

# The executor's own word for an order that it found too late: nobody has to decide about money, it is too late.
_TOO_LATE: Final = "order_is_old"


def is_fenced_off(conn: Connection, order: OrderAttempt) -> bool:
    """Whether executor and conductor have committed that this adopted order moves nothing, now and for ever.

    Both are asked: the executor will not pay it, and the conductor's request for it has ended, so that the next
    order's request finds nothing in its way.
    """
    if order.status is not OrderState.ADOPTED:
        return False
    request = store.request_of(conn, order.batch_conversion_id)
    if request is None or (request.cn_api_id, request.status) != (order.cn_api_id, RequestState.ABANDONED.value):
        return False
    transfer = store.transfer_of(conn, order.order_id)
    return transfer is not None and transfer.moves_nothing


def reopen_batch(
    conn: Connection, batcher: Batcher, batch: Batch, order: OrderAttempt, now: datetime, trace: str
) -> None:
    """Abandons the fenced order and makes the batch pending, due at once. Batch and order must be locked.

    The members, their weights and their wei stay as they were claimed; so does the amount that is ordered.
    """
    limits = batcher.terms.limits
    reason = f"order {order.cn_api_id} was given up unpaid"
    abandoned = decide(Machine.ORDER, order.status, f.OrderFenced(reason), now, limits)
    reopened = decide(Machine.BATCH, batch.status, f.OrderFenced(reason), now, limits)
    store.set_order(conn, order.order_id, OrderState.ABANDONED, now, None, reason=reason)
    record_decision(conn, abandoned, str(order.order_id), now, trace, {"reason": reason})
    store.set_batch(conn, batch.batch_conversion_id, BatchState.PENDING, reason, now, now)
    evidence = {"reason": reason, "order_id": order.order_id}
    record_decision(conn, reopened, str(batch.batch_conversion_id), now, trace, evidence)
    log.info("batch_reopened", batch=str(batch.batch_conversion_id), cn_api_id=order.cn_api_id)


def ask_to_give_up(conn: Connection, batcher: Batcher, batch: Batch, order: OrderAttempt, now: datetime) -> list[UUID]:
    """The message to flush that asks for the fence; none where a person or the chain decides. Harmless to repeat.

    Asked for an order whose request is parked unpaid and that has no transfer, or one that came too late to be paid;
    and again for one that moves nothing already, of which the conductor has not heard.
    """
    if order.status is not OrderState.ADOPTED or order.cn_api_id is None:
        return []
    request = store.request_of(conn, batch.batch_conversion_id)
    if request is None or request.cn_api_id != order.cn_api_id or request.status != RequestState.PARKED.value:
        return []
    transfer = store.transfer_of(conn, order.order_id)
    if request.eth_tx_hash is not None or not (transfer is None or transfer.moves_nothing or _came_too_late(transfer)):
        return []
    message = GiveUpOrder(batch_conversion_id=str(batch.batch_conversion_id), cn_api_id=order.cn_api_id)
    log.info("void_asked", batch=str(batch.batch_conversion_id), cn_api_id=order.cn_api_id)
    return [batcher.outbox.put(conn, BATCHER_TO_CONDUCTOR, message, now)]


def _came_too_late(transfer: TransferSeen) -> bool:
    return transfer.status is TransferState.HELD and transfer.is_held_for(_TOO_LATE)
