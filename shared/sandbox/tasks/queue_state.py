"""One queue from the inside: its live tasks, the order they are due in, its limits, and what becomes of an attempt.

No lock and no network: the store calls this with its lock held, and every time is an argument (unix seconds).
"""

import heapq
import itertools
from collections import Counter, deque
from dataclasses import dataclass

from google.cloud.tasks_v2.types import Attempt, Queue, Task
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from shared.sandbox.posting import Outcome
from shared.sandbox.tasks import rules
from shared.sandbox.tasks.backoff import RetryPolicy, TokenBucket
from shared.sandbox.tasks.times import span, stamp


@dataclass
class TaskRecord:
    """A task that is still to be done."""

    task: Task
    due_at: float
    tries: int = 0
    answers_but_5xx: int = 0
    first_tried_at: float = 0.0
    previous_status: int | None = None
    retry_reason: str = ""
    running: bool = False
    alive: bool = True

    @property
    def id(self) -> str:
        """The short name."""
        return rules.short(self.task.name)

    @property
    def queue_id(self) -> str:
        """The short name of its queue."""
        return rules.short(rules.queue_of(self.task.name))


class QueueState:
    """One queue. `time_scale` divides its retry times."""

    def __init__(self, queue: Queue, time_scale: int, now: float) -> None:
        self.tasks: dict[str, TaskRecord] = {}
        self.counts: Counter[str] = Counter()
        self.running = 0
        self._due: list[tuple[float, int, TaskRecord]] = []
        self._forced: deque[TaskRecord] = deque()
        self._order = itertools.count()
        self._scale = time_scale
        self.configure(queue, now)

    def configure(self, queue: Queue, now: float) -> None:
        """Take on new settings; the tasks stay."""
        self.queue = queue
        retry, rate = queue.retry_config, queue.rate_limits
        self._retry = RetryPolicy(
            max_attempts=retry.max_attempts,
            max_retry_duration_s=span(retry.max_retry_duration).total_seconds() / self._scale,
            min_backoff_s=span(retry.min_backoff).total_seconds() / self._scale,
            max_backoff_s=span(retry.max_backoff).total_seconds() / self._scale,
            max_doublings=retry.max_doublings,
        )
        self._bucket = TokenBucket(rate.max_dispatches_per_second, rate.max_burst_size, now)

    def enqueue(self, record: TaskRecord) -> None:
        """Let it run at its `due_at`. An older entry of the same record becomes void by the change of `due_at`."""
        heapq.heappush(self._due, (record.due_at, next(self._order), record))

    def force(self, record: TaskRecord) -> None:
        """Let it run as soon as anything may run at all."""
        self._forced.append(record)

    def next_runnable(self, now: float) -> TaskRecord | None:
        """The task that may start now, taken off its order; None when there is none or a limit forbids it."""
        while self._forced:
            record = self._forced.popleft()
            if record.alive and not record.running:
                return record
        head = self._head()
        if head is None or head.due_at > now or self._held() or self._bucket.wait_s(now) > 0:
            return None
        self._bucket.take(now)
        heapq.heappop(self._due)
        return head

    def look_again_at(self, now: float) -> float | None:
        """When a task becomes runnable by time alone; None when only a change can make one so."""
        head = self._head()
        if head is None or self._held():
            return None
        return max(head.due_at, now + self._bucket.wait_s(now))

    def start(self, record: TaskRecord, now: float) -> None:
        """Book the begin of an attempt."""
        record.running = True
        record.tries += 1
        record.first_tried_at = record.first_tried_at or now
        self.running += 1
        self.counts["attempts"] += 1
        record.task.dispatch_count = record.tries
        record.task.last_attempt = Attempt(schedule_time=record.task.schedule_time, dispatch_time=stamp(now))
        if record.tries == 1:
            record.task.first_attempt = Attempt(dispatch_time=stamp(now))

    def finish(self, record: TaskRecord, outcome: Outcome, now: float) -> str:
        """Book the end of an attempt and give what follows: done, exhausted, retried, or gone (deleted meanwhile).

        A record to be retried is in order again afterwards; one that is done or exhausted is the store's to bury.
        """
        record.running = False
        self.running -= 1
        self._note_answer(record, outcome, now)
        if not record.alive:
            return "gone"
        if outcome.ok:
            return "done"
        if self._retry.exhausted(record.tries, now - record.first_tried_at):
            return "exhausted"
        record.due_at = now + max(self._retry.delay_s(record.tries), outcome.retry_after_s / self._scale)
        record.task.schedule_time = stamp(record.due_at)
        self.enqueue(record)
        return "retried"

    def _head(self) -> TaskRecord | None:
        """The first live entry; void ones before it (deleted, running, rescheduled) are dropped."""
        while self._due:
            due_at, _order, record = self._due[0]
            if record.alive and not record.running and record.due_at == due_at:
                return record
            heapq.heappop(self._due)
        return None

    def _held(self) -> bool:
        paused = self.queue.state != Queue.State.RUNNING
        return paused or self.running >= self.queue.rate_limits.max_concurrent_dispatches

    @staticmethod
    def _note_answer(record: TaskRecord, outcome: Outcome, now: float) -> None:
        record.previous_status = outcome.status
        record.retry_reason = outcome.reason or f"HTTP status code {outcome.status}"
        if outcome.status is not None:
            record.task.response_count += 1
            record.task.last_attempt.response_time = stamp(now)
            record.answers_but_5xx += outcome.status < 500
        record.task.last_attempt.response_status = Status(message=record.retry_reason)
