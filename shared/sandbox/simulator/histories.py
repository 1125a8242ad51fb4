"""Histories: what people do, and when. A seed draws one; a script is one that somebody wrote down."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.money import Ether, Usd
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.exchange import USDT_PER_ETH
from shared.sandbox.simulator.fleet import Replace, attributes_replaced
from shared.sandbox.simulator.interruptions import OutsideInTransaction
from shared.sandbox.simulator.invariants import Violation
from shared.sandbox.simulator.operators import Operator, the_log_holds
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.settling import finally_true, why_unsettled
from shared.sandbox.simulator.world import START, Failure, World

SETTLES_WITHIN: Final = timedelta(hours=40)  # a task may be 24 h late, and its successor's clock begins then
_GIVEN_UP_AFTER: Final = timedelta(hours=4)  # in which no money moved, although nobody waits for a late task
_TICK_S: Final = 180
_TOP_UP: Final = Ether.parse("10")
_OPERATORS_STAY: Final = 4  # times as long as the faults
_QUARTER: Final = timedelta(minutes=15)


@dataclass(frozen=True)
class Ending:
    """How a history ended. `failure` None: everything held and everything settled."""

    seed: int
    failure: Failure | None
    unsettled: bool
    transactions: int
    points: int  # places where a handler could have been killed
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """A history with explicit steps: a script that tells the world what happens, one thing after the other.

    After the script faults stop and everything must settle, as after a random history.
    """

    name: str
    script: Callable[[World], None]
    profile: Profile = field(default_factory=Profile)
    seed: int = 0


def play(
    session: Session,
    seed: int,
    *,
    profile: Profile | None = None,
    replace: Replace | None = None,
    crash_at: Collection[int] = (),
    listening: bool = False,
    history: History | None = None,
    prepare: Callable[[World], None] = lambda _: None,
    settles_within: timedelta = SETTLES_WITHIN,
) -> Ending:
    """Plays one history and takes it back. Nothing of it stays in the database. Equal arguments, equal endings.

    `prepare` is given the world before anything happens in it.
    """
    if history is not None:
        seed, profile = history.seed, profile or history.profile
    session.begin_history()
    replaced = replace or {}
    world: World | None = None
    try:
        world = World.build(session, seed, profile, replace=replaced, crash_at=crash_at, listening=listening)
        prepare(world)
        with attributes_replaced(world, replaced):
            (history.script if history else random_script)(world)
            unsettled = settle(world, settles_within)
        failure = None if unsettled is None else Failure("everything_settles", unsettled)
    except (Violation, OutsideInTransaction) as broken:
        violation = (
            broken if isinstance(broken, Violation) else Violation("nothing_outside_in_a_transaction", str(broken))
        )
        failure, unsettled = Failure(violation.invariant, violation.detail), None
        if world is not None:
            world.tell(f"VIOLATION  {violation}")
    finally:
        session.end_history()
    assert world is not None
    return Ending(
        seed,
        failure,
        unsettled is not None,
        session.taken_transactions(),
        world.interruptions.passed,
        tuple(world.story.lines),
    )


def random_script(world: World) -> None:
    """What a seed draws: payments, one instant payout perhaps, ticks, people, until the faults stop."""
    dice = Dice(world.seed, "people")
    faults = world.faults.now
    last_s = faults.faults_last_s
    world.tell(f"seed {world.seed}: {faults.story() or 'no faults'}")
    for number in range(1, dice.between(3, 6) + 1):
        _plan_payment(world, dice, number, dice.between(0, 300))
    if dice.happens(300):
        amount = Ether(dice.between(5, 40) * 10**15)
        world.after(dice.between(0, 400), lambda: world.asks_instant(1, amount))
    for at_s in range(_TICK_S, last_s, _TICK_S):
        world.after(at_s + dice.between(0, 20), world.ticks)
    if dice.happens(faults.pauses_by_person):
        stage, since_s = dice.pick(("sending", "intake", "batching")), dice.between(0, last_s // 2)
        world.after(since_s, lambda: world.pause(stage, "a person looks at something"))
        world.after(since_s + dice.between(60, last_s // 2), lambda: world.resume(stage))
    if dice.happens(faults.nonce_taken):
        world.after(dice.between(300, last_s), world.steals_nonce)
    _plan_operators(world, faults.operators, last_s)
    world.start_clockwork()
    world.run_until(START + timedelta(seconds=last_s))


def settle(world: World, within: timedelta = SETTLES_WITHIN) -> str | None:
    """Faults stop; everything must come to its end within a bounded time. What did not, else None."""
    world.tell("from here on nothing goes wrong any more")
    world.faults.stop()
    for stage in ("intake", "batching", "sending"):
        world.resume(stage)
    if world.is_poor:
        world.top_up(_TOP_UP)
    deadline = world.now + within
    next_tick = world.now
    unsettled: str | None = "nothing was tried"
    while world.now < deadline and not (world.idle > _GIVEN_UP_AFTER and world.queue.only_timers()):
        world.run_for(world.pace_s)
        if world.now >= next_tick:
            next_tick = world.now + _QUARTER
            world.resume_after_result()
            world.tick()
        unsettled = why_unsettled(world)
        if unsettled is None:
            finally_true(world)
            the_log_holds(world)
            return None
    return unsettled


def _plan_operators(world: World, per_mille: int, last_s: int) -> None:
    """What waits for a person comes late, so operators go on acting while everything settles."""
    dice, operator = Dice(world.seed, "operators"), Operator(world)
    for at_s in range(60, _OPERATORS_STAY * last_s, 60):
        if dice.happens(per_mille):
            world.after(at_s + dice.between(0, 59), operator.acts)


def _plan_payment(world: World, dice: Dice, number: int, at_s: int) -> None:
    usd = Usd(dice.between(5_000_000, 60_000_000))
    worth = usd.micros * 10**12 // USDT_PER_ETH
    ether = Ether(worth * dice.between(970, 1_030) // 1_000)
    told: Ether | None = ether
    currency = "eth"
    if dice.happens(world.faults.now.webhooks_odd):
        told, currency = dice.pick(((None, "eth"), (ether, "btc")))
    world.after(at_s, lambda: world.pays(number, usd, told, currency))
    if dice.happens(world.faults.now.webhooks_twice):
        later_s = at_s + dice.pick((0, 30, 600))
        world.after(later_s, lambda: world.pays(number, usd, told, currency))
