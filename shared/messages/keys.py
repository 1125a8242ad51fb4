"""The secrets that seal tokens, and the keys derived from them: one key per edge, none usable on another."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NoReturn

from shared.messages.errors import KeyringError

Secret = Literal["internal", "external"]

MIN_SECRET_BYTES: Final = 16
MAX_VERSIONS: Final = 2  # the secret in use and, during a rotation, the one before or after it
KEY_ID_BYTES: Final = 4
_SALT: Final = b"gcpay token v1"
_KEY_BYTES: Final = 32


def hkdf_sha256(secret: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256; at most 255 x 32 bytes."""
    if not 0 < length <= 255 * 32:
        raise ValueError("HKDF-SHA256 gives 1 to 8160 bytes")
    pseudorandom_key = hmac.digest(salt, secret, "sha256")
    block, output = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom_key, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


@dataclass(frozen=True, slots=True)
class EdgeKey:
    """A key for one edge; `key_id` is made from a hash of this key alone and so tells nothing about the secret."""

    key: bytes = field(repr=False)
    key_id: bytes


class Keyring:
    """The fleet's sealing secrets: the first of a kind seals, all of a kind open. Rotation: the new one second, then
    first, then alone.

    Raises KeyringError: a secret under 16 bytes, with blanks around it, more than two of a kind, or the same one for
    inside and outside, which would let upstream forge the fleet's own messages.
    """

    __slots__ = ("_secrets",)

    def __init__(self, internal: Sequence[str | bytes] = (), external: Sequence[str | bytes] = ()) -> None:
        self._secrets: dict[Secret, tuple[bytes, ...]] = {}
        self.take(internal, external)

    def take(self, internal: Sequence[str | bytes], external: Sequence[str | bytes]) -> bool:
        """Have these secrets from now on; whether they are others than before. At once for all threads, or not at all.

        Raises KeyringError as the making of a keyring does, and then keeps what it has.
        """
        secrets: dict[Secret, tuple[bytes, ...]] = {
            "internal": _checked("internal", internal),
            "external": _checked("external", external),
        }
        if set(secrets["internal"]) & set(secrets["external"]):
            raise KeyringError("the internal and the external secret must differ")
        before, self._secrets = self._secrets, secrets
        return before != secrets

    def knows(self, key_id: bytes, secret: Secret, edge_name: str) -> bool:
        """Whether one of our keys for this edge has this id."""
        return any(_edge_key(one, edge_name).key_id == key_id for one in self._secrets[secret])

    def upstream_secrets(self) -> tuple[bytes, ...]:
        """The external secrets as they are: with them, and no derived key, the predecessor's upstream sealed."""
        return self._secrets["external"]

    def sealing_key(self, secret: Secret, edge_name: str) -> EdgeKey:
        """The key that seals on this edge. KeyringError if there is no secret of that kind."""
        return self.opening_keys(secret, edge_name)[0]

    def opening_keys(self, secret: Secret, edge_name: str) -> list[EdgeKey]:
        """Every key that may have sealed on this edge. KeyringError if there is no secret of that kind."""
        if not self._secrets[secret]:
            raise KeyringError(f"this service has no {secret} secret")
        return [_edge_key(one, edge_name) for one in self._secrets[secret]]

    def __repr__(self) -> str:
        return "Keyring(internal=***, external=***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a keyring is not copied or stored")


def _checked(kind: Secret, secrets: Sequence[str | bytes]) -> tuple[bytes, ...]:
    if isinstance(secrets, str | bytes):
        raise KeyringError(f"the {kind} secrets must be a list")
    given = tuple(one.encode() if isinstance(one, str) else one for one in secrets)
    if len(given) > MAX_VERSIONS:
        raise KeyringError(f"at most {MAX_VERSIONS} {kind} secrets are valid at a time")
    for one in given:
        if len(one) < MIN_SECRET_BYTES:
            raise KeyringError(f"an {kind} secret must have at least {MIN_SECRET_BYTES} bytes")
        if one.strip() != one:  # a line end from a secret store gives two services two different keys
            raise KeyringError(f"an {kind} secret must not begin or end with a blank or a line end")
    return given


def _edge_key(secret: bytes, edge_name: str) -> EdgeKey:
    key = hkdf_sha256(secret, salt=_SALT, info=edge_name.encode(), length=_KEY_BYTES)
    return EdgeKey(key=key, key_id=hashlib.sha256(b"key id" + key).digest()[:KEY_ID_BYTES])
