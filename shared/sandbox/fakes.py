"""Fakes that keep the promises of the ports they stand for; each passes the same contract suite as the real thing."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from shared.lifecycle.reactions import Reaction
from shared.queue import AlreadyExists, Made, QueueUnusable, TaskNotMade, TaskUnclear


@dataclass(frozen=True)
class FakeTask:
    """One task as it was asked for."""

    name: str
    queue: str
    url: str
    body: bytes
    schedule_at: datetime | None
    audience: str
    trace: str


class FakeTaskSender:
    """A task service in memory (port `shared.queue.TaskSender`): named once, and it can go wrong on command.

    `tasks` are those made, in order. Names stay taken after a task is done, as the real ones for an hour.
    """

    def __init__(self) -> None:
        self.tasks: list[FakeTask] = []
        self.calls = 0
        self._taken: set[tuple[str, str]] = set()
        self._troubles: deque[str] = deque()
        self._missing_queues: set[str] = set()
        self._lock = threading.Lock()

    def lose_answers(self, count: int = 1) -> None:
        """The next calls make their task, and the caller is not told."""
        self._troubles.extend(["answer lost"] * count)

    def be_away(self, count: int = 1) -> None:
        """The next calls make nothing, and the caller cannot tell."""
        self._troubles.extend(["away"] * count)

    def be_busy(self, count: int = 1) -> None:
        """The next calls are turned away, and the caller is told that nothing was made."""
        self._troubles.extend(["busy"] * count)

    def remove_queue(self, queue: str) -> None:
        """This queue does not exist from now on."""
        self._missing_queues.add(queue)

    def take(self) -> list[FakeTask]:
        """The tasks made since the last call, for a test that delivers them itself; their names stay taken."""
        with self._lock:
            taken, self.tasks = self.tasks, []
        return taken

    def create(
        self,
        *,
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> Made | AlreadyExists:
        """As the port says."""
        with self._lock:
            self.calls += 1
            trouble = self._troubles.popleft() if self._troubles else ""
            if trouble in ("away", "busy"):
                raise _trouble(trouble)
            if queue in self._missing_queues:
                raise QueueUnusable(f"Queue {queue} does not take our task: NotFound.")
            known = (queue, name) in self._taken
            if not known:
                self._taken.add((queue, name))
                self.tasks.append(FakeTask(name, queue, url, body, schedule_at, audience, trace))
            if trouble:
                raise _trouble(trouble)
            return AlreadyExists() if known else Made()


def _trouble(kind: str) -> Reaction:
    if kind == "busy":
        return TaskNotMade("The task service took no task now.")
    return TaskUnclear("The task service did not say whether the task was made.")
