"""Delivers due tasks to their targets over HTTP, and lets deliveries go wrong where a fault says so.

One thread decides what may start; a bounded pool of workers delivers. `stop` cuts every open request, so that a target
that hangs cannot hold up the end of the process.
"""

import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from google.cloud.tasks_v2.types import HttpMethod

from shared.sandbox.identity import IdentityUnavailable
from shared.sandbox.journal import Journal
from shared.sandbox.posting import STOPPED, Outcome, Posting
from shared.sandbox.tasks import rules
from shared.sandbox.tasks.faults import MAX_COPIES, Fault, FaultKind, Faults
from shared.sandbox.tasks.queue_state import TaskRecord
from shared.sandbox.tasks.store import Store
from shared.sandbox.tasks.times import moment, span

ANSWER_LOST = "ANSWER_LOST"


class TokenSource(Protocol):
    """Where identity tokens come from; `IdentityClient` is one."""

    def token(self, email: str, audience: str) -> str:
        """A signed token, or IdentityUnavailable."""


@dataclass(frozen=True)
class Request:
    """What one attempt sends: a snapshot, so that a copy is equal to its original to the byte."""

    queue_id: str
    task_id: str
    attempt: int
    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    deadline_s: float
    email: str
    audience: str


class Dispatcher:
    """Runs the tasks of a store."""

    def __init__(
        self,
        store: Store,
        faults: Faults,
        tokens: TokenSource | None,
        journal: Journal,
        workers: int = 32,
        deadline_scale: float = 1.0,
    ) -> None:
        self._store, self._faults, self._tokens, self._journal = store, faults, tokens, journal
        self._workers, self._deadline_scale = workers, deadline_scale
        self._pool = ThreadPoolExecutor(workers + MAX_COPIES, thread_name_prefix="task-delivery")
        self._thread = threading.Thread(target=self._run, name="task-dispatch", daemon=True)
        self._stopping = threading.Event()
        # Guarded by the store's lock, as the wait for idleness looks at both.
        self._active: Counter[str] = Counter()
        self._open: set[Posting] = set()

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """Cut what is under way, start nothing more, return when all threads are gone."""
        with self._store.changed:
            self._stopping.set()
            for posting in self._open:
                posting.cut()
            self._store.changed.notify_all()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wait_idle(self, queue_id: str | None, horizon_s: float | None, timeout_s: float) -> bool:
        """Wait until nothing runs and nothing is left to run (within `horizon_s` from now, if given).

        False when the time is over first. Copies that a fault has made count as running.
        """
        give_up_at = time.monotonic() + timeout_s
        with self._store.changed:
            while True:
                before = None if horizon_s is None else time.time() + horizon_s
                active = self._active[queue_id] if queue_id else self._active.total()
                if not active and not self._store.busy(queue_id, before):
                    return True
                left_s = give_up_at - time.monotonic()
                if left_s <= 0 or self._stopping.is_set():
                    return False
                self._store.changed.wait(left_s)

    def _run(self) -> None:
        # Held from the look at the store to the wait, so that no change can slip in between unnoticed.
        with self._store.changed:
            while not self._stopping.is_set():
                now = time.time()
                taken, look_again_at = self._store.take_due(now, self._workers - self._active.total())
                for record in taken:
                    self._launch(record)
                self._store.changed.wait(None if look_again_at is None else max(look_again_at - now, 0.001))

    def _launch(self, record: TaskRecord) -> None:
        request = self._request_of(record)
        where = (request.queue_id, request.url, request.task_id, request.attempt)
        twice = self._faults.strike(FaultKind.DUPLICATE, *where)
        answer_lost = self._faults.strike(FaultKind.LOSE_DISPATCH_ANSWER, *where) is not None
        later = twice if twice is not None and not twice.concurrent else None
        self._submit(request, lambda: self._attempt(record, request, answer_lost, later))
        if twice is not None and twice.concurrent:
            for _copy in range(twice.copies):
                self._submit(request, lambda: self._deliver_copy(request))

    def _submit(self, request: Request, work: Callable[[], None]) -> None:
        self._active[request.queue_id] += 1

        def counted() -> None:
            try:
                work()
            finally:
                with self._store.changed:
                    self._active[request.queue_id] -= 1
                    self._store.changed.notify_all()

        self._pool.submit(counted).add_done_callback(_show_error)

    def _attempt(self, record: TaskRecord, request: Request, answer_lost: bool, later: Fault | None) -> None:
        outcome = self._deliver(request)
        booked = Outcome(None, ANSWER_LOST, seconds=outcome.seconds) if answer_lost else outcome
        step = self._store.finish(record, booked, time.time())
        self._log("task_attempted", request, booked, answered=outcome.status, then=step)
        for _copy in range(later.copies if later else 0):
            assert later is not None
            self._stopping.wait(later.delay_s)
            self._deliver_copy(request)

    def _deliver_copy(self, request: Request) -> None:
        outcome = self._deliver(request)
        self._log("task_copy_delivered", request, outcome)

    def _deliver(self, request: Request) -> Outcome:
        headers = dict(request.headers)
        if request.email:
            assert self._tokens is not None
            try:
                headers["Authorization"] = f"Bearer {self._tokens.token(request.email, request.audience)}"
            except IdentityUnavailable as error:
                return Outcome(None, f"UNAUTHENTICATED: {error}")
        posting = Posting(request.method, request.url, headers, request.body, request.deadline_s)
        with self._store.changed:
            if self._stopping.is_set():
                return Outcome(None, STOPPED)
            self._open.add(posting)
        try:
            return posting.perform()
        finally:
            with self._store.changed:
                self._open.discard(posting)

    def _request_of(self, record: TaskRecord) -> Request:
        task, http = record.task, record.task.http_request
        has_identity = "oidc_token" in http
        return Request(
            queue_id=record.queue_id,
            task_id=record.id,
            attempt=record.tries,
            method=HttpMethod(http.http_method or HttpMethod.POST).name,
            url=http.url,
            headers={**rules.caller_headers(task), **_own_headers(record)},
            body=http.body,
            deadline_s=span(task.dispatch_deadline).total_seconds() / self._deadline_scale,
            email=http.oidc_token.service_account_email if has_identity else "",
            audience=(http.oidc_token.audience or http.url) if has_identity else "",
        )

    def _log(self, event: str, request: Request, outcome: Outcome, **fields: object) -> None:
        self._journal.write(
            event,
            queue=request.queue_id,
            task=request.task_id,
            url=request.url,
            attempt=request.attempt,
            status=outcome.status,
            reason=outcome.reason,
            seconds=round(outcome.seconds, 4),
            **fields,
        )


def _own_headers(record: TaskRecord) -> dict[str, str]:
    """The headers that Cloud Tasks adds. Per its handler page, the execution count leaves out 5xx answers."""
    eta = moment(record.task.schedule_time)
    headers = {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": record.queue_id,
        "X-CloudTasks-TaskName": record.id,
        "X-CloudTasks-TaskRetryCount": str(record.tries - 1),
        "X-CloudTasks-TaskExecutionCount": str(record.answers_but_5xx),
        "X-CloudTasks-TaskETA": f"{int(eta.timestamp())}.{eta.microsecond:06d}",
    }
    if record.tries > 1:
        headers["X-CloudTasks-TaskRetryReason"] = record.retry_reason
        if record.previous_status is not None:
            headers["X-CloudTasks-TaskPreviousResponse"] = str(record.previous_status)
    return headers


def _show_error(future: Future[None]) -> None:
    """A defect of this service must be seen: a pool keeps exceptions to itself otherwise."""
    if not future.cancelled() and (error := future.exception()) is not None:
        traceback.print_exception(error)
