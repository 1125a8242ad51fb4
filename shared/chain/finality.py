"""When something on chain has happened for ever: seen alike by a quorum, in a block at or below the finalized one.

The only door to a verdict. What one provider shows, what is not finalized and what nobody shows are all "not yet".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shared.chain.address import same_address
from shared.chain.port import Block, FinalConsumer, NotFinalYet, NotFound
from shared.chain.providers import Failure, Provider
from shared.chain.quorum import Agreed, Quorum
from shared.chain.trouble import ProvidersDisagree

# Full blocks that one call may read, about a minute of work; a repeat goes on where it stopped.
BLOCKS_PER_SCAN: Final = 256


@dataclass(frozen=True, slots=True)
class Log:
    """One event of a transaction; topics as 0x text."""

    index: int
    address: str
    topics: tuple[str, ...]
    content: bytes
    removed: bool


@dataclass(frozen=True, slots=True)
class Sighting:
    """A transaction with its receipt as one provider shows it, and what that provider calls canonical there."""

    tx_hash: str
    block_number: int
    block_hash: str
    canonical_hash: str
    status: int
    gas_used: int
    effective_gas_price_wei: int
    sender: str
    nonce: int
    to: str | None
    value_wei: int
    logs: tuple[Log, ...]
    # Providers spell receipts differently; agreement is about the facts above.
    receipt: dict[str, object] = field(compare=False, repr=False)

    def is_final(self, finalized: Block) -> bool:
        return self.block_number <= finalized.number and self.block_hash == self.canonical_hash


class _OtherTransaction(ValueError):
    """A provider answered about another transaction than the one asked for."""


def agreed_tip(quorum: Quorum, tag: str) -> Block:
    """The highest block that a quorum has reached under this tag ("finalized", "latest") and agrees on.

    Heads are compared first: a provider that lags lowers the block, it never contradicts one that is ahead.
    """
    question = f"{tag} block"
    heads = quorum.ask(question, lambda provider: _present(provider.block(tag)))
    number = sorted((head.number for head in heads.values()), reverse=True)[quorum.needed - 1]

    def same_height(provider: Provider) -> Block | None:
        head = heads.get(provider.name)
        if head is None or head.number < number:
            return None
        return head if head.number == number else _present(provider.block(number))

    answers = quorum.ask(question, same_height)
    blocks = {name: block for name, block in answers.items() if block is not None}
    agreed = quorum.most_said(blocks)
    if agreed is None:
        told = {name: f"{block.number} {block.hash}" for name, block in blocks.items()}
        raise ProvidersDisagree(question, told)
    return agreed.value


def final_sighting(quorum: Quorum, tx_hash: str, finalized: Block) -> Agreed[Sighting] | NotFinalYet | NotFound:
    """The transaction as a quorum agrees it is final. Contradicting final sightings raise ProvidersDisagree."""
    answers = quorum.ask(f"transaction {tx_hash}", lambda provider: _sight(provider, tx_hash))
    seen = {name: sighting for name, sighting in answers.items() if sighting is not None}
    if not seen:
        return NotFound()
    final = {name: sighting for name, sighting in seen.items() if sighting.is_final(finalized)}
    agreed = quorum.most_said(final)
    if agreed is not None:
        return agreed
    if len({repr(sighting) for sighting in final.values()}) > 1:
        told = {name: f"block {s.block_hash} status {s.status}" for name, s in final.items()}
        raise ProvidersDisagree(f"transaction {tx_hash}", told)
    return NotFinalYet(max(sighting.block_number for sighting in seen.values()), finalized.number)


class ConsumerSearch:
    """Finds who consumed a nonce. It remembers which finalized blocks it has read, because those never change."""

    def __init__(self, quorum: Quorum, blocks_per_scan: int = BLOCKS_PER_SCAN) -> None:
        self._quorum = quorum
        self._blocks_per_scan = blocks_per_scan
        self._read: dict[tuple[str, str, int], _ReadRange] = {}

    def find(
        self, account: str, nonce: int, hashes: Sequence[str], first_block: int, finalized: Block
    ) -> FinalConsumer | None:
        """The final consumer of (account, nonce), by our own hashes first, else by reading blocks."""
        for tx_hash in hashes:
            found = self._confirm(account, nonce, tx_hash, finalized)
            if found is not None:
                return found
        count = self._quorum.agree(f"nonce of {account}", lambda provider: provider.nonce_at(account, finalized)).value
        if count <= nonce:
            return None
        return self._scan(account, nonce, first_block, finalized)

    def _confirm(self, account: str, nonce: int, tx_hash: str, finalized: Block) -> FinalConsumer | None:
        sighting = final_sighting(self._quorum, tx_hash, finalized)
        if not isinstance(sighting, Agreed):
            return None
        seen = sighting.value
        if not same_address(seen.sender, account) or seen.nonce != nonce:
            raise ValueError(f"{tx_hash} does not belong to nonce {nonce} of {account}")
        return FinalConsumer(
            tx_hash=seen.tx_hash,
            block_number=seen.block_number,
            block_hash=seen.block_hash,
            status=seen.status,
            gas_used=seen.gas_used,
            effective_gas_price_wei=seen.effective_gas_price_wei,
            sender=seen.sender,
            nonce=seen.nonce,
            to=seen.to,
            value_wei=seen.value_wei,
            receipt=seen.receipt,
            agreed_providers=sighting.by,
            finalized=finalized,
        )

    def _scan(self, account: str, nonce: int, first_block: int, finalized: Block) -> FinalConsumer | None:
        """Read block bodies, provider by provider: one that leaves a transaction out must not hide it for ever."""
        budget = self._blocks_per_scan
        for provider in self._quorum.providers:
            read = self._read.setdefault(
                (provider.name, account.lower(), nonce), _ReadRange(finalized.number + 1, finalized.number)
            )
            for number in read.unread(first_block, finalized.number):
                if budget == 0:
                    return None
                budget -= 1
                bodies = provider.ask(_transactions_at(number))
                if isinstance(bodies, Failure) or bodies is None:
                    break
                tx_hash = _consumer_in(bodies, account, nonce)
                if tx_hash is not None:
                    # Not marked as read: if the quorum does not confirm it yet, the next call looks here again.
                    return self._confirm(account, nonce, tx_hash, finalized)
                read.mark(number)
        return None


@dataclass(slots=True)
class _ReadRange:
    """The blocks low..high of one provider that do not hold the transaction; empty when low > high."""

    low: int
    high: int

    def unread(self, first: int, last: int) -> list[int]:
        """New blocks upward, then old ones downward: what was consumed lately is found first."""
        return [*range(self.high + 1, last + 1), *range(self.low - 1, first - 1, -1)]

    def mark(self, number: int) -> None:
        self.low, self.high = min(self.low, number), max(self.high, number)


def _transactions_at(number: int) -> Callable[[Provider], list[dict[str, Any]] | None]:
    return lambda provider: provider.block_transactions(number)


def _consumer_in(transactions: list[dict[str, Any]], account: str, nonce: int) -> str | None:
    for transaction in transactions:
        if same_address(str(transaction["from"]), account) and int(transaction["nonce"]) == nonce:
            return str(transaction["hash"].to_0x_hex())
    return None


def _sight(provider: Provider, tx_hash: str) -> Sighting | None:
    receipt = provider.receipt(tx_hash)
    transaction = provider.transaction(tx_hash) if receipt is not None else None
    if receipt is None or transaction is None:
        return None
    asked = tx_hash.lower()
    if {receipt["transactionHash"].to_0x_hex(), transaction["hash"].to_0x_hex()} != {asked}:
        raise _OtherTransaction
    canonical = provider.block(int(receipt["blockNumber"]))
    price = receipt.get("effectiveGasPrice")
    return Sighting(
        tx_hash=asked,
        block_number=int(receipt["blockNumber"]),
        block_hash=receipt["blockHash"].to_0x_hex(),
        canonical_hash=canonical.hash if canonical is not None else "",
        status=int(receipt["status"]),
        gas_used=int(receipt["gasUsed"]),
        effective_gas_price_wei=int(transaction["gasPrice"] if price is None else price),
        sender=str(transaction["from"]),
        nonce=int(transaction["nonce"]),
        to=str(transaction["to"]) if transaction["to"] else None,
        value_wei=int(transaction["value"]),
        logs=tuple(_log(entry) for entry in receipt["logs"]),
        receipt=provider.as_json(receipt),
    )


def _log(entry: dict[str, Any]) -> Log:
    return Log(
        index=int(entry["logIndex"]),
        address=str(entry["address"]),
        topics=tuple(topic.to_0x_hex() for topic in entry["topics"]),
        content=bytes(entry["data"]),
        removed=bool(entry.get("removed", False)),
    )


def _present(block: Block | None) -> Block:
    if block is None:
        raise LookupError("no such block")
    return block
