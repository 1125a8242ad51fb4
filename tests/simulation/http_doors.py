"""The services' own Flask applications as doors: the whole entrance of production, identity and all, in one process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from flask.testing import FlaskClient

from shared.http import ServiceSettings, create_service
from shared.http.identity import Identity, IdentityVerifier, IssuerKeys
from shared.messages import open_sealed
from shared.sandbox.simulator.door import Call, Heard
from shared.sandbox.simulator.fleet import KEYRING, SERVICES, Doors, identity
from shared.sandbox.simulator.world import World

ISSUER = "https://issuer.example"


class TakenAtTheirWord(IdentityVerifier):
    """A verifier for callers whose token is their own e-mail: who signs identities is not what is tried here."""

    def verify(self, authorization: str | None) -> Identity:
        assert authorization is not None
        return Identity(authorization.removeprefix("Bearer "))


class HttpDoors:
    """As `door.enter`, but every call is an HTTP request to the service's application."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: dict[int, tuple[Doors, FlaskClient]] = {}
        self.requests = 0

    def enter(self, doors: Doors, call: Call, now: datetime) -> Heard:
        self.requests += 1
        headers = {
            "Authorization": f"Bearer {call.caller or _producer(doors, call, now)}",
            "traceparent": f"00-{call.trace}-{'1' * 16}-01",
        }
        if call.task_name is not None:
            headers["X-CloudTasks-TaskName"] = call.task_name
        answer = self._client(doors).post(call.path, data=call.body, headers=headers)
        body: Mapping[str, object] = answer.get_json()
        return Heard(answer.status_code, dict(body))

    def _client(self, doors: Doors) -> FlaskClient:
        """The application of these doors; a service that was killed has new ones."""
        known = self._clients.get(id(doors))
        if known is None:
            role = next(role for role, (service, _) in SERVICES.items() if service == doors.service)
            settings = ServiceSettings(
                service_url=f"https://{role}.example", service_identity=identity(role), oidc_certs_url=f"{ISSUER}/jwks"
            )
            app = create_service(
                settings,
                role,
                list(doors.routes.values()),
                [],
                doors.refuse,
                keyring=KEYRING,
                clock=lambda: self._world.now,
                verifier=TakenAtTheirWord([settings.service_url], [ISSUER], IssuerKeys(settings.oidc_certs_url)),
            )
            app.testing = False
            known = self._clients[id(doors)] = (doors, app.test_client())
        return known[1]


def _producer(doors: Doors, call: Call, now: datetime) -> str:
    """The identity that Cloud Tasks would carry: the producer's, whose token this is."""
    token = json.loads(call.body)["token"]
    return identity(open_sealed(doors.routes[call.path].edges, token, KEYRING, now).edge.producer)
