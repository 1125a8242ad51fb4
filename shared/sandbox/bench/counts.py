"""What the fleet asks of others, counted instead of timed: the same on every machine, so that tests can hold it.

Calm days in the simulator: the five services' own handlers on real SQL, and nothing goes wrong. A final block comes
three to five blocks after its own there; on the main net it takes some 75, and the executor looks once a block.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from shared.money import Ether, Usd
from shared.sandbox.bench.report import Json
from shared.sandbox.simulator.door import Call, Heard, enter
from shared.sandbox.simulator.fleet import Doors, Replace
from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.place import places
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence
from shared.sandbox.simulator.world import World

MANY: Final = 16  # INFLIGHT_CAP at its largest
_ONE_AFTER_THE_OTHER: Final = 4
_HOUR_S: Final = 3_600
_AMOUNT: Final = Ether.parse("0.02")
_PAID: Final = Usd.parse("30")
_ASKED: Final = ("exchange", "sender")
_OF_A_TRANSFER: Final = ("GCHostPay3 /", "GCHostPay3 /drive")  # a sweep looks whether there is a transfer or not


class NotCalm(Exception):
    """A history that nothing disturbs did not end well; the message says what happened."""


@dataclass
class _Tally:
    """What one history counted. `trips`: database round trips of every call of a route."""

    asked: Counter[str] = field(default_factory=Counter)
    trips: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    route: str = ""
    providers: int = 1

    def take(self, name: str) -> int:
        """How many there were since this was last asked."""
        return self.asked.pop(name, 0)


@dataclass
class Calls:
    """The counts of several histories; every list has one figure per transfer, batch or call."""

    rpc_alone: list[float] = field(default_factory=list)
    rpc_among_many: list[float] = field(default_factory=list)
    exchange: list[float] = field(default_factory=list)
    tasks: list[float] = field(default_factory=list)
    trips: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    def as_json(self) -> Json:
        return {
            "rpc_calls_per_settled_transfer_1_in_flight": _spread(self.rpc_alone),
            f"rpc_calls_per_settled_transfer_{MANY}_in_flight": _spread(self.rpc_among_many),
            "exchange_calls_per_batch": _spread(self.exchange),
            "tasks_per_batch": _spread(self.tasks),
            "database_round_trips": {route: max(trips) for route, trips in sorted(self.trips.items())},
        }


def count_calls(histories: int) -> Json:
    """Plays calm days on a database of its own, and counts. RPC calls are per provider."""
    with places(1) as (place,), silence(), place.session() as session:
        return counted(session, histories).as_json()


def counted(session: Session, histories: int) -> Calls:
    """As `count_calls`, in a session that is there already. Raises NotCalm."""
    calls = Calls()
    for seed in range(histories):
        _one_batch(session, seed, calls)
        _one_after_the_other(session, seed, calls)
        _many_at_once(session, seed, calls)
    return calls


def _one_batch(session: Session, seed: int, calls: Calls) -> None:
    """Three payments, one batch, until its shares are credited; the sweeps of the same hour are counted by route."""
    tally = _Tally()

    def script(world: World) -> None:
        for number in range(1, 4):
            world.pays(number, _PAID, Ether.parse("0.012"))
        world.start_clockwork()
        world.run_for(60)
        world.tick()
        world.run_for(_HOUR_S)
        calls.exchange.append(tally.take("exchange"))
        calls.tasks.append(tally.take("sender"))

    _play(session, seed, script, tally)
    for route, trips in tally.trips.items():
        calls.trips[route] += trips


def _one_after_the_other(session: Session, seed: int, calls: Calls) -> None:
    tally = _Tally()

    def script(world: World) -> None:
        world.start_clockwork()
        for number in range(1, _ONE_AFTER_THE_OTHER + 1):
            tally.take("rpc")
            world.asks_instant(number, _AMOUNT)
            world.run_for(_HOUR_S)
            calls.rpc_alone.append(tally.take("rpc") / tally.providers)

    _play(session, seed, script, tally)


def _many_at_once(session: Session, seed: int, calls: Calls) -> None:
    tally = _Tally()

    def script(world: World) -> None:
        world.start_clockwork()
        for number in range(1, MANY + 1):
            world.asks_instant(number, _AMOUNT)
        world.run_for(2 * _HOUR_S)
        calls.rpc_among_many.append(tally.take("rpc") / tally.providers / MANY)

    _play(session, seed, script, tally)


def _play(session: Session, seed: int, script: Callable[[World], None], tally: _Tally) -> None:
    ending = play(
        session,
        seed,
        history=History("a calm day", script, Profile(), seed),
        replace=_counting(tally),
        prepare=lambda world: _watch(world, tally),
    )
    if ending.failure is not None:
        raise NotCalm(f"seed {seed}: {ending.failure.invariant}: {ending.failure.detail}")


def _watch(world: World, tally: _Tally) -> None:
    """Counts what the executor asks of its providers for a transfer, and every route of the database."""
    tally.providers = len(world.providers)
    for provider in world.providers:
        provider.before_read = _counted(provider.before_read, tally)
    session = world.session

    def entered(doors: Doors, call: Call, now: datetime) -> Heard:
        before = _trips(session)
        outer, tally.route = tally.route, f"{doors.service} {call.path}"
        try:
            return enter(doors, call, now)
        finally:
            tally.trips[tally.route].append(_trips(session) - before)
            tally.route = outer

    world.enter = entered


def _trips(session: Session) -> int:
    """Round trips so far: outside the simulator a transaction begins and ends with one of its own."""
    return session.connection.statements + 2 * (session.transactions - session.alone)


def _counted(before_read: Callable[[str], None], tally: _Tally) -> Callable[[str], None]:
    def counting(what: str) -> None:
        if tally.route in _OF_A_TRANSFER:
            tally.asked["rpc"] += 1
        before_read(what)

    return counting


def _counting(tally: _Tally) -> Replace:
    """The fleet's doors to the exchange and the queues, counting; and as many transfers in flight as may be."""
    parts = {
        f"{role}.{door}": _door(door, tally)
        for role, doors in (("batcher", _ASKED), ("conductor", _ASKED), ("watcher", _ASKED), ("executor", ("sender",)))
        for door in doors
    }
    return parts | {
        "executor.chain": lambda _, chain: _Door(chain, "rpc", tally, only="send_raw", times=tally),
        "executor.terms": lambda _, limits: replace(limits, inflight_cap=MANY),
    }


def _door(name: str, tally: _Tally) -> Callable[[Any, Any], Any]:
    return lambda _, made: _Door(made, name, tally)


class _Door:
    """Whatever stands behind a port, with its calls counted."""

    def __init__(self, made: Any, name: str, tally: _Tally, *, only: str = "", times: _Tally | None = None) -> None:
        self._made, self._name, self._tally, self._only, self._times = made, name, tally, only, times

    def __getattr__(self, asked: str) -> Any:
        attribute = getattr(self._made, asked)
        if not callable(attribute) or (self._only and asked != self._only):
            return attribute

        def counting(*args: Any, **named: Any) -> Any:
            # Bytes are sent to every provider: one question for the executor, one call each for them.
            self._tally.asked[self._name] += self._times.providers if self._times is not None else 1
            return attribute(*args, **named)

        return counting


def _spread(figures: list[float]) -> Json:
    ordered = sorted(figures)
    at = {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)]}
    return {name: round(figure, 1) for name, figure in at.items()}
