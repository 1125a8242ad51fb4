"""Asking the issuer for tokens, with a cache as Google's client libraries have one."""

import http.client
import threading
import time

from shared.sandbox.identity.key import LIFETIME_S
from shared.sandbox.loopback import call_json

_RENEW_AT = 0.8
_TIMEOUT_S = 5.0


class IdentityUnavailable(Exception):
    """The identity issuer did not give a token."""


class IdentityClient:
    """Gets tokens from the issuer at `url` (its base URL, which is also the tokens' `iss`). Thread-safe."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.jwks_url = f"{self.url}/jwks"
        self._lock = threading.Lock()
        self._tokens: dict[tuple[str, str, int], tuple[str, float]] = {}

    def token(self, email: str, audience: str, lifetime_s: int = LIFETIME_S) -> str:
        """A token that still lives for at least a fifth of its lifetime. Raises IdentityUnavailable."""
        wanted = (email, audience, lifetime_s)
        with self._lock:
            token, renew_at = self._tokens.get(wanted, ("", 0.0))
        if time.monotonic() < renew_at:
            return token
        began = time.monotonic()
        token = self.mint(email, audience, lifetime_s)
        with self._lock:
            self._tokens[wanted] = (token, began + lifetime_s * _RENEW_AT)
        return token

    def mint(
        self,
        email: str,
        audience: str,
        lifetime_s: int = LIFETIME_S,
        claims: dict[str, object] | None = None,
    ) -> str:
        """A fresh token, never cached; `claims` replaces any claim (None takes it out). Raises IdentityUnavailable."""
        body = {"email": email, "audience": audience, "lifetime_s": lifetime_s, "claims": claims or {}}
        try:
            reply = call_json("POST", f"{self.url}/token", body, _TIMEOUT_S)
        except (OSError, http.client.HTTPException) as error:
            raise IdentityUnavailable(f"the issuer {self.url} does not answer") from error
        token = reply.body.get("token")
        if reply.status != 200 or not isinstance(token, str):
            raise IdentityUnavailable(f"the issuer refused: {reply.body.get('error', reply.status)}")
        return token
