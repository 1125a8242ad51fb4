"""The trace id that follows one payment through queues and services, in the W3C `traceparent` form."""

import re
import secrets

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")
_NOTHING = "0" * 32


def new_trace() -> str:
    """A fresh trace id: 32 hex digits. Names nothing and decides nothing, so its randomness needs no seed."""
    return secrets.token_hex(16)


def trace_of(header: str | None) -> str:
    """The trace id of a `traceparent` header, or a fresh one when there is none or it is not well formed."""
    found = _TRACEPARENT.fullmatch((header or "").strip().lower())
    if found is None or found["trace"] == _NOTHING:
        return new_trace()
    return found["trace"]


def traceparent(trace: str) -> str:
    """The header that carries `trace` to the next service; the parent span is made up, only the trace is followed."""
    return f"00-{trace}-{secrets.token_hex(8)}-01"
