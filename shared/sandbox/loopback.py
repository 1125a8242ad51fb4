"""JSON over HTTP on the loopback address: the small server behind every control port, and its client.

The server runs its routes on a bounded pool of threads and closes each connection after one answer, so that no idle
client can hold a thread and `stop()` returns at once.
"""

import http.client
import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.sandbox.lifetime import listen_address

_MAX_BODY_BYTES = 4 * 1024 * 1024
_SILENT_CLIENT_S = 10.0


@dataclass(frozen=True)
class Call:
    """One request: what stood in the route's `<...>` places, the query, and the JSON object of the body."""

    places: Mapping[str, str]
    query: Mapping[str, str]
    body: Mapping[str, object]


@dataclass(frozen=True)
class Answer:
    """What a route gives back."""

    body: Mapping[str, object]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class BadCall(ValueError):
    """The caller asked for something impossible; answered 400 with this text."""


Routes = Mapping[str, Callable[[Call], Answer]]


class LoopbackServer:
    """Serves `routes`, keyed "METHOD /path/<place>", on 127.0.0.1. Port 0 takes a free one; `.port` tells which."""

    def __init__(self, port: int, routes: Routes, threads: int = 8) -> None:
        table = [(key.split(" ")[0], _pattern(key.split(" ")[1]), handle) for key, handle in routes.items()]

        class Handler(_JsonHandler):
            routes = table

        try:
            self._server = _PooledServer(port, Handler, threads)
        except OSError as error:
            raise OSError(error.errno, f"port {port}: {error.strerror}") from error
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name=f"loopback-{self.port}", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and drop every open connection; returns when all threads are gone."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass(frozen=True)
class Reply:
    """What `call_json` got: the status and the JSON object of the body (empty when it was none)."""

    status: int
    body: dict[str, object]


def call_json(method: str, url: str, body: Mapping[str, object] | None = None, timeout_s: float = 10.0) -> Reply:
    """One request to a sandbox process. Raises OSError or http.client.HTTPException when nobody answers."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_s)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        text = json.dumps(body or {}) if method != "GET" else None
        connection.request(method, path or "/", text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return Reply(response.status, _object_or_empty(response.read()))
    finally:
        connection.close()


def _object_or_empty(text: bytes) -> dict[str, object]:
    try:
        parsed = json.loads(text or b"{}")
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", path))


class _JsonHandler(BaseHTTPRequestHandler):
    routes: list[tuple[str, re.Pattern[str], Callable[[Call], Answer]]]
    timeout = _SILENT_CLIENT_S

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        parts = urlsplit(self.path)
        try:
            body = self._body()
            for known_method, pattern, handle in self.routes:
                match = pattern.fullmatch(unquote(parts.path))
                if match and known_method == method:
                    self._send(handle(Call(match.groupdict(), dict(parse_qsl(parts.query)), body)))
                    return
            self._send(Answer({"error": f"no route {method} {parts.path}"}, 404))
        except BadCall as refusal:
            self._send(Answer({"error": str(refusal)}, 400))

    def _body(self) -> Mapping[str, object]:
        length = self.headers.get("Content-Length") or "0"
        if not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
            raise BadCall("Content-Length: not a number, or too large")
        text = self.rfile.read(int(length))
        if not text.strip():
            return {}
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise BadCall("body is not JSON") from error
        if not isinstance(parsed, dict):
            raise BadCall("body is not a JSON object")
        return parsed

    def _send(self, answer: Answer) -> None:
        text = json.dumps(answer.body, default=str).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing: what matters is in the journal."""


class _PooledServer(ThreadingMixIn, HTTPServer):
    """`ThreadingMixIn` with a bounded pool, and connections that can be dropped at the stop."""

    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, port: int, handler: type[BaseHTTPRequestHandler], threads: int) -> None:
        # First our own parts: the parent closes the server when its port cannot be had.
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="loopback-call")
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__((listen_address(), port), handler)

    def process_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        with self._open_lock:
            self._open.add(request)
        self._pool.submit(self.process_request_thread, request, client_address)

    def shutdown_request(self, request: object) -> None:
        assert isinstance(request, socket.socket)
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        with self._open_lock:
            for request in self._open:
                _drop(request)
        self._pool.shutdown(wait=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that left is no news; anything else goes to standard error with its traceback."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _drop(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
