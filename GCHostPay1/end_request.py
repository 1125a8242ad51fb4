"""How a watched request ends, or gets stuck: rows, books and messages of one commit. The request must be locked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.books import instant_finished, post, refund_returned, usdt_arrived
from shared.chain.address import same_address
from shared.chain.port import EtherReceived, TokenTransfer
from shared.db import Connection, ConstraintViolated, record_decision
from shared.exchange import ExchangeStatus
from shared.lifecycle import Machine, OrderState, RequestState, decide
from shared.lifecycle import facts as f
from shared.messages import CONDUCTOR_TO_BATCHER_EXECUTED, SwapExecuted
from shared.money import Ether, Tether

from . import store
from .conductor import Conductor
from .park import park_request, report_failure, tell_new_reason
from .store import Request

Ended = tuple[RequestState, list[UUID]]

_ORDER_FACTS: Final[dict[ExchangeStatus, type[f.BecauseOf]]] = {
    ExchangeStatus.FAILED: f.OrderFailedAtExchange,
    ExchangeStatus.EXPIRED: f.OrderExpiredAtExchange,
    ExchangeStatus.VERIFYING: f.OrderHeldByExchange,
    ExchangeStatus.HOLD: f.OrderHeldByExchange,
}


def arrived(
    conn: Connection, conductor: Conductor, request: Request, seen: TokenTransfer, now: datetime, trace: str
) -> Ended:
    """The USDT is in our wallet for good: arrival, order, request, books and the report to the batcher."""
    assert request.batch_conversion_id is not None
    assert request.eth_tx_hash is not None
    limits = conductor.terms.limits
    if not store.insert_arrival(
        conn, request.batch_conversion_id, request.cn_api_id, conductor.terms.usdt_contract, seen, now
    ):
        reason = f"its payout {seen.tx_hash} (log {seen.log_index}) is counted already"
        return stuck(conn, conductor, request, ExchangeStatus.FINISHED, reason, now, trace)
    amount = Tether(seen.units)
    evidence = {"usdt_tx_hash": seen.tx_hash, "log_index": seen.log_index, "arrived": amount, "block": seen.block_hash}
    _end_order(conn, conductor, request, f.PayoutArrived(), OrderState.FINISHED, evidence, now, trace)
    decision = decide(Machine.REQUEST, request.status, f.ResultReported(), now, limits)
    store.set_request(conn, request.unique_id, RequestState.REPORTED, None, now, None)
    record_decision(conn, decision, request.unique_id, now, trace, evidence)
    post(conn, usdt_arrived(str(request.batch_conversion_id), amount), now, trace)
    message = SwapExecuted(
        batch_conversion_id=str(request.batch_conversion_id),
        cn_api_id=request.cn_api_id,
        eth_tx_hash=request.eth_tx_hash,
        usdt_tx_hash=seen.tx_hash,
        usdt_units=seen.units,
    )
    return RequestState.REPORTED, [conductor.outbox.put(conn, CONDUCTOR_TO_BATCHER_EXECUTED, message, now)]


def finished_instantly(conn: Connection, conductor: Conductor, request: Request, now: datetime, trace: str) -> Ended:
    """An instant payout ends with its transfer settled and its order finished; nobody waits for a report."""
    evidence = {"cn_api_id": request.cn_api_id}
    _end_order(conn, conductor, request, f.PayoutArrived(), OrderState.FINISHED, evidence, now, trace)
    decision = decide(Machine.REQUEST, request.status, f.ResultReported(), now, conductor.terms.limits)
    store.set_request(conn, request.unique_id, RequestState.REPORTED, None, now, None)
    record_decision(conn, decision, request.unique_id, now, trace, evidence)
    post(conn, instant_finished(request.unique_id, request.amount), now, trace)
    return RequestState.REPORTED, []


def refunded(
    conn: Connection, conductor: Conductor, request: Request, seen: EtherReceived, now: datetime, trace: str
) -> Ended:
    """The order's ETH is back in our wallet for good. A refund that cannot be this order's waits for a person."""
    returned = Ether(seen.value_wei)
    impossible = _why_not_this_refund(conductor, request, seen, returned)
    evidence = {"refund_tx_hash": seen.tx_hash, "returned": returned, "sent": request.amount, "block": seen.block_hash}
    if impossible is None:
        try:
            with conn.savepoint():
                _end_order(conn, conductor, request, f.RefundProven(), OrderState.REFUNDED, evidence, now, trace)
        except ConstraintViolated as violated:
            # Only the database sees two orders that are being ended with one refund at the same time.
            if violated.constraint != "refund_is_counted_once":
                raise
            impossible = f"its refund {seen.tx_hash} is counted for another order already"
    if impossible is not None:
        return stuck(conn, conductor, request, ExchangeStatus.REFUNDED, impossible, now, trace)
    decision = decide(Machine.REQUEST, request.status, f.RefundReported(), now, conductor.terms.limits)
    reason = f"{returned} of {request.amount} came back in {seen.tx_hash}"
    store.set_request(conn, request.unique_id, RequestState.REPORTED, reason, now, None)
    record_decision(conn, decision, request.unique_id, now, trace, evidence)
    post(conn, refund_returned(request.unique_id, request.amount, returned), now, trace)
    return RequestState.REPORTED, report_failure(conn, conductor, request, reason, seen.tx_hash, now)


def stuck(
    conn: Connection,
    conductor: Conductor,
    request: Request,
    word: ExchangeStatus,
    reason: str,
    now: datetime,
    trace: str,
) -> Ended:
    """The order's state follows the exchange's word; the request is parked once and is looked at all the same.

    Other trouble of a parked request is told to a person, who must not read yesterday's reason."""
    limits = conductor.terms.limits
    fact_class = _ORDER_FACTS.get(word)
    if fact_class is not None:
        order = store.lock_order(conn, request.order_id)
        moved = decide(Machine.ORDER, order.status, fact_class(reason), now, limits)
        if moved.after is not None and moved.moved:
            store.set_order(conn, request.order_id, OrderState(moved.after), reason, now, moved.due_at)
            record_decision(conn, moved, str(request.order_id), now, trace, {"reason": reason})
    decision = decide(Machine.REQUEST, request.status, f.OrderStuck(reason), now, limits)
    if not decision.moved:
        tell_new_reason(conn, request, reason, now)
        return request.status, []
    return RequestState.PARKED, park_request(conn, conductor, request, decision, reason, now, trace)


def _end_order(
    conn: Connection,
    conductor: Conductor,
    request: Request,
    fact: f.PayoutArrived | f.RefundProven,
    status: OrderState,
    evidence: Mapping[str, object],
    now: datetime,
    trace: str,
) -> None:
    order = store.lock_order(conn, request.order_id)
    decision = decide(Machine.ORDER, order.status, fact, now, conductor.terms.limits)
    store.set_order(conn, request.order_id, status, None, now, decision.due_at)
    record_decision(conn, decision, str(request.order_id), now, trace, evidence)


def _why_not_this_refund(conductor: Conductor, request: Request, seen: EtherReceived, returned: Ether) -> str | None:
    if same_address(seen.sender, conductor.terms.eth_wallet):
        return f"its refund {seen.tx_hash} was sent by our own wallet"
    if not returned.is_positive() or returned > request.amount:
        return f"its refund {seen.tx_hash} brought {returned}, the order was over {request.amount}"
    return None
