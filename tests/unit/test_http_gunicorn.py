"""Services under the real server, with the configuration that production and the sandbox share."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from shared.http import sign_body

ROOT = Path(__file__).parents[2]
KEY = "the secret of the webhook"
ENVIRONMENT = {
    "SERVICE_URL": "https://tiny.example",
    "SERVICE_IDENTITY": "tiny@project.example",
    "BATCHER_CALLERS": "batcher@project.example",
    "LISTEN_ADDRESS": "127.0.0.1",
    "CLOUD_TASKS_PROJECT_ID": "project-one",
    "BUILD_ID": "build-7",
}
SETTINGS = """
    from shared.http import Emails, ServiceSettings


    class TinySettings(ServiceSettings):
        batcher_callers: Emails
        fails_to_build: bool = False
    """
APP = f"""
    import time

    from shared.http import Answer, Route, create_service
    from shared.settings import load_settings
    from shared.telemetry import configure_logging

    from .settings import TinySettings


    def handle(incoming):
        time.sleep(float(incoming.body.get("seconds", "0")))
        return Answer(200, {{"fields": len(incoming.body)}})


    def create_app():
        settings = load_settings(TinySettings)
        configure_logging(settings.log_format, settings.log_level, "tinyservice")
        if settings.fails_to_build:
            raise RuntimeError("the application cannot be built")
        route = Route("/", handle, settings.batcher_callers, body="json", signature_key={KEY!r})
        return create_service(settings, "intake", [route], [], None)
    """


@dataclass
class Heard:
    """An answer."""

    status: int
    headers: Message
    body: Any


@dataclass
class Served:
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    log: Path

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> "Heard":
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Heard(response.status, response.headers, json.loads(response.read()))

    def send_raw(self, raw: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(raw)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
            return answer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(folder: Path, port: int, **changes: str) -> subprocess.Popen[str]:
    package = folder / "tinyservice"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").touch()
    (package / "settings.py").write_text(dedent(SETTINGS))
    (package / "app.py").write_text(dedent(APP))
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PORT": str(port),
        **ENVIRONMENT,
        **changes,
    }
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gunicorn",
                "-c",
                str(ROOT / "shared/http/gunicorn_conf.py"),
                "tinyservice.app:create_app()",
            ],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )


def ended(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(15)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    running = Served(start(folder, port := free_port()), port, folder / "log")
    try:
        wait_until_served(running)
        yield running
    finally:
        running.process.terminate()
        ended(running.process)


def wait_until_served(running: Served) -> None:
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if running.ask("GET", "/live").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(running.log.read_text())


def signed(body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    return {"X-Signature": sign_body(KEY, timestamp, body), "X-Request-Timestamp": timestamp}


def test_a_served_route_answers_and_does_not_name_its_server(served: Served) -> None:
    body = b'{"a": 1, "b": 2}'
    response = served.ask("POST", "/", body, signed(body))
    assert (response.status, response.body) == (200, {"fields": 2})
    assert response.headers.get("Server") is None
    assert response.headers.get("Cache-Control") == "no-store"


def test_health_names_the_service_and_its_build(served: Served) -> None:
    body = served.ask("GET", "/health").body
    assert (body["status"], body["service"], body["version"]) == ("healthy", "GCAccumulator", "build-7")


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
def test_twenty_megabytes_are_refused_and_the_caller_hears_why(served: Served, connection: str) -> None:
    timestamp = str(int(time.time()))
    headers = {"X-Signature": "0" * 64, "X-Request-Timestamp": timestamp, "Connection": connection}
    response = served.ask("POST", "/", b"x" * 20_000_000, headers)
    assert (response.status, response.body["code"]) == (413, "body_too_large")
    response = served.ask("POST", "/", b"x" * 20_000_000, {"Connection": connection})
    assert (response.status, response.body["code"]) == (401, "identity_unproven")


def test_a_chunked_body_is_refused_instead_of_being_cut(served: Served) -> None:
    timestamp = str(int(time.time()))
    answer = served.send_raw(
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
        + f"X-Signature: {'0' * 64}\r\nX-Request-Timestamp: {timestamp}\r\n\r\n".encode()
        + b"8\r\n{"
        + b'"a": 1}'
        + b"\r\n0\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert b"length_required" in answer


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nBad Header: <secret>\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 6_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"4"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", b"4"),
    ],
)
def test_what_is_not_http_is_answered_in_json_and_not_repeated(served: Served, raw: bytes, status: bytes) -> None:
    answer = served.send_raw(raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status)
    assert json.loads(body)["code"] == "request_malformed"
    assert b"secret" not in answer
    assert b"html" not in answer.lower()


@pytest.mark.parametrize("path", ["http://tiny.example", "*", "//tiny", "/a/../b", "/%2e%2e/"])
def test_odd_targets_are_answered_in_json(served: Served, path: str) -> None:
    answer = served.send_raw(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode()
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split()[1] in (b"400", b"401", b"404")
    assert json.loads(body)["status"] == "error"


def test_every_line_of_the_log_is_json_with_the_clouds_names(served: Served) -> None:
    served.ask("POST", "/", b"{}", {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    lines = [json.loads(line) for line in served.log.read_text().splitlines()]
    assert {line["severity"] for line in lines} <= {"INFO", "WARNING"}
    labels = [line["logging.googleapis.com/labels"] for line in lines]
    assert all(label == {"service": "tinyservice", "build": "build-7"} for label in labels)
    traced = [
        line for line in lines if line.get("logging.googleapis.com/trace") == f"projects/project-one/traces/{'ab' * 16}"
    ]
    assert [line["message"] for line in traced] == ["call_refused", "request_answered"]


def test_a_wrong_setting_ends_the_process_with_78_before_it_listens(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port, SERVICE_URL="", TIME_SCALE="0")
    assert ended(process) == 78
    log = (tmp_path / "log").read_text()
    assert "  SERVICE_URL is blank" in log
    assert "  TIME_SCALE " in log
    assert "Listening" not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(("name", "value"), [("PORT", "http"), ("PORT", "70000"), ("WEB_CONCURRENCY", "0")])
def test_a_port_or_process_count_that_is_none_ends_the_process_with_78(tmp_path: Path, name: str, value: str) -> None:
    assert ended(start(tmp_path, free_port(), **{name: value})) == 78
    log = (tmp_path / "log").read_text()
    assert f"  {name} must be a whole number" in log
    assert "Traceback" not in log


def test_an_application_that_cannot_be_built_ends_the_process_with_3(tmp_path: Path) -> None:
    assert ended(start(tmp_path, free_port(), FAILS_TO_BUILD="true")) == 3
    assert "the application cannot be built" in (tmp_path / "log").read_text()


def test_a_request_under_way_is_finished_when_the_server_is_stopped(tmp_path: Path) -> None:
    running = Served(start(tmp_path, port := free_port()), port, tmp_path / "log")
    try:
        wait_until_served(running)
        body = b'{"seconds": 0.6}'
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("POST", "/", body, signed(body))
            time.sleep(0.2)
            began = time.monotonic()
            running.process.send_signal(signal.SIGTERM)
            assert connection.getresponse().status == 200
        assert ended(running.process) == 0
        assert time.monotonic() - began < 9
    finally:
        running.process.kill()
