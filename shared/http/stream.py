"""The connection under a request: a body is waited for only so long, and what was not read is read away afterwards."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from shared.http.errors import BodyIncomplete

_WAIT_FOR_BODY_S = 10.0
_DRAIN_S = 2.0
_DRAIN_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 65_536
_READ_MARK = "gcpay.body_read"


@contextmanager
def patient_stream(environ: dict[str, Any]) -> Iterator[BinaryIO]:
    """The request's body stream; a caller that stands still for ten seconds gets BodyIncomplete."""
    with _time_limit(environ, _WAIT_FOR_BODY_S):
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
    with _time_limit(environ, _DRAIN_S):
        try:
            while left > 0 and time.monotonic() < deadline:
                part = stream.read(_CHUNK_BYTES)
                if not part:
                    return
                left -= len(part)
        except OSError:
            return  # the caller is gone: there is nobody to protect from a reset


@contextmanager
def _time_limit(environ: dict[str, Any], limit_s: float) -> Iterator[None]:
    """Limit each wait on the connection; outside of gunicorn (the test client) there is none to limit."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(limit_s)
    try:
        yield
    finally:
        connection.settimeout(before)
