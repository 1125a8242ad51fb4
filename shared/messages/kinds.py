"""What the services say to each other: one frozen class per message; its fields, in order, are its body.

A message says *which row* is meant. The amounts and addresses that it repeats are compared with the row by whoever
receives it, and a difference freezes the request (promise 9); they never decide anything.
"""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from shared.messages.errors import MessageInvalid
from shared.messages.fields import (
    Address,
    AlertId,
    BatchId,
    ChainId,
    FieldRuleBroken,
    OrderId,
    PayoutAddress,
    PersonText,
    PollNumber,
    PositiveUnits,
    PositiveWei,
    StatusWord,
    Ticker,
    TxHash,
    TxHashOrNone,
    UniqueId,
    one_of,
)
from shared.messages.layout import layout_of

BATCH_PREFIX: Final = "batch_"
_BATCH_UNIQUE_ID: Final = re.compile(
    BATCH_PREFIX + "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:_(?:[2-9]|[1-9][0-9]))?"
)


def batch_unique_id(batch_conversion_id: str, order_number: int = 1) -> str:
    """The request id of a batch: "batch_" and its UUID (42 characters), so that nobody upstream can name it.

    A batch whose first order was fenced off has a second one, whose request is another one: "_2" is added, and so on.
    """
    return BATCH_PREFIX + batch_conversion_id + (f"_{order_number}" if order_number > 1 else "")


def batch_of_unique_id(unique_id: str) -> str | None:
    """The batch that a request id names; None for an instant payout's."""
    named = _BATCH_UNIQUE_ID.fullmatch(unique_id)
    return None if named is None else named[1]


@dataclass(frozen=True, slots=True)
class Message:
    """Checked when it is made: MessageInvalid names the field and the rule, so a wrong one cannot be stored or sent."""

    TYPE: ClassVar[int]

    def __post_init__(self) -> None:
        for name, field in layout_of(type(self)):
            try:
                field.check(getattr(self, name))
            except FieldRuleBroken as broken:
                raise MessageInvalid(type(self).__name__, name, broken.rule) from broken
        self._check_together()

    def _check_together(self) -> None:
        """Rules between fields."""

    def _refuse(self, field: str, rule: str) -> MessageInvalid:
        return MessageInvalid(type(self).__name__, field, rule)


@dataclass(frozen=True, slots=True)
class InstantPayout(Message):
    """Upstream asks for one order to be paid. The only message sealed with the external secret."""

    TYPE: ClassVar[int] = 1

    unique_id: UniqueId
    cn_api_id: OrderId
    from_currency: Ticker
    from_network: Ticker
    amount_wei: PositiveWei
    payin_address: Address

    def _check_together(self) -> None:
        if self.unique_id.startswith(BATCH_PREFIX):  # upstream must not be able to name a batch's request
            raise self._refuse("unique_id", f"must not begin with {BATCH_PREFIX}")


@dataclass(frozen=True, slots=True)
class PayBatch(Message):
    """The batcher asks for its batch's adopted order to be paid."""

    TYPE: ClassVar[int] = 2

    batch_conversion_id: BatchId
    cn_api_id: OrderId
    from_currency: Ticker
    from_network: Ticker
    amount_wei: PositiveWei
    payin_address: Address


@dataclass(frozen=True, slots=True)
class CheckOrder(Message):
    """The conductor asks the watcher to read the order at the exchange, just before it is paid."""

    TYPE: ClassVar[int] = 3

    unique_id: UniqueId
    cn_api_id: OrderId
    from_currency: Ticker
    from_network: Ticker
    to_currency: Ticker
    to_network: Ticker
    amount_wei: PositiveWei
    payin_address: Address
    payout_address: PayoutAddress


@dataclass(frozen=True, slots=True)
class OrderChecked(Message):
    """What the watcher saw. `exchange_status` is the exchange's word, empty when it did not know the order.

    "not_found" and "unclear" decide nothing: the order is read again.
    """

    TYPE: ClassVar[int] = 4

    unique_id: UniqueId
    cn_api_id: OrderId
    verdict: Annotated[str, one_of("payable", "not_waiting", "mismatch", "not_found", "unclear")]
    exchange_status: StatusWord
    detail: PersonText


@dataclass(frozen=True, slots=True)
class PayOrder(Message):
    """The conductor asks the executor to pay. The executor pays what its own rows say, or freezes."""

    TYPE: ClassVar[int] = 5

    unique_id: UniqueId
    context: Annotated[str, one_of("batch", "instant")]
    cn_api_id: OrderId
    from_currency: Ticker
    from_network: Ticker
    amount_wei: PositiveWei
    payin_address: Address

    def _check_together(self) -> None:
        if self.context == "batch" and _BATCH_UNIQUE_ID.fullmatch(self.unique_id) is None:
            raise self._refuse("unique_id", f"of a batch must be {BATCH_PREFIX}, its UUID and maybe a number")
        if self.context == "instant" and self.unique_id.startswith(BATCH_PREFIX):
            raise self._refuse("unique_id", f"of an instant payout must not begin with {BATCH_PREFIX}")


@dataclass(frozen=True, slots=True)
class DriveAccount(Message):
    """The executor's note to itself: drive this wallet's transfers one step further."""

    TYPE: ClassVar[int] = 6

    account: Address
    chain_id: ChainId


@dataclass(frozen=True, slots=True)
class TransferFinal(Message):
    """The executor's transfer ended, or is held for a person. `tx_hash` is empty when nothing was ever sent."""

    TYPE: ClassVar[int] = 7

    unique_id: UniqueId
    cn_api_id: OrderId
    outcome: Annotated[str, one_of("settled", "reverted", "cancelled", "foreign", "held")]
    tx_hash: TxHashOrNone
    amount_wei: PositiveWei

    def _check_together(self) -> None:
        if self.outcome in {"settled", "reverted"} and not self.tx_hash:
            raise self._refuse("tx_hash", f"must be given for a transfer that {self.outcome}")


@dataclass(frozen=True, slots=True)
class CheckArrival(Message):
    """The conductor's note to itself: ask the exchange again and look for the arrival."""

    TYPE: ClassVar[int] = 8

    unique_id: UniqueId
    cn_api_id: OrderId
    poll: PollNumber


@dataclass(frozen=True, slots=True)
class SwapExecuted(Message):
    """The USDT of a batch was found on chain. The batcher credits the arrival row, never this number."""

    TYPE: ClassVar[int] = 9

    batch_conversion_id: BatchId
    cn_api_id: OrderId
    eth_tx_hash: TxHash
    usdt_tx_hash: TxHash
    usdt_units: PositiveUnits


@dataclass(frozen=True, slots=True)
class SwapFailed(Message):
    """A batch's swap did not end as ordered. `refund_tx_hash` is empty when no ETH was seen coming back."""

    TYPE: ClassVar[int] = 10

    batch_conversion_id: BatchId
    cn_api_id: OrderId
    reason: PersonText
    refund_tx_hash: TxHashOrNone


@dataclass(frozen=True, slots=True)
class GiveUpOrder(Message):
    """The batcher asks that its batch's order, which could not be paid, is never paid: it wants to open another."""

    TYPE: ClassVar[int] = 11

    batch_conversion_id: BatchId
    cn_api_id: OrderId


@dataclass(frozen=True, slots=True)
class VoidTransfer(Message):
    """The conductor asks the executor to make sure that this request's order never gets a nonce."""

    TYPE: ClassVar[int] = 12

    unique_id: UniqueId
    cn_api_id: OrderId


@dataclass(frozen=True, slots=True)
class TransferVoided(Message):
    """The executor's word on a fence: `void` and `repayable` are committed, `not_void` means that the chain decides."""

    TYPE: ClassVar[int] = 13

    unique_id: UniqueId
    cn_api_id: OrderId
    outcome: Annotated[str, one_of("void", "repayable", "not_void")]


@dataclass(frozen=True, slots=True)
class DeliverAlert(Message):
    """The batcher's note to itself: send this alert to the webhook. Each attempt is made by one task only."""

    TYPE: ClassVar[int] = 14

    alert_id: AlertId
    attempt: PollNumber


MESSAGE_TYPES: Final[dict[int, type[Message]]] = {
    kind.TYPE: kind
    for kind in (
        InstantPayout,
        PayBatch,
        CheckOrder,
        OrderChecked,
        PayOrder,
        DriveAccount,
        TransferFinal,
        CheckArrival,
        SwapExecuted,
        SwapFailed,
        GiveUpOrder,
        VoidTransfer,
        TransferVoided,
        DeliverAlert,
    )
}
"""Type byte to class. A byte is never given to another message again."""
