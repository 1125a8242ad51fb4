"""What a chain is made of: transactions, blocks, and the state after each block."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shared.chain import Block

GWEI: Final = 10**9
BLOCK_S: Final = 12
PLAIN_GAS: Final = 21_000
TOKEN_GAS: Final = 60_000


@dataclass(frozen=True, slots=True)
class TokenMove:
    """A Transfer log: so many units of a token from one address to another."""

    token: str
    sender: str
    to: str
    units: int


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as the network holds it; addresses in lower case. `moves` are the logs it leaves if it succeeds."""

    tx_hash: str
    sender: str
    nonce: int
    to: str
    value_wei: int
    tip_wei: int
    cap_wei: int
    gas_limit: int = PLAIN_GAS
    moves: tuple[TokenMove, ...] = ()
    reverts: bool = False
    steady: bool = False  # its sender sees to it himself: it is never lost for good

    @property
    def gas_used(self) -> int:
        return TOKEN_GAS if self.moves or self.reverts else PLAIN_GAS

    @property
    def most_wei(self) -> int:
        """What its sender must have for a node to take it."""
        return self.value_wei + self.gas_limit * self.cap_wei


@dataclass(slots=True)
class Mined:
    """A transaction in a block."""

    transaction: Transaction
    status: int
    price_wei: int
    first_log: int
    receipt: dict[str, Any] | None = None  # as a provider shows it; made when it is first asked for
    body: dict[str, Any] | None = None

    @property
    def cost_wei(self) -> int:
        """What it took from its sender."""
        return self.transaction.gas_used * self.price_wei + (self.transaction.value_wei if self.status else 0)


@dataclass(slots=True)
class ModelBlock:
    """A block with the state after it. Addresses are lower case."""

    number: int
    hash: str
    parent: ModelBlock | None
    at: datetime
    base_fee_wei: int
    mined: list[Mined] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    logs: int = 0
    shown: Block | None = None

    def as_block(self) -> Block:
        if self.shown is None:
            self.shown = Block(self.number, self.hash, self.at)
        return self.shown

    def take(self, one: Transaction) -> Mined:
        """Executes a transaction by Ethereum's rules; the block must be able to take it (`can_take`)."""
        price_wei = min(one.cap_wei, self.base_fee_wei + one.tip_wei)
        mined = Mined(one, 0 if one.reverts else 1, price_wei, self.logs)
        self.balances[one.sender] = self.balances.get(one.sender, 0) - mined.cost_wei
        self.nonces[one.sender] = one.nonce + 1
        if mined.status:
            self.balances[one.to] = self.balances.get(one.to, 0) + one.value_wei
            for move in one.moves:
                self.tokens[move.sender] = self.tokens.get(move.sender, 0) - move.units
                self.tokens[move.to] = self.tokens.get(move.to, 0) + move.units
            self.logs += len(one.moves)
        self.mined.append(mined)
        return mined

    def can_take(self, one: Transaction) -> bool:
        """Whether its nonce is next, its cap covers the base fee and its sender can pay."""
        return (
            one.nonce == self.nonces.get(one.sender, 0)
            and one.cap_wei >= self.base_fee_wei
            and self.balances.get(one.sender, 0) >= one.most_wei
        )
