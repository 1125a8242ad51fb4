"""One well-formed message of each kind, about rows that do not exist, and how a token is written as text."""

from __future__ import annotations

import base64

from shared.messages import (
    MESSAGE_TYPES,
    CheckArrival,
    CheckOrder,
    DeliverAlert,
    DriveAccount,
    GiveUpOrder,
    InstantPayout,
    Message,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
)

BATCH = "11111111-2222-4333-8444-555555555555"
ORDER = "1a2b3c4d5e6f70"
ADDRESS = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
HASH = "0x" + "ab" * 32
WEI = 40_000_000_000_000_000
UPSTREAM_ID = "nobody-knows-me"

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


def as_text(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_bytes(token: str) -> bytes:
    """What `as_text` was given."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
