"""Histories of one mechanism each, where another one stands behind it and would hide that it is gone."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable

from shared.exchange import Pair, Quote
from shared.money import Ether, Usd
from shared.sandbox.chain.accounts import FAUCET
from shared.sandbox.simulator.door import Call
from shared.sandbox.simulator.fleet import UPSTREAM
from shared.sandbox.simulator.named.scenes import (
    a_batch,
    fault,
    has_slot,
    is_mined,
    is_out,
    killed_once,
    must,
    number,
    paid_once,
    rows,
    stands_still_once,
    states,
    three_payments,
    until,
    until_completed,
)
from shared.sandbox.simulator.world import World


def orders_are_written_down_first(world: World) -> None:
    """The batcher is killed when the exchange has opened its order: the attempt is in a row, for whoever looks."""
    killed_once(world, "batcher", lambda where: where == "after it asked the exchange for an order")
    a_batch(world)
    opened, written = len(world.exchange.orders), number(world, "select count(*) from exchange_order")
    must(opened == 1, f"{opened} orders are opened")
    must(written >= opened, f"the exchange has {opened} orders of ours, {written} are written down")
    world.run_for(60)
    world.tick()
    until_completed(world)
    paid_once(world)


def killed_between_commit_and_task(world: World) -> None:
    """Every service is killed once, after a commit and before it makes a task: the message of that commit is kept."""
    missing: list[str] = []
    for role, row, edge in _COMMITS:
        killed_once(world, role, lambda where, row=row: where == "after its commit" and number(world, row) > 0)  # type: ignore[misc]
        _looks_after(world, role, row, edge, missing)
    a_batch(world)
    until_completed(world)
    must(not missing, f"the commit is there and its message is not: {', '.join(missing)}")
    paid_once(world)


_COMMITS = (
    ("batcher", "select count(*) from exchange_order where order_status = 'adopted'", "batcher>conductor:/"),
    ("conductor", "select count(*) from hostpay_request", "conductor>watcher:/"),
    ("executor", "select count(*) from transfer", "executor>executor:/drive"),
)


def _looks_after(world: World, role: str, row: str, edge: str, missing: list[str]) -> None:
    """Looks at the outbox in the moment in which the service is gone."""
    start = world.fleet.start

    def started(which: str) -> None:
        if which == role and number(world, row) > 0:
            kept = rows(world, f"select edge from outbox where edge = '{edge}'")  # noqa: S608 - our own constants
            missing.extend([] if kept or edge in missing else [edge])
        start(which)

    world.fleet.start = started  # type: ignore[assignment, method-assign]


def an_answer_about_a_task_is_lost(world: World) -> None:
    """The queue has a task and its answer is lost: the message's task is made again, and it is still one task."""
    names: dict[bytes, set[str]] = {}
    create = world.queue.create

    def watched(**task: object) -> object:
        names.setdefault(_token_id(task["body"]), set()).add(str(task["name"]))
        return create(**task)  # type: ignore[arg-type]

    world.queue.create = watched  # type: ignore[assignment, method-assign]
    fault(world, tasks_unclear=700)
    a_batch(world)
    world.run_for(1800)
    fault(world, tasks_unclear=0)
    until_completed(world)
    twice = [sorted(given) for given in names.values() if len(given) > 1]
    must(bool(names) and not twice, f"one message is in two tasks: {twice[:1]}")
    paid_once(world)


def _token_id(body: object) -> bytes:
    """The message's own id, which stands open in its token."""
    assert isinstance(body, bytes)
    token = json.loads(body)["token"]
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return raw[3:19]


def a_payment_told_again_in_other_words(world: World) -> None:
    """The gateway tells of one payment again, in another spelling and at another time: it is counted once."""
    world.pays(1, Usd.parse("40"), Ether.parse("0.016"))
    world.run_for(10)
    body = {
        "user_id": 1_001,
        "client_id": -1_001,
        "wallet_address": FAUCET.address,
        "payout_currency": "usdt",
        "payout_network": "eth",
        "payment_amount_usd": "40.00",
        "subscription_id": 1,
        "payment_timestamp": "2026-03-01T00:07:09+00:00",
        "nowpayments_payment_id": "np-1",
        "nowpayments_outcome_amount": "0.0160",
    }
    heard = world.call("intake", Call("/", json.dumps(body).encode(), UPSTREAM, "0" * 32))
    must(heard is not None and heard.status in (200, 409), f"the repeat is answered {heard}")
    must(number(world, "select count(*) from payout_accumulation") == 1, "the payment is counted twice")
    world.pays(2, Usd.parse("45"), Ether.parse("0.018"))
    world.start_clockwork()
    world.run_for(30)
    world.tick()
    until_completed(world)
    paid_once(world)


def two_ticks_at_once(world: World) -> None:
    """A tick stands still before it claims, and another one claims the payments meanwhile: one batch, one order."""
    three_payments(world)
    world.start_clockwork()
    world.run_for(30)
    asked: list[str] = []

    def is_planned(where: str) -> bool:
        return bool(asked) and where == "before a transaction" and states(world, "batch") == []

    estimate = world.exchange.estimate

    def watched(pair: Pair, amount: Ether) -> Quote:
        asked.append("a quote")
        return estimate(pair, amount)

    world.exchange.estimate = watched  # type: ignore[method-assign]
    stands_still_once(world, "batcher", is_planned, 0, meanwhile=world.tick)
    world.tick()
    must(len(asked) == 2, "the second tick planned nothing")
    must(len(states(world, "batch")) == 1, f"there are {len(states(world, 'batch'))} batches of the same payments")
    until_completed(world)
    paid_once(world)


def two_distributions_at_once(world: World) -> None:
    """Reports of arrivals stand still before they share out, until the sweep has done so: each is shared out once.

    One at its first step, another at its second, so that whatever is read before the transaction is old in it.
    """
    for batch, step in ((1, 1), (2, 2)):
        stands_still_once(world, "batcher", _step_of_report(world, batch, step), 600, certain=step == 1)
    a_batch(world)
    until_completed(world)
    three_payments(world, first=4)
    world.run_for(30)
    world.tick()
    until_completed(world, batches=2)
    paid_once(world, times=2)
    must(number(world, "select count(*) from posting where event = 'usdt_distributed'") <= 2, "one is shared out twice")


def _step_of_report(world: World, batch: int, step: int) -> Callable[[str], bool]:
    """Whether the batcher is at this step, after so many arrivals of which the last is not shared out yet."""
    steps: list[str] = []

    def is_there(where: str) -> bool:
        arrived = number(world, "select count(*) from arrival") == batch
        if where != "before a transaction" or not arrived or states(world, "batch").count("swapping") != 1:
            return False
        steps.append(where)
        return len(steps) == step

    return is_there


def one_provider_lies(world: World) -> None:
    """One of several providers calls its newest block final, and blocks are replaced: its word settles nothing."""
    first = world.providers[0]
    honest = first.block
    first.block = lambda which: honest("latest" if which == "finalized" else which)  # type: ignore[method-assign]
    fault(world, reorgs=250)
    a_batch(world)
    until(world, lambda: is_mined(world), "it is mined")
    must(len(world.providers) > 1, "there is nobody to contradict it")
    until_completed(world)
    paid_once(world)


def a_wallet_for_one(world: World) -> None:
    """The wallet has ETH for one of two payouts: the second gets no nonce while the first is out."""
    fault(world, blocks_pass_over=1000)
    world.start_clockwork()
    for payout in (1, 2):
        world.asks_instant(payout, Ether.parse("0.012"))
    until(world, lambda: is_out(world), "the first is out")
    world.run_for(600)
    must(number(world, "select count(*) from slot") == 1, "the second has a nonce, and its ETH is held for the first")
    fault(world, blocks_pass_over=0)
    world.top_up(Ether.parse("1"))
    until(world, lambda: states(world, "transfer") == ["settled", "settled"], "both are settled")
    paid_once(world, times=2)


def more_than_a_day_may_carry(world: World) -> None:
    """Six payouts of 0.9 ETH in an hour, where a day may carry five: the sixth is held, and a person is told."""
    world.start_clockwork()
    for payout in range(1, 7):
        world.asks_instant(payout, Ether.parse("0.9"))
        world.run_for(600)
    must(states(world, "transfer") == ["settled"] * 5 + ["held"], f"the transfers are {states(world, 'transfer')}")
    must(number(world, "select count(*) from alert where kind = 'transfer_held'") == 1, "nobody is told")


def sending_is_paused(world: World) -> None:
    """A person stops sending: a batch is formed and ordered, nothing leaves for half an hour, and then it is paid."""
    world.pause("sending", "a person looks at something")
    a_batch(world)
    world.run_for(1800)
    must(not has_slot(world), "a nonce is given out while sending is paused")
    world.resume("sending")
    until_completed(world)
    paid_once(world)
