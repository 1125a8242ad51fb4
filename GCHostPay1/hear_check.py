"""Hears from the watcher whether the order is still the one to pay: then asks the executor, else parks the request."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.db import Connection, record_decision
from shared.lifecycle import Machine, RequestState, decide
from shared.lifecycle import facts as f
from shared.messages import CONDUCTOR_TO_EXECUTOR, OrderChecked, PayOrder
from shared.telemetry import get_logger

from . import store
from .conductor import READING_HOLDS, REDRIVE_AFTER, Conductor
from .park import park_request
from .store import Request
from .take_request import OrderUnknown, RequestContradicts

log = get_logger()


def hear_check(conductor: Conductor, heard: OrderChecked, read_at: datetime, now: datetime, trace: str) -> RequestState:
    """The request's state afterwards. If repeated, or late: nothing changes.

    An order that the exchange does not show, or shows in a state that says nothing, decides nothing, nor does a reading
    (made at `read_at`) that is so old that the order may have expired since: the sweep has it read again, just before
    it is paid.
    """
    limits = conductor.terms.limits
    with conductor.database.transaction() as conn:
        request = named_request(conn, heard.unique_id, heard.cn_api_id)
        if heard.verdict in ("not_found", "unclear"):
            return request.status
        if heard.verdict == "payable" and now - read_at > READING_HOLDS:
            log.warning("order_reading_expired", unique_id=request.unique_id, read_at=read_at.isoformat())
            return request.status
        reason = f"{heard.verdict}: {heard.detail}"
        fact = f.OrderPayable() if heard.verdict == "payable" else f.OrderNotPayable(reason)
        decision = decide(Machine.REQUEST, request.status, fact, now, limits)
        if not decision.moved:
            return request.status
        if isinstance(fact, f.OrderNotPayable):
            messages = park_request(conn, conductor, request, decision, reason, now, trace)
        else:
            due_at = now + limits.wait(REDRIVE_AFTER)
            store.set_request(conn, request.unique_id, RequestState.PAYING, None, now, due_at)
            record_decision(conn, decision, request.unique_id, now, trace, {"exchange_status": heard.exchange_status})
            messages = [put_pay_order(conn, conductor, request, now)]
    conductor.outbox.flush(messages, now)
    after = RequestState(decision.after) if decision.after is not None else request.status
    log.info("order_checked", unique_id=request.unique_id, verdict=heard.verdict, request=after.value)
    return after


def put_pay_order(conn: Connection, conductor: Conductor, request: Request, now: datetime) -> UUID:
    """Writes the message that asks the executor to pay. A repeat finds the executor's transfer and changes nothing."""
    message = PayOrder(
        unique_id=request.unique_id,
        context=request.context,
        cn_api_id=request.cn_api_id,
        from_currency="eth",
        from_network="eth",
        amount_wei=request.amount.wei,
        payin_address=request.payin_address,
    )
    return conductor.outbox.put(conn, CONDUCTOR_TO_EXECUTOR, message, now)


def named_request(conn: Connection, unique_id: str, cn_api_id: str) -> Request:
    """The request that a message names, locked. Raises OrderUnknown, RequestContradicts."""
    request = store.lock_request(conn, unique_id)
    if request is None:
        raise OrderUnknown(f"there is no request {unique_id}")
    if request.cn_api_id != cn_api_id:
        raise RequestContradicts(f"request {unique_id} is for order {request.cn_api_id}, not {cn_api_id}")
    return request
