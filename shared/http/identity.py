"""Who calls: a Google OIDC identity token, checked in full, against the issuer's published keys."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import jwt
from jwt import PyJWK, PyJWKClient
from jwt.types import Options

from shared.http.errors import CallerNotAllowed, IdentityUncheckable, IdentityUnproven
from shared.telemetry import get_logger

_KEYS_LIFESPAN_S = 300
_FETCH_TIMEOUT_S = 5
_LEEWAY_S = 30
# A token with a made-up key id may cost one fetch per this time, not one per call.
_UNKNOWN_KEY_COOLDOWN_S = 30
# While the issuer is down, calls fail at once between attempts instead of queueing behind the time-out.
_FAILED_FETCH_COOLDOWN_S = 2
_LONGEST_TOKEN = 8_192
_MOST_PROVEN = 256  # tokens that are remembered: a few callers, each with one an hour
_REQUIRED = ["exp", "iat", "aud", "iss", "email"]
# What Cloud Run writes in the place of the signature of an identity token that its IAM has checked, so that no service
# can use its callers' tokens elsewhere. Source: cloud.google.com/run/docs/troubleshooting#signature-removed
_SIGNATURE_REMOVED = ".SIGNATURE_REMOVED_BY_GOOGLE"
_ALL: Options = {"require": _REQUIRED}
_ALL_BUT_THE_SIGNATURE: Options = {
    "require": _REQUIRED,
    "verify_signature": False,
    "verify_exp": True,
    "verify_iat": True,
    "verify_nbf": True,
    "verify_aud": True,
    "verify_iss": True,
}


@dataclass(frozen=True)
class Identity:
    """A proven caller: the verified e-mail of its service account."""

    email: str


@dataclass(frozen=True, slots=True)
class _Proven:
    """What a token proved, until when, and with which key."""

    identity: Identity
    key_id: str
    key: PyJWK
    expires_s: int


class IssuerKeys:
    """The issuer's public keys by key id, read when needed and at most as often as the cooldowns allow.

    Raises IdentityUncheckable (503) when a key is needed and cannot be read, IdentityUnproven (401) for an unknown key.
    One thread fetches; the others wait for its result and never start a second fetch.
    """

    def __init__(self, certs_url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = PyJWKClient(certs_url, lifespan=_KEYS_LIFESPAN_S, timeout=_FETCH_TIMEOUT_S)
        self._monotonic = monotonic
        self._fetching = threading.Lock()
        self._keys: dict[str, PyJWK] = {}
        self._fresh_until = float("-inf")
        self._failed_until = float("-inf")
        self._unknown_until = float("-inf")

    def key(self, key_id: str) -> PyJWK:
        """The key that signed a token, by the id in the token's header."""
        known = self._known(key_id)
        if known is not None:
            return known
        # With valid keys at hand nobody waits for a fetch that only an unknown key id asked for: made-up ids would
        # otherwise hold every thread of the service while the issuer is slow.
        if self._fetching.acquire(blocking=self._monotonic() >= self._fresh_until):
            try:
                if self._known(key_id) is None:  # another thread may just have fetched it
                    self._fetch_if_allowed()
            finally:
                self._fetching.release()
        known = self._known(key_id)
        if known is None:
            raise IdentityUnproven("The identity token is signed with a key that its issuer does not publish.")
        return known

    def _known(self, key_id: str) -> PyJWK | None:
        return self._keys.get(key_id) if self._monotonic() < self._fresh_until else None

    def _fetch_if_allowed(self) -> None:
        now = self._monotonic()
        if now < self._failed_until:
            raise IdentityUncheckable("The issuer's keys could not be read a moment ago.")
        if now < self._fresh_until:
            if now < self._unknown_until:
                return
            self._unknown_until = now + _UNKNOWN_KEY_COOLDOWN_S
        try:
            found = self._client.get_signing_keys(refresh=True)
        except (jwt.PyJWTError, ValueError, OSError) as error:
            self._failed_until = self._monotonic() + _FAILED_FETCH_COOLDOWN_S
            get_logger().warning("certificates_not_fetched", error=type(error).__name__)
            raise IdentityUncheckable("The issuer's keys cannot be read.") from error
        self._keys = {key.key_id: key for key in found if key.key_id is not None}
        self._fresh_until = self._monotonic() + _KEYS_LIFESPAN_S
        get_logger().debug("certificates_fetched", keys=len(self._keys))


class IdentityVerifier:
    """Checks identity tokens for one service: RS256, audience, issuer, lifetime, verified e-mail.

    `behind_cloud_run`: a token whose signature Cloud Run has checked and removed is believed, all its claims being
    checked as ever. Only for a service that nobody reaches but through Cloud Run's IAM: anybody can write those words.
    """

    def __init__(
        self, audiences: Sequence[str], issuers: Sequence[str], keys: IssuerKeys, *, behind_cloud_run: bool = False
    ) -> None:
        if not audiences or not issuers:
            raise ValueError("an empty audience or issuer list would accept every token")
        self._audiences = list(audiences)
        self._issuers = list(issuers)
        self._keys = keys
        self._behind_cloud_run = behind_cloud_run
        self._proven: dict[bytes, _Proven] = {}  # by the hash of the whole token

    def verify(self, authorization: str | None) -> Identity:
        """The identity in an `Authorization: Bearer` header; IdentityUnproven (401) or IdentityUncheckable (503).

        A caller brings the same token for an hour: bytes that were proven once are not computed again, while they have
        not expired and the very key that signed them is still published.
        """
        token = _bearer(authorization)
        fingerprint = sha256(token.encode()).digest()
        proven = self._proven.get(fingerprint)
        if proven is not None and time.time() - _LEEWAY_S < proven.expires_s:
            if self._keys.key(proven.key_id) is proven.key:
                return proven.identity
            del self._proven[fingerprint]
        key_id = self._key_id(token)
        checked_before = self._behind_cloud_run and token.endswith(_SIGNATURE_REMOVED)
        key = None if checked_before else self._keys.key(key_id)
        try:
            claims = jwt.decode(
                token,
                key=key or "",
                algorithms=["RS256"],
                audience=self._audiences,
                issuer=self._issuers,
                leeway=_LEEWAY_S,
                options=_ALL_BUT_THE_SIGNATURE if checked_before else _ALL,
            )
        except jwt.ExpiredSignatureError as error:
            raise IdentityUnproven("The identity token has expired.", rule="not expired") from error
        except jwt.InvalidAudienceError as error:
            raise IdentityUnproven("The identity token is for another service.", rule="audience") from error
        except jwt.InvalidIssuerError as error:
            raise IdentityUnproven(
                "The identity token is from an issuer that is not accepted.", rule="issuer"
            ) from error
        except (jwt.PyJWTError, ValueError, ArithmeticError) as error:
            raise IdentityUnproven("The identity token is not valid.") from error
        email = claims["email"]
        # Some issuers write the flag as text; only these two spellings mean yes.
        if not isinstance(email, str) or claims.get("email_verified") not in (True, "true"):
            raise IdentityUnproven("The identity token names no verified e-mail.", rule="email_verified")
        if not email.isascii():
            # Letters of other scripts fold into ours (the Kelvin sign into k), and the comparison ignores case.
            raise IdentityUnproven("The identity token's e-mail is not an address of ours.", rule="email")
        identity = Identity(email=email.lower())
        if key is not None:
            if len(self._proven) >= _MOST_PROVEN:
                self._proven.clear()
            self._proven[fingerprint] = _Proven(identity, key_id, key, int(claims["exp"]))
        return identity

    def _key_id(self, token: str) -> str:
        """The key id of a token that at least claims our audience and issuer; all others never cause a key fetch."""
        try:
            complete = jwt.decode_complete(token, options={"verify_signature": False})
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            # Anybody may send this: brackets nested by the thousand must be a 401 and wake nobody.
            raise IdentityUnproven("The identity token is malformed.") from error
        header, claims = complete["header"], complete["payload"]
        key_id = header.get("kid")
        if header.get("alg") != "RS256" or not isinstance(key_id, str) or not key_id:
            raise IdentityUnproven("The identity token must be signed with RS256 and name its key.")
        audience = claims.get("aud")
        if audience not in self._audiences and not isinstance(audience, list):
            raise IdentityUnproven("The identity token is for another service.", rule="audience")
        if claims.get("iss") not in self._issuers:
            raise IdentityUnproven("The identity token is from an issuer that is not accepted.", rule="issuer")
        return key_id


def require_caller(identity: Identity, callers: Sequence[str]) -> str:
    """The caller's e-mail when it is on the route's list, else CallerNotAllowed (403)."""
    if identity.email not in {caller.lower() for caller in callers}:
        raise CallerNotAllowed("This caller may not use this route.")
    return identity.email


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise IdentityUnproven("An identity token is required: Authorization: Bearer <token>.")
    if len(token) > _LONGEST_TOKEN:
        raise IdentityUnproven("The identity token is malformed.")
    return token
