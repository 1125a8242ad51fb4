"""One HTTP request that can be cut off: at its deadline, or at once when the process stops.

Cloud Tasks and Cloud Scheduler give a target a fixed time for the *whole* answer. A socket time-out only bounds each
silence, so the connection itself is shut down from outside when the time is over.
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

_CONNECT_S = 5.0
_KEPT_BODY_BYTES = 64 * 1024

DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
UNREACHABLE = "UNREACHABLE"
STOPPED = "STOPPED"


@dataclass(frozen=True)
class Outcome:
    """What came of a request: a status, or no status and the reason why there is none."""

    status: int | None
    reason: str = ""
    body: bytes = b""
    retry_after_s: float = 0.0
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the target said yes: any 2xx."""
        return self.status is not None and 200 <= self.status < 300


class Posting:
    """A request that is about to be made, or under way. `perform` once; `cut` at any time from any thread."""

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes, deadline_s: float) -> None:
        self._method, self._url, self._headers, self._body = method, url, headers, body
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._cut_for: str | None = None

    def perform(self) -> Outcome:
        """Make the request. Never raises for what the network does; redirects are not followed."""
        began = time.monotonic()
        timer = threading.Timer(self._deadline_s, self.cut, (DEADLINE_EXCEEDED,))
        timer.daemon = True
        timer.start()
        try:
            outcome = self._exchange(began)
        except (OSError, http.client.HTTPException, ValueError) as error:
            outcome = Outcome(None, f"{UNREACHABLE}: {type(error).__name__}", seconds=time.monotonic() - began)
        finally:
            timer.cancel()
            self._let_go()
        # A connection that was cut looks like a short but complete answer to some readers: the cut decides.
        return outcome if self._cut_for is None else Outcome(None, self._cut_for, seconds=outcome.seconds)

    def cut(self, reason: str = STOPPED) -> None:
        """End the request from outside; `perform` then reports `reason`. A repeat keeps the first reason."""
        with self._lock:
            self._cut_for = self._cut_for or reason
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def _exchange(self, began: float) -> Outcome:
        parts = urlsplit(self._url)
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=min(_CONNECT_S, self._deadline_s))
        with contextlib.closing(connection):
            connection.connect()
            self._hold(connection.sock)
            target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
            if parts.query:
                target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
            connection.request(self._method, target, self._body, dict(self._headers))
            response = connection.getresponse()
            body = response.read(_KEPT_BODY_BYTES)
            retry_after = response.headers.get("Retry-After", "")
            self._let_go()
        return Outcome(
            response.status,
            body=body,
            retry_after_s=float(retry_after) if retry_after.isdecimal() else 0.0,
            seconds=time.monotonic() - began,
        )

    def _hold(self, connected: socket.socket) -> None:
        with self._lock:
            if self._cut_for is not None:
                raise ConnectionAbortedError(self._cut_for)
            self._socket = connected
            # The timer bounds the whole exchange; this only backs it up.
            connected.settimeout(self._deadline_s + 1.0)

    def _let_go(self) -> None:
        """Forget the socket before it is closed: its number may belong to another connection a moment later."""
        with self._lock:
            self._socket = None
