"""What the predecessor sealed, as its own code gave it, and what its upstream would seal now."""

from __future__ import annotations

import base64
import hmac
import struct
from datetime import UTC, datetime

ISSUED = datetime(2025, 11, 1, tzinfo=UTC)
UPSTREAMS, INTERNAL = b"hostpay-key", b"internal-key"
DEPOSIT = "0x9Ee01E2e0Cc2Cc1c6a1F8aA7F7b37dD0A5a1e5c7"
# What running the predecessor's own code gave, with the two keys above.
T1_ONE_AMOUNT = (
    "QUIxMkNEMzRFRjU2R0g3OA42MTNjODIyZTg0NDM1OANldGgDZXRoP-AAAAAAAAAqMHg5RWUwMUUyZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1"
    "YTFlNWM3aQVNgLIrvXRHT0b4r8JA5_-55Fs"
)
T1_TWO_AMOUNTS = (
    "QUIxMkNEMzRFRjU2R0g3OA42MTNjODIyZTg0NDM1OANldGgDZXRoP-AAAAAAAAA_2zMzMzMzMyoweDlFZTAxRTJlMENjMkNjMWM2YTFGOGFBN0Y3"
    "YjM3ZEQwQTVhMWU1YzdpBU2AaDKFPH5-n_GsChYOBGWqaQ"
)
INTERNAL_TOKENS = {
    "T3": (
        "BWJhdGNoJGUwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OANldGgDZXRoP4kwvg3tKI0qMHg5RWUwMUUy"
        "ZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1YTFlNWM3AAAAAGkFTYCxqKlDO-5MkjkYtJtLBAZN"
    ),
    "T4 of 10-31": (
        "YmF0Y2hfZTA1MTQyMDUtNw42MTNjODIyZTg0NDM1OANldGgDZXRoP4kwvg3tKI0qMHg5RWUwMUUyZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1"
        "YTFlNWM3aQVNgLctq7hcKpb0UA2decHIGOE"
    ),
    "T4": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OANldGgDZXRoP4kwvg3tKI0qMHg5RWUwMUUy"
        "ZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1YTFlNWM3aQVNgISH6PnxsQLj_VWb55XyV2E"
    ),
    "T5": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OAd3YWl0aW5nA2V0aANldGg_iTC-De0ojSow"
        "eDlFZTAxRTJlMENjMkNjMWM2YTFGOGFBN0Y3YjM3ZEQwQTVhMWU1YzdpBU2AC99yGlkgJ2F6Hlvaso_4xQ"
    ),
    "T6": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OANldGgDZXRoP4kwvg3tKI0qMHg5RWUwMUUy"
        "ZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1YTFlNWM3B2luc3RhbnRpBU2AbZ3FgVB-tLkAa5F-zb1o8w"
    ),
    "T7": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OANldGgDZXRoP4kwvg3tKI0qMHg5RWUwMUUy"
        "ZTBDYzJDYzFjNmExRjhhQTdGN2IzN2REMEE1YTFlNWM3B2luc3RhbnQAAAACaQVNgA9ORVRXT1JLX1RJTUVPVVRpBU2A_aY-1v9DyG_SUU2Kuqfu"
        "9w"
    ),
    "T8": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OEIweGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJh"
        "YmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWIHc3VjY2VzcwAAAAAAAFIIAAAAAAFpoiBpBU2AxZODdscX9BGZ7wH_N_A-OQ"
    ),
    "T8b": (
        "JGUwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OEIweGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJh"
        "YmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJASEAAAAAAAAAAAABpBU2AbwIvYILVBC6XDmN-7IToAA"
    ),
    "T9": (
        "KmJhdGNoX2UwNTE0MjA1LTdjM2UtNGM1Mi05ZTFmLThkMGY0YTFkMmIzYw42MTNjODIyZTg0NDM1OEIweGFiYWJhYmFiYWJhYmFiYWJhYmFiYWJh"
        "YmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWJhYmFiYWIFYmF0Y2gAAAABaQVNgExcXaUNXFmYmK_VvvOfllY"
    ),
}


def bytes_of(token: str) -> bytes:
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def sealed(signed: bytes, secret: bytes = UPSTREAMS) -> str:
    mac = hmac.digest(secret, signed, "sha256")[:16]
    return base64.urlsafe_b64encode(signed + mac).decode().rstrip("=")


def written(  # as the predecessor's upstream writes it
    *amounts: float,
    unique_id: bytes = b"AB12CD34EF56GH78",
    texts: tuple[str, ...] = ("613c822e844358", "eth", "eth"),
    payin_address: str = DEPOSIT,
    at: datetime = ISSUED,
    secret: bytes = UPSTREAMS,
) -> str:
    said = [bytes([len(text)]) + text.encode() for text in texts]
    address = bytes([len(payin_address)]) + payin_address.encode()
    numbers = [struct.pack(">d", amount) for amount in amounts]
    signed = b"".join([unique_id.ljust(16, b"\0"), *said, *numbers, address, struct.pack(">I", int(at.timestamp()))])
    return sealed(signed, secret)
