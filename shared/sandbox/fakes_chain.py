"""A chain in memory behind the port `Chain`, for tests and the simulator: blocks on command, and everything that goes
wrong with real ones on command too. Nothing here knows the executor; it only plays Ethereum by its rules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.chain import (
    AnswerKind,
    Arrivals,
    Block,
    EtherArrival,
    EtherReceived,
    Fees,
    FeesTooHigh,
    FinalConsumer,
    Head,
    Included,
    NotFinalYet,
    NotFound,
    NotThisTransfer,
    PriceUnusable,
    ProvidersDisagree,
    ProvidersUnavailable,
    Reverted,
    SendAnswer,
    TokenTransfer,
    TransferWouldFail,
    WrongChain,
    decode_signed,
    same_address,
)
from shared.chain.record import ProviderRecord
from shared.money import Price, Tether

FINAL_AFTER = 2  # blocks, as anvil with one slot in an epoch
BLOCK_S = 12
GENESIS = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN_GAS = 21_000
GWEI = 10**9


@dataclass(frozen=True, slots=True)
class PooledTransaction:
    """A transaction that some node holds."""

    tx_hash: str
    sender: str
    nonce: int
    to: str
    value_wei: int
    tip_wei: int
    cap_wei: int


@dataclass(frozen=True, slots=True)
class _Mined:
    transaction: PooledTransaction
    status: int
    price_wei: int


@dataclass(slots=True)
class _Block:
    number: int
    fork: int
    mined: list[_Mined] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        return f"0x{self.fork:04x}{self.number:060x}"

    def as_block(self) -> Block:
        return Block(self.number, self.hash, GENESIS + timedelta(seconds=BLOCK_S * self.number))


class FakeChain:
    """`Chain` with two providers that share one mempool. Threads may share it.

    The public fields are the faults: set them, and take them back.
    """

    providers = ("fake:1", "fake:2")

    def __init__(self, chain_id: int, balances: dict[str, int], nonces: dict[str, int] | None = None) -> None:
        self._chain_id = chain_id
        self._blocks = [_Block(0, 0, [], _lowered(balances), _lowered(nonces or {}))]
        self._pool: dict[tuple[str, int], PooledTransaction] = {}
        self._forks = 0
        self._lock = threading.RLock()
        self.sent: list[bytes] = []  # everything that was ever given to send_raw, in order
        self.before_send: Callable[[bytes], None] | None = None
        self.serves = chain_id  # what the providers answer when they are asked for their chain
        self.away = False  # no provider answers a read
        self.disagree = False  # the providers name different finalized blocks
        self.hide_receipts = False  # no provider shows any transaction
        self.hide_final = False  # the quorum never agrees on a final transaction
        self.drop_sends = False  # "ok", and the bytes are gone
        self.lose_answers = False  # the bytes are pooled, nobody says so
        self.refuse_sends: tuple[AnswerKind, str] | None = None
        self.reverting: set[str] = set()  # receivers, lower case, that refuse ETH when it is mined
        self.base_fee_wei = 10 * GWEI
        self.price: Price | None = None
        self.tokens: dict[tuple[str, str], int] = {}
        self.token_transfers: list[TokenTransfer] = []
        self.mine(FINAL_AFTER + 1)

    # --- what the test does to the chain ------------------------------------------------------------------------------

    def mine(self, blocks: int = 1) -> None:
        """New blocks; the first takes what the pool holds in nonce order."""
        with self._lock:
            for _ in range(blocks):
                last = self._blocks[-1]
                block = _Block(last.number + 1, self._forks, [], dict(last.balances), dict(last.nonces))
                self._execute_pool(block)
                self._blocks.append(block)

    def finalize(self) -> None:
        """Mines until what is pooled now is final."""
        self.mine(FINAL_AFTER + 1)

    def reorg(self, depth: int, *, lose: bool) -> None:
        """Replaces the last blocks by as many other ones; their transactions return to the pool, or are lost."""
        with self._lock:
            gone = [mined.transaction for block in self._blocks[-depth:] for mined in block.mined]
            del self._blocks[-depth:]
            self._forks += 1
            pool, self._pool = self._pool, {}
            self.mine(depth)
            self._pool = pool
            if not lose:
                self._pool |= {(one.sender, one.nonce): one for one in gone}

    def evict(self) -> None:
        """The pool forgets everything that is not in a block."""
        with self._lock:
            self._pool.clear()

    def send_foreign(self, sender: str, nonce: int, value_wei: int = 1) -> str:
        """A transaction of `sender` that the fleet did not make takes the nonce; its hash."""
        with self._lock:
            tx_hash = "0x" + f"f0{nonce:062x}"
            self._pool[sender.lower(), nonce] = PooledTransaction(
                tx_hash, sender.lower(), nonce, "0x" + "12" * 20, value_wei, GWEI, 100 * GWEI
            )
            return tx_hash

    def set_balance(self, address: str, wei: int) -> None:
        """From now on, also in blocks that are final already: a top-up that everybody has seen for long."""
        with self._lock:
            for block in self._blocks:
                block.balances[address.lower()] = wei

    def transactions_to(self, address: str) -> list[PooledTransaction]:
        """What was mined for this receiver, in order."""
        with self._lock:
            return [
                mined.transaction
                for block in self._blocks
                for mined in block.mined
                if same_address(mined.transaction.to, address)
            ]

    # --- the port -----------------------------------------------------------------------------------------------------

    def check_chain_id(self) -> None:
        self._read("chain id")
        if self.serves != self._chain_id:
            raise WrongChain(self._chain_id, dict.fromkeys(self.providers, self.serves))

    def latest_heads(self) -> list[Head]:
        if self.away:
            return [Head(name, None, "does not answer") for name in self.providers]
        return [Head(name, self._blocks[-1].as_block()) for name in self.providers]

    def provider_records(self) -> list[ProviderRecord]:
        return [ProviderRecord(name) for name in self.providers]

    def agreed_finalized(self) -> Block:
        self._read("finalized block")
        if self.disagree:
            raise ProvidersDisagree("finalized block", {name: f"fork {name}" for name in self.providers})
        return self._finalized().as_block()

    def nonce_at(self, address: str, block: Block) -> int:
        self._read("nonce")
        return self._blocks[block.number].nonces.get(address.lower(), 0)

    def balance_wei(self, address: str, block: Block) -> int:
        self._read("balance")
        return self._blocks[block.number].balances.get(address.lower(), 0)

    def usdt_balance(self, address: str, block: Block, token: str) -> Tether:
        self._read("token balance")
        return Tether(self.tokens.get((token.lower(), address.lower()), 0))

    def code_at(self, address: str, block: Block) -> bytes:
        self._read("code")
        return b"\xfe" if address.lower() in self.reverting else b""

    def find_included(self, tx_hash: str) -> Included | None:
        self._read("receipt")
        found = None if self.hide_receipts else self._find(tx_hash)
        if found is None:
            return None
        block, mined = found
        return Included(tx_hash, block.number, block.hash, mined.status, PLAIN_GAS, mined.price_wei)

    def final_consumer(self, account: str, nonce: int, hashes: Sequence[str], first_block: int) -> FinalConsumer | None:
        del hashes
        finalized = self.agreed_finalized()
        if self.hide_final or self.hide_receipts:
            return None
        for block in self._blocks[first_block : finalized.number + 1]:
            for mined in block.mined:
                if mined.transaction.sender == account.lower() and mined.transaction.nonce == nonce:
                    return self._consumer(block, mined, finalized)
        return None

    def usdt_arrivals(self, tx_hash: str, token: str, to: str) -> Arrivals:
        self._read("token transfers")
        del token
        mine = [one for one in self.token_transfers if one.tx_hash == tx_hash and same_address(one.to, to)]
        return mine or NotFound()

    def usdt_spent(self, tx_hash: str, token: str, sender: str) -> Arrivals:
        self._read("token transfers")
        del token
        mine = [one for one in self.token_transfers if one.tx_hash == tx_hash and same_address(one.sender, sender)]
        return mine or NotFound()

    def ether_received(self, tx_hash: str, to: str) -> EtherArrival:
        found = self._find(tx_hash)
        if found is None:
            return NotFound()
        block, mined = found
        one, finalized = mined.transaction, self.agreed_finalized()
        if block.number > finalized.number:
            return NotFinalYet(block.number, finalized.number)
        if mined.status != 1:
            return Reverted(block.number, block.hash)
        if not same_address(one.to, to):
            return NotThisTransfer("it pays another address")
        return EtherReceived(tx_hash, block.number, block.hash, one.sender, one.to, one.value_wei)

    def fees(self, ceiling_wei: int) -> Fees:
        self._read("fees")
        needed_wei = self.base_fee_wei + GWEI
        if needed_wei > ceiling_wei:
            raise FeesTooHigh(needed_wei, ceiling_wei)
        return Fees(GWEI, min(2 * self.base_fee_wei + GWEI, ceiling_wei), self.base_fee_wei)

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        self._read("gas estimate")
        if to.lower() in self.reverting:
            raise TransferWouldFail("reverts", "execution reverted")
        if self._blocks[-1].balances.get(sender.lower(), 0) < value_wei:
            raise TransferWouldFail("funds", "insufficient funds for transfer")
        return PLAIN_GAS * 5 // 4

    def read_price(self, feed: str, now: datetime, max_age_s: int) -> Price:
        del feed, now, max_age_s
        self._read("price")
        if self.price is None:
            raise PriceUnusable("no_answer", "the feed has no answer")
        return self.price

    def send_raw(self, raw: bytes) -> list[SendAnswer]:
        if self.before_send is not None:
            self.before_send(raw)
        with self._lock:
            self.sent.append(raw)
            answer = self._receive(raw)
        if self.lose_answers:
            answer = (None, AnswerKind.UNKNOWN, "the connection was lost")
        return [SendAnswer(name, answer[0], None, answer[2], answer[1]) for name in self.providers]

    # --- Ethereum's rules ---------------------------------------------------------------------------------------------

    def _receive(self, raw: bytes) -> tuple[bool | None, AnswerKind, str]:
        sender, fields, tx_hash = decode_signed(raw)
        if self.refuse_sends is not None:
            return (False, *self.refuse_sends)
        if self.drop_sends:
            return True, AnswerKind.ACCEPTED, tx_hash
        if fields.nonce < self._blocks[-1].nonces.get(sender.lower(), 0):
            return False, AnswerKind.NONCE_TOO_LOW, "nonce too low"
        known = self._pool.get((sender.lower(), fields.nonce))
        if known is not None and known.tx_hash == tx_hash:
            return True, AnswerKind.ALREADY_KNOWN, "already known"
        if known is not None and fields.cap_wei * 10 < known.cap_wei * 11:
            return False, AnswerKind.UNDERPRICED, "replacement transaction underpriced"
        self._pool[sender.lower(), fields.nonce] = PooledTransaction(
            tx_hash,
            sender.lower(),
            fields.nonce,
            fields.to,
            fields.value_wei,
            fields.tip_wei,
            fields.cap_wei,
        )
        return True, AnswerKind.ACCEPTED, tx_hash

    def _execute_pool(self, block: _Block) -> None:
        for key in sorted(self._pool):
            one = self._pool[key]
            if one.nonce < block.nonces.get(one.sender, 0):
                del self._pool[key]
                continue
            price_wei = min(one.cap_wei, self.base_fee_wei + one.tip_wei)
            cost_wei = one.value_wei + PLAIN_GAS * price_wei
            affordable = block.balances.get(one.sender, 0) >= cost_wei
            if one.nonce > block.nonces.get(one.sender, 0) or one.cap_wei < self.base_fee_wei or not affordable:
                continue
            del self._pool[key]
            status = 0 if one.to.lower() in self.reverting else 1
            moved_wei = one.value_wei if status else 0
            block.balances[one.sender] -= moved_wei + PLAIN_GAS * price_wei
            block.balances[one.to.lower()] = block.balances.get(one.to.lower(), 0) + moved_wei
            block.nonces[one.sender] = one.nonce + 1
            block.mined.append(_Mined(one, status, price_wei))

    def _finalized(self) -> _Block:
        return self._blocks[-1 - FINAL_AFTER]

    def _find(self, tx_hash: str) -> tuple[_Block, _Mined] | None:
        for block in reversed(self._blocks):
            for mined in block.mined:
                if mined.transaction.tx_hash == tx_hash:
                    return block, mined
        return None

    def _consumer(self, block: _Block, mined: _Mined, finalized: Block) -> FinalConsumer:
        one = mined.transaction
        return FinalConsumer(
            tx_hash=one.tx_hash,
            block_number=block.number,
            block_hash=block.hash,
            status=mined.status,
            gas_used=PLAIN_GAS,
            effective_gas_price_wei=mined.price_wei,
            sender=one.sender,
            nonce=one.nonce,
            to=one.to,
            value_wei=one.value_wei,
            receipt={
                "transactionHash": one.tx_hash,
                "transactionIndex": block.mined.index(mined),
                "blockHash": block.hash,
                "blockNumber": block.number,
                "from": one.sender,
                "to": one.to,
                "status": mined.status,
                "gasUsed": PLAIN_GAS,
                "cumulativeGasUsed": PLAIN_GAS * (block.mined.index(mined) + 1),
                "effectiveGasPrice": mined.price_wei,
                "logs": [],
            },
            agreed_providers=self.providers,
            finalized=finalized,
        )

    def _read(self, question: str) -> None:
        if self.away:
            raise ProvidersUnavailable(question, dict.fromkeys(self.providers, "does not answer"))


def _lowered(amounts: dict[str, int]) -> dict[str, int]:
    return {address.lower(): amount for address, amount in amounts.items()}
