"""A small service with an issuer of its own, for the tests of the HTTP room."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from flask.testing import FlaskClient
from jwt import PyJWK

from shared.http import Answer, Component, Incoming, RefusedMessage, Route, ServiceSettings, create_service
from shared.http.errors import IdentityUnproven
from shared.http.identity import IdentityVerifier, IssuerKeys
from shared.messages import BATCHER_TO_CONDUCTOR, CONDUCTOR_TO_WATCHER, CheckOrder, Keyring, Message, PayBatch, seal
from shared.queue.renewal import Keys
from shared.sandbox.identity.key import IdentityKey

AUDIENCE = "https://conductor.example"
ISSUER = "https://issuer.example"
BATCHER = "batcher@project.example"
SCHEDULER = "scheduler@project.example"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYRING = Keyring(internal=["an internal secret of the fleet"])
HOOK_KEY = "the secret of the webhook"
MESSAGE_ID = bytes(range(16))
PAY_BATCH = PayBatch(
    batch_conversion_id="11111111-2222-3333-4444-555555555555",
    cn_api_id="613c822e844358",
    from_currency="eth",
    from_network="eth",
    amount_wei=40_000_000_000_000_000,
    payin_address="0x52908400098527886E0F7030069857D2E4169EE7",
)


class KnownKeys(IssuerKeys):
    """The issuer's keys without a network."""

    def __init__(self, *keys: IdentityKey) -> None:
        super().__init__("https://issuer.example/jwks")
        self._published = {key.key_id: PyJWK.from_dict(dict(key.jwk())) for key in keys}

    def key(self, key_id: str) -> PyJWK:
        """The key, or the refusal that the real one gives."""
        if key_id not in self._published:
            raise IdentityUnproven("The identity token is signed with a key that its issuer does not publish.")
        return self._published[key_id]


@cache
def issuer_key() -> IdentityKey:
    """The issuer's key; made once, because an RSA key costs a tenth of a second."""
    return IdentityKey.generate(ISSUER)


@cache
def foreign_key() -> IdentityKey:
    """A key that the issuer does not publish."""
    return IdentityKey.generate(ISSUER)


def settings(**changes: Any) -> ServiceSettings:
    """Settings of the test service."""
    values: dict[str, Any] = {
        "service_url": AUDIENCE,
        "service_identity": "conductor@project.example",
        "oidc_issuers": ISSUER,
        "oidc_certs_url": "https://issuer.example/jwks",
        "build_id": "build-7",
    }
    return ServiceSettings(**(values | changes))


def bearer(email: str = BATCHER, audience: str = AUDIENCE, **claims: Any) -> dict[str, str]:
    """The header with a valid identity token; `claims` replaces any claim."""
    return {"Authorization": f"Bearer {issuer_key().mint(email, audience, claims=claims)}"}


def as_task(name: str = "outbox-1", email: str = BATCHER) -> dict[str, str]:
    """The headers of a delivery by Cloud Tasks."""
    return bearer(email) | {"X-CloudTasks-TaskName": name}


def token(message: Message = PAY_BATCH, edge: Any = BATCHER_TO_CONDUCTOR, at: datetime = NOW) -> dict[str, str]:
    """The body with a sealed message."""
    return {"token": seal(edge, message, KEYRING, MESSAGE_ID, at)}


def a_check_order() -> CheckOrder:
    """A genuine message of another edge."""
    return CheckOrder(
        unique_id="batch_11111111-2222-3333-4444-555555555555",
        cn_api_id="613c822e844358",
        from_currency="eth",
        from_network="eth",
        to_currency="usdt",
        to_network="eth",
        amount_wei=40_000_000_000_000_000,
        payin_address="0x52908400098527886E0F7030069857D2E4169EE7",
        payout_address="0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    )


OTHER_EDGE = CONDUCTOR_TO_WATCHER


class Service:
    """The test service: four routes, everything that reached a handler, everything that was stored as refused."""

    def __init__(self, **changes: Any) -> None:
        self.seen: list[Incoming] = []
        self.refused: list[RefusedMessage] = []
        self.raises: Exception | None = None
        self.answers: Mapping[str, Any] = {"status": "ok"}
        self.refuse_raises: Exception | None = None
        components: Sequence[Component] = changes.pop("components", ())
        with_store: bool = changes.pop("with_store", True)
        keys: Keys | None = changes.pop("keys", None)
        self.app = create_service(
            settings(**changes),
            "conductor",
            [
                Route("/", self._handle, [BATCHER], edges=(BATCHER_TO_CONDUCTOR,)),
                Route("/json", self._handle, [BATCHER], body="json", signature_key=HOOK_KEY),
                Route("/tick", self._handle, [SCHEDULER], body="ignored"),
            ],
            components,
            self._refuse if with_store else None,
            keyring=KEYRING if keys is None else keys.keyring,
            keys=keys,
            clock=lambda: NOW,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )
        self.client: FlaskClient = self.app.test_client()

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """POST a JSON body (bytes and str are sent as they are)."""
        raw = body if isinstance(body, bytes | str) else json.dumps(body)
        return self.client.post(path, data=raw, headers=dict(headers or {}))

    def _handle(self, incoming: Incoming) -> Answer:
        self.seen.append(incoming)
        if self.raises is not None:
            raise self.raises
        return Answer(200, self.answers)

    def _refuse(self, refused: RefusedMessage) -> None:
        if self.refuse_raises is not None:
            raise self.refuse_raises
        self.refused.append(refused)


def unsigned(token_text: str, alg: str) -> str:
    """The same claims and key id under an algorithm that proves nothing of the issuer."""
    claims = jwt.decode(token_text, options={"verify_signature": False})
    key: Any = None if alg == "none" else "x" * 32
    return jwt.encode(claims, key, algorithm=alg, headers={"kid": issuer_key().key_id})


def error_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an error answer, checked for its shape."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    body: dict[str, Any] = response.get_json()
    assert body["status"] == "error"
    assert body["code"] == code
    assert body["message"].endswith(".")
    assert body["reference"]
    assert set(body) <= {"status", "code", "message", "reference", "field", "rule"}
    return body
