"""HTTP on the loopback address for simulators, whose answers must be able to be wrong: lost, cut short, or late.

Unlike `loopback` it keeps connections open (a chain client asks hundreds of times) and lets a route decide the bytes.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .fault_board import FaultBoard, FaultUnknown
from .lifetime import listen_address

MAX_BODY_BYTES = 4 * 1024 * 1024
IDLE_S = 60


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Told:
    """One answer; with `cut`, the connection ends after half of the announced body."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    cut: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


Answering = Callable[[Asked], Told | None]
"""Gives the answer, or None: the connection is closed without one."""


def told_json(value: Any, status: int = 200) -> Told:
    """An answer of plain JSON (no money: see the exchange's own writer for that)."""
    return Told(status, json.dumps(value).encode())


class FaultyServer:
    """Serves on 127.0.0.1, a thread for each connection; port 0 takes a free one, `.port` tells which."""

    def __init__(self, port: int, answer: Answering) -> None:
        class Connection(_Connection):
            answering = staticmethod(answer)

        self._server = _Server((listen_address(), port), Connection)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; open connections end with the process."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer_fault_route(board: FaultBoard, asked: Asked) -> Told:
    """The control route `/_sim/faults`: POST pins one, GET lists, DELETE clears."""
    if asked.method == "POST":
        try:
            wanted = json.loads(asked.body or b"{}")
            if not isinstance(wanted, dict):
                return told_json({"error": "a fault is one JSON object"}, 400)
            return told_json(board.pin(wanted).shown())
        except ValueError as refusal:  # FaultUnknown is one
            text = str(refusal) if isinstance(refusal, FaultUnknown) else "the body is not JSON"
            return told_json({"error": text}, 400)
    if asked.method == "DELETE":
        board.clear()
    return told_json({"faults": board.listed()})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news; anything else is shown with its traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one segment for head and body
    timeout = IDLE_S
    answering: Answering

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(told_json({"error": "body too large"}, 413))
            return
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = self.answering(Asked(self.command, parts.path, query, headers, self.rfile.read(length)))
        if told is None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self._send(told)

    def _send(self, told: Told) -> None:
        self.send_response(told.status)
        for name, value in {"Content-Type": told.content_type, **told.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(told.body)))
        self.end_headers()
        self.wfile.write(told.body[: len(told.body) // 2] if told.cut else told.body)
        self.wfile.flush()
        if told.cut:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing: what matters is in the journal."""
