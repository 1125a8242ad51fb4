"""A target that remembers what it was sent and answers as it is told: for tests of whoever makes HTTP calls."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are lower case; `number` counts from 1; `at_s` is monotonic."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at_s: float


@dataclass(frozen=True)
class Told:
    """What to answer."""

    status: int = 200
    body: bytes = b'{"status": "success"}'
    headers: Mapping[str, str] = field(default_factory=dict)


class RecordingTarget:
    """An HTTP server on a free loopback port; a context manager. `answer` may block: `released` ends at the stop."""

    def __init__(self, answer: Callable[[Seen], Told | int] = lambda _seen: Told()) -> None:
        self.calls: list[Seen] = []
        self.most_at_once = 0
        self.released = threading.Event()
        self._answer, self._at_once = answer, 0
        self._changed = threading.Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer._serve(self)

            do_GET = do_PUT = do_POST  # noqa: N815 - the parent's names

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
                """Say nothing."""

        self._server = _QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def wait_for(self, count: int, timeout_s: float = 5.0) -> list[Seen]:
        """The first `count` calls, in the order they came. Raises AssertionError when they do not come in time."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.calls) >= count, timeout_s)
            assert came, f"{len(self.calls)} calls instead of {count} within {timeout_s:g} s"
            return self.calls[:count]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._changed:
            number = len(self.calls) + 1
            seen = Seen(number, request.command, request.path, headers, body, time.monotonic())
            self.calls.append(seen)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._changed.notify_all()
        try:
            told = self._answer(seen)
            told = told if isinstance(told, Told) else Told(told)
            request.send_response(told.status)
            for name, value in {"Content-Length": str(len(told.body)), **told.headers}.items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(told.body)
        finally:
            with self._changed:
                self._at_once -= 1


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that gave up is what some tests want."""
