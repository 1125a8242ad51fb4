"""Gunicorn with the fleet's manners: its lines are our log's, its error pages are JSON, it does not name itself."""

import json
import os
from contextlib import ExitStack
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.workers.gthread import ThreadWorker

from shared.http import stream
from shared.http.entrance import new_reference
from shared.telemetry import configure_logging, get_logger

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class FleetLogger(Logger):  # type: ignore[misc]
    """Gunicorn's own messages as lines of the service's log."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn at start and on reload."""
        super().setup(cfg)
        # What is wrong with these two is told with all other settings, a moment later.
        level = os.environ.get("LOG_LEVEL", "").strip()
        configure_logging(
            "console" if os.environ.get("LOG_FORMAT", "").strip() == "console" else "json",
            level if level in _LEVELS else "INFO",
            _service_name(cfg),
            build=os.environ.get("BUILD_ID", "").strip(),
            project=_project(),
        )
        for log in (self.error_log, self.access_log):
            log.handlers = []
            log.propagate = True


def _project() -> str:
    """Whose traces these are. The intake has no queues, but secrets; a service without either has no project."""
    named = (os.environ.get(name, "").strip() for name in ("CLOUD_TASKS_PROJECT_ID", "SECRETS_PROJECT_ID"))
    return next(filter(None, named), "")


class NamelessResponse(wsgi.Response):  # type: ignore[misc]
    """A response without the Server header: which server answers is nobody's business."""

    def default_headers(self) -> list[str]:
        """Gunicorn's own headers but one."""
        return [line for line in super().default_headers() if not line.startswith("Server:")]


class FleetWorker(ThreadWorker):  # type: ignore[misc]
    """Threads that answer in JSON even to what is not HTTP."""

    def init_process(self) -> None:
        """Runs in the worker after the fork."""
        wsgi.Response = NamelessResponse
        super().init_process()

    def handle(self, conn: Any) -> Any:
        """One request of a connection. Its head must be whole within ten seconds, however it comes in."""
        with ExitStack() as head:
            head.enter_context(stream.within(conn.sock, stream.HEAD_S))
            conn.head_is_read = head.close
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The request, now that its head is read."""
        conn.head_is_read()
        return super().handle_request(req, conn)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Requests that gunicorn cannot parse: its own page is HTML and repeats what was sent."""
        quiet = _SilentSocket()
        super().handle_error(req, quiet, addr, exc)
        status_line = quiet.status_line() or "400 Bad Request"
        body = json.dumps(
            {
                "status": "error",
                "code": "request_malformed" if status_line.startswith("4") else "internal_error",
                "message": "The request is not valid HTTP for this server.",
                "reference": new_reference(),
            }
        ).encode()
        head = (
            f"HTTP/1.1 {status_line}\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        try:
            client.sendall(head + body)
        except OSError:
            get_logger().debug("caller_left")


class _SilentSocket:
    """Takes gunicorn's own error page, of which only the status line is used."""

    def __init__(self) -> None:
        self._written = b""

    def send(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self._written += data

    def setblocking(self, _flag: object) -> None:
        return

    def status_line(self) -> str:
        first = self._written.split(b"\r\n", 1)[0].decode("latin-1")
        return first.removeprefix("HTTP/1.1 ") if first.startswith("HTTP/1.1 ") else ""


def _service_name(cfg: Any) -> str:
    return str(cfg.proc_name).partition(".")[0]  # by default the application's name, as GCAccumulator.app:create_app()
