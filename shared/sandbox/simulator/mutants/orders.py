"""Mutants of the batch leg up to the payment: claim, order, adoption, fence, and what the exchange is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from GCMicroBatchProcessor import store
from GCMicroBatchProcessor.fence import reopen_batch
from GCMicroBatchProcessor.open_order import put_pay_batch, release_batch
from shared.chain.port import EtherReceived
from shared.exchange import ETH_TO_USDT, NotFound, OrderRequest
from shared.lifecycle import BatchState, OrderState
from shared.lifecycle import facts as f
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile

_SEEMS_STUCK: Final = timedelta(minutes=3)


# --- the claim --------------------------------------------------------------------------------------------------------


def _remember_plan(world: Any, real: Any) -> Any:
    def claim(batcher: Any, amounts: Any, market: Any, now: Any, trace: Any) -> Any:
        world.planned = list(amounts.payments)
        return real(batcher, amounts, market, now, trace)

    return claim


def _as_planned(world: Any, _real: Any) -> Any:
    return lambda _conn, _ids: world.planned


class _OrdersFirst:
    """The exchange of a batcher that opens its order before it has written anything down."""

    def __init__(self, exchange: Any) -> None:
        self._exchange = exchange
        self.opened: list[Any] = []

    def create(self, request: Any) -> Any:
        return self.opened.pop() if self.opened else self._exchange.create(request)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)


def _order_then_claim(_world: Any, real: Any) -> Any:
    def claim(batcher: Any, amounts: Any, market: Any, now: Any, trace: Any) -> Any:
        terms = batcher.terms
        request = OrderRequest(ETH_TO_USDT, amounts.ordered, terms.payout_address, terms.refund_address)
        answer = batcher.exchange.create(request)
        claimed = real(batcher, amounts, market, now, trace)
        if claimed is not None:
            batcher.exchange.opened.append(answer)
        return claimed

    return claim


# --- adoption ---------------------------------------------------------------------------------------------------------


def _always_adopted(_world: Any, real: Any) -> Any:
    def order_of_batch(conn: Any, batch_id: Any, cn_api_id: str) -> Any:
        order = real(conn, batch_id, cn_api_id)
        return None if order is None else replace(order, status=OrderState.ADOPTED)

    return order_of_batch


# A conductor and an executor that do not ask whether an order is adopted: behind them the mutants show.
_NOBODY_ASKS: Final = {
    "GCHostPay1.store:order_of_batch": _always_adopted,
    "GCHostPay3.approve:not_payable": lambda _world, _real: lambda _rows: None,
    "GCHostPay3.store:why_lapsed": lambda _world, _real: lambda *_: None,
}


def _created_only(_world: Any, real: Any) -> Any:
    """The order is noted, its adoption is left for later; the message that has it paid leaves at once."""

    def note_order(conn: Any, order_id: int, status: Any, *rest: Any) -> None:
        real(conn, order_id, OrderState.CREATED if status is OrderState.ADOPTED else status, *rest)

    return note_order


def _pay_what_is_unclear(world: Any, real: Any) -> Any:
    """An answer was lost: the newest order at the exchange must be ours, so it is paid."""

    def give_up(batcher: Any, batch_id: Any, order_id: int, fact: Any, cn_api_id: Any, now: Any, trace: str) -> Any:
        ended = real(batcher, batch_id, order_id, fact, cn_api_id, now, trace)
        order = list(world.exchange.orders.values())[-1] if world.exchange.orders else None
        if isinstance(fact, f.OrderUnclear) and order is not None:
            with batcher.database.transaction() as conn:
                amount = store.lock_order(conn, order_id).amount
                if order.request.amount == amount:
                    found = {"cn_api_id": order.cn_api_id, "payin_address": order.payin_address}
                    store.set_order(conn, order_id, OrderState.UNKNOWN, now, None, **found)
                    put_pay_batch(conn, batcher, batch_id, order.cn_api_id, amount, order.payin_address, now)
        return ended

    return give_up


# --- what follows -----------------------------------------------------------------------------------------------------


def _open_another(_world: Any, real: Any) -> Any:
    """An order seems stuck: another one is opened, whatever the executor may still do about the first."""

    def look_after_swap(batcher: Any, batch_id: Any, now: Any, trace: str) -> None:
        with batcher.database.transaction() as conn:
            batch = store.lock_batch(conn, batch_id)
            adopted = [order for order in store.lock_orders(conn, batch_id) if order.status is OrderState.ADOPTED]
            if (
                batch is not None
                and batch.status is BatchState.SWAPPING
                and adopted
                and now - batch.updated_at >= _SEEMS_STUCK
            ):
                reopen_batch(conn, batcher, batch, adopted[0], now, trace)
                return
        real(batcher, batch_id, now, trace)

    return look_after_swap


def _believe_404(_world: Any, real: Any) -> Any:
    """The exchange does not show the order, so there is none: its payments are given back."""

    def look_after_swap(batcher: Any, batch_id: Any, now: Any, trace: str) -> None:
        with batcher.database.read() as conn:
            adopted = [order for order in store.lock_orders(conn, batch_id) if order.status is OrderState.ADOPTED]
        if adopted and isinstance(batcher.exchange.read(adopted[0].cn_api_id), NotFound):
            with batcher.database.transaction() as conn:
                batch = store.lock_batch(conn, batch_id)
                if batch is not None and batch.status is BatchState.SWAPPING:
                    release_batch(conn, batcher, batch, f.RefundProven(), now, trace)
                    return
        real(batcher, batch_id, now, trace)

    return look_after_swap


def _believe_the_word(_world: Any, _real: Any) -> Any:
    def find_refund(conductor: Any, seen: Any) -> Any:
        wallet = conductor.terms.eth_wallet
        wei = seen.amount_from.wei if seen.amount_from is not None else 1
        return EtherReceived(seen.refund_hash or "0x" + "0" * 64, 10**9, "0x", "0x" + "1" * 40, wallet, wei)

    return find_refund


MUTANTS: Final = (
    Mutant(
        "claimed_without_lock",
        "a claim locks the very payments that were planned",
        {
            "GCMicroBatchProcessor.check_threshold:claim": _remember_plan,
            "GCMicroBatchProcessor.store:lock_pending": _as_planned,
        },
        history="two_ticks_at_once",
        masked_by="ticks come a quarter of an hour apart, and the schema lets a payment into one live batch",
    ),
    Mutant(
        "claimed_after_the_order",
        "payments are claimed, and the attempt is written down, before the exchange is asked",
        {
            "GCMicroBatchProcessor.check_threshold:claim": _order_then_claim,
            "batcher.exchange": lambda _, made: _OrdersFirst(made),
        },
        history="orders_are_written_down_first",
        masked_by="an order that no row knows is never paid, so it lapses and costs nothing",
    ),
    Mutant(
        "adopted_after_the_payment",
        "an order is adopted before anything is asked to pay it; nobody behind asks either",
        {"GCMicroBatchProcessor.open_order:_note_order": _created_only, **_NOBODY_ASKS},
    ),
    Mutant(
        "unknown_attempt_is_paid",
        "an attempt without a clear answer is never paid; nobody behind asks either",
        {"GCMicroBatchProcessor.open_order:_give_up": _pay_what_is_unclear, **_NOBODY_ASKS},
        Profile(creations_unclear=700),
    ),
    Mutant(
        "no_fence",
        "a second order is opened only when the first one's transfer is void for ever",
        {"GCMicroBatchProcessor.sweep:_look_after_swap": _open_another},
        Profile(blocks_pass_over=800),
    ),
    Mutant(
        "absence_is_failure",
        "an order that the exchange does not show decides nothing",
        {"GCMicroBatchProcessor.sweep:_look_after_swap": _believe_404},
        Profile(reads_missing=600, blocks_pass_over=600),
    ),
    Mutant(
        "refund_believed",
        "a refund is the ETH found on chain, not the exchange's word",
        {"GCHostPay1.find_result:_find_refund": _believe_the_word},
        history="refund_that_never_came",
        masked_by="the model exchange really refunds whatever it calls refunded",
    ),
    Mutant(
        "price_guard_off",
        "a quote outside the bands opens no order",
        {"GCMicroBatchProcessor.market:check_order": lambda _world, _real: lambda *_: None},
        history="a_quote_that_lies",
        masked_by="no promise of the rows says what a good price is",
    ),
)
