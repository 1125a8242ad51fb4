"""Finds money that reaches deposit addresses, block by block, and notices when a block is taken back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import TRANSFER_TOPIC

from .orders import Deposit

KEPT_BLOCKS = 128  # how far back a reorganisation is noticed


@dataclass(frozen=True)
class Seen:
    """A transfer of Ether (`token` False) or of the token to `address`."""

    address: str
    deposit: Deposit
    token: bool


@dataclass(frozen=True)
class News:
    """What a look at the chain brought: arrivals in new blocks, and hashes of blocks that are no longer there."""

    head: int
    arrivals: list[Seen]
    withdrawn_blocks: frozenset[str]


class DepositWatch:
    """Reads every block once, from the head at its making on. Transfers made inside of contract calls are not seen, as
    with the real exchange: deposits come from plain accounts."""

    def __init__(self, rpc: Rpc, usdt_address: str) -> None:
        self._rpc = rpc
        self._usdt_address = usdt_address
        first = self._block("latest")
        assert first is not None
        self._known: deque[tuple[int, str]] = deque([(int(first["number"], 16), first["hash"])], maxlen=KEPT_BLOCKS)

    def look(self) -> News:
        """Everything new since the last look. Raises RpcUnreachable; the next look then takes up the thread."""
        withdrawn = self._step_back()
        arrivals: list[Seen] = []
        head = self._rpc.number("eth_blockNumber")
        for number in range(self._known[-1][0] + 1, head + 1):
            block = self._block(hex(number))
            if block is None or block["parentHash"] != self._known[-1][1]:
                break  # taken back while we read: the next look sorts it out
            arrivals += self._arrivals_in(block)
            self._known.append((number, block["hash"]))
        return News(self._known[-1][0], arrivals, frozenset(withdrawn))

    def _step_back(self) -> list[str]:
        """Forget the blocks that are no longer part of the chain; gives their hashes."""
        withdrawn = []
        while len(self._known) > 1:
            number, block_hash = self._known[-1]
            there = self._block(hex(number), full=False)
            if there is not None and there["hash"] == block_hash:
                break
            withdrawn.append(block_hash)
            self._known.pop()
        return withdrawn

    def _block(self, number: str, *, full: bool = True) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._rpc.call("eth_getBlockByNumber", number, full)
        return found

    def _arrivals_in(self, block: dict[str, Any]) -> list[Seen]:
        number, block_hash = int(block["number"], 16), block["hash"]
        ether = [
            Seen(tx["to"], Deposit(tx["hash"], tx["from"], int(tx["value"], 16), number, block_hash), token=False)
            for tx in block["transactions"]
            if tx["to"] is not None and tx["value"] != "0x0"
        ]
        if not block["transactions"]:
            return ether
        logs = self._rpc.call(
            "eth_getLogs", {"blockHash": block_hash, "address": self._usdt_address, "topics": [TRANSFER_TOPIC]}
        )
        return ether + [_token_arrival(log, number, block_hash) for log in logs]


def _token_arrival(log: dict[str, Any], number: int, block_hash: str) -> Seen:
    sender, receiver = ("0x" + topic[-40:] for topic in log["topics"][1:3])
    return Seen(receiver, Deposit(log["transactionHash"], sender, int(log["data"], 16), number, block_hash), token=True)
