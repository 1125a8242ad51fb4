"""Talking to the control port of a running task service."""

import dataclasses

from shared.sandbox.loopback import Reply, call_json
from shared.sandbox.tasks.faults import Fault

_MARGIN_S = 5.0


class ControlRefused(Exception):
    """The task service did not accept a control call; the message is its reason."""


class TaskControl:
    """The control port as Python calls. `url` comes from the ready line (`control_url`)."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def queues(self) -> dict[str, dict[str, int | str]]:
        """Per queue id: state, pending, running, done, exhausted, lost, deleted, purged, attempts."""
        return self._call("GET", "/queues")["queues"]  # type: ignore[return-value]

    def tasks(self, queue: str | None = None) -> dict[str, list[dict[str, object]]]:
        """`tasks` (live, soonest first) and `finished` (latest last)."""
        return self._call("GET", "/tasks" + (f"?queue={queue}" if queue else ""))  # type: ignore[return-value]

    def add_fault(self, fault: Fault) -> int:
        """Put a fault in force; gives its id."""
        return int(str(self._call("POST", "/faults", dataclasses.asdict(fault))["id"]))

    def faults(self) -> list[dict[str, object]]:
        """The faults, with `fired` counts."""
        return self._call("GET", "/faults")["faults"]  # type: ignore[return-value]

    def remove_fault(self, fault_id: int) -> None:
        """Take one fault away."""
        self._call("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        """Take all faults away."""
        self._call("DELETE", "/faults")

    def purge(self, queue: str | None = None) -> None:
        """Delete the tasks of one queue or of all."""
        self._call("POST", "/purge", {"queue": queue})

    def pause(self, queue: str | None = None) -> None:
        """Pause one queue or all."""
        self._call("POST", "/pause", {"queue": queue})

    def resume(self, queue: str | None = None) -> None:
        """Resume one queue or all."""
        self._call("POST", "/resume", {"queue": queue})

    def wait_idle(self, timeout_s: float = 30.0, queue: str | None = None, horizon_s: float | None = None) -> bool:
        """Whether everything got done in time; tasks due later than `horizon_s` from now are left out of account."""
        body: dict[str, object] = {"timeout_s": timeout_s, "queue": queue}
        if horizon_s is not None:
            body["horizon_s"] = horizon_s
        return self._call("POST", "/wait-idle", body, timeout_s + _MARGIN_S)["idle"] is True

    def _call(
        self, method: str, path: str, body: dict[str, object] | None = None, timeout_s: float = 10.0
    ) -> dict[str, object]:
        reply: Reply = call_json(method, self._url + path, body, timeout_s)
        if reply.status != 200:
            raise ControlRefused(str(reply.body.get("error", f"{method} {path}: status {reply.status}")))
        return reply.body
