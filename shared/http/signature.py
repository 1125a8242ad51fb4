"""`X-Signature`, for webhooks that cannot mint an identity token: hex HMAC-SHA256 over timestamp and body.

The signed text is `"<unix seconds>:" + body`, the timestamp travels in `X-Request-Timestamp`. A call may be repeated
within the window; that is harmless, because a payment is counted once by its own key.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from shared.http.errors import IdentityUnproven

SIGNATURE_HEADER = "X-Signature"
TIMESTAMP_HEADER = "X-Request-Timestamp"
SIGNED_CALLER = "signed-webhook"
WINDOW_S = 300

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-fA-F]{64}")


def sign_body(key: str, timestamp: str, body: bytes) -> str:
    """The signature that a webhook sends, in hex."""
    return hmac.new(key.encode(), timestamp.encode() + b":" + body, sha256).hexdigest()


def check_signature_headers(signature: str | None, timestamp: str | None, now: datetime) -> tuple[str, str]:
    """Signature and timestamp when both are well formed and fresh; checked before a byte of the body is read."""
    if signature is None or _SIGNATURE.fullmatch(signature) is None:
        raise IdentityUnproven(f"{SIGNATURE_HEADER} must be 64 hex digits.", field=SIGNATURE_HEADER)
    if timestamp is None or _TIMESTAMP.fullmatch(timestamp) is None:
        raise IdentityUnproven(f"{TIMESTAMP_HEADER} must be Unix time in seconds.", field=TIMESTAMP_HEADER)
    if abs(int(now.timestamp()) - int(timestamp)) > WINDOW_S:
        raise IdentityUnproven(f"{TIMESTAMP_HEADER} is more than {WINDOW_S} seconds away.", field=TIMESTAMP_HEADER)
    return signature, timestamp


def check_signature(keys: Sequence[str], signature: str, timestamp: str, body: bytes) -> str:
    """The name of the signed caller, or IdentityUnproven; every key is tried, each in constant time."""
    found = [hmac.compare_digest(sign_body(key, timestamp, body), signature.lower()) for key in keys]
    if not any(found):
        raise IdentityUnproven("The signature does not belong to this body and timestamp.", field=SIGNATURE_HEADER)
    return SIGNED_CALLER
