"""Many histories on all cores: seeds are handed to worker processes, each with a database of its own."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from typing import Final

from shared.sandbox.simulator.histories import Ending, play
from shared.sandbox.simulator.place import Place, places
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence

WORKERS: Final = max(1, min(8, os.cpu_count() or 1))
_CHUNK: Final = 8  # seeds that a worker takes at a time
_WAITING_CHUNKS: Final = 2  # per worker: enough that nobody waits, few enough that a stop is quick

_session: Session | None = None  # of a worker process
_open = ExitStack()


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
    with places(workers) as made:
        started_s = time.monotonic()
        for endings in _played(made, iter(seeds), lambda: until_failure and bool(result.failures)):
            for ending in endings:
                result.add(ending)
            result.seconds_s = time.monotonic() - started_s
            heard(result)
    return result


def _played(made: list[Place], seeds: Iterator[int], enough: Callable[[], bool]) -> Iterator[list[Ending]]:
    context = get_context("spawn")  # a fork would share connections
    queue: SimpleQueue[Place] = context.SimpleQueue()
    for place in made:
        queue.put(place)
    with ProcessPoolExecutor(len(made), mp_context=context, initializer=_begin_worker, initargs=(queue,)) as pool:
        running: set[Future[list[Ending]]] = set()
        more = True
        while more or running:
            while more and len(running) < _WAITING_CHUNKS * len(made):
                chunk = list(islice(seeds, _CHUNK))
                more = bool(chunk) and not enough()
                if more:
                    running.add(pool.submit(play_all, chunk))
            if running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
            if enough():
                more = False


def _begin_worker(queue: SimpleQueue[Place]) -> None:
    global _session
    _open.enter_context(silence())
    _session = _open.enter_context(queue.get().session())


def play_all(seeds: list[int]) -> list[Ending]:
    """Plays some seeds in this worker process."""
    assert _session is not None, "the worker was begun"
    return [play(_session, seed) for seed in seeds]
