"""The scheduler: one thread a job, a control port, nothing else."""

import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from shared.sandbox.identity import IdentityClient
from shared.sandbox.journal import Journal
from shared.sandbox.loopback import Answer, BadCall, Call, LoopbackServer
from shared.sandbox.scheduler.job import BadJob, Job
from shared.sandbox.scheduler.tick import JobRunner

ATTEMPT_DEADLINE_S = 180.0
"""Cloud Scheduler's default for HTTP targets."""
_MAX_WAIT_S = 300.0


class Scheduler:
    """Runs jobs at a fixed rate: the first time after `first_delay_s`, then every `every_s / time_scale`.

    A tick that would come while the job's previous call is unanswered is left out, as are ticks missed meanwhile.
    Failed calls are not repeated before the next tick. A context manager.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        identity: IdentityClient,
        email: str,
        port: int = 0,
        time_scale: int = 1,
        first_delay_s: float = 1.0,
        deadline_s: float = ATTEMPT_DEADLINE_S,
        journal: Journal | None = None,
    ) -> None:
        if len({job.name for job in jobs}) != len(jobs):
            raise BadJob("two jobs have the same name")
        journal = journal or Journal()
        self._runners = {job.name: JobRunner(job, identity, email, deadline_s, journal) for job in jobs}
        self._scale, self._first_delay_s = time_scale, first_delay_s
        self._stopping = threading.Event()
        self._paused: set[str] = set()
        self._threads = [
            threading.Thread(target=self._keep_time, args=(runner,), name=f"job-{name}", daemon=True)
            for name, runner in self._runners.items()
            if runner.job.every_s > 0
        ]
        self._server = LoopbackServer(
            port,
            {
                "GET /live": lambda _call: Answer({}),
                "GET /jobs": self._jobs,
                "POST /run/<job>": self._run,
                "POST /pause/<job>": self._pause,
                "POST /resume/<job>": self._resume,
            },
        )
        self.port, self.url = self._server.port, self._server.url

    def start(self) -> None:
        """Begin to keep time and to answer."""
        self._server.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Cut the calls under way; returns when all threads are gone."""
        self._stopping.set()
        for runner in self._runners.values():
            runner.stop()
        for thread in self._threads:
            thread.join()
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _keep_time(self, runner: JobRunner) -> None:
        interval_s = runner.job.every_s / self._scale
        due_at = time.monotonic() + self._first_delay_s
        while not self._stopping.wait(max(due_at - time.monotonic(), 0.0)):
            if runner.job.name not in self._paused:
                runner.run("schedule")
            missed = max(int((time.monotonic() - due_at) // interval_s), 0)
            due_at += interval_s * (missed + 1)

    def _jobs(self, _call: Call) -> Answer:
        jobs = [
            {
                "name": name,
                "url": runner.job.url,
                "every_s": runner.job.every_s,
                "paused": name in self._paused,
                "last": vars(runner.last) if runner.last else None,
            }
            for name, runner in self._runners.items()
        ]
        return Answer({"jobs": jobs})

    def _run(self, call: Call) -> Answer:
        """`{wait_s?}` is how long to wait for a call that is under way (default 30); 409 when it takes longer."""
        wait_s = call.body.get("wait_s", 30.0)
        if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0 <= wait_s <= _MAX_WAIT_S:
            raise BadCall(f"wait_s: must be 0 to {_MAX_WAIT_S:g} seconds")
        tick = self._runner(call).run("control", wait_s)
        if tick is None:
            return Answer({"error": "an earlier call of this job is still under way"}, 409)
        return Answer(vars(tick))

    def _pause(self, call: Call) -> Answer:
        self._paused.add(self._runner(call).job.name)
        return Answer({})

    def _resume(self, call: Call) -> Answer:
        self._paused.discard(self._runner(call).job.name)
        return Answer({})

    def _runner(self, call: Call) -> JobRunner:
        runner = self._runners.get(call.places["job"])
        if runner is None:
            raise BadCall(f"there is no job {call.places['job']!r}; known: {', '.join(self._runners)}")
        return runner
