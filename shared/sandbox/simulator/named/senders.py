"""Incidents of other senders: OpenZeppelin relayer, rrelayer, celo, Orchestrate, FireFly, BTCPay."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from shared.exchange import ETH_TO_USDT, OrderRequest
from shared.messages import UPSTREAM_TO_CONDUCTOR, InstantPayout, seal
from shared.money import Ether
from shared.sandbox.chain.accounts import FAUCET
from shared.sandbox.simulator.fleet import KEYRING, base_url
from shared.sandbox.simulator.named.scenes import (
    HOUR_S,
    a_batch,
    fault,
    fees_are,
    has_bytes,
    has_slot,
    is_mined,
    is_out,
    killed_once,
    must,
    number,
    paid_once,
    payments_on_chain,
    rows,
    stands_still_once,
    states,
    three_payments,
    until,
    until_completed,
    when_first,
)
from shared.sandbox.simulator.world import World


def oz_817(world: World) -> None:
    """OpenZeppelin relayer #817: a mined transaction whose receipt nobody shows for a while is called failed.

    For half an hour no provider shows a receipt. The transfer waits, whatever the nodes answer to its bytes, and is
    settled when the receipt is there.
    """
    a_batch(world)
    until(world, lambda: is_out(world), "its bytes are out")
    fault(world, receipts_missing=1000)
    world.run_for(HOUR_S // 2)
    must(is_mined(world), "the payment is not mined")
    must(states(world, "transfer") == ["live"], f"without a receipt the transfer is {states(world, 'transfer')}")
    fault(world, receipts_missing=0)
    until_completed(world)
    paid_once(world)


def oz_818(world: World) -> None:
    """OpenZeppelin relayer #818: the nonce counter moved, the record of who has the nonce was lost: a gap for ever.

    The executor is killed at the commit that gives out the nonce, before and after it. A second payment is not stuck.
    """
    slots = "select count(*) from slot"
    killed_once(world, "executor", lambda where: where == "before its commit" and has_slot(world))
    a_batch(world)
    until(world, lambda: has_slot(world), "the transfer has a nonce again")
    killed_once(world, "executor", lambda where: where == "after its commit" and number(world, slots) == 2)
    world.asks_instant(1, Ether.parse("0.01"))
    until_completed(world)
    until(world, lambda: len(payments_on_chain(world)) == 2, "both are paid")
    until(world, lambda: states(world, "transfer") == ["settled", "settled"], "both are settled")
    paid_once(world, times=2)


def oz_836(world: World) -> None:
    """OpenZeppelin relayer #836: two workers prepare one payment at once, and each takes a nonce for it.

    One worker stands still on its way from reading to reserving, until its lease has run out and another worker has
    begun; then it goes on. Tried at each step of that way with a payment of its own.
    """
    world.start_clockwork()
    for step in range(1, _STEPS + 1):
        stands_still_once(world, "executor", _step_with_an_approved(world, step), 200)
        world.asks_instant(step, Ether(step * 10**15))
        until(world, lambda step=step: states(world, "transfer") == ["settled"] * step, "it is settled")  # type: ignore[misc]
    paid_once(world, times=_STEPS)


_STEPS = 12  # transactions of the drive that reserves, and some more


def _step_with_an_approved(world: World, step: int) -> Callable[[str], bool]:
    steps: list[str] = []

    def is_there(where: str) -> bool:
        if where == "before a transaction" and "approved" in states(world, "transfer"):
            steps.append(where)
            return len(steps) == step
        return False

    return is_there


def oz_843(world: World) -> None:
    """OpenZeppelin relayer #843: signed, recorded as sent, never broadcast; recovery takes it for active, for ever.

    The executor is killed after the bytes are stored, then every send is lost for half an hour. The same bytes leave
    in the end, with the same nonce.
    """
    killed_once(world, "executor", lambda where: where == "after its commit" and has_bytes(world) and not is_out(world))
    a_batch(world)
    fault(world, sends_lost=1000)
    until(world, lambda: has_bytes(world), "its bytes are stored")
    stored = rows(world, "select tx_hash from attempt order by seq")[0]["tx_hash"]
    world.run_for(HOUR_S // 2)
    must(states(world, "transfer") == ["live"], f"the transfer is {states(world, 'transfer')}")
    must(not is_mined(world), "nothing was sent, and something is mined")
    fault(world, sends_lost=0)
    until_completed(world)
    paid_once(world)
    must(stored in {row["tx_hash"] for row in rows(world, "select tx_hash from attempt")}, "the first bytes are gone")


def rrelayer_113(world: World) -> None:
    """rrelayer #113: "nonce too low" and no receipt are read as "not sent": the payment gets a new nonce.

    The first send's answers are lost, it is mined, no receipt is shown: each repeat is answered "nonce too low".
    """
    a_batch(world)
    until(world, lambda: has_bytes(world), "its bytes are stored")
    fault(world, sends_unanswered=1000, receipts_missing=1000)
    until(world, lambda: is_mined(world), "the payment is mined")
    fault(world, sends_unanswered=0)
    world.run_for(HOUR_S // 2)
    told = {row["answer_class"] for row in rows(world, "select distinct answer_class from send_log")}
    must("nonce_too_low" in told, f"the repeats were answered {told}")
    must(number(world, "select next_nonce from account") == 1, "the payment got another nonce")
    fault(world, receipts_missing=0)
    until_completed(world)
    paid_once(world)


def celo_11790(world: World) -> None:
    """celo-monorepo #11790: a transaction that is not mined in time is sent anew, with a new nonce; both are mined.

    No block takes it for half an hour. It keeps its nonce, and the next payment waits behind it.
    """
    fault(world, blocks_pass_over=1000)
    a_batch(world)
    until(world, lambda: is_out(world), "its bytes are out")
    world.asks_instant(1, Ether.parse("0.01"))
    world.run_for(HOUR_S // 2)
    must(
        rows(world, "select distinct nonce from attempt where nonce > 1") == [],
        "a third nonce was used for two payments",
    )
    fault(world, blocks_pass_over=0)
    until_completed(world)
    until(world, lambda: states(world, "transfer") == ["settled", "settled"], "both are settled")
    paid_once(world, times=2)


def orchestrate_42(world: World) -> None:
    """Orchestrate #42: a retry because of the gas price takes another nonce: "nonce too low", or paid twice.

    The base fee leaves the first bytes behind. The dearer ones have the same nonce, receiver and value.
    """
    when_first(world, lambda: has_bytes(world), lambda: fees_are(world, 1_000))
    a_batch(world)
    until(world, lambda: number(world, "select count(*) from attempt") >= 2, "a dearer attempt is stored")
    must(number(world, "select count(distinct nonce) from attempt") == 1, "the dearer attempt has another nonce")
    until_completed(world)
    paid_once(world)


def firefly_lost_hash(world: World) -> None:
    """FireFly: only the newest hash is watched; an older one is mined, and the payment waits for ever.

    The dearer bytes reach nobody, the fee falls, and a block takes the first ones.
    """
    when_first(world, lambda: has_bytes(world), lambda: fees_are(world, 1_000))
    a_batch(world)
    until(world, lambda: is_out(world), "its bytes are out")
    fault(world, sends_lost=1000)
    out = "select count(*) from attempt where first_send_started_at is not null"
    until(world, lambda: number(world, out) >= 2, "two of them are out")
    fees_are(world, 100)
    until_completed(world)
    paid_once(world)
    first = rows(world, "select tx_hash from attempt where seq = 1")[0]["tx_hash"]
    must(payments_on_chain(world) == [first], "it is not the first bytes that were mined")


def btcpay_6540(world: World) -> None:
    """BTCPay #6540: the payout processor pays one payout up to ten times.

    Every task is delivered again and again, ticks and sweeps come every ten seconds, and answers to commits are lost.
    """
    fault(world, tasks_twice=900, commits_unclear=100, tasks_jitter_s=5)
    a_batch(world)
    for _ in range(60):
        world.run_for(10)
        world.tick()
        world.sweep()
    fault(world, tasks_twice=0, commits_unclear=0)
    until_completed(world)
    paid_once(world)


def btcpay_5913(world: World) -> None:
    """BTCPay #5913: a person presses "approve and pay" while the robot pays the same payout already.

    Two requests for one order, the robot's and a person's a minute later: the order is paid once, the other is refused.
    """
    order = world.exchange.open(OrderRequest(ETH_TO_USDT, Ether.parse("0.02"), FAUCET.address, FAUCET.address))
    world.start_clockwork()
    _asks_for(world, order, "robot")
    world.run_for(60)
    _asks_for(world, order, "person")
    until(world, lambda: states(world, "transfer") == ["settled"], "the order is paid")
    world.run_for(600)
    paid_once(world)
    must(len(states(world, "request")) == 1, "there are two requests for one order")
    must(number(world, "select count(*) from refused_message") >= 1, "nobody was told that the second was refused")


def _asks_for(world: World, order: Any, who: str) -> None:
    message = InstantPayout(
        f"payout-by-{who}", order.cn_api_id, "eth", "eth", order.request.amount.wei, order.payin_address
    )
    token = seal(UPSTREAM_TO_CONDUCTOR, message, KEYRING, who.encode().ljust(16, b"."), world.now)
    url = base_url("conductor") + UPSTREAM_TO_CONDUCTOR.route
    body = json.dumps({"token": token}).encode()
    world.queue.put_direct(f"{who}-1", UPSTREAM_TO_CONDUCTOR.queue, url, body, "0" * 32)


def two_batches(world: World) -> None:
    """Two batches, one after the other's payment is out: the scene of the predecessor's L-19 with another order."""
    a_batch(world)
    until(world, lambda: is_out(world), "the first is out")
    three_payments(world, first=4)
    world.run_for(10)
    world.tick()
    until_completed(world, batches=2)
    paid_once(world, times=2)
