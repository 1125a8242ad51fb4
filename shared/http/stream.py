"""The connection under a request: nothing is waited for longer than so long, and what was not read is read away.

A limit on each wait is not enough: who sends a byte every few seconds never lets one of them pass, and a handful of
such callers would hold every thread of a service. So the whole of a head and the whole of a body have their time, too.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from shared.http.errors import BodyIncomplete

# The whole head, and the whole body, of one request.
HEAD_S = 10.0
BODY_S = 30.0
_WAIT_FOR_BODY_S = 10.0
_DRAIN_S = 2.0
_DRAIN_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 65_536
_READ_MARK = "gcpay.body_read"
_LOOKS_EVERY_S = 0.2


class _Deadlines:
    """One thread that ends the reading from connections whose time is over. It starts with the first, in the worker."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: dict[object, tuple[float, socket.socket]] = {}
        self._thread: threading.Thread | None = None

    @contextmanager
    def within(self, connection: socket.socket, limit_s: float) -> Iterator[None]:
        """When the block lasts longer, whoever reads from the connection finds its end; writing goes on."""
        key = object()
        with self._changed:
            self._due[key] = (time.monotonic() + limit_s, connection)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, name="connection-deadlines", daemon=True)
                self._thread.start()
            elif len(self._due) == 1:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._due.pop(key, None)

    def _watch(self) -> None:
        while True:
            with self._changed:
                while not self._due:
                    self._changed.wait()
                now_s = time.monotonic()
                for key in [key for key, (due_s, _) in self._due.items() if due_s <= now_s]:
                    _end_reading(self._due.pop(key)[1])
            time.sleep(_LOOKS_EVERY_S)


def _end_reading(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:
        return  # the caller is gone


within = _Deadlines().within
"""`within(connection, limit_s)`: a block in which a connection may be read from, for so long in all."""


@contextmanager
def patient_stream(environ: dict[str, Any]) -> Iterator[BinaryIO]:
    """The request's body stream; a caller that stands still for 10 s, or drips for 30 s, gets BodyIncomplete."""
    with _time_limit(environ, _WAIT_FOR_BODY_S, BODY_S):
        try:
            yield cast(BinaryIO, environ["wsgi.input"])
        except TimeoutError as error:
            raise BodyIncomplete("The body stood still before its announced length.") from error
    environ[_READ_MARK] = True


def drain(environ: dict[str, Any]) -> None:
    """Read away, after the answer is sent, a body that was refused unread.

    Closing a connection with unread bytes resets it, and the reset can overtake the answer: the caller would see a
    broken connection instead of 401 or 413. Bounded in bytes and time; nothing of it is kept.
    """
    if environ.get(_READ_MARK) or environ.get("CONTENT_LENGTH", "0") in ("", "0"):
        return
    stream = environ["wsgi.input"]
    deadline = time.monotonic() + _DRAIN_S
    left = _DRAIN_BYTES
    with _time_limit(environ, _DRAIN_S, _DRAIN_S):
        try:
            while left > 0 and time.monotonic() < deadline:
                part = stream.read(_CHUNK_BYTES)
                if not part:
                    return
                left -= len(part)
        except OSError:
            return  # the caller is gone: there is nobody to protect from a reset


@contextmanager
def _time_limit(environ: dict[str, Any], limit_s: float, all_in_all_s: float) -> Iterator[None]:
    """Limit each wait on the connection, and all of them; outside of gunicorn (the test client) there is none."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(limit_s)
    try:
        with within(connection, all_in_all_s):
            yield
    finally:
        connection.settimeout(before)
