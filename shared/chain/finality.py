"""When something on chain has happened for ever: seen alike by a quorum, in a block at or below the finalized one.

The only door to a verdict. What one provider shows, what is not finalized and what nobody shows are all "not yet".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.chain.port import Block, NotFinalYet, NotFound
from shared.chain.providers import Failure, Provider
from shared.chain.quorum import Agreed, Quorum
from shared.chain.trouble import ProvidersDisagree, ProvidersUnavailable


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
    quorum.records.saw_heads(tag, {name: head.number for name, head in heads.items()})
    number = sorted((head.number for head in heads.values()), reverse=True)[quorum.needed - 1]

    blocks: dict[str, Block] = {}
    failures: dict[str, str] = {}
    for provider in quorum.providers:
        head = heads.get(provider.name)
        if head is None or head.number < number:
            continue
        block = head if head.number == number else quorum.ask_one(provider, lambda asked: _present(asked.block(number)))
        if isinstance(block, Failure):
            failures[provider.name] = block.text
        else:
            blocks[provider.name] = block
    if len(blocks) < quorum.needed:
        raise ProvidersUnavailable(question, failures)
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
