"""Is a mutant noticed? Seeds are played with it until one fails; where another mechanism masks it, its history is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.mutants.listed import mutant_named
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.named import history_named
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.workers import WORKERS, spread

SEEDS: Final = 100
_SETTLES_WITHIN: Final = timedelta(hours=3)  # no mutant's profile has late tasks or unusual orders


@dataclass(frozen=True, slots=True)
class Noticed:
    """How a mutant was noticed: by the first seed that fails, or by its history; by neither if it was missed."""

    name: str
    first_seed: int | None
    history: str | None
    invariant: str
    detail: str

    @property
    def missed(self) -> bool:
        return self.first_seed is None and self.history is None

    def as_json(self) -> dict[str, object]:
        """For a program."""
        return {"name": self.name, "first_seed": self.first_seed, "history": self.history, "invariant": self.invariant}


def notice(session: Session, mutant: Mutant, *, seeds: int = SEEDS) -> Noticed:
    """Plays the mutant until something is noticed. One with a history is played in that alone: its seeds are masked."""
    if mutant.history is not None:
        failure = play(session, 0, replace=mutant.replace, history=history_named(mutant.history)).failure
        if failure is None:
            return Noticed(mutant.name, None, None, "", "")
        return Noticed(mutant.name, None, mutant.history, failure.invariant, failure.detail)
    for seed in range(seeds):
        failure = play(
            session, seed, profile=mutant.profile, replace=mutant.replace, settles_within=_SETTLES_WITHIN
        ).failure
        if failure is not None:
            return Noticed(mutant.name, seed, None, failure.invariant, failure.detail)
    return Noticed(mutant.name, None, None, "", "")


def run_mutants(
    mutants: Sequence[Mutant], *, workers: int = WORKERS, heard: Callable[[Noticed], None] = lambda _: None
) -> list[Noticed]:
    """Every mutant, in the order given, played on all cores. `heard` is told of each as it is done."""
    done: dict[str, Noticed] = {}
    for noticed in spread(notice_named, [mutant.name for mutant in mutants], workers=workers):
        done[noticed.name] = noticed
        heard(noticed)
    return [done[mutant.name] for mutant in mutants]


def notice_named(session: Session, name: str) -> Noticed:
    """The same in a worker process."""
    return notice(session, mutant_named(name))
