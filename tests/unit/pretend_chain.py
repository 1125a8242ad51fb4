"""A chain of a few blocks in memory, seen through providers that can lag, lie, forget or be down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hexbytes import HexBytes

from shared.chain.port import Block
from shared.chain.providers import Failure, Provider, T

WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"


def a_hash(number: int, fork: str = "00") -> str:
    """A block or transaction hash that a reader recognises."""
    return "0x" + fork + f"{number:062x}"


@dataclass
class PretendTransaction:
    """One transaction in a block of the pretend chain."""

    block: int
    nonce: int
    tx_hash: str
    sender: str = WALLET
    to: str | None = STRANGER
    value_wei: int = 5
    status: int = 1
    logs: list[dict[str, Any]] = field(default_factory=list)


class PretendProvider(Provider):
    """What one provider shows. Every field may be changed by a test."""

    def __init__(self, name: str, *transactions: PretendTransaction, head: int = 100, finalized: int = 90) -> None:
        self.name = name
        self.transactions = {one.tx_hash: one for one in transactions}
        self.head = head
        self.finalized = finalized
        self.fork: dict[int, str] = {}  # blocks that this provider knows under another hash
        self.forgets_receipts = False
        self.down = False
        self.nonces: int | None = None
        self.state_from = 0  # the oldest block whose state it keeps
        self.blocks_read: list[int] = []
        self._secrets = []

    def ask(self, question: Callable[[Provider], T]) -> T | Failure:
        if self.down:
            return Failure(self.name, None, "ConnectionError", answered=False)
        return super().ask(question)

    def block(self, which: int | str) -> Block | None:
        number = {"latest": self.head, "finalized": self.finalized}.get(str(which), which)
        assert isinstance(number, int)
        if number > self.head:
            return None
        return Block(number, self._hash_at(number), datetime.fromtimestamp(1_700_000_000 + 12 * number, UTC))

    def block_transactions(self, number: int) -> list[dict[str, Any]] | None:
        self.blocks_read.append(number)
        if number > self.head:
            return None
        return [self._rpc(one) for one in self.transactions.values() if one.block == number]

    def transaction(self, tx_hash: str) -> dict[str, Any] | None:
        found = self.transactions.get(tx_hash)
        return None if found is None else self._rpc(found)

    def receipt(self, tx_hash: str) -> dict[str, Any] | None:
        found = self.transactions.get(tx_hash)
        if found is None or self.forgets_receipts or found.block > self.head:
            return None
        return {
            "transactionHash": HexBytes(found.tx_hash),
            "blockNumber": found.block,
            "blockHash": HexBytes(self._hash_at(found.block)),
            "status": found.status,
            "gasUsed": 21_000,
            "effectiveGasPrice": 7,
            "logs": found.logs,
        }

    def nonce_at(self, address: str, block: Block) -> int:
        if block.number < self.state_from:
            raise ValueError("missing trie node")
        if self.nonces is not None:
            return self.nonces
        used = [one for one in self.transactions.values() if one.sender == address and one.block <= block.number]
        return len(used)

    def _hash_at(self, number: int) -> str:
        return a_hash(number, self.fork.get(number, "00"))

    def _rpc(self, one: PretendTransaction) -> dict[str, Any]:
        return {
            "hash": HexBytes(one.tx_hash),
            "from": one.sender,
            "to": one.to,
            "nonce": one.nonce,
            "value": one.value_wei,
            "gasPrice": 7,
        }
