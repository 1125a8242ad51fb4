"""A node or an exchange that answers slowly, or without end: it is as if it had not answered, and soon."""

from __future__ import annotations

import contextlib
import gzip
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest
from pydantic import SecretStr

from shared.chain.providers import Failure, Provider
from shared.exchange.budget import CallBudget
from shared.exchange.wire import Answered, NotAnswered, Wire

LIMIT_S = 0.5
ENOUGH_S = 3.0
_PIECE = b" " * 65_536
KINDS = {
    "a body of a length": (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b" ", 0.05),
    "a body in chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 0.05),
    "a body to the end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" ", 0.05),
    "an error's body": (b"HTTP/1.1 400 No\r\nContent-Length: 60000\r\n\r\n", b" ", 0.05),
    "nothing but a head": (b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"", 0.05),
    "a body without end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", _PIECE, 0.0),
}


@contextlib.contextmanager
def a_server(head: bytes, piece: bytes, every_s: float) -> Iterator[str]:
    """Says its head at once, and then its piece again and again, for as long as somebody listens."""
    over = threading.Event()

    class Speaker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            with contextlib.suppress(OSError):
                self.request.sendall(head)
                while not over.wait(every_s):
                    self.request.sendall(piece)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speaker) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", KINDS)
def test_an_exchange_that_does_not_come_to_an_end_has_not_answered(kind: str) -> None:
    with a_server(*KINDS[kind]) as url:
        wire = Wire(url, SecretStr("a key of the security suite"), CallBudget(300))
        for ask in (wire.get, wire.post):
            began = time.monotonic()
            answer = ask("/exchange", {}, LIMIT_S)
            assert isinstance(answer, NotAnswered), answer
            assert answer.maybe_sent
            assert time.monotonic() - began < ENOUGH_S


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_that_does_not_come_to_an_end_has_not_answered(kind: str) -> None:
    with a_server(*KINDS[kind]) as url:
        began = time.monotonic()
        answer = Provider("a node", url, LIMIT_S).ask(lambda provider: provider.chain_id())
        assert isinstance(answer, Failure), answer
        assert not answer.answered
        assert time.monotonic() - began < ENOUGH_S
        assert url not in answer.text


def test_an_answer_that_unpacks_to_more_than_anybody_needs_is_none() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with a_server(head + bomb, b"", 1.0) as url:
        answer = Wire(url, SecretStr("a key of the security suite"), CallBudget(300)).get("/x", {}, 20.0)
        assert answer == NotAnswered("the answer is too large", maybe_sent=True)
        told = Provider("a node", url, 20.0).ask(lambda provider: provider.chain_id())
        assert isinstance(told, Failure)
        assert not told.answered


def test_a_whole_answer_is_read_whole() -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "result": "0x7a69"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with a_server(head + body, b"", 1.0) as url:
        wire = Wire(url, SecretStr("a key of the security suite"), CallBudget(300))
        assert wire.get("/x", {}, ENOUGH_S) == Answered(200, body)
        assert Provider("a node", url, ENOUGH_S).ask(lambda provider: provider.chain_id()) == 31_337
