"""Many histories on all cores: seeds are handed to worker processes, each with a database of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from shared.sandbox.simulator.histories import Ending, play
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.workers import WORKERS, spread

_HANDFUL: Final = 8  # seeds that a worker takes at a time


@dataclass
class Result:
    """What came of many histories."""

    histories: int = 0
    violations: int = 0
    unsettled: int = 0
    seconds_s: float = 0
    failures: list[Ending] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return round(self.histories / self.seconds_s, 1) if self.seconds_s else 0

    def add(self, ending: Ending) -> None:
        self.histories += 1
        if ending.failure is not None:
            self.failures.append(ending)
            self.unsettled += ending.unsettled
            self.violations += not ending.unsettled

    def as_json(self) -> dict[str, object]:
        """For a program."""
        return {
            "histories": self.histories,
            "violations": self.violations,
            "unsettled": self.unsettled,
            "per_second": self.per_second,
            "failures": [
                {"seed": ending.seed, "invariant": ending.failure.invariant, "detail": ending.failure.detail}
                for ending in sorted(self.failures, key=lambda ending: ending.seed)
                if ending.failure is not None
            ],
        }


def run_seeds(
    seeds: Iterable[int],
    *,
    workers: int = WORKERS,
    until_failure: bool = False,
    heard: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Plays the seeds, in their order as far as workers are free. `heard` is told after each handful of them.

    `until_failure` stops at the first failure; then `seeds` may be endless.
    """
    result = Result()
    handfuls = spread(play_all, _handfuls(iter(seeds)), workers=workers)
    with closing(handfuls):
        started_s = time.monotonic()
        for endings in handfuls:
            for ending in endings:
                result.add(ending)
            result.seconds_s = time.monotonic() - started_s
            heard(result)
            if until_failure and result.failures:
                break
    return result


def play_all(session: Session, seeds: list[int]) -> list[Ending]:
    """Plays some seeds, in a worker process."""
    return [play(session, seed) for seed in seeds]


def _handfuls(seeds: Iterator[int]) -> Iterator[list[int]]:
    while handful := list(islice(seeds, _HANDFUL)):
        yield handful
