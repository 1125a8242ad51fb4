"""What the fleet asks of Ethereum, in its own words: the ports `Chain` and `Signer` and the values they speak in.

Two rules stand behind every method. Absence is never evidence: "not found" is a value that decides nothing. And a
verdict needs a quorum of providers that agree on one finalized block; progress needs only one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from shared.chain.record import ProviderRecord
from shared.money import Price, Tether


@dataclass(frozen=True, slots=True)
class Block:
    """One block that reads can be pinned to: `hash` is 0x text, `timestamp` the chain's own clock."""

    number: int
    hash: str
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """What one provider calls its newest block, or why it did not say: health and timers only."""

    provider: str
    block: Block | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Included:
    """A transaction seen in a block by some provider. Progress, never a verdict: a reorg can undo it."""

    tx_hash: str
    block_number: int
    block_hash: str
    status: int
    gas_used: int
    effective_gas_price_wei: int


@dataclass(frozen=True, slots=True)
class FinalConsumer:
    """The transaction that consumed (account, nonce), in a finalized block that a quorum agrees on.

    `receipt` is the JSON of one agreeing provider; `finalized` is the head under which it was judged.
    """

    tx_hash: str
    block_number: int
    block_hash: str
    status: int
    gas_used: int
    effective_gas_price_wei: int
    sender: str
    nonce: int
    to: str | None
    value_wei: int
    receipt: dict[str, object]
    agreed_providers: tuple[str, ...]
    finalized: Block

    @property
    def gas_wei(self) -> int:
        """What the transaction really cost its sender beside its value."""
        return self.gas_used * self.effective_gas_price_wei

    def evidence(self) -> dict[str, object]:
        """Everything a stranger needs to check the verdict again, as JSON."""
        return {
            "tx_hash": self.tx_hash,
            "block_number": self.block_number,
            "block_hash": self.block_hash,
            "status": self.status,
            "gas_used": self.gas_used,
            "effective_gas_price_wei": str(self.effective_gas_price_wei),
            "sender": self.sender,
            "nonce": self.nonce,
            "to": self.to,
            "value_wei": str(self.value_wei),
            "receipt": self.receipt,
            "agreed_providers": list(self.agreed_providers),
            "finalized_number": self.finalized.number,
            "finalized_hash": self.finalized.hash,
            "finalized_at": self.finalized.timestamp.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class TokenTransfer:
    """One Transfer log of the token in a finalized block; `units` are the token's base units."""

    tx_hash: str
    log_index: int
    block_number: int
    block_hash: str
    sender: str
    to: str
    units: int


@dataclass(frozen=True, slots=True)
class EtherReceived:
    """A plain transfer of ETH in a finalized block, agreed by the quorum."""

    tx_hash: str
    block_number: int
    block_hash: str
    sender: str
    to: str
    value_wei: int


@dataclass(frozen=True, slots=True)
class NotFound:
    """No provider shows the transaction. That is no proof that it does not exist: look again."""


@dataclass(frozen=True, slots=True)
class NotFinalYet:
    """The transaction was seen, but not yet by the quorum in a finalized block: look again."""

    block_number: int
    finalized_number: int


@dataclass(frozen=True, slots=True)
class Reverted:
    """The transaction is final and failed: it moved nothing."""

    block_number: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class NotThisTransfer:
    """The transaction is final and successful, but is no plain ETH transfer to the address asked for."""

    reason: str


class AnswerKind(StrEnum):
    """What a provider's answer to a send means. It tunes timers and alerts; it never decides about money.

    In the order of what they tell about one send: the first one that any provider answered is its gist. What each
    lets the executor do sooner or later stands in `shared.chain.advice`.
    """

    NONCE_TOO_LOW = "nonce_too_low"  # something with this nonce is in that node's chain: ours or a stranger's
    ACCEPTED = "accepted"
    ALREADY_KNOWN = "already_known"  # these very bytes are pooled, perhaps from an answer that was lost
    UNDERPRICED = "underpriced"  # a dearer transaction holds the nonce: a later attempt of ours, or a stranger's
    SENDER_RESERVED = "sender_reserved"  # the account is in use as a blob, delegated or contract account
    WRONG_CHAIN = "wrong_chain"
    UNREADABLE = "unreadable"  # the node cannot decode the bytes, or not their signature
    INSUFFICIENT_FUNDS = "insufficient_funds"
    GAS_TOO_LOW = "gas_too_low"
    GAS_TOO_HIGH = "gas_too_high"
    FEE_TOO_LOW = "fee_too_low"  # less than this node's pool takes, whoever else holds the nonce
    FEE_OVER_NODE_CAP = "fee_over_node_cap"  # more than this node's RPC lets pass; other nodes may take it
    ACCOUNT_LIMIT = "account_limit"
    NONCE_TOO_HIGH = "nonce_too_high"  # that node lacks our lower nonces
    POOL_FULL = "pool_full"
    NOT_READY = "not_ready"  # syncing, indexing, or behind
    RATE_LIMITED = "rate_limited"
    REVERTED = "reverted"  # an answer to an estimate, never to a send
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """One provider's answer to signed bytes, word for word but without the provider's secrets.

    `accepted` is None when nobody can tell (time-out, connection lost, no JSON): the bytes may be out.
    """

    provider: str
    accepted: bool | None
    code: int | None
    text: str
    kind: AnswerKind


@dataclass(frozen=True, slots=True)
class Fees:
    """EIP-1559 fees in wei per gas: `cap_wei` bounds what is paid, `base_wei` is the next block's base fee."""

    tip_wei: int
    cap_wei: int
    base_wei: int


@dataclass(frozen=True, slots=True)
class TransferFields:
    """All that may differ between two plain ETH transfers; type 2, no call data, no access list."""

    chain_id: int
    nonce: int
    to: str
    value_wei: int
    gas_limit: int
    tip_wei: int
    cap_wei: int


@dataclass(frozen=True, slots=True)
class Signed:
    """Signed bytes and their hash as 0x text. The bytes are spendable: store them before anything else."""

    raw: bytes
    hash: str

    def __repr__(self) -> str:
        return f"Signed(hash={self.hash!r})"


class Signer(Protocol):
    """The holder of one key. It signs plain transfers of ETH and nothing else."""

    @property
    def address(self) -> str:
        """The account that pays, in EIP-55 spelling."""

    def sign(self, fields: TransferFields) -> Signed:
        """Signed bytes of exactly these fields. A repeat makes equally good bytes for the same nonce.

        Raises ValueError for fields that no transfer may have, `SignedBytesDiffer` if the result is not what
        was asked.
        """


Arrivals = list[TokenTransfer] | NotFinalYet | Reverted | NotFound
EtherArrival = EtherReceived | NotFinalYet | Reverted | NotFound | NotThisTransfer


class Chain(Protocol):
    """Ethereum seen through several providers. Every method only reads, except `send_raw`; all are repeatable.

    Raises `ProvidersUnavailable` or `ProvidersDisagree` (both TryLater) where it cannot be sure.
    """

    def check_chain_id(self) -> None:
        """Every provider must be reachable and serve the configured chain, else `WrongChain`."""

    def latest_heads(self) -> list[Head]:
        """Each provider's newest block or its trouble; never raises."""

    def provider_records(self) -> list[ProviderRecord]:
        """How each provider has behaved since this process started; asks nobody."""

    def agreed_finalized(self) -> Block:
        """The highest block that a quorum calls finalized and whose hash it agrees on."""

    def nonce_at(self, address: str, block: Block) -> int:
        """How many transactions of the account are in the chain up to the block."""

    def balance_wei(self, address: str, block: Block) -> int:
        """The account's ETH in wei at the block."""

    def usdt_balance(self, address: str, block: Block, token: str) -> Tether:
        """The account's balance in the token contract at the block."""

    def code_at(self, address: str, block: Block) -> bytes:
        """The code at the address; empty for an account that only a key controls."""

    def find_included(self, tx_hash: str) -> Included | None:
        """The transaction in a block, as the first provider that shows it tells. None decides nothing."""

    def final_consumer(self, account: str, nonce: int, hashes: Sequence[str], first_block: int) -> FinalConsumer | None:
        """The transaction that consumed the nonce for ever, or None: then it is simply not known yet.

        `hashes` are all stored attempts; `first_block` is the head when the first of them was sent. One call
        reads a bounded number of blocks; a repeat goes on where it stopped.
        """

    def usdt_arrivals(self, tx_hash: str, token: str, to: str) -> Arrivals:
        """The token's transfers to the address in this transaction; an empty list when there are none."""

    def usdt_spent(self, tx_hash: str, token: str, sender: str) -> Arrivals:
        """The token's transfers from the address to others in this transaction; an empty list when there are none."""

    def ether_received(self, tx_hash: str, to: str) -> EtherArrival:
        """The ETH that this transaction itself carried to the address."""

    def fees(self, ceiling_wei: int) -> Fees:
        """Fees for the next blocks, never above the ceiling (wei per gas); else `FeesTooHigh`."""

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        """A gas limit with margin for this plain transfer; else `TransferWouldFail`."""

    def read_price(self, feed: str, now: datetime, max_age_s: int) -> Price:
        """USD per ETH from the aggregator contract; else `PriceUnusable`."""

    def send_raw(self, raw: bytes) -> list[SendAnswer]:
        """Give the bytes to every provider; one answer each, never an exception, never a verdict."""
