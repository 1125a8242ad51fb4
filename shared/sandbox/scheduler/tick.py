"""One call of a job's target, and the rule that the calls of one job never overlap."""

import json
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.sandbox.identity import IdentityClient, IdentityUnavailable
from shared.sandbox.journal import Journal
from shared.sandbox.posting import STOPPED, Outcome, Posting
from shared.sandbox.scheduler.job import Job


@dataclass(frozen=True)
class Tick:
    """What a call gave: `status` None when nobody answered, then `reason` says why. `body` is JSON or text."""

    job: str
    status: int | None
    reason: str
    body: object
    seconds: float


class JobRunner:
    """Makes the calls of one job, one at a time, from whichever thread asks."""

    def __init__(self, job: Job, identity: IdentityClient, email: str, deadline_s: float, journal: Journal) -> None:
        self.job = job
        self.last: Tick | None = None
        self._identity, self._email, self._deadline_s, self._journal = identity, email, deadline_s, journal
        self._one_at_a_time = threading.Lock()
        self._state = threading.Lock()
        self._posting: Posting | None = None
        self._stopping = False

    def run(self, asked_by: str, wait_s: float = 0.0) -> Tick | None:
        """Call the target now and give its answer; None when an earlier call is still under way after `wait_s`."""
        if not self._one_at_a_time.acquire(timeout=wait_s):
            self._journal.write("tick_skipped", job=self.job.name, asked_by=asked_by)
            return None
        try:
            began = time.monotonic()
            tick = self._ticked(self._post(), time.monotonic() - began)
            self.last = tick
        finally:
            self._one_at_a_time.release()
        self._journal.write(
            "tick_done",
            job=tick.job,
            url=self.job.url,
            asked_by=asked_by,
            status=tick.status,
            reason=tick.reason,
            body=tick.body,
            seconds=tick.seconds,
        )
        return tick

    def stop(self) -> None:
        """Cut the call that is under way, allow no more."""
        with self._state:
            self._stopping = True
            if self._posting is not None:
                self._posting.cut()

    def _post(self) -> Outcome:
        try:
            token = self._identity.token(self._email, self.job.audience)
        except IdentityUnavailable as error:
            return Outcome(None, f"UNAUTHENTICATED: {error}")
        posting = Posting("POST", self.job.url, self._headers(token), b"{}", self._deadline_s)
        with self._state:
            if self._stopping:
                return Outcome(None, STOPPED)
            self._posting = posting
        outcome = posting.perform()
        with self._state:
            self._posting = None
        return outcome

    def _headers(self, token: str) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "User-Agent": "Google-Cloud-Scheduler",
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": self.job.name,
            "X-CloudScheduler-ScheduleTime": datetime.now(UTC).isoformat(),
        }

    def _ticked(self, outcome: Outcome, seconds: float) -> Tick:
        text = outcome.body.decode(errors="replace")
        try:
            body: object = json.loads(text)
        except ValueError:
            body = text
        return Tick(self.job.name, outcome.status, outcome.reason, body, round(seconds, 4))
