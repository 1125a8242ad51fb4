"""Whoever sends a little, and slowly, holds no thread of a service for longer than anybody may.

A service has eight threads: eight callers that never come to an end would shut it for everybody.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.unit.test_http_gunicorn import KEY, Served, ended, free_port, start, wait_until_served

THREADS = 8
HEAD_S, BODY_S = 0.6, 0.8


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A served application that is as impatient as a test."""
    folder = tmp_path_factory.mktemp("impatient")
    lines = ["import shared.http.stream as stream", f"stream.HEAD_S, stream.BODY_S = {HEAD_S}, {BODY_S}"]
    (folder / "sitecustomize.py").write_text("\n".join(lines))
    running = Served(start(folder, port := free_port()), port, folder / "log")
    try:
        wait_until_served(running)
        yield running
    finally:
        running.process.terminate()
        ended(running.process)


@contextlib.contextmanager
def callers(served: Served, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as opened:
        yield [
            opened.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=10)) for _ in range(count)
        ]


def must_answer_soon(served: Served) -> None:
    began = time.monotonic()
    assert served.ask("GET", "/live").status == 200
    assert time.monotonic() - began < 6 * (HEAD_S + BODY_S)


@pytest.mark.parametrize(
    "said", [b"P", b"POST / HTTP/1.1\r\nHost: x\r\nX-A: ", b"POST / HTTP/1.1\r\n" + b"A: b\r\n" * 9]
)
def test_a_head_that_stops_half_way_is_given_up(served: Served, said: bytes) -> None:
    with callers(served, 2 * THREADS) as slow:
        for caller in slow:
            caller.sendall(said)
        must_answer_soon(served)
        for caller in slow:
            assert caller.recv(1_000) == b""


def test_a_head_that_drips_is_given_up_though_it_never_stands_still(served: Served) -> None:
    with callers(served, 2 * THREADS) as slow:
        began = time.monotonic()
        for caller in slow:
            caller.sendall(b"POST / HTTP/1.1\r\nX-A: ")
        left = set(slow)
        while left and time.monotonic() - began < 8:
            for caller in list(left):
                try:
                    caller.sendall(b"a")
                except OSError:
                    left.discard(caller)
            time.sleep(0.05)
        assert not left
        must_answer_soon(served)


def test_a_body_that_drips_is_answered_408_before_it_is_proven_who_sends_it(served: Served) -> None:
    """A signature needs the body for its proof: until then anybody may be sending it."""
    timestamp = str(int(time.time()))
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nX-Signature: {'0' * 64}\r\nX-Request-Timestamp: {timestamp}\r\n"
        "Content-Length: 60000\r\n\r\n"
    ).encode()
    with callers(served, 2 * THREADS) as slow:
        for caller in slow:
            caller.sendall(head)
            caller.setblocking(False)
        answers: dict[socket.socket, bytes] = {}
        began = time.monotonic()
        while len(answers) < len(slow) and time.monotonic() - began < 12:
            for caller in slow:
                with contextlib.suppress(OSError):
                    caller.send(b" ")
                with contextlib.suppress(OSError):
                    answers.setdefault(caller, caller.recv(2_000))
            time.sleep(0.05)
        assert len(answers) == len(slow)
        assert {answer.partition(b"\r\n")[0][:12] for answer in answers.values()} <= {b"HTTP/1.1 408", b""}
        assert any(b'"body_incomplete"' in answer for answer in answers.values())
    must_answer_soon(served)
    assert KEY not in served.log.read_text()


def test_a_body_that_was_refused_and_drips_on_is_not_read_away_for_ever(served: Served) -> None:
    with callers(served, 2 * THREADS) as slow:
        for caller in slow:
            caller.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n")
        began = time.monotonic()
        open_ = set(slow)
        while open_ and time.monotonic() - began < 15:
            for caller in list(open_):
                try:
                    caller.sendall(b" ")
                except OSError:
                    open_.discard(caller)
            time.sleep(0.1)
        assert not open_
    must_answer_soon(served)
