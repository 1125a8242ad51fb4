"""What stands between a delivery and a handler: the token is really opened, and errors become answers as in production.

Identity and HTTP are left out here, because they cost more than the handlers; `tests/simulation` shows that the same
history comes out when every call goes through the services' Flask applications instead.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from shared.http import Incoming, Route
from shared.http.body import parse_object
from shared.http.catching import caught
from shared.http.routing import Answer, RefusedMessage
from shared.lifecycle import Reaction, Refused
from shared.messages import Opened, open_sealed
from shared.sandbox.simulator.fleet import KEYRING, Doors, identity
from shared.telemetry import task_context

REFERENCE: Final = "the simulator"


@dataclass(frozen=True, slots=True)
class Heard:
    """What the caller was answered. `error` is what the handler raised, also when it became a 200 `refused`."""

    status: int
    body: dict[str, object]
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one route; `task_name` None for a direct caller. `caller` empty: whoever may seal such a token."""

    path: str
    body: bytes
    caller: str
    trace: str
    task_name: str | None = None


def enter(doors: Doors, call: Call, now: datetime) -> Heard:
    """Lets the call in. Nothing but a crash leaves this function as an exception."""
    with task_context(trace=call.trace):
        outcome = caught(lambda: _handled(doors, call, now))
        if isinstance(outcome, Answer):
            return Heard(outcome.status, dict(outcome.body))
        if isinstance(outcome, Refused) and call.task_name is not None:
            return _refused_for_good(doors, call, outcome, now)
        return _failed(outcome)


def _handled(doors: Doors, call: Call, now: datetime) -> Answer:
    route = doors.routes[call.path]
    opened = _opened(route, call, now)
    caller = call.caller if opened is None else identity(opened.edge.producer)
    assert caller in route.callers_of_edge.get(opened.edge, route.callers) if opened else caller in route.callers
    return route.handle(
        Incoming(
            now=now,
            caller=caller,
            trace=call.trace,
            reference=REFERENCE,
            task_name=call.task_name,
            opened=opened,
            body=parse_object(call.body) if route.body == "json" else {},
        )
    )


def _opened(route: Route, call: Call, now: datetime) -> Opened | None:
    if route.body != "token":
        return None
    return open_sealed(route.edges, json.loads(call.body)["token"], KEYRING, now)


def _refused_for_good(doors: Doors, call: Call, error: Refused, now: datetime) -> Heard:
    assert call.task_name is not None
    refused = RefusedMessage(
        service=doors.service,
        route=call.path,
        caller=call.caller,
        task_name=call.task_name,
        code=error.code,
        message=error.message,
        reference=REFERENCE,
        at=now,
    )
    if doors.refuse is not None:
        refuse = doors.refuse
        stored = caught(lambda: refuse(refused))
        if isinstance(stored, Exception):
            return _failed(stored)
    return Heard(200, {"status": "refused", "code": error.code}, error)


def _failed(error: Exception) -> Heard:
    if isinstance(error, Reaction):
        return Heard(error.http_status, {"status": "error", "code": error.code}, error)
    return Heard(500, {"status": "error", "code": "internal_error"}, error)
