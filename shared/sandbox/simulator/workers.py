"""Work spread over processes, each with a database of its own to play in."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from signal import SIG_IGN, SIGINT, signal
from typing import Any, Final, TypeVar

from shared.http.catching import caught
from shared.sandbox.simulator.place import Place, places
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence

WORKERS: Final = max(1, min(8, os.cpu_count() or 1))

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[Session, T], R], todo: Iterable[T], *, workers: int = WORKERS) -> Generator[R, None, None]:
    """The results of `work` for every item, as they come. `work` is a function of a module; items and results travel.

    `todo` is read as workers become free, so it may be endless: whoever has enough stops asking, and no worker stays.
    """
    with places(workers) as made:
        yield from _spread(work, iter(todo), made)


def _spread(work: Callable[[Session, T], R], todo: Iterator[T], made: list[Place]) -> Iterator[R]:
    context = get_context("spawn")  # a fork would share connections
    running: dict[Connection, SpawnProcess] = {}
    try:
        for place in made:
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, place, work), daemon=True)
            process.start()
            theirs.close()  # only the worker holds it now, and he notices when our end is gone
            running[ours] = process
        idle = list(running)
        while True:
            while idle and (item := next(todo, _NOTHING)) is not _NOTHING:
                idle.pop().send(item)
            if len(idle) == len(running):
                return
            for ready in wait([ours for ours in running if ours not in idle]):
                assert isinstance(ready, Connection)
                outcome = ready.recv()
                idle.append(ready)
                if isinstance(outcome, _Failed):
                    raise WorkerFailed(outcome.text)
                yield outcome
    finally:
        for ours, process in running.items():
            ours.close()
            process.terminate()
        for process in running.values():
            process.join()


class WorkerFailed(Exception):
    """A fault in the simulator itself; no history's."""


class _Failed:
    """What a worker tells of its fault."""

    def __init__(self, text: str) -> None:
        self.text = text


_NOTHING: Final[Any] = object()


def _work(told: Connection, place: Place, work: Callable[[Session, Any], Any]) -> None:
    """A worker process, until nobody is there to tell it anything."""
    signal(SIGINT, SIG_IGN)  # Ctrl-C is the parent's to hear
    with silence(), place.session() as session:
        while True:
            try:
                item = told.recv()
            except EOFError:
                return
            outcome = caught(lambda item=item: work(session, item))  # type: ignore[misc]
            told.send(_Failed(f"{item}: {outcome!r}") if isinstance(outcome, Exception) else outcome)
