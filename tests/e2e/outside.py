"""HTTP as a stranger speaks it: any method, any path, any header, a body with or without its length.

Every request has a connection of its own, and the bytes are written by hand, because a polite client library would
mend most of what is meant to be wrong.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_ANSWER_S = 60.0
_INNER = re.compile(
    r"Traceback|werkzeug|gunicorn|flask|pg8000|sqlalchemy|python|\.py\b|<html|<!doctype|Exception|\w+Error\b|line \d+",
    re.IGNORECASE,
)
"""What no answer may let through: how we are built, and what went wrong inside."""


@dataclass(frozen=True)
class Heard:
    """One answer: the status, the headers by lower-case name, and the body as text."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        """The body, which must be one JSON object and be called one."""
        assert self.headers.get("content-type") == "application/json", self
        parsed = json.loads(self.text)
        assert isinstance(parsed, dict), self
        return parsed

    def must_tell_nothing_inner(self) -> None:
        """No exception text, no framework's page, no server's name or version."""
        whole = self.text + " ".join(f"{name}: {value}" for name, value in self.headers.items())
        assert _INNER.search(whole) is None, f"{_INNER.search(whole)} in {self}"
        assert "server" not in self.headers, self

    def must_be_error(self, status: int, code: str) -> None:
        """The one shape of every refusal."""
        self.must_tell_nothing_inner()
        assert self.status == status, self
        body = self.json
        assert body["status"] == "error", self
        assert body["code"] == code, self
        assert re.fullmatch(r"[0-9a-f]{16}", body["reference"]), self
        assert re.fullmatch(r"[A-Z].*[.!?]", body["message"], re.DOTALL), self
        assert set(body) <= {"status", "code", "message", "reference", "field", "rule"}, self


def speak(
    url: str,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    announce: bool = True,
    send: bytes | None = None,
) -> Heard:
    """One request. `announce`: with Content-Length; `send`: other bytes than `body`, whose length is announced."""
    parts = urlsplit(url)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if announce:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return shout(url, head + (body if send is None else send))


def shout(url: str, raw: bytes) -> Heard:
    """Send these bytes, whatever they are, and read the answer."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=_ANSWER_S) as connection:
        # A server may answer and close before all was sent; its answer counts, not the broken pipe.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(raw)
        return _parsed(_read_answer(connection))


def _read_answer(connection: socket.socket) -> bytes:
    """To the end of the announced body, or of the connection: a server may keep it open for a while."""
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        while not _is_whole(answer) and (part := connection.recv(65_536)):
            answer += part
    return answer


def _is_whole(answer: bytes) -> bool:
    head, separator, body = answer.partition(b"\r\n\r\n")
    announced = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    return bool(separator) and announced is not None and len(body) >= int(announced[1]) > 0


def _parsed(answer: bytes) -> Heard:
    head, separator, body = answer.partition(b"\r\n\r\n")
    assert separator, f"no HTTP answer: {answer[:200]!r}"
    first, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.split(":", 1) for line in lines)
    return Heard(
        int(first.split(" ")[1]), {name.strip().lower(): value.strip() for name, value in pairs}, body.decode()
    )


def chunked(body: bytes) -> bytes:
    """The body in one chunk, as Transfer-Encoding: chunked sends it."""
    return f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
