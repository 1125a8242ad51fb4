"""The order that signed bytes pay, and the request that had it paid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.chain.address import same_address
from shared.lifecycle import Machine, OrderState, RequestState, due_at
from shared.lifecycle import facts as f
from shared.ops.recovery.batches import give_up_order
from shared.ops.recovery.step import QUERIES, Step, Unexplained

if TYPE_CHECKING:
    from shared.archive import ArchivedOrder
    from shared.db import Row

_NEVER_PAID: Final = (OrderState.UNKNOWN, OrderState.REFUSED, OrderState.ABANDONED)


def ensure_order(
    step: Step, unique_id: str, order: ArchivedOrder, batch_conversion_id: str | None, *, was_fenced: bool
) -> int:
    """The order's row, adopted or further; its number. `was_fenced`: a later order of its batch was paid after it."""
    batch_id = None if batch_conversion_id is None else UUID(batch_conversion_id)
    known = QUERIES.one(step.conn, "lock_order_named", cn_api_id=order.cn_api_id)
    if known is not None:
        return _known(order, known, was_fenced=was_fenced)
    others = [] if batch_id is None else QUERIES.all(step.conn, "lock_orders_of", batch_conversion_id=batch_id)
    for other in others:
        if other["order_status"] != OrderState.SENDING.value or other["attempt_no"] != order.attempt_no:
            reason = f"order {order.cn_api_id} is the one that was paid, before the database was restored"
            give_up_order(step, other, reason, kept_request=unique_id)
    same = next((other for other in others if other["attempt_no"] == order.attempt_no), None)
    if same is not None and same["order_status"] == OrderState.SENDING.value:
        return _answer(step, order, same)
    attempt_no = order.attempt_no if same is None else max(other["attempt_no"] for other in others) + 1
    return _insert(step, order, batch_id, attempt_no)


def ensure_request(step: Step, unique_id: str, order: ArchivedOrder, batch_id: str | None, order_id: int) -> None:
    """The request waits for its transfer's verdict, unless it went on from there already."""
    row = QUERIES.one(step.conn, "lock_request", unique_id=unique_id)
    if row is None:
        _insert_request(step, unique_id, order, batch_id, order_id)
        return
    if row["request_status"] == RequestState.ABANDONED.value and row["order_id"] != order_id:
        raise Unexplained(f"request {unique_id} was abandoned for another order than {order.cn_api_id}, which was paid")
    QUERIES.run(
        step.conn,
        "bind_request",
        unique_id=unique_id,
        order_id=order_id,
        cn_api_id=order.cn_api_id,
        payin_address=order.payin_address,
        now=step.now,
    )
    state = RequestState(row["request_status"])
    if state is RequestState.RECEIVED:
        step.move(Machine.REQUEST, state, f.CheckAsked(), unique_id, {})
        state = RequestState.CHECKING
    if state is RequestState.CHECKING:
        paying = step.move(Machine.REQUEST, state, f.OrderPayable(), unique_id, {"order_id": order_id})
        QUERIES.run(
            step.conn,
            "set_request",
            unique_id=unique_id,
            request_status=RequestState.PAYING.value,
            reason=None,
            now=step.now,
            due_at=paying.due_at,
        )


def _known(order: ArchivedOrder, row: Row, *, was_fenced: bool) -> int:
    order_id = int(row["id"])
    if row["payin_address"] is not None and not same_address(row["payin_address"], order.payin_address):
        raise Unexplained(f"order {order.cn_api_id} has another deposit address than the bytes that paid it")
    if row["amount_wei"] != order.amount_wei:
        raise Unexplained(f"order {order.cn_api_id} has another amount than the bytes that paid it")
    state = OrderState(row["order_status"])
    if state in _NEVER_PAID and not was_fenced:
        raise Unexplained(f"order {order.cn_api_id} is {state.value} in this database, and bytes that pay it exist")
    if state is OrderState.CREATED:
        raise Unexplained(f"order {order.cn_api_id} is half adopted: no version of the batcher leaves it so")
    return order_id


def _answer(step: Step, order: ArchivedOrder, row: Row) -> int:
    order_id = int(row["id"])
    evidence = {"cn_api_id": order.cn_api_id, "payin_address": order.payin_address}
    step.move(Machine.ORDER, OrderState.SENDING, f.OrderAnswered(), str(order_id), evidence)
    adopted = step.move(Machine.ORDER, OrderState.CREATED, f.OrderAdopted(), str(order_id), evidence)
    QUERIES.run(
        step.conn,
        "answer_order",
        order_id=order_id,
        cn_api_id=order.cn_api_id,
        payin_address=order.payin_address,
        expected_to_text=order.expected_to_text,
        now=step.now,
        due_at=adopted.due_at,
    )
    step.done.append(f"order {order.cn_api_id} adopted again")
    return order_id


def _insert(step: Step, order: ArchivedOrder, batch_id: UUID | None, attempt_no: int) -> int:
    order_id = int(
        QUERIES.only(
            step.conn,
            "insert_order",
            context=order.context,
            batch_conversion_id=batch_id,
            attempt_no=attempt_no,
            from_currency=order.from_currency,
            from_network=order.from_network,
            to_currency=order.to_currency,
            to_network=order.to_network,
            amount_wei=order.amount_wei,
            payout_address=order.payout_address,
            refund_address=order.refund_address,
            cn_api_id=order.cn_api_id,
            payin_address=order.payin_address,
            expected_to_text=order.expected_to_text,
            key_alias=order.key_alias,
            now=step.now,
            due_at=due_at(OrderState.ADOPTED, step.now, step.limits),
        )["id"]
    )
    evidence = {"cn_api_id": order.cn_api_id, "payin_address": order.payin_address}
    if batch_id is None:
        step.move(Machine.ORDER, None, f.OrderReadAtExchange(), str(order_id), evidence)
    else:
        step.move(Machine.ORDER, None, f.OrderIntended(), str(order_id), {"attempt_no": attempt_no})
        step.move(Machine.ORDER, OrderState.SENDING, f.OrderAnswered(), str(order_id), evidence)
        step.move(Machine.ORDER, OrderState.CREATED, f.OrderAdopted(), str(order_id), evidence)
    step.done.append(f"order {order.cn_api_id} rebuilt")
    return order_id


def _insert_request(step: Step, unique_id: str, order: ArchivedOrder, batch_id: str | None, order_id: int) -> None:
    evidence = {"cn_api_id": order.cn_api_id}
    step.move(Machine.REQUEST, None, f.RequestReceived(), unique_id, evidence)
    step.move(Machine.REQUEST, RequestState.RECEIVED, f.CheckAsked(), unique_id, evidence)
    paying = step.move(Machine.REQUEST, RequestState.CHECKING, f.OrderPayable(), unique_id, evidence)
    QUERIES.run(
        step.conn,
        "insert_request",
        unique_id=unique_id,
        context=order.context,
        batch_conversion_id=None if batch_id is None else UUID(batch_id),
        order_id=order_id,
        cn_api_id=order.cn_api_id,
        amount_wei=order.amount_wei,
        payin_address=order.payin_address,
        now=step.now,
        due_at=paying.due_at,
    )
    step.done.append(f"request {unique_id} rebuilt")
