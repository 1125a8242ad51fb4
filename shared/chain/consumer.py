"""Who used up a nonce: found by our own hashes, by halving the chain, or by reading blocks; confirmed by the quorum.

What it remembers between calls only saves reading, and a restart loses it without harm: our hashes and the halving need
no memory, and a node that keeps no old state is read again from the newest finalized block downwards. So a process that
is restarted before every call looks at the newest BLOCKS_PER_SCAN blocks of such a node each time and at no older ones.
That costs time until one process lives for a few calls, or one provider keeps its state; never a verdict, because not
found decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.chain.address import same_address
from shared.chain.finality import final_sighting
from shared.chain.port import Block, FinalConsumer
from shared.chain.providers import Failure, Provider
from shared.chain.quorum import Agreed, Quorum

# Full blocks that one call may read, about a minute of work; a repeat goes on where it stopped.
BLOCKS_PER_SCAN: Final = 256
_BEFORE_GENESIS: Final = -1


class ConsumerSearch:
    """Finds who consumed a nonce. It remembers which finalized blocks it has read, because those never change."""

    def __init__(self, quorum: Quorum, blocks_per_scan: int = BLOCKS_PER_SCAN) -> None:
        self._quorum = quorum
        self._blocks_per_scan = blocks_per_scan
        self._read: dict[tuple[str, str, int], _ReadRange] = {}

    def find(
        self, account: str, nonce: int, hashes: Sequence[str], first_block: int, finalized: Block
    ) -> FinalConsumer | None:
        """The final consumer of (account, nonce), by our own hashes first, else by looking through the blocks."""
        for tx_hash in hashes:
            found = self._confirm(account, nonce, tx_hash, finalized)
            if found is not None:
                return found
        count = self._quorum.agree(f"nonce of {account}", lambda provider: provider.nonce_at(account, finalized)).value
        if count <= nonce:
            return None
        forgetful = []
        for provider in self._quorum.providers:
            number = self._halve(provider, account, nonce, first_block, finalized)
            if number is None:
                forgetful.append(provider)
                continue
            # One provider's word for where to look; a liar sends us to a block without it, and the next one is asked.
            tx_hash_there = self._hash_in_block(provider, number, account, nonce)
            found = None if tx_hash_there is None else self._confirm(account, nonce, tx_hash_there, finalized)
            if found is not None:
                return found
        return self._scan(forgetful, account, nonce, first_block, finalized)

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

    def _halve(self, provider: Provider, account: str, nonce: int, first_block: int, finalized: Block) -> int | None:
        """The block with which this provider's count passes the nonce; None if it does not know its old state."""
        before, after = first_block - 1, finalized.number
        count = self._count_at(provider, account, before) if before >= 0 else 0
        if count is None:
            return None
        if count > nonce:
            before = _BEFORE_GENESIS
        while after - before > 1:
            middle = (before + after) // 2
            count = self._count_at(provider, account, middle)
            if count is None:
                return None
            before, after = (before, middle) if count > nonce else (middle, after)
        return after

    def _count_at(self, provider: Provider, account: str, number: int) -> int | None:
        def count(asked: Provider) -> int | None:
            block = asked.block(number)
            return None if block is None else asked.nonce_at(account, block)

        answer = self._quorum.ask_one(provider, count, may_refuse=True)
        return None if isinstance(answer, Failure) else answer

    def _hash_in_block(self, provider: Provider, number: int, account: str, nonce: int) -> str | None:
        bodies = self._quorum.ask_one(provider, _transactions_at(number))
        return None if isinstance(bodies, Failure) or bodies is None else _consumer_in(bodies, account, nonce)

    def _scan(
        self, providers: Sequence[Provider], account: str, nonce: int, first_block: int, finalized: Block
    ) -> FinalConsumer | None:
        """Read block bodies, provider by provider: one that leaves a transaction out must not hide it for ever."""
        budget = self._blocks_per_scan
        for provider in providers:
            read = self._read.setdefault(
                (provider.name, account.lower(), nonce), _ReadRange(finalized.number + 1, finalized.number)
            )
            for number in read.unread(first_block, finalized.number):
                if budget == 0:
                    return None
                budget -= 1
                bodies = self._quorum.ask_one(provider, _transactions_at(number))
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
