"""A task service behind the port `TaskSender`: tasks come twice, late, in another order, or never."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.queue import AlreadyExists, Made, QueueUnusable, TaskNotMade, TaskUnclear
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.exchange import Around
from shared.sandbox.simulator.profile import Faults

TOMBSTONE: Final = timedelta(hours=1)  # how long the name of a task that ran stays blocked
RETRIES_LAST: Final = timedelta(hours=24)
_FIRST_BACKOFF_S: Final = 5
_LONGEST_BACKOFF_S: Final = 300
_MINUTE_S: Final = 60
_DAY_S: Final = 24 * 3600


@dataclass(slots=True)
class ModelTask:
    """One task. `number` tells it from another one of the same name."""

    number: int
    name: str
    queue: str
    url: str
    body: bytes
    audience: str
    trace: str
    due: datetime
    first_due: datetime
    attempts: int = 0
    gone: bool = False
    timer: bool = False  # made for a later time: a hint that somebody looks again


class ModelQueue:
    """Makes tasks and delivers them through `deliver`, which answers an HTTP status, or None when nobody answered."""

    def __init__(
        self,
        faults: Faults,
        dice: Dice,
        around: Around,
        at: Callable[[datetime, Callable[[], None]], None],
        deliver: Callable[[ModelTask], int | None],
        told: Callable[[str], None],
    ) -> None:
        self._faults = faults
        self._dice = dice
        self._around = around
        self._at = at
        self._deliver = deliver
        self._told = told
        self._names: dict[tuple[str, str], datetime | None] = {}  # None: it is in the queue
        self._numbers = 0
        self.waiting: dict[int, ModelTask] = {}
        self.missing: set[str] = set()  # queues that do not exist
        self.lost_answers: deque[bool] = deque()  # to the next creations, for a script: was the task made?

    # --- the port -----------------------------------------------------------------------------------------------------

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
        self._around.calls("the queue for a task")
        answer = self._create(name, queue, url, body, schedule_at, audience, trace)
        self._around.called("the queue for a task")
        return answer

    def _create(
        self,
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> Made | AlreadyExists:
        if queue in self.missing:
            raise QueueUnusable(f"Queue {queue} does not take our task: NotFound.")
        if self._dice.happens(self._faults.now.tasks_not_made):
            self._told("the queue takes no task now")
            raise TaskNotMade("The task service took no task now.")
        unclear, made = self._loses_answer()
        if not made:
            self._told("the queue makes no task and does not answer")
            raise TaskUnclear("The task service did not say whether the task was made.")
        known = self._is_taken(queue, name)
        if not known:
            self._make(name, queue, url, body, schedule_at, audience, trace)
        if unclear:
            self._told("the queue has the task, its answer is lost")
            raise TaskUnclear("The task service did not say whether the task was made.")
        return AlreadyExists() if known else Made()

    def _loses_answer(self) -> tuple[bool, bool]:
        """Whether the answer is lost, and whether the task is made all the same."""
        if self.lost_answers:
            return True, self.lost_answers.popleft()
        if self._dice.happens(self._faults.now.tasks_unclear):
            return True, self._dice.happens(500)
        return False, True

    # --- what others do here ------------------------------------------------------------------------------------------

    def put_direct(self, name: str, queue: str, url: str, body: bytes, trace: str) -> None:
        """A task of somebody else: the upstream's own, which is made for certain."""
        self._make(name, queue, url, body, None, url, trace)

    def purge(self) -> None:
        """Throws every task away; their names stay blocked."""
        self._told(f"every queue is purged: {len(self.waiting)} tasks are gone")
        for task in list(self.waiting.values()):
            self._remove(task)

    def only_timers(self) -> bool:
        """Whether nothing waits here but looks at a later time."""
        return all(task.timer for task in self.waiting.values())

    # --- inside -------------------------------------------------------------------------------------------------------

    def _is_taken(self, queue: str, name: str) -> bool:
        until = self._names.get((queue, name), self._around.now)
        return until is None or until > self._around.now

    def _make(
        self,
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> None:
        now = self._around.now
        self._names[queue, name] = None
        if self._dice.happens(self._faults.now.tasks_lost):
            self._told(f"a task for {url} is made and lost")
            self._names[queue, name] = now + TOMBSTONE
            return
        due = max(schedule_at or now, now)
        self._numbers += 1
        task = ModelTask(self._numbers, name, queue, url, body, audience, trace, due, due, timer=due > now)
        self.waiting[task.number] = task
        self._schedule(task, due)

    def _schedule(self, task: ModelTask, due: datetime) -> None:
        faults, dice = self._faults.now, self._dice
        late_s = dice.between(0, faults.tasks_jitter_s)
        if dice.happens(faults.tasks_late):
            late_s += dice.between(_MINUTE_S, dice.pick((600, 3_600, _DAY_S)))
        task.due = due + timedelta(seconds=late_s)
        self._at(task.due, lambda: self._run(task))

    def _run(self, task: ModelTask) -> None:
        if task.gone:
            return
        task.attempts += 1
        status = self._deliver(task)
        now = self._around.now
        if status is not None and 200 <= status < 300:
            if self._dice.happens(self._faults.now.tasks_twice):
                self._told(f"a task for {task.url} will come again")
                again = self._dice.between(0, self._dice.pick((2, 60, 3_600, _DAY_S)))
                task.timer = True
                self._at(now + timedelta(seconds=again), lambda: self._run(task))
                return
            self._remove(task)
        elif now - task.first_due > RETRIES_LAST:
            self._told(f"the queue gives a task for {task.url} up")
            self._remove(task)
        else:
            wait_s = min(_FIRST_BACKOFF_S * 2 ** (task.attempts - 1), _LONGEST_BACKOFF_S)
            self._at(now + timedelta(seconds=wait_s), lambda: self._run(task))

    def _remove(self, task: ModelTask) -> None:
        task.gone = True
        self.waiting.pop(task.number, None)
        self._names[task.queue, task.name] = self._around.now + TOMBSTONE
