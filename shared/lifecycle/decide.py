"""The one question: given this state and this fact, what now? Pure: no clock, no database, no environment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.lifecycle.facts import Fact
from shared.lifecycle.reactions import Broken
from shared.lifecycle.states import FINAL, WAITING, Machine, State
from shared.lifecycle.transitions import TABLES, Intent, Stay


class IllegalTransition(Broken):
    """This fact cannot happen in this state: an invariant is false, nothing was changed."""

    code = "illegal_transition"

    def __init__(self, machine: Machine, state: State | None, fact: Fact) -> None:
        self.machine = machine
        self.state = state
        self.fact = fact
        was = "does not exist yet" if state is None else f"is {state.value}"
        super().__init__(f"{type(fact).__name__} cannot happen to a {machine.value} that {was}")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long states may wait. time_scale divides every wait: 1 in production, larger in the sandbox."""

    time_scale: int = 1

    def wait(self, at_most: timedelta) -> timedelta:
        return at_most / self.time_scale


@dataclass(frozen=True, slots=True)
class Decision:
    """What a fact does to a state.

    `event` is None when the fact changes nothing (`stayed` says why); then nothing is written. `due_at` is when the
    new state is late if nothing else has happened; None when it is final.
    """

    machine: Machine
    before: State | None
    after: State | None
    event: str | None
    intents: tuple[Intent, ...]
    due_at: datetime | None
    stayed: str | None = None

    @property
    def moved(self) -> bool:
        return self.event is not None

    def wants(self, intent: Intent) -> bool:
        return intent in self.intents


def decide(machine: Machine, state: State | None, fact: Fact, now: datetime, limits: Limits) -> Decision:
    """What `fact` does to a `machine` in `state` (None: it does not exist yet).

    Raises IllegalTransition for a pair that no table lists; then nothing may be written. Asking again with the state
    that came out is how a repeat is absorbed: the table lists it as a Stay, or the pair is illegal.
    """
    step = TABLES[machine].get((state, type(fact)))
    if step is None:
        raise IllegalTransition(machine, state, fact)
    if isinstance(step, Stay):
        return Decision(machine, state, state, None, (), None, stayed=step.because)
    return Decision(machine, state, step.to, step.event, step.intents, due_at(step.to, now, limits))


def due_at(state: State, now: datetime, limits: Limits) -> datetime | None:
    """When a row that enters `state` now is late, or None where nothing is awaited."""
    if state in FINAL:
        return None
    return now + limits.wait(WAITING[state].at_most)
