"""The chain as it really is: blocks every 12 virtual seconds, one mempool, reorganisations, fees that rise and fall.

What the fleet sees of it goes through `ModelProvider`s, which may be behind, away or lying. The invariants look here.
While nobody waits for a block, slots are missed: a night costs no thousand blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from shared.sandbox.simulator.blocks import BLOCK_S, GWEI, Mined, ModelBlock, Transaction
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.profile import Faults

DEEPEST_REORG: Final = 2
_BLOCK: Final = timedelta(seconds=BLOCK_S)
_SLOTS_AFTER_A_GAP: Final = 8  # blocks that a wake-up makes, so that what was mined before a gap is final after it
_LEAST_BASE_FEE: Final = GWEI
_USUAL_BASE_FEE: Final = 10 * GWEI
_SPIKES: Final = (5, 8, 25)
_REPLACEMENT_PERCENT: Final = 110  # geth: both fees, at least


class ModelNode:
    """The network. `finality` is how many blocks behind the head a block is final."""

    def __init__(
        self,
        faults: Faults,
        dice: Dice,
        now: datetime,
        finality: int,
        balances: Mapping[str, int],
        tokens: Mapping[str, int],
        told: Callable[[str], None],
    ) -> None:
        self._faults = faults
        self._dice = dice
        self._told = told
        self._forks = 0
        self._spike_ends: datetime | None = None
        self.finality = finality
        self.base_fee_wei = _USUAL_BASE_FEE
        self.pool: dict[tuple[str, int], Transaction] = {}
        self.places: dict[str, list[tuple[ModelBlock, Mined]]] = {}  # by hash, in whatever block it ever was
        self.received: dict[str, list[str]] = {}  # hashes by receiver
        self.refusing: set[str] = set()  # receivers that do not take ETH, and their code says so
        self.surprising: set[str] = set()  # receivers that do not take it either, which only a block shows
        self.busy_until = now
        self.followers: list[Callable[[], None]] = []  # the providers, told of each new head
        genesis = ModelBlock(0, _hash(0, 0), None, now - _BLOCK * 20, self.base_fee_wei)
        genesis.balances = {address.lower(): wei for address, wei in balances.items()}
        genesis.tokens = {address.lower(): units for address, units in tokens.items()}
        self.head = genesis
        for slot in range(19, -1, -1):
            self._append(now - _BLOCK * slot)

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether somebody waits for a block: a transaction for its first, or for the one that makes it final."""
        return bool(self.pool) or self.head.at < self.busy_until

    def keep_busy(self, now: datetime) -> None:
        """Blocks come without a gap until what happens now is final, even if two of them are replaced."""
        self.busy_until = max(self.busy_until, now + _BLOCK * (self.finality + 2 * DEEPEST_REORG + 4))

    def wake(self, now: datetime) -> None:
        """The newest blocks as they are at this time, after a gap in which nobody looked."""
        missed = (now - self.head.at) // _BLOCK
        if missed < 2:
            return
        self._move_fees(now)
        for slot in range(min(missed, _SLOTS_AFTER_A_GAP) - 1, -1, -1):
            self._append(now - _BLOCK * slot)

    def next_block(self, now: datetime) -> None:
        """One slot: a block, or now and then other ones in the place of the last."""
        self._move_fees(now)
        self._evict()
        if self._dice.happens(self._faults.now.reorgs):
            self.reorganise(self._dice.between(1, DEEPEST_REORG), now)
        else:
            self._append(now)

    def reorganise(self, depth: int, now: datetime, *, lose: bool | None = None) -> None:
        """The last `depth` blocks are replaced by one more. Their transactions return to the mempool or are lost."""
        gone: list[Transaction] = []
        for _ in range(depth):
            gone = [mined.transaction for mined in self.head.mined] + gone
            assert self.head.parent is not None
            self.head = self.head.parent
        self._forks += 1
        self._told(f"blocks {self.head.number + 1} to {self.head.number + depth} are replaced")
        for one in gone:
            lost = self._dice.happens(self._faults.now.reorgs_lose) if lose is None else lose
            if lost and not one.steady:
                self._told(f"{one.tx_hash} is lost with them")
            else:
                self.pool.setdefault((one.sender, one.nonce), one)
        for slot in range(depth, -1, -1):
            self._append(now - timedelta(seconds=slot))

    def finalized(self) -> ModelBlock:
        block = self.head
        for _ in range(self.finality):
            if block.parent is None:
                break
            block = block.parent
        return block

    # --- transactions -------------------------------------------------------------------------------------------------

    def pooled(self, one: Transaction) -> str | None:
        """Puts a transaction into the mempool; what forbids it, in our words, else None."""
        key = (one.sender, one.nonce)
        known = self.pool.get(key)
        if known is not None:
            if known.tx_hash == one.tx_hash:
                return "known"
            bar = _REPLACEMENT_PERCENT
            if one.tip_wei * 100 < known.tip_wei * bar or one.cap_wei * 100 < known.cap_wei * bar:
                return "underpriced"
        others = sum(
            other.most_wei for other in self.pool.values() if other.sender == one.sender and other is not known
        )
        if self.head.balances.get(one.sender, 0) < others + one.most_wei:
            return "poor"
        self.pool[key] = one
        return None

    def refuse(self, address: str, *, surprising: bool) -> None:
        """This address takes no ETH from now on: its code says so, or only a block shows it."""
        (self.surprising if surprising else self.refusing).add(address)

    def next_nonce(self, sender: str) -> int:
        """The next free nonce of an outside account, its pooled transactions counted."""
        pooled = [nonce + 1 for account, nonce in self.pool if account == sender]
        return max([self.head.nonces.get(sender, 0), *pooled])

    def canonical(self, tx_hash: str) -> tuple[ModelBlock, Mined] | None:
        """Where the transaction is in the chain as it is now."""
        for block, mined in reversed(self.places.get(tx_hash, ())):
            if self.is_canonical(block):
                return block, mined
        return None

    def is_canonical(self, block: ModelBlock) -> bool:
        below: ModelBlock | None = self.head
        while below is not None and below.number > block.number:
            below = below.parent
        return below is block

    def is_final(self, tx_hash: str) -> bool:
        found = self.canonical(tx_hash)
        return found is not None and found[0].number <= self.head.number - self.finality

    def top_up(self, address: str, wei: int) -> None:
        """ETH comes in, from outside of this story, with the newest block."""
        self.head.balances = dict(self.head.balances)
        self.head.balances[address.lower()] = self.head.balances.get(address.lower(), 0) + wei

    # --- inside -------------------------------------------------------------------------------------------------------

    def _append(self, at: datetime) -> None:
        parent = self.head
        number = parent.number + 1
        block = ModelBlock(number, _hash(self._forks, number), parent, at, self.base_fee_wei)
        block.balances, block.nonces, block.tokens = parent.balances, parent.nonces, parent.tokens
        if self.pool and not self._dice.happens(self._faults.now.blocks_pass_over):
            block.balances, block.nonces = dict(parent.balances), dict(parent.nonces)
            block.tokens = dict(parent.tokens)
            self._fill(block)
        self.head = block
        for follow in self.followers:
            follow()

    def _fill(self, block: ModelBlock) -> None:
        for key in sorted(self.pool):
            one = self.pool[key]
            if one.nonce < block.nonces.get(one.sender, 0):
                del self.pool[key]
            elif block.can_take(one):
                del self.pool[key]
                mined = block.take(one)
                if one.tx_hash not in self.places:
                    self.received.setdefault(one.to, []).append(one.tx_hash)
                self.places.setdefault(one.tx_hash, []).append((block, mined))
                self.keep_busy(block.at)
                self._told(f"block {block.number} has {one.tx_hash}" + ("" if mined.status else ", which reverts"))

    def _evict(self) -> None:
        for key in sorted(self.pool):
            if not self.pool[key].steady and self._dice.happens(self._faults.now.evictions):
                self._told(f"the mempool forgets {self.pool.pop(key).tx_hash}")

    def _move_fees(self, now: datetime) -> None:
        if self._spike_ends is not None and (now >= self._spike_ends or not self._faults.now.fee_spikes):
            self._spike_ends = None
            self.base_fee_wei = _USUAL_BASE_FEE
            self._told("the base fee is usual again")
        elif self._spike_ends is None and self._dice.happens(self._faults.now.fee_spikes):
            self._spike_ends = now + timedelta(seconds=self._dice.between(60, 900))
            self.base_fee_wei = _USUAL_BASE_FEE * self._dice.pick(_SPIKES)
            self._told(f"the base fee jumps to {self.base_fee_wei // GWEI} gwei")
        elif self._spike_ends is None:
            drift = self._dice.between(-125, 125)
            self.base_fee_wei = max(self.base_fee_wei + self.base_fee_wei * drift // 1000, _LEAST_BASE_FEE)
            self.base_fee_wei = min(self.base_fee_wei, 3 * _USUAL_BASE_FEE)


def _hash(fork: int, number: int) -> str:
    return f"0x{fork + 1:08x}{number:056x}"
