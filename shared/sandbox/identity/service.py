"""The issuer as an HTTP service: the key list, and a token for whoever asks on the loopback address."""

from types import TracebackType
from typing import Self

from shared.sandbox.identity.key import LIFETIME_S, IdentityKey
from shared.sandbox.loopback import Answer, BadCall, Call, LoopbackServer

_MAX_LIFETIME_S = 86400


class IdentityService:
    """Serves `GET /jwks` and `POST /token`. A context manager; `url` is the issuer of its tokens."""

    def __init__(self, port: int = 0) -> None:
        routes = {"GET /jwks": self._jwks, "POST /token": self._token, "GET /live": lambda _call: Answer({})}
        self._server = LoopbackServer(port, routes)
        self.port = self._server.port
        self.url = self._server.url
        self.jwks_url = f"{self.url}/jwks"
        self.key = IdentityKey.generate(self.url)

    def start(self) -> None:
        """Begin to answer."""
        self._server.start()

    def stop(self) -> None:
        """Stop; the key is gone with the object."""
        self._server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _jwks(self, _call: Call) -> Answer:
        return Answer({"keys": [self.key.jwk()]}, headers={"Cache-Control": "public, max-age=300"})

    def _token(self, call: Call) -> Answer:
        """`{email, audience, lifetime_s?, claims?}`; `claims` replaces claims, for tests of the verifier."""
        email, audience = _text(call, "email"), _text(call, "audience")
        if "@" not in email:
            raise BadCall("email: must be an e-mail address")
        lifetime_s = call.body.get("lifetime_s", LIFETIME_S)
        if isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int) or abs(lifetime_s) > _MAX_LIFETIME_S:
            raise BadCall(f"lifetime_s: must be a whole number up to {_MAX_LIFETIME_S}")
        claims = call.body.get("claims", {})
        if not isinstance(claims, dict):
            raise BadCall("claims: must be an object")
        return Answer({"token": self.key.mint(email, audience, lifetime_s, claims)})


def _text(call: Call, name: str) -> str:
    value = call.body.get(name)
    if not isinstance(value, str) or not value:
        raise BadCall(f"{name}: must be a non-empty string")
    return value
