"""Sealing a message into a token and opening it again (DESIGN section 4).

    base64url without padding of
    version(1) | type(1) | key id(4) | message id(16) | issued_at u64 seconds | body | mac(16)

mac = first 16 bytes of HMAC-SHA256(edge key, all bytes before it | edge name). The edge key is derived from the
secret and the edge name, so a token of one edge is noise on every other. Not one byte of a body is read before its
mac was found good, and each token has one spelling only. `formats.py` says how the envelope changes in a running fleet.
"""

import hmac
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.messages.body import decode_body, encode_body
from shared.messages.edges import ALL_EDGES, Edge
from shared.messages.errors import (
    MessageInvalid,
    TokenExpired,
    TokenForeign,
    TokenKeyUnknown,
    TokenMalformed,
    TokenVersionUnsupported,
)
from shared.messages.formats import READS, SEALS, Format
from shared.messages.keys import EdgeKey, Keyring
from shared.messages.kinds import Message
from shared.messages.spelling import to_bytes, to_text

MESSAGE_ID_BYTES: Final = 16
ALLOWED_AHEAD_S: Final = 5  # how far a producer's clock may run before ours

_HEADER: Final = struct.Struct(">BB4s16sQ")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


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


def seal(
    edge: Edge, message: Message, keyring: Keyring, message_id: bytes, issued_at: datetime, form: Format = SEALS
) -> str:
    """The token for this message on this edge; `issued_at` is the time for which its task is scheduled.

    The same arguments give the same token. Raises MessageInvalid if the edge does not carry such messages.
    """
    if type(message) not in edge.messages:
        raise MessageInvalid(type(message).__name__, "edge", f"must not be {edge.name}")
    if len(message_id) != MESSAGE_ID_BYTES:
        raise MessageInvalid(type(message).__name__, "message_id", f"must have {MESSAGE_ID_BYTES} bytes")
    key = keyring.sealing_key(edge.secret, edge.name)
    header = _HEADER.pack(form.version, message.TYPE, key.key_id, message_id, _seconds(issued_at))
    signed = header + encode_body(message)
    return to_text(signed + _mac(key, signed, edge, form))


def open_sealed(
    edges: Edge | Iterable[Edge],
    text: str,
    keyring: Keyring,
    now: datetime,
    ahead_s: int = ALLOWED_AHEAD_S,
    formats: Sequence[Format] = READS,
) -> Opened:
    """The message in the token, if it came over one of `edges`, is whole, and is fresh at `now`.

    Harmless to repeat. Raises TokenMalformed, TokenVersionUnsupported, TokenForeign (another edge, type or key, or
    changed on its way; TokenKeyUnknown when a newer key might open it), TokenExpired (older than the edge allows, or
    more than `ahead_s` ahead of `now`).
    """
    token = to_bytes(text, least=_HEADER.size + min(known.mac_bytes for known in formats))
    version, message_type, _, message_id, issued_at_s = _HEADER.unpack_from(token)
    form = next((known for known in formats if known.version == version), None)
    if form is None:
        raise TokenVersionUnsupported("this token has a format that this service does not read", field="token")
    if len(token) < _HEADER.size + form.mac_bytes:
        raise TokenMalformed("this token is cut short", field="token", rule="must hold an envelope and a body")
    signed, mac = token[: -form.mac_bytes], token[-form.mac_bytes :]
    candidates = [edges] if isinstance(edges, Edge) else list(edges)
    edge = _sealed_on(candidates, signed, mac, keyring, form)
    issued_at = fresh(edge, issued_at_s, now, ahead_s)
    try:
        message = decode_body(message_type, signed[_HEADER.size :])
    except MessageInvalid as invalid:
        raise TokenMalformed(
            f"this token's message is not well-formed: {invalid.field} {invalid.rule}",
            field=invalid.field,
            rule=invalid.rule,
        ) from invalid
    return Opened(edge, message, message_id, issued_at)


def _sealed_on(edges: list[Edge], signed: bytes, mac: bytes, keyring: Keyring, form: Format) -> Edge:
    _, message_type, key_id, _, issued_at_s = _HEADER.unpack_from(signed)
    carrying = [edge for edge in edges if message_type in {kind.TYPE for kind in edge.messages}]
    for edge in carrying:
        for key in keyring.opening_keys(edge.secret, edge.name):
            if key.key_id == key_id and hmac.compare_digest(mac, _mac(key, signed, edge, form)):
                return edge
    sentence = "this token was not sealed for this route with a key that is valid here"
    if carrying and issued_at_s <= _LAST_SECOND and not _is_ours(key_id, keyring):
        raise TokenKeyUnknown(sentence, _EPOCH + timedelta(seconds=issued_at_s))
    raise TokenForeign(sentence, field="token")


def _is_ours(key_id: bytes, keyring: Keyring) -> bool:
    """Whether it is the id of a key that we have, for whatever edge: then no newer key would open the token here."""
    return any(keyring.knows(key_id, edge.secret, edge.name) for edge in ALL_EDGES)


def fresh(edge: Edge, issued_at_s: int, now: datetime, ahead_s: int = ALLOWED_AHEAD_S) -> datetime:
    """When it was issued. Raises TokenExpired: older than the edge allows, or more than `ahead_s` ahead of `now`."""
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


def _mac(key: EdgeKey, signed: bytes, edge: Edge, form: Format) -> bytes:
    return hmac.digest(key.key, signed + edge.name.encode(), "sha256")[: form.mac_bytes]
