"""Sealing a message into a token and opening it again (DESIGN section 4).

    base64url without padding of
    version(1) | type(1) | key id(4) | message id(16) | issued_at u64 seconds | body | mac(16)

mac = first 16 bytes of HMAC-SHA256(edge key, all bytes before it | edge name). The edge key is derived from the
secret and the edge name, so a token of one edge is noise on every other. Not one byte of a body is read before its
mac was found good, and each token has one spelling only.
"""

import base64
import binascii
import hmac
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.messages.body import decode_body, encode_body
from shared.messages.edges import Edge
from shared.messages.errors import (
    MessageInvalid,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
)
from shared.messages.keys import EdgeKey, Keyring
from shared.messages.kinds import Message

VERSION: Final = 1
MAX_TOKEN_LENGTH: Final = 4096
MESSAGE_ID_BYTES: Final = 16
MAC_BYTES: Final = 16
ALLOWED_AHEAD_S: Final = 5  # how far a producer's clock may run before ours

_HEADER: Final = struct.Struct(">BB4s16sQ")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_ALPHABET: Final = re.compile("[0-9A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine, fresh message and what its envelope said."""

    edge: Edge
    message: Message
    message_id: bytes
    issued_at: datetime

    @property
    def message_uuid(self) -> UUID:
        return UUID(bytes=self.message_id)


def seal(edge: Edge, message: Message, keyring: Keyring, message_id: bytes, issued_at: datetime) -> str:
    """The token for this message on this edge; `issued_at` is the time for which its task is scheduled.

    The same arguments give the same token. Raises MessageInvalid if the edge does not carry such messages.
    """
    if type(message) not in edge.messages:
        raise MessageInvalid(type(message).__name__, "edge", f"must not be {edge.name}")
    if len(message_id) != MESSAGE_ID_BYTES:
        raise MessageInvalid(type(message).__name__, "message_id", f"must have {MESSAGE_ID_BYTES} bytes")
    key = keyring.sealing_key(edge.secret, edge.name)
    header = _HEADER.pack(VERSION, message.TYPE, key.key_id, message_id, _seconds(issued_at))
    signed = header + encode_body(message)
    return _to_text(signed + _mac(key, signed, edge))


def open_sealed(
    edges: Edge | Iterable[Edge],
    text: str,
    keyring: Keyring,
    now: datetime,
    ahead_s: int = ALLOWED_AHEAD_S,
) -> Opened:
    """The message in the token, if it came over one of `edges`, is whole, and is fresh at `now`.

    Harmless to repeat. Raises TokenMalformed, TokenVersionUnsupported, TokenForeign (another edge, type or key, or
    changed on its way), TokenExpired (older than the edge allows, or more than `ahead_s` ahead of `now`).
    """
    token = _to_bytes(text)
    version, message_type, key_id, message_id, issued_at_s = _HEADER.unpack_from(token)
    if version != VERSION:
        raise TokenVersionUnsupported("this token has a format that this service does not read", field="token")
    candidates = [edges] if isinstance(edges, Edge) else list(edges)
    edge = _sealed_on(candidates, token, message_type, key_id, keyring)
    issued_at = _fresh(edge, issued_at_s, now, ahead_s)
    try:
        message = decode_body(message_type, token[_HEADER.size : -MAC_BYTES])
    except MessageInvalid as invalid:
        raise TokenMalformed(
            f"this token's message is not well-formed: {invalid.field} {invalid.rule}",
            field=invalid.field,
            rule=invalid.rule,
        ) from invalid
    return Opened(edge, message, message_id, issued_at)


def _sealed_on(edges: list[Edge], token: bytes, message_type: int, key_id: bytes, keyring: Keyring) -> Edge:
    signed, mac = token[:-MAC_BYTES], token[-MAC_BYTES:]
    for edge in edges:
        if message_type not in {kind.TYPE for kind in edge.messages}:
            continue
        for key in keyring.opening_keys(edge.secret, edge.name):
            if key.key_id == key_id and hmac.compare_digest(mac, _mac(key, signed, edge)):
                return edge
    raise TokenForeign("this token was not sealed for this route with a key that is valid here", field="token")


def _fresh(edge: Edge, issued_at_s: int, now: datetime, ahead_s: int) -> datetime:
    if issued_at_s > _LAST_SECOND:
        raise TokenExpired("this token was issued in the future", field="token", rule="is ahead of time")
    issued_at = _EPOCH + timedelta(seconds=issued_at_s)
    if issued_at > now + timedelta(seconds=ahead_s):
        raise TokenExpired("this token was issued in the future", field="token", rule="is ahead of time")
    if issued_at < now - timedelta(seconds=edge.max_age_s):
        raise TokenExpired(
            f"this token is older than {edge.max_age_s} s", field="token", rule="is older than its route allows"
        )
    return issued_at


def _seconds(moment: datetime) -> int:
    if moment < _EPOCH:
        raise ValueError("tokens are issued after 1970")
    return (moment - _EPOCH) // timedelta(seconds=1)


def _mac(key: EdgeKey, signed: bytes, edge: Edge) -> bytes:
    return hmac.digest(key.key, signed + edge.name.encode(), "sha256")[:MAC_BYTES]


def _to_text(token: bytes) -> str:
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    """The token's bytes; only the one spelling that `_to_text` gives is taken."""
    if not isinstance(text, str) or not text:
        raise TokenMalformed("a token is needed", field="token", rule="must be text")
    if len(text) > MAX_TOKEN_LENGTH:
        raise TokenMalformed(
            "this token is too long", field="token", rule=f"must not be longer than {MAX_TOKEN_LENGTH} characters"
        )
    not_spelled = TokenMalformed("this token is not base64url", field="token", rule="must be base64url without padding")
    if _ALPHABET.fullmatch(text) is None:
        raise not_spelled
    try:
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise not_spelled from error
    if _to_text(token) != text:
        raise not_spelled
    if len(token) < _HEADER.size + MAC_BYTES:
        raise TokenMalformed("this token is cut short", field="token", rule="must hold an envelope and a body")
    return token
