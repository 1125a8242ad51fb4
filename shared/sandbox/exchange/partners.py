"""Who may ask the exchange, for what, and how often."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections import deque
from collections.abc import Mapping

from .refusals import ApiRefusal, PlainUnauthorized

PERMISSIONS = frozenset({"estimate", "range", "list", "actions", "special_fields"})
DEFAULT_PERMISSIONS = frozenset({"estimate", "range", "list", "actions"})
NEEDED = {
    "estimated-amount": "estimate",
    "network-fee": "estimate",
    "range": "range",
    "list": "list",
    "actions": "actions",
    "continue": "actions",
    "refund": "actions",
}
PUBLIC = frozenset({"currencies", "validate"})
CALLS_PER_SECOND = 30  # and sixty times that in a minute


class Partners:
    """The API keys the exchange knows. Keys are told apart by position ("partner-1"), never written anywhere."""

    def __init__(self, keys: list[str], calls_per_second: int = CALLS_PER_SECOND) -> None:
        self._windows = ((1.0, calls_per_second), (60.0, 60 * calls_per_second))
        self._partners = {_digest(key): f"partner-{index + 1}" for index, key in enumerate(keys)}
        self.permissions = set(DEFAULT_PERMISSIONS)
        self._calls: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def admit(self, route: str, headers: Mapping[str, str]) -> str:
        """The partner who asks. Raises ApiRefusal or PlainUnauthorized; the public routes need no key."""
        key = headers.get("x-changenow-api-key", "")
        partner = self._partners.get(_digest(key))
        if partner is None and route not in PUBLIC:
            if not key:
                raise PlainUnauthorized
            raise ApiRefusal(401, "unauthorized", "Unauthorized")
        self._limit_rate(partner or "anonymous")
        needed = NEEDED.get(route)
        if needed == "list" and needed not in self.permissions:
            raise ApiRefusal(403, "invalid_api_key", "Use private key for this endpoint")
        if needed is not None and needed not in self.permissions:
            raise ApiRefusal(403, "forbidden", "This endpoint is available on dedicated request")
        return partner or "anonymous"

    def _limit_rate(self, partner: str) -> None:
        now = time.monotonic()
        with self._lock:
            calls = self._calls.setdefault(partner, deque())
            while calls and calls[0] <= now - self._windows[-1][0]:
                calls.popleft()
            for seconds, limit in self._windows:
                if sum(1 for at in calls if at > now - seconds) >= limit:
                    raise ApiRefusal(429, "too_many_requests", "Too many requests")
            calls.append(now)


def _digest(key: str) -> bytes:
    """Keys are compared by digest, so that none is kept in readable form."""
    return hmac.new(b"exchange-simulator", key.encode(), hashlib.sha256).digest()
