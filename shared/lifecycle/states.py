"""The states of every machine, each with the four things a waiting state owes its reader.

A state that is not final says why it waits, who must act, how long that may take, and what happens next; no state
can be added without. The operator's pages, the README's tables and the age alerts all read these texts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, StrEnum
from typing import Final


class Machine(StrEnum):
    """What has a life of its own. The value is the name used in history, logs and pages."""

    PAYMENT = "payment"
    BATCH = "batch"
    ORDER = "order"
    REQUEST = "request"
    TRANSFER = "transfer"
    ACCOUNT = "account"


class _Named(Enum):
    """A state by its name. Not a StrEnum: a payment's `pending` must never equal, or stand for, a batch's."""

    @property
    def value(self) -> str:
        name = self._value_
        assert isinstance(name, str)
        return name

    def __str__(self) -> str:
        return self.value


class PaymentState(_Named):
    PENDING = "pending"
    SWAPPING = "swapping"
    COMPLETED = "completed"
    PARKED = "parked"


class BatchState(_Named):
    PENDING = "pending"
    SWAPPING = "swapping"
    COMPLETED = "completed"
    RELEASED = "released"
    PARKED = "parked"


class OrderState(_Named):
    SENDING = "sending"
    CREATED = "created"
    ADOPTED = "adopted"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    HELD = "held"
    FAILED = "failed"
    EXPIRED = "expired"
    FINISHED = "finished"
    REFUNDED = "refunded"


class RequestState(_Named):
    RECEIVED = "received"
    CHECKING = "checking"
    PAYING = "paying"
    WATCHING = "watching"
    REPORTED = "reported"
    ABANDONED = "abandoned"
    PARKED = "parked"


class TransferState(_Named):
    CREATED = "created"
    APPROVED = "approved"
    HELD = "held"
    RESERVED = "reserved"
    SIGNED = "signed"
    LIVE = "live"
    INCLUDED = "included"
    SETTLED = "settled"
    REVERTED = "reverted"
    CANCELLED = "cancelled"
    FOREIGN = "foreign"
    VOID = "void"


class AccountState(_Named):
    ACTIVE = "active"
    LOW_FUNDS = "low_funds"
    FROZEN = "frozen"


State = PaymentState | BatchState | OrderState | RequestState | TransferState | AccountState


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a state that is not final waits, on whom, how long that may take, and what comes next."""

    why: str
    on_whom: str
    at_most: timedelta
    next_step: str


_SOON: Final = timedelta(minutes=2)  # a task that was lost is re-driven by the next sweep after this
_PERSON: Final = timedelta(hours=24)  # a person is reminded daily

WAITING: Final[dict[State, Waiting]] = {
    PaymentState.PENDING: Waiting(
        "the pending total has not reached the threshold, or the price guard holds batches back",
        "more payments, then the batcher",
        timedelta(days=7),
        "the scheduler's next tick over the threshold takes it into a batch",
    ),
    PaymentState.SWAPPING: Waiting(
        "its batch is being swapped",
        "the batch",
        timedelta(days=7),
        "its share is credited when the batch's USDT arrives",
    ),
    PaymentState.PARKED: Waiting(
        "it cannot be paid as it was reported; parked_reason says why",
        "a person",
        _PERSON,
        "a person corrects it or returns it",
    ),
    BatchState.PENDING: Waiting(
        "its payments are claimed and its order is being opened",
        "the exchange",
        _SOON,
        "the order is adopted, or a sweep opens a new attempt",
    ),
    BatchState.SWAPPING: Waiting(
        "its order is adopted and is being paid and swapped",
        "the conductor, the executor and the exchange",
        timedelta(days=7),
        "the USDT that arrived is shared out",
    ),
    BatchState.PARKED: Waiting(
        "the swap did not end as ordered; reason says how",
        "a person",
        _PERSON,
        "a late arrival completes it, a proven refund releases it, a fenced order is replaced, or a person decides",
    ),
    OrderState.SENDING: Waiting(
        "the exchange was asked for an order and has not answered",
        "the exchange",
        _SOON,
        "the answer is stored, or the attempt is called unknown and is never paid",
    ),
    OrderState.CREATED: Waiting(
        "the exchange's answer is stored and checked",
        "the batcher",
        _SOON,
        "it is adopted in the same commit",
    ),
    OrderState.ADOPTED: Waiting(
        "it is the one order that may be paid",
        "the executor, then the exchange",
        timedelta(days=7),
        "the USDT is found on chain",
    ),
    OrderState.HELD: Waiting(
        "the exchange holds the deposit (verification or hold)",
        "the exchange's support and a person",
        _PERSON,
        "polls go on; it finishes or is refunded",
    ),
    OrderState.FAILED: Waiting(
        "the exchange calls it failed; that is a hint, the deposit may still be refunded or swapped",
        "the exchange's support and a person",
        _PERSON,
        "polls go on; it finishes or is refunded",
    ),
    OrderState.EXPIRED: Waiting(
        "the exchange calls it expired; a deposit that was sent may still be swapped or refunded",
        "the exchange's support and a person",
        _PERSON,
        "polls go on; it finishes or is refunded",
    ),
    RequestState.RECEIVED: Waiting(
        "the order to be paid is known and has not been checked",
        "the conductor",
        _SOON,
        "the watcher reads the order at the exchange",
    ),
    RequestState.CHECKING: Waiting(
        "the order is being read back just before it is paid",
        "the watcher",
        _SOON,
        "the executor is asked to pay, or the request is parked",
    ),
    RequestState.PAYING: Waiting(
        "the executor was asked to pay",
        "the executor and the chain",
        timedelta(hours=2),
        "the transfer is final and the exchange is watched",
    ),
    RequestState.WATCHING: Waiting(
        "the order is paid and its result is awaited",
        "the exchange",
        timedelta(days=7),
        "the arrival is found on chain and reported",
    ),
    RequestState.PARKED: Waiting(
        "it cannot go on by itself; reason says why",
        "a person",
        _PERSON,
        "a person decides; if the order finishes after all, it is reported",
    ),
    TransferState.CREATED: Waiting(
        "it was asked for and policy has not decided",
        "the executor",
        _SOON,
        "it is approved or held",
    ),
    TransferState.APPROVED: Waiting(
        "policy allows it and it has no nonce yet",
        "the executor; funds, fees and the in-flight cap",
        timedelta(minutes=15),
        "a nonce is reserved",
    ),
    TransferState.HELD: Waiting(
        "policy forbids it; reason says which rule",
        "a person",
        _PERSON,
        "a person approves or voids it",
    ),
    TransferState.RESERVED: Waiting(
        "its nonce is reserved and nothing is signed",
        "the signer",
        _SOON,
        "its bytes are signed and stored",
    ),
    TransferState.SIGNED: Waiting(
        "its bytes are stored and have not been sent",
        "the executor",
        _SOON,
        "the bytes are sent to every provider",
    ),
    TransferState.LIVE: Waiting(
        "its bytes were sent; only a finalized block decides",
        "the chain",
        timedelta(hours=1),
        "the bytes are sent again, dearer when they are outbid, until a block has them",
    ),
    TransferState.INCLUDED: Waiting(
        "a block has it that is not finalized",
        "the chain",
        timedelta(hours=1),
        "it is final when the finalized head passes that block",
    ),
    AccountState.LOW_FUNDS: Waiting(
        "the wallet cannot cover a transfer, its gas and the reserve",
        "a person",
        _PERSON,
        "reservations go on after a top-up",
    ),
    AccountState.FROZEN: Waiting(
        "the chain shows something this database does not know; reason says what",
        "a person",
        _PERSON,
        "nothing is reserved until `gcpay recover-account` has rebuilt what is missing",
    ),
}

FINAL: Final[frozenset[State]] = frozenset(
    {
        PaymentState.COMPLETED,
        BatchState.COMPLETED,
        BatchState.RELEASED,
        OrderState.UNKNOWN,
        OrderState.REFUSED,
        OrderState.ABANDONED,
        OrderState.FINISHED,
        OrderState.REFUNDED,
        RequestState.REPORTED,
        RequestState.ABANDONED,
        TransferState.SETTLED,
        TransferState.REVERTED,
        TransferState.CANCELLED,
        TransferState.FOREIGN,
        TransferState.VOID,
        AccountState.ACTIVE,
    }
)
"""States that wait for nothing. An unknown order is final because it is never paid: whatever it was, it lapses."""
