"""The trace id that follows one payment through queues and services, in the W3C `traceparent` form.

A trace is what Cloud Logging joins lines by; a span is one call of one service in it. Google's front ends speak both
`traceparent` and the older `X-Cloud-Trace-Context: TRACE/SPAN;o=OPTIONS` and recommend to prefer the first
(docs.cloud.google.com/trace/docs/trace-context); in the older one the span is a decimal number.
"""

import re
import secrets
from typing import Protocol

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")
_GOOGLES = re.compile(r"(?P<trace>[0-9a-f]{32})(/[0-9]{1,20})?(;o=[0-9]{1,3})?")
_NOTHING = "0" * 32


class Headers(Protocol):
    """The headers of a call, by their names."""

    def get(self, name: str, /) -> str | None:
        """The header's value; None when it is not there."""
        ...


def new_trace() -> str:
    """A fresh trace id: 32 hex digits. Names nothing and decides nothing, so its randomness needs no seed."""
    return secrets.token_hex(16)


def new_span() -> str:
    """A fresh span id: 16 hex digits, for one call."""
    return secrets.token_hex(8)


def trace_of(header: str | None) -> str:
    """The trace id of a `traceparent` header, or a fresh one when there is none or it is not well formed."""
    return _read(_TRACEPARENT, header) or new_trace()


def trace_of_call(headers: Headers) -> str:
    """The trace of a call: its `traceparent`, else its `X-Cloud-Trace-Context`, else a fresh one."""
    return (
        _read(_TRACEPARENT, headers.get("traceparent"))
        or _read(_GOOGLES, headers.get("X-Cloud-Trace-Context"))
        or new_trace()
    )


def traceparent(trace: str, span: str | None = None) -> str:
    """The header that carries `trace` to the next service; `span` is the call that sends it, or made up."""
    return f"00-{trace}-{span or new_span()}-01"


def _read(form: re.Pattern[str], header: str | None) -> str | None:
    found = form.fullmatch((header or "").strip().lower())
    return None if found is None or found["trace"] == _NOTHING else found["trace"]
