"""Tokens: a well-formed message of each kind about rows that do not exist, and tokens that none of ours would seal."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from datetime import UTC, datetime, timedelta

from shared.messages import (
    MESSAGE_TYPES,
    CheckArrival,
    CheckOrder,
    DeliverAlert,
    DriveAccount,
    Edge,
    GiveUpOrder,
    InstantPayout,
    Keyring,
    Message,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
    encode_body,
    seal,
)

BATCH = "11111111-2222-4333-8444-555555555555"
ORDER = "1a2b3c4d5e6f70"
ADDRESS = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
HASH = "0x" + "ab" * 32
WEI = 40_000_000_000_000_000
UPSTREAM_ID = "security-nobody-knows-me"

MESSAGES: dict[type[Message], Message] = {
    type(message): message
    for message in (
        InstantPayout(UPSTREAM_ID, ORDER, "eth", "eth", WEI, ADDRESS),
        PayBatch(BATCH, ORDER, "eth", "eth", WEI, ADDRESS),
        CheckOrder(UPSTREAM_ID, ORDER, "eth", "eth", "usdt", "eth", WEI, ADDRESS, ADDRESS),
        OrderChecked(UPSTREAM_ID, ORDER, "payable", "waiting", ""),
        PayOrder(UPSTREAM_ID, "instant", ORDER, "eth", "eth", WEI, ADDRESS),
        DriveAccount(ADDRESS, 31337),
        TransferFinal(UPSTREAM_ID, ORDER, "settled", HASH, WEI),
        CheckArrival(UPSTREAM_ID, ORDER, 1),
        SwapExecuted(BATCH, ORDER, HASH, HASH, 97_000_000),
        SwapFailed(BATCH, ORDER, "nobody said so", ""),
        GiveUpOrder(BATCH, ORDER),
        VoidTransfer(UPSTREAM_ID, ORDER),
        TransferVoided(UPSTREAM_ID, ORDER, "void"),
        DeliverAlert(9_000_000_000, 0),
    )
}
assert set(MESSAGES) == set(MESSAGE_TYPES.values())

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


def as_text(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_bytes(token: str) -> bytes:
    """What `as_text` was given."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
