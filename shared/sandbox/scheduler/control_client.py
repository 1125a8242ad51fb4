"""Talking to the control port of a running scheduler."""

from shared.sandbox.loopback import call_json
from shared.sandbox.scheduler.tick import Tick

_MARGIN_S = 5.0


class SchedulerRefused(Exception):
    """The scheduler did not accept a control call; the message is its reason."""


class SchedulerControl:
    """The control port as Python calls. `url` comes from the ready line (`control_url`)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def run(self, job: str, wait_s: float = 30.0, timeout_s: float = 180.0) -> Tick:
        """Call a job's target now; waits up to `wait_s` for a call that is under way. Raises SchedulerRefused."""
        body = self._call("POST", f"/run/{job}", {"wait_s": wait_s}, wait_s + timeout_s + _MARGIN_S)
        return Tick(**body)  # type: ignore[arg-type]

    def jobs(self) -> list[dict[str, object]]:
        """Every job with its last tick."""
        return self._call("GET", "/jobs")["jobs"]  # type: ignore[return-value]

    def pause(self, job: str) -> None:
        """Let the clock of a job tick without calls; `run` still works."""
        self._call("POST", f"/pause/{job}")

    def resume(self, job: str) -> None:
        """Undo a pause."""
        self._call("POST", f"/resume/{job}")

    def _call(
        self, method: str, path: str, body: dict[str, object] | None = None, timeout_s: float = 10.0
    ) -> dict[str, object]:
        reply = call_json(method, self._url + path, body, timeout_s)
        if reply.status != 200:
            raise SchedulerRefused(str(reply.body.get("error", f"{method} {path}: status {reply.status}")))
        return reply.body
