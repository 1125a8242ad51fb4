"""The conductor's rows: short sentences over store.sql. Decisions and the commit are the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import UUID

from shared.chain.port import TokenTransfer
from shared.db import Connection, Queries, Row
from shared.exchange import OrderSeen
from shared.lifecycle import OrderState, RequestState, TransferState
from shared.money import Ether

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class PayableOrder:
    """An order of ours, as far as paying it needs."""

    order_id: int
    context: str
    status: OrderState
    cn_api_id: str
    payin_address: str
    amount: Ether
    from_currency: str
    from_network: str
    to_currency: str
    to_network: str
    payout_address: str
    batch_conversion_id: UUID | None


@dataclass(frozen=True, slots=True)
class Request:
    """A request's row."""

    unique_id: str
    context: str
    batch_conversion_id: UUID | None
    order_id: int
    cn_api_id: str
    amount: Ether
    payin_address: str
    status: RequestState
    reason: str | None
    eth_tx_hash: str | None
    polls: int
    watching_since: datetime | None


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """A request and since when it is in its state."""

    unique_id: str
    status: RequestState
    reason: str | None
    amount: Ether
    since: datetime


@dataclass(frozen=True, slots=True)
class TransferSeen:
    """What the executor's row says of the transfer; tx_hash is None until a proof names it."""

    status: TransferState
    value: Ether
    to_address: str
    cn_api_id: str
    reason: str | None
    tx_hash: str | None
    repayable: bool

    @property
    def moves_nothing(self) -> bool:
        """Now and for ever: it never gets a nonce, or it ended without effect and a person approved another one."""
        return self.status is TransferState.VOID or (self.status in _WITHOUT_EFFECT and self.repayable)


_WITHOUT_EFFECT: Final = frozenset({TransferState.REVERTED, TransferState.CANCELLED, TransferState.FOREIGN})


def order_of_batch(conn: Connection, batch_id: UUID, cn_api_id: str) -> PayableOrder | None:
    row = QUERIES.one(conn, "order_of_batch", batch_conversion_id=batch_id, cn_api_id=cn_api_id)
    return None if row is None else _order(row)


def order_by_cn_api_id(conn: Connection, cn_api_id: str) -> PayableOrder | None:
    row = QUERIES.one(conn, "order_by_cn_api_id", cn_api_id=cn_api_id)
    return None if row is None else _order(row)


def lock_order(conn: Connection, order_id: int) -> PayableOrder:
    return _order(QUERIES.only(conn, "lock_order", order_id=order_id))


@dataclass(frozen=True, slots=True)
class InstantOrder:
    """An upstream's order as the exchange shows it, after every comparison."""

    cn_api_id: str
    payin_address: str
    amount: Ether
    to_currency: str
    to_network: str
    payout_address: str
    refund_address: str | None
    expected_to_text: str | None
    exchange_status: str


def insert_instant_order(
    conn: Connection, order: InstantOrder, key_alias: str, now: datetime, due_at: datetime | None
) -> int | None:
    """The new order's id, or None when this cn_api_id is already ours."""
    row = QUERIES.one(
        conn,
        "insert_instant_order",
        order_status=OrderState.ADOPTED.value,
        from_currency="eth",
        from_network="eth",
        to_currency=order.to_currency,
        to_network=order.to_network,
        amount_wei=order.amount.wei,
        payout_address=order.payout_address,
        refund_address=order.refund_address,
        cn_api_id=order.cn_api_id,
        payin_address=order.payin_address,
        expected_to_text=order.expected_to_text,
        exchange_status=order.exchange_status,
        key_alias=key_alias,
        now=now,
        due_at=due_at,
    )
    return None if row is None else int(row["id"])


def set_order(
    conn: Connection, order_id: int, status: OrderState, reason: str | None, now: datetime, due_at: datetime | None
) -> None:
    """The order's next state; due_at is None when it has ended."""
    QUERIES.run(conn, "set_order", order_id=order_id, order_status=status.value, reason=reason, now=now, due_at=due_at)


def note_hints(conn: Connection, order_id: int, seen: OrderSeen, now: datetime) -> None:
    """Keeps what the exchange says; a hash it once told stays when it tells none today."""
    QUERIES.run(
        conn,
        "note_hints",
        order_id=order_id,
        exchange_status=seen.status,
        payin_hash=seen.payin_hash,
        payout_hash=seen.payout_hash,
        refund_hash=seen.refund_hash,
        now=now,
    )


def insert_request(
    conn: Connection, unique_id: str, order: PayableOrder, status: RequestState, now: datetime, due_at: datetime | None
) -> bool:
    """True when the request is new; False when its id, or its order, already has one."""
    row = QUERIES.one(
        conn,
        "insert_request",
        unique_id=unique_id,
        context=order.context,
        batch_conversion_id=order.batch_conversion_id,
        order_id=order.order_id,
        cn_api_id=order.cn_api_id,
        amount_wei=order.amount.wei,
        payin_address=order.payin_address,
        request_status=status.value,
        now=now,
        due_at=due_at,
    )
    return row is not None


def request(conn: Connection, unique_id: str) -> Request | None:
    row = QUERIES.one(conn, "request", unique_id=unique_id)
    return None if row is None else _request(row)


def lock_request(conn: Connection, unique_id: str) -> Request | None:
    row = QUERIES.one(conn, "lock_request", unique_id=unique_id)
    return None if row is None else _request(row)


def lock_request_of_order(conn: Connection, batch_id: UUID, cn_api_id: str) -> Request | None:
    """The request that pays this order of the batch, locked."""
    row = QUERIES.one(conn, "lock_request_of_order", batch_conversion_id=batch_id, cn_api_id=cn_api_id)
    return None if row is None else _request(row)


def requests_of_batch(conn: Connection, batch_id: UUID) -> tuple[int, str | None]:
    """How many requests the batch has had, one for each order that it adopted; an order that is not abandoned."""
    row = QUERIES.only(conn, "requests_of_batch", batch_conversion_id=batch_id)
    return int(row["requests"]), row["not_abandoned"]


def lock_request_unless_busy(conn: Connection, unique_id: str) -> Request | None:
    """The request, locked; None also when another transaction holds it."""
    row = QUERIES.one(conn, "lock_request_unless_busy", unique_id=unique_id)
    return None if row is None else _request(row)


def set_request(
    conn: Connection, unique_id: str, status: RequestState, reason: str | None, now: datetime, due_at: datetime | None
) -> None:
    QUERIES.run(
        conn, "set_request", unique_id=unique_id, request_status=status.value, reason=reason, now=now, due_at=due_at
    )


def set_reason(conn: Connection, unique_id: str, reason: str, now: datetime) -> None:
    QUERIES.run(conn, "set_reason", unique_id=unique_id, reason=reason, now=now)


def start_watching(conn: Connection, unique_id: str, eth_tx_hash: str, now: datetime, due_at: datetime) -> None:
    QUERIES.run(
        conn,
        "start_watching",
        unique_id=unique_id,
        request_status=RequestState.WATCHING.value,
        eth_tx_hash=eth_tx_hash,
        now=now,
        due_at=due_at,
    )


def count_poll(conn: Connection, unique_id: str, polls: int, now: datetime, due_at: datetime) -> None:
    QUERIES.run(conn, "count_poll", unique_id=unique_id, polls=polls, now=now, due_at=due_at)


def postpone_request(conn: Connection, unique_id: str, due_at: datetime) -> None:
    QUERIES.run(conn, "postpone_request", unique_id=unique_id, due_at=due_at)


def requests_past_due(conn: Connection, now: datetime, most: int) -> list[tuple[str, RequestState]]:
    """Requests in which nothing happened in time, longest overdue first."""
    rows = QUERIES.all(conn, "requests_past_due", now=now, most=most)
    return [(row["unique_id"], RequestState(row["request_status"])) for row in rows]


def requests_in_state_since(
    conn: Connection, since_before: Mapping[RequestState, datetime], most: int
) -> list[WaitingRequest]:
    """Requests that entered their present state before the time given for that state, longest ago first."""
    rows = QUERIES.all(
        conn,
        "requests_in_state_since",
        states=[state.value for state in since_before],
        befores=[before.isoformat() for before in since_before.values()],
        most=most,
    )
    return [
        WaitingRequest(
            row["unique_id"],
            RequestState(row["request_status"]),
            row["reason"],
            Ether(row["amount_wei"]),
            row["since"],
        )
        for row in rows
    ]


def transfer_of(conn: Connection, unique_id: str) -> TransferSeen | None:
    row = QUERIES.one(conn, "transfer_of", unique_id=unique_id)
    if row is None:
        return None
    return TransferSeen(
        TransferState(row["transfer_status"]),
        Ether(row["value_wei"]),
        row["to_address"],
        row["cn_api_id"],
        row["reason"],
        row["tx_hash"],
        row["repayable"],
    )


def paid_in_block(conn: Connection, unique_id: str) -> int | None:
    """The finalized block that has our payment; None if its proof does not say."""
    row = QUERIES.one(conn, "paid_in_block", unique_id=unique_id)
    return None if row is None else row["block_number"]


def insert_arrival(
    conn: Connection, batch_id: UUID, cn_api_id: str, contract: str, seen: TokenTransfer, now: datetime
) -> bool:
    """True when the arrival is new; False when this log is counted already, or the batch has its arrival."""
    row = QUERIES.one(
        conn,
        "insert_arrival",
        tx_hash=seen.tx_hash,
        log_index=seen.log_index,
        batch_conversion_id=batch_id,
        cn_api_id=cn_api_id,
        token_contract=contract,
        from_address=seen.sender,
        to_address=seen.to,
        usdt_units=seen.units,
        block_number=seen.block_number,
        block_hash=seen.block_hash,
        now=now,
    )
    return row is not None


def logs_claimed(conn: Connection, tx_hash: str) -> set[int]:
    """The logs of this transaction that are counted already."""
    return {row["log_index"] for row in QUERIES.all(conn, "logs_claimed", tx_hash=tx_hash)}


def _order(row: Row) -> PayableOrder:
    return PayableOrder(
        order_id=row["id"],
        context=row["context"],
        status=OrderState(row["order_status"]),
        cn_api_id=row["cn_api_id"],
        payin_address=row["payin_address"],
        amount=Ether(row["amount_wei"]),
        from_currency=row["from_currency"],
        from_network=row["from_network"],
        to_currency=row["to_currency"],
        to_network=row["to_network"],
        payout_address=row["payout_address"],
        batch_conversion_id=row["batch_conversion_id"],
    )


def _request(row: Row) -> Request:
    return Request(
        unique_id=row["unique_id"],
        context=row["context"],
        batch_conversion_id=row["batch_conversion_id"],
        order_id=row["order_id"],
        cn_api_id=row["cn_api_id"],
        amount=Ether(row["amount_wei"]),
        payin_address=row["payin_address"],
        status=RequestState(row["request_status"]),
        reason=row["reason"],
        eth_tx_hash=row["eth_tx_hash"],
        polls=row["polls"],
        watching_since=row["watching_since"],
    )
