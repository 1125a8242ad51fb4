"""What the exchange and its token do: USDT that does not move or moves less, refunds and quotes that are not true."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.exchange import ExchangeStatus, Quote
from shared.money import Tether
from shared.sandbox.simulator.blocks import TokenMove
from shared.sandbox.simulator.named.scenes import (
    HOUR_S,
    a_batch,
    every_order_will,
    must,
    number,
    paid_once,
    rows,
    states,
    three_payments,
    until,
    until_completed,
)
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.world import World

_COLLECTOR = "0x" + "fee0" * 10


def usdt_blacklist(world: World) -> None:
    """USDT refuses to move, because an address is on its blacklist: the exchange names a payout that reverted.

    `finished` is its word, nothing arrived: nobody is credited, the batch waits for a person.
    """
    every_order_will(world, Fate.PAYS_NOTHING)
    a_batch(world)
    until(world, lambda: states(world, "batch") == ["parked"], "the batch is parked")
    world.run_for(HOUR_S)
    must(number(world, "select count(*) from arrival") == 0, "an arrival is counted")
    credited = number(world, "select count(*) from batch_member where share_usdt_units is not null")
    must(credited == 0, "a share is credited")
    must(number(world, "select count(*) from alert where kind = 'batch_parked'") == 1, "nobody is told")


def usdt_fee_transfer(world: World) -> None:
    """USDT takes a fee of its own from every transfer: two logs, and less arrives than the exchange says it sent.

    The shares are what arrived, to the unit.
    """
    transact = world.progress._transact  # noqa: SLF001 - the token takes its fee where the exchange pays out

    def with_fee(order: Any, what: str, to: str, value_wei: int, moves: tuple[TokenMove, ...], **rest: Any) -> str:
        taken = []
        for move in moves:
            fee = move.units // 1000
            taken += [TokenMove(move.token, move.sender, _COLLECTOR, fee), replace(move, units=move.units - fee)]
        return transact(order, what, to, value_wei, tuple(taken), **rest)

    world.progress._transact = with_fee  # type: ignore[method-assign]  # noqa: SLF001
    a_batch(world)
    until_completed(world)
    paid_once(world)
    (order,) = world.exchange.orders.values()
    shared = number(world, "select sum(share_usdt_units) from batch_member")
    must(
        order.paid_out is not None and shared == order.paid_out.units - order.paid_out.units // 1000,
        f"{shared} are shared",
    )


def refund_that_never_came(world: World) -> None:
    """The exchange says `refunded`, names a transaction and an amount, and no ETH comes back.

    The batch is not released: its payments would be paid a second time from ETH that is not there.
    """
    every_order_will(world, Fate.FAILS)
    a_batch(world)
    until(world, lambda: any(order.done for order in world.exchange.orders.values()), "the order fails at the exchange")
    (order,) = world.exchange.orders.values()
    order.status, order.refund_hash, order.refunded = ExchangeStatus.REFUNDED, "0x" + "ab" * 32, order.deposit
    world.run_for(2 * HOUR_S)
    must(states(world, "batch") in (["swapping"], ["parked"]), f"the batch is {states(world, 'batch')}")
    must(
        number(world, "select count(*) from exchange_order where order_status = 'refunded'") == 0, "a refund is counted"
    )
    order.status, order.refund_hash, order.refunded = ExchangeStatus.FAILED, None, None


def a_quote_that_lies(world: World) -> None:
    """The exchange quotes a fifth of the price: nothing is claimed or ordered while it does; a person is told."""
    honest = world.exchange.estimate

    def estimate(pair: Any, amount: Any) -> Quote:
        quote = honest(pair, amount)
        return replace(quote, expected=Tether(quote.expected.units // 5))

    world.exchange.estimate = estimate  # type: ignore[method-assign]
    a_batch(world)
    world.run_for(600)
    must(states(world, "batch") == [], "a batch is formed at a fifth of the price")
    must(not world.exchange.orders, "an order is opened at a fifth of the price")
    must(number(world, "select count(*) from alert where kind = 'batch_held_back'") == 1, "nobody is told")
    world.exchange.estimate = honest  # type: ignore[method-assign]
    world.tick()
    until_completed(world)
    paid_once(world)


def one_payout_named_by_two_orders(world: World) -> None:
    """The exchange names one payout for two orders: it is counted once, the other batch waits for a person."""
    a_batch(world)
    until_completed(world)
    every_order_will(world, Fate.NAMES_ANOTHERS_PAYOUT)
    three_payments(world, first=4)
    world.run_for(30)
    world.tick()
    until(world, lambda: states(world, "batch") == ["completed", "parked"], "the second batch waits for a person")
    must(number(world, "select count(*) from arrival") == 1, "one log is counted twice")
    must(len(rows(world, "select 1 as x from alert where kind = 'batch_parked'")) == 1, "nobody is told")
