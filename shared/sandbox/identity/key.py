"""One signing key and the tokens made with it."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from typing import Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

LIFETIME_S = 3600
"""Google's identity tokens live one hour."""


class IdentityKey:
    """An RSA key that mints identity tokens for one issuer.

    For tests of a verifier: another `IdentityKey` is a foreign key, another `issuer` a foreign issuer, and
    `claims` replaces any claim of one token (None takes it out).
    """

    def __init__(self, private_key: rsa.RSAPrivateKey, issuer: str) -> None:
        self.issuer = issuer
        # Kept as a key, not as PEM: reading PEM checks the key anew, which costs more than the signature.
        self._private = private_key
        self._public = private_key.public_key()
        self.key_id = hashlib.sha256(self._jwk_number(self._public.public_numbers().n).encode()).hexdigest()[:40]

    @classmethod
    def generate(cls, issuer: str) -> Self:
        """A fresh key; it exists in memory only."""
        return cls(rsa.generate_private_key(public_exponent=65537, key_size=2048), issuer)

    def mint(
        self,
        email: str,
        audience: str,
        lifetime_s: int = LIFETIME_S,
        claims: Mapping[str, object] | None = None,
    ) -> str:
        """A signed token as Google makes it for a service account. A negative lifetime gives one already expired."""
        now = int(time.time())
        subject = str(int.from_bytes(hashlib.sha256(email.encode()).digest()[:8], "big")).zfill(21)
        full: dict[str, object] = {
            "iss": self.issuer,
            "aud": audience,
            "azp": subject,
            "sub": subject,
            "email": email,
            "email_verified": True,
            "iat": now + min(lifetime_s, 0),
            "exp": now + lifetime_s,
            **(claims or {}),
        }
        kept = {name: value for name, value in full.items() if value is not None}
        return self.sign(kept, {"kid": self.key_id})

    def sign(self, claims: Mapping[str, object], header: Mapping[str, object]) -> str:
        """Any claims under any header, signed with this key: what a forger with a key of his own can make."""
        return jwt.encode(dict(claims), self._private, algorithm="RS256", headers=dict(header))

    def jwk(self) -> dict[str, object]:
        """The public half, as it stands in the issuer's key list."""
        numbers = self._public.public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.key_id,
            "n": self._jwk_number(numbers.n),
            "e": self._jwk_number(numbers.e),
        }

    @staticmethod
    def _jwk_number(number: int) -> str:
        length = (number.bit_length() + 7) // 8
        return base64.urlsafe_b64encode(number.to_bytes(length, "big")).rstrip(b"=").decode()


def broken_signature(token: str) -> str:
    """The same token with its signature replaced by noise: the claims are intact, the proof is not."""
    head, claims, signature = token.split(".")
    noise = secrets.token_bytes(len(base64.urlsafe_b64decode(signature + "==")))
    return ".".join((head, claims, base64.urlsafe_b64encode(noise).rstrip(b"=").decode()))
