"""A second JSON-RPC endpoint of the same chain, which passes everything on and can be told to behave badly.

    python -m shared.sandbox.chain.endpoint --upstream http://127.0.0.1:8545 --port 0

The sandbox has two endpoints of one chain, because the fleet believes only what all its providers say. `/_sim/faults`
(see `fault_board`) takes:

- `drop_after_send`  a transaction is forwarded, its answer is lost
- `drop_before_send` a transaction is not forwarded, no answer
- `rate_limited`     429; `html_page` a proxy's 502 page; `no_answer` the connection closes; `delay` waits `seconds`
- `lag`              the endpoint is `blocks` behind; what is newer does not exist, and receipts of it are null
- `null_receipt`     null for a receipt that exists
- `geth_words`       a repeated transaction is refused as geth does: "already known"

Faults on one method: `"route": "eth_getBalance"`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.sandbox.fault_board import FaultBoard
from shared.sandbox.faulty_http import Asked, FaultyServer, Told, answer_fault_route, told_json
from shared.sandbox.journal import Journal
from shared.sandbox.lifetime import announce_ready, die_with_parent, stop_on_signals

from .rpc import Rpc, RpcUnreachable

KNOWN_FAULTS: dict[str, dict[str, Any]] = {
    "drop_after_send": {},
    "drop_before_send": {},
    "rate_limited": {},
    "html_page": {},
    "no_answer": {},
    "delay": {"seconds": 1},
    "lag": {"blocks": 1},
    "null_receipt": {},
    "geth_words": {},
}
SEND = "eth_sendRawTransaction"
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
TAGS = ("latest", "safe", "finalized", "pending")
# Where a request names the block it is about; the others name none, or a hash.
BLOCK_PARAMETER = {
    "eth_getBlockByNumber": 0,
    "eth_getBlockReceipts": 0,
    "eth_getBlockTransactionCountByNumber": 0,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_getCode": 1,
    "eth_call": 1,
    "eth_feeHistory": 1,
    "eth_getStorageAt": 2,
}


class Lost(Exception):
    """No answer: the connection is closed."""


class Endpoint:
    """Answers as the upstream does, except where the board says otherwise."""

    def __init__(self, upstream: str, journal: Journal) -> None:
        self.board = FaultBoard(KNOWN_FAULTS)
        self._upstream = Rpc(upstream)
        self._journal = journal

    def answer(self, asked: Asked) -> Told | None:
        """One HTTP request; a JSON-RPC batch counts as its requests one after the other."""
        if asked.path == "/_sim/faults":
            return answer_fault_route(self.board, asked)
        try:
            wanted = json.loads(asked.body)
        except ValueError:
            return told_json({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}, 400)
        requests = wanted if isinstance(wanted, list) else [wanted]
        try:
            for request in requests:
                if (spoiled := self._spoiled(str(request.get("method")))) is not None:
                    return spoiled
            answers = [self._answer_one(request) for request in requests]
        except Lost:
            return None
        return told_json(answers if isinstance(wanted, list) else answers[0])

    def _strikes(self, fault: str, method: str) -> Mapping[str, Any] | None:
        fields = self.board.strikes(fault, method)
        if fields is not None and fault != "lag":
            self._journal.write("fault_struck", fault=fault, method=method)
        return fields

    def _spoiled(self, method: str) -> Told | None:
        """The answer of a fault that strikes before anything is forwarded."""
        if (late := self._strikes("delay", method)) is not None:
            time.sleep(float(late["seconds"]))
        if self._strikes("rate_limited", method) is not None:
            return Told(429, b"", headers={"Retry-After": "1"})
        if self._strikes("html_page", method) is not None:
            return Told(502, HTML, "text/html")
        if self._strikes("no_answer", method) is not None:
            raise Lost
        if method == SEND and self._strikes("drop_before_send", method) is not None:
            raise Lost
        return None

    def _answer_one(self, request: dict[str, Any]) -> dict[str, Any]:
        method, params = str(request.get("method")), list(request.get("params") or [])
        behind = self._strikes("lag", method)
        lag = int(behind["blocks"]) if behind is not None else 0
        answer = self._upstream.exchange(method, self._older(method, params, lag) if lag else params)
        answer["id"] = request.get("id")
        if lag and "result" in answer:
            answer["result"] = self._hidden(method, answer["result"], lag)
        if method == SEND:
            self._journal.write("transaction_forwarded", answer=answer.get("result") or answer.get("error"))
            if self._strikes("drop_after_send", method) is not None:
                raise Lost
            if "error" in answer and self._strikes("geth_words", method) is not None:
                answer["error"] = _in_geth_words(answer["error"])
        if method == "eth_getTransactionReceipt" and self._strikes("null_receipt", method) is not None:
            answer["result"] = None
        return answer

    def _older(self, method: str, params: list[Any], lag: int) -> list[Any]:
        """The same question about the chain as it was `lag` blocks ago."""
        place = BLOCK_PARAMETER.get(method)
        if method == "eth_getLogs" and params:
            params[0] = {**params[0], "toBlock": self._number_of(params[0].get("toBlock", "latest"), lag)}
        elif place is not None and len(params) > place and isinstance(params[place], str):
            params[place] = self._number_of(params[place], lag)
        return params

    def _number_of(self, block: str, lag: int) -> str:
        head = self._upstream.number("eth_blockNumber")
        if block in TAGS:
            distance = {"safe": 1, "finalized": 2}.get(block, 0)
            return hex(max(0, head - distance - lag))
        if block == "earliest":
            return "0x0"
        # A block beyond this endpoint's head does not exist for it; one far beyond the chain's head is answered null.
        return block if int(block, 16) <= head - lag else hex(2**53)

    def _hidden(self, method: str, result: Any, lag: int) -> Any:
        """What the chain has recorded since is not known here yet."""
        if method == "eth_blockNumber":
            return hex(max(0, int(result, 16) - lag))
        if not isinstance(result, dict) or result.get("blockNumber") is None:
            return result
        if int(result["blockNumber"], 16) <= self._upstream.number("eth_blockNumber") - lag:
            return result
        if method == "eth_getTransactionReceipt":
            return None
        if method == "eth_getTransactionByHash":
            return {**result, "blockHash": None, "blockNumber": None, "transactionIndex": None}
        return result


def _in_geth_words(error: dict[str, Any]) -> dict[str, Any]:
    words = {"already imported": "already known", "underpriced": "replacement transaction underpriced"}
    for heard, said in words.items():
        if heard in str(error.get("message")):
            return {"code": -32000, "message": said}
    return error | {"code": -32000}


def main() -> None:
    """Serve until SIGTERM."""
    options = argparse.ArgumentParser(prog="python -m shared.sandbox.chain.endpoint", description=__doc__)
    options.add_argument("--upstream", required=True, help="JSON-RPC URL of the chain")
    options.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options.add_argument("--log", type=Path, help="JSON lines of what happened")
    chosen = options.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    try:
        Rpc(chosen.upstream).call("eth_chainId")
    except RpcUnreachable as failure:
        sys.exit(str(failure))
    server = FaultyServer(chosen.port, Endpoint(chosen.upstream, Journal(chosen.log)).answer)
    server.start()
    announce_ready(port=server.port, url=server.url, control=f"{server.url}/_sim")
    stop.wait()
    server.stop()


if __name__ == "__main__":
    main()
