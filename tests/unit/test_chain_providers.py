"""A provider that misbehaves is a value with a reason, is asked once, and its URL appears nowhere."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from shared.chain.ethereum import EthereumChain
from shared.chain.port import AnswerKind, Block
from shared.chain.providers import Failure, Provider
from shared.chain.trouble import ProvidersUnavailable, TransferWouldFail, WrongChain

SECRET = "5ecretKey0f7heProvider"
PINNED = Block(7, "0x" + "ab" * 32, datetime(2026, 1, 1, tzinfo=UTC))
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"

Script = Callable[[str, list[Any]], "Told"]


@dataclass
class Told:
    """One HTTP answer of the scripted node."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0


def result(value: object) -> Told:
    return Told(json.dumps({"jsonrpc": "2.0", "id": 0, "result": value}).encode())


def error(code: int, message: str, status: int = 200) -> Told:
    told = {"jsonrpc": "2.0", "id": 0, "error": {"code": code, "message": message}}
    return Told(json.dumps(told).encode(), status)


class Node:
    """An HTTP server that answers JSON-RPC as the script says and counts what it was asked."""

    def __init__(self) -> None:
        self.script: Script = lambda _method, _params: result("0x1")
        self.asked: list[tuple[str, list[Any]]] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                node.asked.append((request["method"], request["params"]))
                told = node.script(request["method"], request["params"])
                time.sleep(told.after_s)
                self.send_response(told.status)
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(told.body)))
                with contextlib.suppress(BrokenPipeError):  # a caller whose patience ended is what some tests want
                    self.end_headers()
                    self.wfile.write(told.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v2/{SECRET}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


@pytest.fixture
def node() -> Iterator[Node]:
    running = Node()
    yield running
    running.stop()


def chain_on(node: Node, timeout_s: float = 2) -> EthereumChain:
    return EthereumChain.connect([node.url], None, 1, timeout_s)


BROKEN_ANSWERS: dict[str, Told] = {
    "an HTML page": Told(b"<html>502 Bad Gateway</html>", 502),
    "an HTML page under 200": Told(b"<html>welcome</html>"),
    "429": Told(b"", 429, {"Retry-After": "1"}),
    "503": Told(b"busy", 503),
    "nothing": Told(b""),
    "half of a JSON text": Told(b'{"jsonrpc":"2.0","id":0,"resu'),
    "a list": Told(b"[]"),
    "a number": Told(b"1"),
    "neither result nor error": Told(b'{"jsonrpc":"2.0","id":0}'),
    "a result of the wrong type": result([]),
    "text instead of hex": result("seven"),
    "null": result(None),
    "an error that is text": Told(b'{"jsonrpc":"2.0","id":0,"error":"no"}'),
    "not UTF-8": Told(b"\xff\xfe"),
    "a redirect": Told(b"", 302, {"Location": "http://127.0.0.1:1/stolen"}),
}


@pytest.mark.parametrize("told", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_an_unusable_answer_is_a_failure_and_is_asked_for_once(node: Node, told: Told) -> None:
    node.script = lambda _method, _params: told
    answer = Provider("one", node.url, 2).ask(lambda asked: asked.balance_wei(WALLET, PINNED))
    assert isinstance(answer, Failure)
    assert SECRET not in answer.text
    assert len(node.asked) == 1


@pytest.mark.parametrize("told", BROKEN_ANSWERS.values(), ids=BROKEN_ANSWERS.keys())
def test_an_unusable_answer_to_a_send_leaves_it_open_and_is_never_sent_twice(node: Node, told: Told) -> None:
    node.script = lambda _method, _params: told
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert answer.accepted is None
    assert answer.kind is AnswerKind.UNKNOWN
    assert SECRET not in answer.text
    assert [method for method, _ in node.asked] == ["eth_sendRawTransaction"]


def test_a_hung_node_costs_its_time_out_and_leaves_the_send_open(node: Node) -> None:
    node.script = lambda _method, _params: Told(b"", after_s=0.6)
    (answer,) = chain_on(node, timeout_s=0.2).send_raw(b"\x02\x01")
    assert (answer.accepted, answer.text) == (None, "ReadTimeout")
    assert len(node.asked) == 1


def test_a_dead_node_is_an_open_send_and_an_unavailable_read() -> None:
    chain = EthereumChain.connect([f"http://127.0.0.1:1/{SECRET}"], None, 1, 1)
    (answer,) = chain.send_raw(b"\x02\x01")
    assert (answer.accepted, answer.text) == (None, "ConnectionError")
    with pytest.raises(ProvidersUnavailable) as caught:
        chain.agreed_finalized()
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_nodes_own_words_are_kept_without_its_key(node: Node) -> None:
    node.script = lambda _method, _params: error(-32000, f"limit reached for {SECRET}, see {node.url}")
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert (answer.accepted, answer.code) == (False, -32000)
    assert answer.text.startswith("limit reached for ***, see ")
    assert SECRET not in answer.text


def test_a_json_rpc_error_under_http_400_keeps_its_words(node: Node) -> None:
    node.script = lambda _method, _params: error(-32000, "nonce too low", 400)
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert (answer.accepted, answer.code, answer.kind) == (False, -32000, AnswerKind.NONCE_TOO_LOW)


def test_already_known_counts_as_accepted(node: Node) -> None:
    node.script = lambda _method, _params: error(-32000, "already known")
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert (answer.accepted, answer.kind) == (True, AnswerKind.ALREADY_KNOWN)


def test_a_node_that_answers_another_hash_has_accepted_nothing_we_know(node: Node) -> None:
    node.script = lambda _method, _params: result("0x" + "11" * 32)
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert answer.accepted is None
    assert "another hash" in answer.text


def test_one_providers_trouble_does_not_keep_the_bytes_from_the_next(node: Node) -> None:
    dead = f"http://127.0.0.1:1/{SECRET}"
    node.script = lambda _method, params: error(-32003, f"transaction already imported {params[0]}")
    answers = EthereumChain.connect([dead, node.url], None, 1, 1).send_raw(b"\x02\x01")
    assert [answer.accepted for answer in answers] == [None, True]
    assert [answer.provider for answer in answers] == ["1:127.0.0.1", "2:127.0.0.1"]
    assert answers[1].text == "transaction already imported 0x0201"


def test_long_words_of_a_node_are_cut(node: Node) -> None:
    node.script = lambda _method, _params: error(-32000, "x" * 10_000)
    (answer,) = chain_on(node).send_raw(b"\x02\x01")
    assert len(answer.text) == 500


def test_neither_a_debug_line_nor_a_name_contains_the_key(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    chain = chain_on(node)
    chain.check_chain_id()
    chain.send_raw(b"\x02\x01")
    assert SECRET not in caplog.text
    assert SECRET not in repr(Provider("one", node.url, 1))


def test_a_provider_is_named_by_number_and_site_only() -> None:
    url = f"https://{SECRET.lower()}.eth-mainnet.example.org/v2/{SECRET}?token={SECRET}"
    (head,) = EthereumChain.connect([url], None, 1, 0.001).latest_heads()
    assert head.provider == "1:example.org"
    assert head.block is None
    assert head.trouble is not None


def test_a_read_is_pinned_to_the_block_hash_and_to_the_canonical_chain(node: Node) -> None:
    chain = chain_on(node)
    chain.balance_wei(WALLET, PINNED)
    chain.nonce_at(WALLET, PINNED)
    pin = {"blockHash": PINNED.hash, "requireCanonical": True}
    assert [params[-1] for _, params in node.asked] == [pin, pin]


def test_a_foreign_chain_is_a_broken_setting(node: Node) -> None:
    node.script = lambda _method, _params: result("0x5")
    with pytest.raises(WrongChain) as caught:
        chain_on(node).check_chain_id()
    assert caught.value.answers == {"1:127.0.0.1": 5}


def test_every_provider_must_say_which_chain_it_serves(node: Node) -> None:
    with pytest.raises(ProvidersUnavailable):
        EthereumChain.connect([node.url, "http://127.0.0.1:1"], None, 1, 1).check_chain_id()


def test_an_estimate_that_reverts_or_lacks_funds_says_so(node: Node) -> None:
    told = {"reverts": "execution reverted: closed", "funds": "insufficient funds for transfer"}
    for reason, text in told.items():
        node.script = lambda _method, _params, text=text: error(3, text)  # type: ignore[misc]
        with pytest.raises(TransferWouldFail) as caught:
            chain_on(node).estimate_gas(WALLET, WALLET, 5)
        assert caught.value.reason == reason


def test_an_absurd_gas_estimate_is_no_plain_transfer(node: Node) -> None:
    node.script = lambda _method, _params: result(hex(500_000))
    with pytest.raises(TransferWouldFail, match="gas_limit"):
        chain_on(node).estimate_gas(WALLET, WALLET, 5)


def test_fees_survive_a_node_without_rewards(node: Node) -> None:
    def script(method: str, _params: list[Any]) -> Told:
        if method == "eth_feeHistory":
            return result({"oldestBlock": "0x1", "baseFeePerGas": ["0x3b9aca00"], "gasUsedRatio": [0.5]})
        return error(-32601, "the method eth_maxPriorityFeePerGas does not exist")

    node.script = script
    fees = chain_on(node).fees(200 * 10**9)
    assert (fees.base_wei, fees.tip_wei, fees.cap_wei) == (10**9, 10**9, 3 * 10**9)
