"""What the named histories are made of: people who pay, handlers that are killed or stand still, and the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from shared.exchange import OrderRequest
from shared.money import Ether, Usd
from shared.sandbox.simulator.exchange import ModelOrder
from shared.sandbox.simulator.fleet import WALLET
from shared.sandbox.simulator.interruptions import SimCrash
from shared.sandbox.simulator.invariants import Violation
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.world import World

HOUR_S: Final = 3_600
_WALLET: Final = WALLET.lower()

# --- people -----------------------------------------------------------------------------------------------------------


def three_payments(world: World, first: int = 1) -> None:
    """Three clients pay 85 USD together; the next tick makes a batch of them."""
    for number, usd in enumerate(("40", "30", "15"), start=first):
        amount = Usd.parse(usd)
        world.pays(number, amount, Ether(amount.micros * 10**12 // 2_500))


def a_batch(world: World) -> None:
    """Three payments and the tick that makes a batch of them. The clockwork runs from here on."""
    three_payments(world)
    world.start_clockwork()
    world.run_for(30)
    world.tick()


def fault(world: World, **strengths: int) -> None:
    """From now on these go wrong, so many times in a thousand; what is not named stays as it was."""
    world.faults.now = world.faults.now.changed(**strengths)


def every_order_will(world: World, fate: Fate) -> None:
    """Orders that are opened from now on end like this."""
    opened = world.exchange.open

    def open_(request: OrderRequest) -> ModelOrder:
        order = opened(request)
        order.plan = replace(order.plan, fate=fate)
        return order

    world.exchange.open = open_  # type: ignore[method-assign]


def fees_are(world: World, gwei_tenths: int) -> None:
    """The base fee, from the next block on and until it is said anew, in tenths of a gwei."""
    node: Any = world.node
    node._move_fees = lambda _now: None  # noqa: SLF001 - fees move as the script says, and not by chance
    node.base_fee_wei = gwei_tenths * 10**8


# --- where handlers end or stand still --------------------------------------------------------------------------------


def killed_once(world: World, role: str, when: Callable[[str], bool]) -> None:
    """The service is killed at the first point (before or after a commit or an outside call) of which this is true."""
    points: Any = world.interruptions
    passes = points.point
    done: list[str] = []

    def point(where: str) -> None:
        if not done and points.running[-1:] == [role] and when(where):
            done.append(where)
            world.tell(f"{role} is killed {where}")
            raise SimCrash(where)
        passes(where)

    points.point = point
    _must_happen(world, done, f"{role} was never killed")


def stands_still_once(
    world: World,
    role: str,
    when: Callable[[str], bool],
    seconds: int,
    *,
    meanwhile: Callable[[], object] = lambda: None,
    certain: bool = True,
) -> None:
    """The handler stands still for so long at the first point of which this is true, and everybody else goes on.

    `certain` False: there may be no such point.
    """
    points: Any = world.interruptions
    passes = points.pause
    done: list[str] = []

    def pause(where: str) -> None:
        if not done and points.running[-1:] == [role] and when(where):
            done.append(where)
            world.tell(f"{role} stands still {where}")
            world.run_for(seconds)
            meanwhile()
            world.tell(f"{role} goes on")
        passes(where)

    points.pause = pause
    if certain:
        _must_happen(world, done, f"{role} never stood still")


def _must_happen(world: Any, happened: list[str], otherwise: str) -> None:
    """At the story's end this must have happened, or it shows nothing."""
    world.must_have_happened = [*getattr(world, "must_have_happened", ()), (happened, otherwise)]


def when_first(world: World, condition: Callable[[], bool], what: Callable[[], None]) -> None:
    """Does something at the first point of any handler at which the condition holds."""
    points: Any = world.interruptions
    passes = points.point
    done: list[str] = []

    def point(where: str) -> None:
        if not done and condition():
            done.append(where)
            what()
        passes(where)

    points.point = point
    _must_happen(world, done, "what was to happen first never did")


# --- what is so -------------------------------------------------------------------------------------------------------


def rows(world: World, sql: str) -> list[Any]:
    """The rows as they are now, whoever they belong to."""
    with world.session.looking():
        return list(world.session.connection.all(sql))


def number(world: World, sql: str) -> int:
    """The one number that a query gives."""
    (row,) = rows(world, sql)
    return int(next(iter(row.values())))


def states(world: World, machine: str) -> list[str]:
    """The states of all batches, requests or transfers, oldest first."""
    table, column = {
        "batch": ("batch_conversions", "conversion_status"),
        "request": ("hostpay_request", "request_status"),
        "transfer": ("transfer", "transfer_status"),
    }[machine]
    return [row["state"] for row in rows(world, f"select {column} as state from {table} order by created_at")]  # noqa: S608


def payments_on_chain(world: World) -> list[str]:
    """The hashes of the wallet's transactions that moved ETH to a deposit address and are in the chain now."""
    deposits = {order.payin_address.lower() for order in world.exchange.orders.values()}
    found = []
    for tx_hash in world.node.places:
        place = world.node.canonical(tx_hash)
        if place is not None and place[1].status and place[1].transaction.sender == _WALLET:
            one = place[1].transaction
            found += [tx_hash] if one.to in deposits and one.value_wei else []
    return found


def must(so: bool, otherwise: str) -> None:
    """The story's own promise. Raises Violation."""
    if not so:
        raise Violation("the_story_ends_as_it_must", otherwise)


def until(world: World, condition: Callable[[], bool], what: str, most_s: int = 2 * HOUR_S) -> None:
    """Lets time pass until it is so. Raises Violation when it never is."""
    left_s = most_s
    while not condition():
        must(left_s > 0, f"it is not so after {most_s} s: {what}")
        world.run_for(12)
        left_s -= 12


def until_completed(world: World, batches: int = 1) -> None:
    """Lets time pass until so many batches are completed."""
    until(world, lambda: states(world, "batch").count("completed") >= batches, "the batch is completed", 4 * HOUR_S)


def paid_once(world: World, times: int = 1) -> None:
    """So many transfers, each with one nonce, none skipped, and so many payments on chain (usual: one of each)."""
    everything_happened(world)
    paid, nonces = (
        payments_on_chain(world),
        [row["nonce"] for row in rows(world, "select nonce from slot order by nonce")],
    )
    must(len(paid) == times, f"{len(paid)} payments are in the chain, not {times}")
    must(nonces == list(range(times)), f"the nonces are {nonces}, not 0 to {times - 1}")
    must(states(world, "transfer") == ["settled"] * times, f"the transfers are {states(world, 'transfer')}")


def everything_happened(world: Any) -> None:
    """Every handler that was to be killed, or to stand still, was and did."""
    for happened, otherwise in getattr(world, "must_have_happened", ()):
        must(bool(happened), otherwise)


def has_bytes(world: World) -> bool:
    return number(world, "select count(*) from attempt") > 0


def has_slot(world: World) -> bool:
    return number(world, "select count(*) from slot") > 0


def is_out(world: World) -> bool:
    """Whether bytes of ours are out."""
    return number(world, "select count(*) from attempt where first_send_started_at is not null") > 0


def is_mined(world: World) -> bool:
    return bool(payments_on_chain(world))
