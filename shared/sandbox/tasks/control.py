"""The control port: what waits, what ended how, faults, purge, pause, and the wait until nothing is left to do."""

import time

from shared.sandbox.loopback import Answer, BadCall, Call, LoopbackServer
from shared.sandbox.tasks.dispatcher import Dispatcher
from shared.sandbox.tasks.faults import BadFault, Fault, Faults
from shared.sandbox.tasks.store import Store

_MAX_WAIT_S = 600.0


class TaskControlServer:
    """JSON over HTTP on the loopback address; `TaskControl` is its client."""

    def __init__(self, port: int, store: Store, faults: Faults, dispatcher: Dispatcher) -> None:
        self._store, self._faults, self._dispatcher = store, faults, dispatcher
        self._server = LoopbackServer(
            port,
            {
                "GET /live": lambda _call: Answer({}),
                "GET /queues": self._queues,
                "GET /tasks": self._tasks,
                "GET /faults": self._list_faults,
                "POST /faults": self._add_fault,
                "DELETE /faults": self._clear_faults,
                "DELETE /faults/<id>": self._remove_fault,
                "POST /purge": self._purge,
                "POST /pause": lambda call: self._set_running(call, False),
                "POST /resume": lambda call: self._set_running(call, True),
                "POST /wait-idle": self._wait_idle,
            },
        )
        self.port, self.url = self._server.port, self._server.url
        self.start, self.stop = self._server.start, self._server.stop

    def _queues(self, _call: Call) -> Answer:
        return Answer({"queues": self._store.counts()})

    def _tasks(self, call: Call) -> Answer:
        """`?queue=ID`: live tasks, soonest first, and those that ended, latest last. Never a body or a token."""
        queue_id = call.query.get("queue")
        live = [
            {
                "name": record.task.name,
                "queue": record.queue_id,
                "url": record.task.http_request.url,
                "due_at": record.due_at,
                "tries": record.tries,
                "running": record.running,
                "last": record.retry_reason,
            }
            for record in self._store.records(queue_id)
        ]
        ended = [vars(f) for f in list(self._store.finished) if queue_id is None or f"/{queue_id}/tasks/" in f.name]
        return Answer({"tasks": live, "finished": ended})

    def _list_faults(self, _call: Call) -> Answer:
        return Answer({"faults": self._faults.describe()})

    def _add_fault(self, call: Call) -> Answer:
        try:
            return Answer({"id": self._faults.add(Fault.from_json(call.body))})
        except BadFault as error:
            raise BadCall(str(error)) from error

    def _clear_faults(self, _call: Call) -> Answer:
        self._faults.clear()
        return Answer({})

    def _remove_fault(self, call: Call) -> Answer:
        fault_id = call.places["id"]
        removed = fault_id.isdecimal() and self._faults.remove(int(fault_id))
        return Answer({"removed": removed}, 200 if removed else 404)

    def _purge(self, call: Call) -> Answer:
        names = self._names(call)
        for name in names:
            self._store.purge(name, time.time())
        return Answer({"purged": names})

    def _set_running(self, call: Call, running: bool) -> Answer:
        names = self._names(call)
        for name in names:
            self._store.set_running(name, running)
        return Answer({"queues": names})

    def _wait_idle(self, call: Call) -> Answer:
        """`{queue?, horizon_s?, timeout_s?}`; tasks that are due later than `horizon_s` from now do not count."""
        timeout_s = min(_number(call, "timeout_s", 30.0), _MAX_WAIT_S)
        horizon_s = _number(call, "horizon_s", 0.0) if "horizon_s" in call.body else None
        queue_id = _optional_text(call, "queue")
        return Answer({"idle": self._dispatcher.wait_idle(queue_id, horizon_s, timeout_s)})

    def _names(self, call: Call) -> list[str]:
        names = self._store.full_names(_optional_text(call, "queue"))
        if not names:
            raise BadCall("queue: there is none with this id")
        return names


def _optional_text(call: Call, name: str) -> str | None:
    value = call.body.get(name)
    if value is not None and not isinstance(value, str):
        raise BadCall(f"{name}: must be a string")
    return value


def _number(call: Call, name: str, default: float) -> float:
    value = call.body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadCall(f"{name}: must be a number of seconds")
    return float(value)
