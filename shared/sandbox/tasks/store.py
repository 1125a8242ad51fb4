"""The queues and their tasks, in memory: which names exist, which are still blocked, and who may run next.

One lock guards all of it; `changed` is notified whenever something may have become runnable or idle. Every time is an
argument (unix seconds).
"""

import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
from google.cloud.tasks_v2.types import Queue, Task

from shared.sandbox.posting import Outcome
from shared.sandbox.tasks import rules
from shared.sandbox.tasks.queue_state import QueueState, TaskRecord
from shared.sandbox.tasks.rules import Rejected
from shared.sandbox.tasks.times import duration, moment, stamp

TOMBSTONE_S = 3600.0
"""How long a used task name stays blocked, before scaling: about an hour, says Cloud Tasks, and at most a day."""
ENDS = ("done", "exhausted", "lost", "deleted", "purged")
_REMEMBERED = 10_000


@dataclass(frozen=True)
class Finished:
    """A task that is no more, for the control port; `end` is one of ENDS."""

    name: str
    url: str
    end: str
    tries: int
    last_status: int | None


@dataclass(frozen=True)
class Fate:
    """What a fault makes of an accepted task: it comes late, or never."""

    delay_s: float = 0.0
    lost: bool = False


class Store:
    """All queues. Methods take and release the lock themselves; they raise Rejected."""

    def __init__(self, time_scale: int = 1) -> None:
        self.changed = threading.Condition()
        self.finished: deque[Finished] = deque(maxlen=_REMEMBERED)
        self._scale = time_scale
        self._queues: dict[str, QueueState] = {}
        self._tombstones: dict[str, float] = {}

    # ---- queues

    def create_queue(self, asked: Queue, now: float) -> Queue:
        """Make a queue. ALREADY_EXISTS when there is one of that name."""
        queue = rules.complete_queue(asked)
        with self.changed:
            if queue.name in self._queues:
                raise Rejected(grpc.StatusCode.ALREADY_EXISTS, "Queue already exists")
            self._queues[queue.name] = QueueState(queue, self._scale, now)
            return Queue(queue)

    def update_queue(self, asked: Queue, now: float) -> Queue:
        """Replace a queue's limits and retry settings; tasks and a pause stay. Makes the queue when there is none."""
        queue = rules.complete_queue(asked)
        with self.changed:
            state = self._queues.setdefault(queue.name, QueueState(queue, self._scale, now))
            queue.state = state.queue.state
            state.configure(queue, now)
            self.changed.notify_all()
            return Queue(queue)

    def queue(self, name: str) -> Queue:
        """A queue's settings and state."""
        with self.changed:
            return Queue(self._known(name).queue)

    def queues(self, parent: str) -> list[Queue]:
        """The queues of one location, by name."""
        with self.changed:
            return [Queue(state.queue) for name, state in sorted(self._queues.items()) if name.startswith(parent + "/")]

    def set_running(self, name: str, running: bool) -> Queue:
        """Pause or resume a queue. A repeat does nothing."""
        with self.changed:
            queue = self._known(name).queue
            queue.state = Queue.State(Queue.State.RUNNING if running else Queue.State.PAUSED)
            self.changed.notify_all()
            return Queue(queue)

    def purge(self, name: str, now: float) -> Queue:
        """Delete every task of a queue; an attempt that is under way goes on but is not repeated."""
        with self.changed:
            state = self._known(name)
            for record in list(state.tasks.values()):
                self._bury(state, record, "purged", now)
            state.queue.purge_time = stamp(now)
            self.changed.notify_all()
            return Queue(state.queue)

    def delete_queue(self, name: str, now: float) -> None:
        """Remove a queue and its tasks. Its name is free at once (Cloud Tasks blocks it for days)."""
        with self.changed:
            self.purge(name, now)
            del self._queues[name]

    # ---- tasks

    def add(
        self, queue_name: str, asked: Task, now: float, fate_of: Callable[[Task], Fate] = lambda _task: Fate()
    ) -> Task:
        """Accept a task: stored, not yet sent. `fate_of` is asked once the task is sure to be accepted.

        ALREADY_EXISTS when its name is in use or was until recently; so a named create is harmless to repeat.
        """
        rules.check_task(asked, queue_name, stamp(now))
        with self.changed:
            state = self._known(queue_name)
            self._refuse_used_name(state, asked.name, now)
            task = self._accepted(asked, queue_name, now)
            fate = fate_of(task)
            record = TaskRecord(task, max(moment(task.schedule_time).timestamp(), now) + fate.delay_s)
            state.tasks[task.name] = record
            if fate.lost:
                self._bury(state, record, "lost", now)
            else:
                state.enqueue(record)
            self.changed.notify_all()
            return Task(task)

    def task(self, name: str) -> Task:
        """A live task, or NOT_FOUND."""
        with self.changed:
            return Task(self._live(name)[1].task)

    def tasks(self, queue_name: str) -> list[Task]:
        """The live tasks of a queue by name."""
        with self.changed:
            return [Task(record.task) for _name, record in sorted(self._known(queue_name).tasks.items())]

    def delete(self, name: str, now: float) -> None:
        """Delete a live task. An attempt that is under way goes on but is not repeated."""
        with self.changed:
            self._bury(*self._live(name), "deleted", now)
            self.changed.notify_all()

    def force(self, name: str) -> Task:
        """Run a task now, whatever its time, its queue's limits or a pause say. No effect on one that is running."""
        with self.changed:
            state, record = self._live(name)
            state.force(record)
            self.changed.notify_all()
            return Task(record.task)

    # ---- dispatch

    def take_due(self, now: float, room: int) -> tuple[list[TaskRecord], float | None]:
        """Up to `room` tasks that may start now, marked as running; and when to look again if nothing changes.

        Queues take turns, so that one with slow targets cannot take every worker before the others had one.
        """
        taken: list[TaskRecord] = []
        with self.changed:
            turns = list(self._queues.values())
            while turns and len(taken) < room:
                state = turns.pop(0)
                record = state.next_runnable(now)
                if record is not None:
                    state.start(record, now)
                    taken.append(record)
                    turns.append(state)
            times = [state.look_again_at(now) for state in self._queues.values()] if len(taken) < room else []
        return taken, min((time for time in times if time is not None), default=None)

    def finish(self, record: TaskRecord, outcome: Outcome, now: float) -> str:
        """Book an attempt's outcome. Gives what became of the task: done, exhausted, retried, or gone meanwhile."""
        with self.changed:
            state = self._queues.get(rules.queue_of(record.task.name))
            if state is None:
                return "gone"
            step = state.finish(record, outcome, now)
            if step in ENDS:
                self._bury(state, record, step, now)
            self.changed.notify_all()
            return step

    # ---- for the control port

    def counts(self) -> dict[str, dict[str, object]]:
        """Per queue id: state, pending, running, and how many ever ended in which way."""
        with self.changed:
            return {
                rules.short(name): {
                    "state": state.queue.state.name,
                    "pending": sum(not record.running for record in state.tasks.values()),
                    "running": state.running,
                    **{counted: state.counts[counted] for counted in (*ENDS, "attempts")},
                }
                for name, state in sorted(self._queues.items())
            }

    def records(self, queue_id: str | None = None) -> list[TaskRecord]:
        """The live records, soonest first."""
        with self.changed:
            records = [record for _name, state in self._named(queue_id) for record in state.tasks.values()]
        return sorted(records, key=lambda record: record.due_at)

    def busy(self, queue_id: str | None, before: float | None) -> bool:
        """Whether something runs, or waits to run before that time (None: at any time)."""
        with self.changed:
            return any(
                state.running or any(before is None or r.due_at <= before for r in state.tasks.values())
                for _name, state in self._named(queue_id)
            )

    def full_names(self, queue_id: str | None) -> list[str]:
        """The full names of the queues with this id, or of all."""
        with self.changed:
            return [name for name, _state in self._named(queue_id)]

    # ---- inside

    def _named(self, queue_id: str | None) -> Iterator[tuple[str, QueueState]]:
        for name, state in self._queues.items():
            if queue_id in (None, rules.short(name)):
                yield name, state

    def _known(self, name: str) -> QueueState:
        state = self._queues.get(name)
        if state is None:
            raise Rejected(grpc.StatusCode.NOT_FOUND, "Queue does not exist.")
        return state

    def _live(self, name: str) -> tuple[QueueState, TaskRecord]:
        state = self._known(rules.queue_of(name))
        record = state.tasks.get(name)
        if record is None:
            raise Rejected(grpc.StatusCode.NOT_FOUND, "The task no longer exists, or never did.")
        return state, record

    def _refuse_used_name(self, state: QueueState, name: str, now: float) -> None:
        # All names are blocked for the same time, so the oldest come first and expire first.
        while self._tombstones and next(iter(self._tombstones.values())) <= now:
            del self._tombstones[next(iter(self._tombstones))]
        if name in state.tasks:
            raise Rejected(grpc.StatusCode.ALREADY_EXISTS, "Requested entity already exists")
        if name in self._tombstones:
            raise Rejected(
                grpc.StatusCode.ALREADY_EXISTS,
                "The task cannot be created because a task with this name existed too recently.",
            )

    @staticmethod
    def _accepted(asked: Task, queue_name: str, now: float) -> Task:
        task = Task(asked)
        task.name = asked.name or f"{queue_name}/tasks/{secrets.randbelow(10**19):019d}"
        task.create_time = stamp(now)
        if "schedule_time" not in task or moment(task.schedule_time).timestamp() < now:
            task.schedule_time = stamp(now)
        if "dispatch_deadline" not in task:
            task.dispatch_deadline = duration(rules.DEFAULT_DISPATCH_DEADLINE)
        return task

    def _bury(self, state: QueueState, record: TaskRecord, end: str, now: float) -> None:
        """Take a task out for good; its name stays blocked for a while."""
        record.alive = False
        del state.tasks[record.task.name]
        state.counts[end] += 1
        self._tombstones[record.task.name] = now + TOMBSTONE_S / self._scale
        self.finished.append(
            Finished(record.task.name, record.task.http_request.url, end, record.tries, record.previous_status)
        )
