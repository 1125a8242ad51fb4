"""Takes a request to have one order paid: once, and only when request, order and limits agree.

A batch's order is the batcher's row. An upstream's order is read at the exchange and stored, so that from here on both
are paid from rows of ours. What a message says is compared with those rows; a difference is refused and told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final
from uuid import UUID

from shared.chain.address import is_address, same_address, to_checksum
from shared.db import Connection, record_decision
from shared.exchange import NotFound, OrderSeen, Unreadable
from shared.lifecycle import Machine, OrderState, Refused, RequestState, TryLater, decide
from shared.lifecycle import facts as f
from shared.messages import CONDUCTOR_TO_WATCHER, CheckOrder, InstantPayout, MessageInvalid, PayBatch, batch_unique_id
from shared.money import Ether
from shared.telemetry import get_logger

from . import store
from .conductor import REDRIVE_AFTER, Conductor
from .store import InstantOrder, PayableOrder, Request

log = get_logger()

_NATIVE: Final = "eth"
_UNTOLD: Final = "unknown"  # what the exchange does not tell of an order's other side


class SourceNotEther(Refused):
    """Only ETH on Ethereum is ever sent."""

    code: ClassVar[str] = "source_not_eth"


class RequestContradicts(Refused):
    """The request differs from the order in our rows, from the order at the exchange, or from an earlier request."""

    code: ClassVar[str] = "request_contradicts"
    runbook: ClassVar[str | None] = "request-contradicts"


class OrderUnknown(Refused):
    """No order of ours has this id and batch."""

    code: ClassVar[str] = "order_unknown"


class OrderNotAdopted(Refused):
    """The order is not, or no longer, the one that may be paid."""

    code: ClassVar[str] = "order_not_adopted"


class AboveLimit(Refused):
    """The amount is above what one payout may carry."""

    code: ClassVar[str] = "above_limit"


class OrderNotReadable(TryLater):
    """The exchange does not show the order now; nothing was stored."""

    code: ClassVar[str] = "order_not_readable"


class RequestBusy(TryLater):
    """Another task is taking the same request; the repeat will find what that one stored."""

    code: ClassVar[str] = "request_busy"


@dataclass(frozen=True, slots=True)
class Taken:
    """The request as it stands; `duplicate` when it was taken before."""

    unique_id: str
    cn_api_id: str
    status: RequestState
    duplicate: bool


def take_batch(conductor: Conductor, asked: PayBatch, now: datetime, trace: str) -> Taken:
    """Takes the batcher's request. If repeated: the request as it stands now, nothing is written."""
    _require_ether(asked.from_currency, asked.from_network)
    batch_id = UUID(asked.batch_conversion_id)
    with conductor.database.transaction() as conn:
        order = store.order_of_batch(conn, batch_id, asked.cn_api_id)
        if order is None:
            raise OrderUnknown(f"batch {batch_id} has no order {asked.cn_api_id}")
        _require_equal(asked, order)
        known = store.lock_request_of_order(conn, batch_id, asked.cn_api_id)
        if known is not None:
            return _again(known, order)
        _require_ether(order.from_currency, order.from_network)
        _require_limit(order.amount, conductor.terms.max_transfer, "MAX_TRANSFER_ETH")
        if order.status is not OrderState.ADOPTED:
            raise OrderNotAdopted(f"order {order.cn_api_id} is {order.status.value}, not adopted")
        unique_id = _name_of_request(conn, batch_id, order)
        message_id = _start(conn, conductor, unique_id, order, now, trace)
        if message_id is None:
            return _again(_taken_meanwhile(conn, order), order)
    return _started(conductor, unique_id, order, message_id, now)


def take_instant(conductor: Conductor, asked: InstantPayout, now: datetime, trace: str) -> Taken:
    """Takes an upstream's request: reads its order at the exchange, stores it, and starts when everything agrees.

    Raises OrderNotReadable while the exchange does not show the order: absence is no evidence, the queue asks again.
    If repeated: the request as it stands now, nothing is written.
    """
    _require_ether(asked.from_currency, asked.from_network)
    with conductor.database.read() as conn:
        known = store.request(conn, asked.unique_id)
        order = store.order_by_cn_api_id(conn, asked.cn_api_id)
    if known is not None:
        if order is None or known.cn_api_id != asked.cn_api_id:
            raise RequestContradicts(f"request {asked.unique_id} was taken before for order {known.cn_api_id}")
        _require_equal(asked, order)
        return _again(known, order)
    if order is not None:
        raise RequestContradicts(f"order {asked.cn_api_id} already belongs to another request")
    _require_limit(Ether(asked.amount_wei), conductor.terms.instant_max, "INSTANT_MAX_ETH")
    read = _read_instant(conductor, asked)
    try:
        stored, message_id = _store_instant(conductor, asked, read, now, trace)
    except MessageInvalid as odd:
        # The other side is the exchange's words; what does not even fit into a message is nothing to pay for.
        raise RequestContradicts(f"order {asked.cn_api_id} cannot be checked: {odd.field} {odd.rule}") from odd
    return _started(conductor, asked.unique_id, stored, message_id, now)


def _store_instant(
    conductor: Conductor, asked: InstantPayout, read: InstantOrder, now: datetime, trace: str
) -> tuple[PayableOrder, UUID]:
    """Order and request in one commit, with the message to flush."""
    with conductor.database.transaction() as conn:
        adopted = decide(Machine.ORDER, None, f.OrderReadAtExchange(), now, conductor.terms.limits)
        order_id = store.insert_instant_order(conn, read, conductor.terms.key_alias, now, adopted.due_at)
        if order_id is None:
            raise RequestBusy(f"order {asked.cn_api_id} was taken by another task meanwhile")
        evidence = {"cn_api_id": read.cn_api_id, "amount": read.amount, "payin_address": read.payin_address}
        record_decision(conn, adopted, str(order_id), now, trace, evidence)
        stored = store.lock_order(conn, order_id)
        message_id = _start(conn, conductor, asked.unique_id, stored, now, trace)
        if message_id is None:
            raise RequestContradicts(f"request {asked.unique_id} was taken meanwhile for another order")
    return stored, message_id


def put_check_order(conn: Connection, conductor: Conductor, unique_id: str, order: PayableOrder, now: datetime) -> UUID:
    """Writes the message that asks the watcher to read the order. A repeat costs a read."""
    message = CheckOrder(
        unique_id=unique_id,
        cn_api_id=order.cn_api_id,
        from_currency=order.from_currency,
        from_network=order.from_network,
        to_currency=order.to_currency,
        to_network=order.to_network,
        amount_wei=order.amount.wei,
        payin_address=order.payin_address,
        payout_address=order.payout_address,
    )
    return conductor.outbox.put(conn, CONDUCTOR_TO_WATCHER, message, now)


def _start(
    conn: Connection, conductor: Conductor, unique_id: str, order: PayableOrder, now: datetime, trace: str
) -> UUID | None:
    """The message to flush; None, and nothing is written, when the request's id or its order has a request already."""
    limits = conductor.terms.limits
    received = decide(Machine.REQUEST, None, f.RequestReceived(), now, limits)
    checking = decide(Machine.REQUEST, RequestState.RECEIVED, f.CheckAsked(), now, limits)
    due_at = now + limits.wait(REDRIVE_AFTER)
    if not store.insert_request(conn, unique_id, order, RequestState.CHECKING, now, due_at):
        return None
    record_decision(conn, received, unique_id, now, trace, {"cn_api_id": order.cn_api_id, "amount": order.amount})
    record_decision(conn, checking, unique_id, now, trace, {"cn_api_id": order.cn_api_id})
    return put_check_order(conn, conductor, unique_id, order, now)


def _name_of_request(conn: Connection, batch_id: UUID, order: PayableOrder) -> str:
    """The batch's own name; numbered from the second order on. Every order before is given up, or nothing is taken."""
    earlier, not_abandoned = store.requests_of_batch(conn, batch_id)
    if not_abandoned is not None and not_abandoned != order.cn_api_id:
        raise RequestContradicts(f"a request of batch {batch_id} was taken before for order {not_abandoned}")
    return batch_unique_id(str(batch_id), earlier + 1)


def _taken_meanwhile(conn: Connection, order: PayableOrder) -> Request:
    """The request that a delivery beside this one has just committed: twenty deliveries are one request, no refusal."""
    assert order.batch_conversion_id is not None, "only a batch's order is taken like this"
    known = store.lock_request_of_order(conn, order.batch_conversion_id, order.cn_api_id)
    if known is None:
        raise RequestContradicts(f"order {order.cn_api_id} already belongs to another request")
    return known


def _started(conductor: Conductor, unique_id: str, order: PayableOrder, message_id: UUID, now: datetime) -> Taken:
    conductor.outbox.flush([message_id], now)
    log.info("request_received", unique_id=unique_id, cn_api_id=order.cn_api_id, amount=order.amount)
    return Taken(unique_id, order.cn_api_id, RequestState.CHECKING, duplicate=False)


def _again(known: Request, order: PayableOrder) -> Taken:
    if known.order_id != order.order_id:
        raise RequestContradicts(f"request {known.unique_id} was taken before for order {known.cn_api_id}")
    log.info("request_repeated", unique_id=known.unique_id, status=known.status.value)
    return Taken(known.unique_id, known.cn_api_id, known.status, duplicate=True)


def _read_instant(conductor: Conductor, asked: InstantPayout) -> InstantOrder:
    seen = conductor.exchange.read(asked.cn_api_id)
    if isinstance(seen, NotFound):
        raise OrderNotReadable(f"the exchange does not show order {asked.cn_api_id} now")
    if isinstance(seen, Unreadable):
        raise OrderNotReadable(f"order {asked.cn_api_id} could not be read at the exchange: {seen.reason}")
    wrong = _instant_differences(conductor, asked, seen)
    if wrong:
        raise RequestContradicts(f"the request differs from order {asked.cn_api_id}: {'; '.join(wrong)}")
    assert seen.payin_address is not None
    return InstantOrder(
        cn_api_id=asked.cn_api_id,
        payin_address=to_checksum(seen.payin_address.lower()),
        amount=Ether(asked.amount_wei),
        to_currency=_word(seen.to_currency),
        to_network=_word(seen.to_network),
        payout_address=seen.payout_address or _UNTOLD,
        refund_address=seen.refund_address,
        expected_to_text=seen.expected_to_text,
        exchange_status=seen.status,
    )


def _instant_differences(conductor: Conductor, asked: InstantPayout, seen: OrderSeen) -> list[str]:
    """Everything that keeps the order from being paid. The exchange must tell address, amount and source itself."""
    wrong = []
    if not seen.is_payable:
        wrong.append(f"the exchange says {seen.status}, not waiting")
    if (_word(seen.from_currency), (seen.from_network or _NATIVE).lower()) != (_NATIVE, _NATIVE):
        wrong.append(f"its source is {seen.from_currency} on {seen.from_network}, not ETH")
    if seen.expected_from is None or seen.expected_from.wei != asked.amount_wei:
        wrong.append(f"its amount is {seen.expected_from}, not {Ether(asked.amount_wei)}")
    payin = seen.payin_address
    if payin is None or not is_address(payin.lower()) or not same_address(payin, asked.payin_address):
        wrong.append(f"its deposit address is {payin}, not {asked.payin_address}")
    elif _is_ours(conductor, payin):
        wrong.append("its deposit address is our own wallet")
    if seen.payin_extra_id is not None:
        wrong.append("its deposit needs a memo, which a plain transfer cannot carry")
    # Such an order is a batch's that was never adopted, or an upstream's mistake: nobody would be paid by it.
    if _is_ours(conductor, seen.payout_address or ""):
        wrong.append("its payout address is our own wallet")
    return wrong


def _is_ours(conductor: Conductor, address: str) -> bool:
    ours = (conductor.terms.eth_wallet, conductor.terms.usdt_wallet)
    return any(same_address(address.lower(), own) for own in ours)


def _word(told: str | None) -> str:
    return _UNTOLD if told is None else told.lower()


def _require_ether(currency: str, network: str) -> None:
    if (currency, network) != (_NATIVE, _NATIVE):
        raise SourceNotEther(f"only ETH on Ethereum is sent, not {currency} on {network}", field="from_currency")


def _require_limit(amount: Ether, most: Ether, setting: str) -> None:
    if amount > most:
        raise AboveLimit(f"{amount} is above {setting}, which is {most}", field="amount_wei", rule=f"at most {most}")


def _require_equal(asked: PayBatch | InstantPayout, order: PayableOrder) -> None:
    wrong = []
    if asked.amount_wei != order.amount.wei:
        wrong.append(f"amount is {Ether(asked.amount_wei)}, not {order.amount}")
    if not same_address(asked.payin_address, order.payin_address):
        wrong.append(f"deposit address is {asked.payin_address}, not {order.payin_address}")
    if wrong:
        raise RequestContradicts(f"the request differs from order {order.cn_api_id}: {'; '.join(wrong)}")
