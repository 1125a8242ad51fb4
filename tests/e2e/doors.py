"""Every POST route of the running fleet with those who may call it, taken from the services' own route tables.

A route that is added to a service is here by itself, and with it in every test of refusals.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from shared.http.roles import SERVICE_OF_ROLE
from shared.http.routing import Route
from shared.messages import Edge
from shared.sandbox import demo
from shared.sandbox.documents.routes import service_descriptions
from shared.sandbox.fleet import Fleet, Identities
from tests.e2e.forged import bearer
from tests.e2e.outside import Heard, speak
from tests.e2e.sealed import Sealer

JSON_TYPE = {"Content-Type": "application/json"}
_PAYMENTS = Path(demo.__file__).with_name("payments.jsonl")


@dataclass(frozen=True)
class Door:
    """One route; `edge` is the one whose callers come in by it (None for a route without tokens)."""

    service: str
    route: Route
    edge: Edge | None

    def __str__(self) -> str:
        """As it stands in a test's name."""
        return f"{self.service}{self.route.path}" + (f"[{self.edge.producer}]" if self.edge else "")

    def callers(self, who: Identities) -> list[str]:
        """The identities that may come in by this door, in the running fleet."""
        allowed = (
            self.route.callers if self.edge is None else self.route.callers_of_edge.get(self.edge, self.route.callers)
        )
        return [self._of_this_fleet(email, who) for email in allowed]

    def strangers(self, who: Identities) -> list[str]:
        """Everybody else: proven, known to the fleet, and not allowed on this route."""
        allowed = {self._of_this_fleet(email, who) for email in self.route.callers}
        everybody = [getattr(who, field.name) for field in fields(who)]
        return [email for email in [*everybody, "nobody@elsewhere.invalid"] if email not in allowed]

    def good_body(self, sealer: Sealer) -> bytes:
        """A body that this route would take from the right caller."""
        match self.route.body:
            case "token":
                assert self.edge is not None
                return token_body(sealer.good(self.edge))
            case "json":
                return _PAYMENTS.read_bytes().splitlines()[0]
            case _:
                return b"{}"

    def _of_this_fleet(self, email: str, who: Identities) -> str:
        """The documents' routes are built with `<role>@fleet.invalid`; `service@` is the service's own identity."""
        role = email.partition("@")[0]
        if role == "service":
            (role,) = (name for name, service in SERVICE_OF_ROLE.items() if service == self.service)
        return str(getattr(who, role))


@dataclass(frozen=True)
class Visitor:
    """Somebody at a door: calls it with whatever headers and body."""

    fleet: Fleet
    door: Door
    headers: dict[str, str]

    @classmethod
    def allowed(cls, fleet: Fleet, door: Door, task_name: str = "") -> Visitor:
        """The right caller; with a task's name, as Cloud Tasks delivers."""
        email = door.callers(fleet.world.identities)[0]
        headers = bearer(fleet.identity.token(email, fleet.urls[door.service])) | JSON_TYPE
        return cls(fleet, door, headers | ({"X-CloudTasks-TaskName": task_name} if task_name else {}))

    def brings(self, body: bytes, *, announce: bool = True, send: bytes | None = None, **headers: str) -> Heard:
        """POST a body. Headers by keyword: Transfer_Encoding="chunked"."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        url = self.fleet.urls[self.door.service]
        return speak(url, "POST", self.door.route.path, self.headers | more, body, announce=announce, send=send)


def doors() -> list[Door]:
    """All of them; a route that several producers share has one door for each."""
    return [
        Door(service.service, route, edge)
        for service in service_descriptions()
        for route in service.routes
        for edge in (route.edges or (None,))
    ]


def names(some: Iterable[Door]) -> list[str]:
    """For pytest's ids."""
    return [str(door) for door in some]


def token_body(token: object) -> bytes:
    """`{"token": ...}` around anything."""
    return json.dumps({"token": token}).encode()
