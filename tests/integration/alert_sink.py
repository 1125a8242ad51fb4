"""A webhook on the loopback address that accepts, refuses, redirects, drips or hangs, and remembers what it heard."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class AlertSink:
    """`answers`: the status to give, or "hang", "drip", "cut"; `before_answer` runs while the caller waits."""

    url: str = ""
    answers: int | str = 200
    heard: list[dict[str, Any]] = field(default_factory=list)
    before_answer: Callable[[], object] | None = None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def ids(self) -> list[int]:
        """The ids of the alerts that arrived here, accepted or not."""
        return [body["alert"]["id"] for body in self.heard]


@contextmanager
def alert_sink() -> Iterator[AlertSink]:
    """The sink, listening until the block ends."""
    sink = AlertSink()

    class Hearer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if sink.before_answer is not None:
                sink.before_answer()
            match sink.answers:
                case "hang":
                    sink.over.wait(20)
                case "cut":
                    self.connection.close()
                case "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not sink.over.wait(0.05):
                        try:
                            self.wfile.write(b"X-Drip: 1\r\n")
                        except OSError:
                            return
                case status:
                    assert isinstance(status, int)
                    self.send_response(status)
                    self.send_header("Location", sink.url + "/elsewhere")
                    self.send_header("Content-Length", "0")
                    self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hearer)
    server.daemon_threads = True
    sink.url = f"http://127.0.0.1:{server.server_address[1]}/services/a-secret-path"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
