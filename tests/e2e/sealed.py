"""Tokens: a good one for every edge, and every way of spoiling one that we could think of."""

from __future__ import annotations

import hmac
import secrets
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shared.messages import ALL_EDGES, Edge, Keyring, Message, seal
from shared.sandbox.fleet.environment import World
from tests.about_nobody import ADDRESS, BATCH, MESSAGES, ORDER, as_bytes, as_text

# A key that nobody knows by then is no newer key that has yet to reach the instance that was asked.
_LONG_AGO = timedelta(hours=-2)


class Sealer:
    """Seals with the fleet's own secrets, or with wrong ones."""

    def __init__(self, world: World) -> None:
        self._right = Keyring(internal=[world.internal_key], external=[world.upstream_key])
        self._swapped = Keyring(internal=[world.upstream_key], external=[world.internal_key])
        self._wrong = Keyring(internal=[secrets.token_hex(32)], external=[secrets.token_hex(32)])
        self._internal_key = world.internal_key

    def good(self, edge: Edge, message: Message | None = None) -> str:
        """A token that its route opens; without `message`, about rows that do not exist."""
        return self._seal(edge, self._right, timedelta(0), message)

    def spoilt(self, edge: Edge, own_edges: tuple[Edge, ...]) -> Iterator[tuple[str, str, int, str]]:
        """Name, token, and the status and code with which a route that takes `own_edges` must refuse it."""
        for other in ALL_EDGES:
            if other not in own_edges:
                yield f"a token of {other.name}", self.good(other), 401, "token_foreign"
        yield "the other kind of secret", self._seal(edge, self._swapped, _LONG_AGO), 401, "token_foreign"
        yield "a secret of somebody else", self._seal(edge, self._wrong, _LONG_AGO), 401, "token_foreign"
        yield "issued 26 hours ago", self._seal(edge, self._right, timedelta(hours=-26)), 401, "token_expired"
        yield "issued in a minute", self._seal(edge, self._right, timedelta(minutes=1)), 401, "token_expired"
        yield from self._changed(edge)
        yield from self._misspelt(self.good(edge))
        yield "a token of the predecessor", self._of_predecessor(), 400, "token_version_unsupported"

    def under_a_newer_key(self, edge: Edge) -> str:
        """A token that was sealed just now with a key that no instance has yet."""
        return self._seal(edge, self._wrong)

    def _changed(self, edge: Edge) -> Iterator[tuple[str, str, int, str]]:
        """One byte changed in every part of the envelope, in the body and in the mac."""
        raw = as_bytes(self.good(edge))
        old = as_bytes(self._seal(edge, self._right, _LONG_AGO))
        yield "a byte of the key id changed", _with_byte(old, 2), 401, "token_foreign"
        for part, at in (("type", 1), ("message id", 6), ("time", 29), ("body", 30), ("mac", -16)):
            yield f"a byte of the {part} changed", _with_byte(raw, at), 401, "token_foreign"
        yield "the last byte of the body changed", _with_byte(raw, -17), 401, "token_foreign"
        yield "the last byte changed", _with_byte(raw, -1), 401, "token_foreign"
        yield "another version", _with_byte(raw, 0), 400, "token_version_unsupported"
        yield "the last byte cut off", as_text(raw[:-1]), 401, "token_foreign"
        # A message of a few bytes is then shorter than any token.
        cut = (400, "token_malformed") if len(raw) - 16 <= 45 else (401, "token_foreign")
        yield "the mac cut off", as_text(raw[:-16]), *cut
        yield "a byte more", as_text(raw + b"\0"), 401, "token_foreign"
        yield "a byte before", as_text(b"\1" + raw), 401, "token_foreign"
        yield "nothing but an envelope", as_text(raw[:45]), 400, "token_malformed"

    @staticmethod
    def _misspelt(good: str) -> Iterator[tuple[str, str, int, str]]:
        for name, token in (
            ("padding", good + "="),
            ("a blank", good + " "),
            ("a line end", good + "\n"),
            ("a NUL-like letter", good + "ı"),
            ("the other base64", "+/" + good[2:]),
            ("5,000 letters", good + "A" * 5_000),
            ("one letter", "A"),
        ):
            yield f"spelt with {name}", token, 400, "token_malformed"

    def _of_predecessor(self) -> str:
        """The layout of the predecessor's batch token, signed with a secret that is valid here."""
        texts = b"".join(bytes([len(text)]) + text.encode() for text in ("batch", BATCH, ORDER, "eth", "eth"))
        payload = texts + struct.pack(">d", 0.04) + bytes([42]) + ADDRESS.encode() + struct.pack(">Q", int(time.time()))
        return as_text(payload + hmac.digest(self._internal_key.encode(), payload, "sha256")[:16])

    @staticmethod
    def _seal(edge: Edge, keys: Keyring, age: timedelta = timedelta(0), message: Message | None = None) -> str:
        message = message or MESSAGES[edge.messages[0]]
        return seal(edge, message, keys, secrets.token_bytes(16), datetime.now(UTC) + age)


def _with_byte(raw: bytes, at: int) -> str:
    changed = bytearray(raw)
    changed[at] ^= 0x01 if at != 0 else 0x03
    return as_text(bytes(changed))
