"""The predecessor's defects L-01 to L-04, L-19, L-20, L-36, L-50, L-52 and L-53, as its incident list tells them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from web3.exceptions import Web3RPCError

from shared.money import Ether
from shared.sandbox.simulator.dialects import CLIENTS
from shared.sandbox.simulator.fleet import PAY_LIMITS, WALLET
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
    states,
    three_payments,
    until,
    until_completed,
    when_first,
)
from shared.sandbox.simulator.provider import decoded
from shared.sandbox.simulator.world import World


def l_01(world: World) -> None:
    """L-01: whatever fails after a successful send counts as a failed payment, and it is paid again.

    From the send on the queue takes no task for an hour, and answers to commits are lost.
    """
    a_batch(world)
    until(world, lambda: has_bytes(world), "its bytes are stored")
    fault(world, tasks_not_made=1000, commits_unclear=200)
    world.run_for(HOUR_S)
    fault(world, tasks_not_made=0, commits_unclear=0)
    until_completed(world)
    paid_once(world)


def l_02(world: World) -> None:
    """L-02: nothing is claimed before sending: a task that is delivered again, or replayed, pays again.

    Every task comes again, at once and hours later, and each answer of the executor's providers is lost.
    """
    fault(world, tasks_twice=950, sends_unanswered=1000)
    a_batch(world)
    until_completed(world)
    world.run_for(2 * HOUR_S)
    fault(world, tasks_twice=0, sends_unanswered=0)
    paid_once(world)


def l_03(world: World) -> None:
    """L-03: a transaction without a receipt is forgotten, and a new one is built.

    It is out for 20 minutes and no block takes it, while an instant payout is asked for with the next nonce.
    """
    fault(world, blocks_pass_over=1000)
    a_batch(world)
    until(world, lambda: is_out(world), "its bytes are out")
    known = {row["tx_hash"] for row in rows(world, "select tx_hash from attempt")}
    world.asks_instant(1, Ether.parse("0.01"))
    world.run_for(20 * 60)
    kept = {row["tx_hash"] for row in rows(world, "select tx_hash from attempt where nonce = 0")}
    must(known <= kept, "the hash of the first transaction is gone")
    fault(world, blocks_pass_over=0)
    until_completed(world)
    until(world, lambda: states(world, "transfer") == ["settled", "settled"], "both are settled")
    paid_once(world, times=2)


def l_04(point: str) -> Callable[[World], None]:
    """L-04, killed at this point: nothing is in the database between broadcast and write, and it is paid again."""

    def script(world: World) -> None:
        when = _DEATHS[point]
        killed_once(world, "executor", lambda where: when(world, where))
        a_batch(world)
        until_completed(world)
        paid_once(world)

    script.__doc__ = f"L-04: the executor is killed {point}. It is paid once, and the batch is completed."
    return script


def _sent(world: World) -> bool:
    return any(key[0] == WALLET.lower() for key in world.node.pool)


_DEATHS: dict[str, Callable[[World, str], bool]] = {
    "before it signs": lambda _, where: where == "before it asks the signer",
    "after it signed": lambda _, where: where == "after it asked the signer",
    "before its bytes leave": lambda _, where: where.startswith("before its bytes reach"),
    "after its bytes left": lambda _, where: where.startswith("after its bytes reached"),
    "before the commit that follows": lambda world, where: where == "before its commit" and _sent(world),
    "after the commit that follows": lambda world, where: where == "after its commit" and _sent(world),
    "with the verdict, before its commit": lambda world, where: (
        where == "before its commit" and states(world, "transfer") == ["settled"]
    ),
    "with the verdict, after its commit": lambda world, where: (
        where == "after its commit" and states(world, "transfer") == ["settled"]
    ),
}
DEATHS: tuple[str, ...] = tuple(_DEATHS)


def l_19(world: World) -> None:
    """L-19: two payments take one nonce, or one is stuck behind a nonce that nobody uses.

    Two batches and three instant payouts at once; the executor is killed when it has given out a nonce.
    """
    killed_once(world, "executor", lambda where: where == "after its commit" and has_slot(world))
    three_payments(world)
    world.start_clockwork()
    for payout in range(3):
        world.asks_instant(payout, Ether((payout + 1) * 10**16))
    world.run_for(30)
    world.tick()
    three_payments(world, first=4)
    world.run_for(30)
    world.tick()
    until_completed(world, batches=2)
    until(world, lambda: states(world, "transfer") == ["settled"] * 5, "all five are settled")
    paid_once(world, times=5)


def l_20_dropped(world: World) -> None:
    """L-20, first: two blocks are replaced and the payment is in none any more. The same bytes are sent again."""
    hashes = _mined_then_replaced(world, lose=True)
    until_completed(world)
    paid_once(world)
    must(payments_on_chain(world)[0] in hashes, "other bytes than those that were out were mined")


def l_20_moved(world: World) -> None:
    """L-20, second: two blocks are replaced and the payment is in another one. It is settled with that one."""
    _mined_then_replaced(world, lose=False)
    until_completed(world)
    paid_once(world)
    block = world.node.canonical(payments_on_chain(world)[0])
    settled = rows(world, "select evidence ->> 'block_hash' as block_hash from slot")[0]["block_hash"]
    must(block is not None and block[0].hash == settled, "it is settled with a block that is not in the chain")


def l_20_replaced(world: World) -> None:
    """L-20, third: after that somebody else's transaction has the nonce. Nothing is paid, a person is told."""
    _mined_then_replaced(world, lose=True, then=world.steals_nonce)
    until(world, lambda: states(world, "transfer") == ["foreign"], "it is known that another transaction has the nonce")
    must(payments_on_chain(world) == [], "it was paid all the same")
    must(rows(world, "select account_status from account")[0]["account_status"] == "frozen", "the account goes on")
    must(number(world, "select count(*) from alert") >= 1, "nobody is told")


def _mined_then_replaced(world: World, *, lose: bool, then: Callable[[], None] = lambda: None) -> set[str]:
    a_batch(world)
    until(world, lambda: is_mined(world), "the payment is mined")
    world.run_for(12)
    hashes = set(payments_on_chain(world))
    must(states(world, "transfer") != ["settled"], "it is settled before it is final")
    place = world.node.canonical(min(hashes))
    assert place is not None
    if lose:
        depth = world.node.head.number - place[0].number + 1
        fault(world, blocks_pass_over=1000)
        world.node.reorganise(depth, world.now, lose=True)
        then()
        fault(world, blocks_pass_over=0)
    else:
        world.node.reorganise(2, world.now, lose=False)
    return hashes


def l_36(world: World) -> None:
    """L-36: a transaction that is too cheap blocks the wallet for hours; every later payment waits or doubles.

    The base fee is five times as high for an hour, right after the broadcast. The fee follows, the nonce does not.
    """
    when_first(world, lambda: has_bytes(world), lambda: fees_are(world, 700))
    a_batch(world)
    world.after(HOUR_S, lambda: fees_are(world, 100))
    world.asks_instant(1, Ether.parse("0.01"))
    until_completed(world)
    caps = [int(row["cap_wei"]) for row in rows(world, "select cap_wei from attempt where nonce = 0 order by seq")]
    must(len(caps) >= 2 and caps == sorted(set(caps)), f"the fee caps are {caps}")
    steps = list(pairwise(caps))
    must(all(later * 8 >= earlier * 9 for earlier, later in steps), f"a cap rises by less than pools ask for: {caps}")
    must(max(caps) <= PAY_LIMITS.max_fee_per_gas_wei, "a cap is above the ceiling")
    until(world, lambda: states(world, "transfer") == ["settled", "settled"], "both are settled")
    paid_once(world, times=2)


def l_36_at_the_ceiling(world: World) -> None:
    """L-36, at the ceiling: the fee follows no further; a person is told, and there is no new nonce."""
    when_first(world, lambda: has_bytes(world), lambda: fees_are(world, 4_000))
    a_batch(world)
    world.run_for(HOUR_S)
    told = [row["kind"] for row in rows(world, "select kind from alert")]
    must("attempt_at_ceiling" in told, f"a person was told {told}")
    must(number(world, "select next_nonce from account") == 1, "there is a new nonce")
    must(not is_mined(world), "it was mined above the ceiling")
    fees_are(world, 100)
    until_completed(world)
    paid_once(world)


def l_50(world: World) -> None:
    """L-50: fees that no node takes, or without an upper limit.

    Base fees of 0.1, 2, 50 and 900 gwei: valid fields at each, nothing above the ceiling, and above it waiting.
    """
    a_batch(world)
    for times, tenths in enumerate((1, 20, 500), start=1):
        fees_are(world, tenths)
        if times > 1:
            three_payments(world, first=10 * times)
            world.run_for(20)
            world.tick()
        until_completed(world, batches=times)
    fees_are(world, 9_000)
    world.run_for(24)
    three_payments(world, first=100)
    world.run_for(20)
    world.tick()
    world.run_for(HOUR_S)
    must(len(payments_on_chain(world)) == 3, "something was paid at 900 gwei")
    fees_are(world, 100)
    world.run_for(30)
    world.tick()
    until_completed(world, batches=4)
    paid_once(world, times=4)
    for row in rows(world, "select tip_wei, cap_wei from attempt"):
        must(0 < row["tip_wei"] <= row["cap_wei"] <= PAY_LIMITS.max_fee_per_gas_wei, f"an attempt has fees {row}")


def l_52(world: World) -> None:
    """L-52: a transaction that reverts is called a confirmation time-out, and is paid again.

    The deposit address takes no ETH any more once the transfer has its nonce: reverted, its gas booked, not paid again.
    """

    def refuse() -> None:
        world.node.refusing |= {order.payin_address.lower() for order in world.exchange.orders.values()}

    when_first(world, lambda: has_slot(world), refuse)
    a_batch(world)
    until(world, lambda: states(world, "transfer") == ["reverted"], "it is known that it reverted")
    world.run_for(2 * HOUR_S)
    must(payments_on_chain(world) == [], "something was paid")
    must(
        len(states(world, "transfer")) == 1 and number(world, "select next_nonce from account") == 1,
        "it was paid again",
    )
    must(number(world, "select count(*) from slot where gas_wei > 0") == 1, "its gas is not recorded")
    must(number(world, "select count(*) from alert where kind = 'transfer_reverted'") == 1, "nobody is told")


def l_53(world: World) -> None:
    """L-53: what a node's text says decides: a hash with 429 in it is a rate limit, "already known" is anything.

    Every send is taken, and answered with another client's error each time, in words that suggest everything else.
    """
    for at, provider in enumerate(world.providers):
        provider.client = CLIENTS[at % len(CLIENTS)]
        _answers_misleadingly(world, provider)
    fault(world, blocks_pass_over=700)
    a_batch(world)
    world.run_for(10 * 60)
    fault(world, blocks_pass_over=0)
    until_completed(world)
    paid_once(world)


_MISLEADING = (
    (-32000, "already known: 0x4290000000000000000000000000000000000000000000000000000000000429"),
    (-32000, "nonce too low: next nonce 429, tx nonce 0"),
    (-32000, "replacement transaction underpriced (timeout 429)"),
    (-32000, "insufficient funds for gas * price + value: balance 0"),
    (429, "Too Many Requests"),
    (-32603, "execution timeout, transaction reverted, not found"),
)


def _answers_misleadingly(world: World, provider: Any) -> None:
    receive = provider.send_raw
    answers: list[str] = []

    def send_raw(raw: bytes) -> str:
        _, _, tx_hash = decoded(raw)
        try:
            receive(raw)
        except Web3RPCError as refused:
            world.tell(f"{provider.name} would have said {refused}")
        code, text = _MISLEADING[len(answers) % len(_MISLEADING)]
        answers.append(tx_hash)
        raise Web3RPCError(text, rpc_response={"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": text}})

    provider.send_raw = send_raw
