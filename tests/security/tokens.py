"""Tokens: genuine ones about rows that do not exist, and ones that none of ours would seal."""

from __future__ import annotations

import hmac
import secrets
import struct
from datetime import UTC, datetime, timedelta

from shared.messages import Edge, Keyring, Message, encode_body, seal
from tests.about_nobody import MESSAGES, as_text

_HEADER = struct.Struct(">BB4s16sQ")


def sealed(edge: Edge, keys: Keyring, kind: type[Message] | None = None, *, ahead: timedelta = timedelta(0)) -> str:
    """A genuine token of this edge, by default with its first kind of message, issued now or `ahead` of it."""
    message = MESSAGES[kind or edge.messages[0]]
    return seal(edge, message, keys, secrets.token_bytes(16), datetime.now(UTC) + ahead)


def forged(
    edge: Edge,
    keys: Keyring,
    *,
    message_type: int,
    body: bytes,
    version: int = 1,
    issued_at_s: int | None = None,
    edge_name: str | None = None,
) -> str:
    """A token as somebody makes it who has the edge's key and obeys none of our rules: any type, body and time."""
    key = keys.sealing_key(edge.secret, edge.name)
    now_s = int(datetime.now(UTC).timestamp())
    head = _HEADER.pack(
        version, message_type, key.key_id, secrets.token_bytes(16), now_s if issued_at_s is None else issued_at_s
    )
    signed = head + body
    mac = hmac.digest(key.key, signed + (edge_name or edge.name).encode(), "sha256")[:16]
    return as_text(signed + mac)


def body_of(kind: type[Message]) -> bytes:
    """The example message of this kind on the wire."""
    return encode_body(MESSAGES[kind])
