"""Identities: true ones, and every way of making a false one that we could think of."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from hashlib import sha256

from cryptography.hazmat.primitives import serialization
from jwt import PyJWK

from shared.sandbox.identity import IdentityClient, IdentityKey
from shared.sandbox.identity.key import broken_signature
from shared.sandbox.loopback import call_json

_HOUR_S = 3600


class Forger:
    """Knows everything that is public (the issuer's address and keys) and may ask the issuer for strange claims."""

    def __init__(self, issuer: IdentityClient) -> None:
        self._issuer = issuer
        keys = call_json("GET", issuer.jwks_url).body["keys"]
        assert isinstance(keys, list)
        self._public: dict[str, str] = keys[0]
        self._own = IdentityKey.generate(issuer.url)
        self._elsewhere = IdentityKey.generate("https://accounts.elsewhere.invalid")

    def unproven(self, email: str, audience: str, other_audience: str) -> Iterator[tuple[str, dict[str, str]]]:
        """Name and headers of calls in which nothing proves who calls, though everything else is right."""
        yield "no identity", {}
        yield "an empty header", {"Authorization": ""}
        yield "a bearer of nothing", {"Authorization": "Bearer "}
        yield "another scheme", {"Authorization": f"Basic {self._issuer.token(email, audience)}"}
        for name, token in self._false_tokens(email, audience, other_audience):
            yield name, bearer(token)

    def _false_tokens(self, email: str, audience: str, other_audience: str) -> Iterator[tuple[str, str]]:
        yield "garbage", "garbage"
        yield "three garbage parts", "a.b.c"
        yield "garbage of 8 KB", "A" * 8_000
        yield "another service's audience", self._issuer.mint(email, other_audience)
        yield "an audience with a slash more", self._issuer.mint(email, audience + "/")
        yield "no audience", self._issuer.mint(email, audience, claims={"aud": None})
        yield "a foreign issuer", self._elsewhere.mint(email, audience)
        yield "a foreign issuer with our issuer's key id", self._with_known_key_id(self._elsewhere, email, audience)
        yield "another issuer signed by ours", self._issuer.mint(email, audience, claims={"iss": "https://x.invalid"})
        yield "our issuer's name, an unknown key", self._own.mint(email, audience)
        yield "our issuer's name and key id, another key", self._with_known_key_id(self._own, email, audience)
        yield "its own key in the header", self._with_key_in_header(email, audience)
        yield "algorithm none", self._unsigned(email, audience)
        yield from self._signed_with_public_key(email, audience)
        yield "a changed signature", broken_signature(self._issuer.mint(email, audience))
        yield "a changed e-mail", self._with_other_email(email, audience)
        yield "expired", self._issuer.mint(email, audience, lifetime_s=-60)
        yield "not yet valid", self._issuer.mint(email, audience, claims={"nbf": int(time.time()) + _HOUR_S})
        yield "issued in the future", self._issuer.mint(email, audience, claims={"iat": int(time.time()) + _HOUR_S})
        yield "no expiry", self._issuer.mint(email, audience, claims={"exp": None})
        yield "an unverified e-mail", self._issuer.mint(email, audience, claims={"email_verified": False})
        yield "nothing said of the e-mail", self._issuer.mint(email, audience, claims={"email_verified": None})
        yield "no e-mail", self._issuer.mint(email, audience, claims={"email": None})
        yield "a list of e-mails", self._issuer.mint(email, audience, claims={"email": [email]})

    def _claims(self, email: str, audience: str) -> dict[str, object]:
        now = int(time.time())
        claims: dict[str, object] = {"iss": self._issuer.url, "aud": audience, "email": email, "email_verified": True}
        return claims | {"sub": "1", "iat": now, "exp": now + _HOUR_S}

    def _with_known_key_id(self, key: IdentityKey, email: str, audience: str) -> str:
        head, claims, _signature = key.mint(email, audience).split(".")
        header = json.loads(_decoded(head)) | {"kid": self._public["kid"]}
        return key.sign(json.loads(_decoded(claims)), header)

    def _with_key_in_header(self, email: str, audience: str) -> str:
        header = {"kid": self._own.key_id, "jwk": self._own.jwk(), "jku": "http://127.0.0.1:9/jwks"}
        return self._own.sign(self._claims(email, audience), header)

    def _unsigned(self, email: str, audience: str) -> str:
        header = {"alg": "none", "typ": "JWT", "kid": self._public["kid"]}
        return f"{_encoded(header)}.{_encoded(self._claims(email, audience))}."

    def _signed_with_public_key(self, email: str, audience: str) -> Iterator[tuple[str, str]]:
        """The classic: a verifier that takes HS256 would use the published key as the secret."""
        key = PyJWK(dict(self._public)).key
        pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        header = {"alg": "HS256", "typ": "JWT", "kid": self._public["kid"]}
        signed = f"{_encoded(header)}.{_encoded(self._claims(email, audience))}"
        for name, secret in (("PEM", pem), ("DER", der), ("modulus", self._public["n"].encode())):
            yield (
                f"HS256 with the public key ({name})",
                f"{signed}.{_text(hmac.digest(secret, signed.encode(), sha256))}",
            )

    def _with_other_email(self, email: str, audience: str) -> str:
        head, claims, signature = self._issuer.mint("stranger@elsewhere.invalid", audience).split(".")
        return f"{head}.{_encoded(json.loads(_decoded(claims)) | {'email': email})}.{signature}"


def bearer(token: str) -> dict[str, str]:
    """The header of an identity."""
    return {"Authorization": f"Bearer {token}"}


def _encoded(part: Mapping[str, object]) -> str:
    return _text(json.dumps(part).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
