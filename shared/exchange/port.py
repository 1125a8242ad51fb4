"""What the fleet asks of an exchange, in its own words: the port `Exchange` and the values it speaks in.

An order costs nothing until it is paid, so an unclear answer is harmless as long as nobody pays it: an order is adopted
from an answer that we hold and that agrees with the request, or not at all. Statuses are hints; facts are on chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from shared.money import Ether, Price, Tether


@dataclass(frozen=True, slots=True)
class Pair:
    """What is swapped into what; tickers and networks in lower case. A token's network is its chain."""

    from_currency: str
    from_network: str
    to_currency: str
    to_network: str


ETH_TO_USDT: Final = Pair("eth", "eth", "usdt", "eth")


@dataclass(frozen=True, slots=True)
class Limits:
    """Between what amounts the exchange takes an order now; `maximum` None means no ceiling."""

    minimum: Ether
    maximum: Ether | None

    def allow(self, amount: Ether) -> bool:
        return self.minimum <= amount and (self.maximum is None or amount <= self.maximum)


@dataclass(frozen=True, slots=True)
class Quote:
    """What an amount would bring if it were swapped now, network fees already taken off. Binds nobody."""

    pair: Pair
    amount: Ether
    expected: Tether
    expected_text: str
    warning: str | None


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """An order to be opened in the standard flow. `refund_address` is where an unusable deposit comes back."""

    pair: Pair
    amount: Ether
    payout_address: str
    refund_address: str


@dataclass(frozen=True, slots=True)
class Order:
    """An opened order, checked against its request. `expected_to_text` is the exchange's forecast, as it wrote it."""

    cn_api_id: str
    payin_address: str
    amount: Ether
    expected_to_text: str | None


@dataclass(frozen=True, slots=True)
class Created:
    """The exchange opened the order and its answer agrees with the request field by field."""

    order: Order


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One field in which the exchange's answer contradicts the request."""

    field: str
    asked: str
    answered: str


@dataclass(frozen=True, slots=True)
class OrderMismatch:
    """The exchange opened an order, but not the one asked for. Never pay it; `cn_api_id` is for its support."""

    cn_api_id: str | None
    mismatches: tuple[Mismatch, ...]

    @property
    def reason(self) -> str:
        return "; ".join(f"{m.field}: asked {m.asked}, answered {m.answered}" for m in self.mismatches)


class RefusalKind(StrEnum):
    """Why the exchange said no. Nothing was opened."""

    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    OUT_OF_RANGE = "out_of_range"
    PAIR_INACTIVE = "pair_inactive"
    BAD_PAYOUT_ADDRESS = "bad_payout_address"
    BAD_REFUND_ADDRESS = "bad_refund_address"
    KEY_REFUSED = "key_refused"
    RATE_LIMITED = "rate_limited"
    BAD_REQUEST = "bad_request"

    @property
    def may_pass(self) -> bool:
        """Can the same request succeed later? (An inactive pair flaps; limits move; a rate limit ends.)"""
        return self not in (
            RefusalKind.BAD_PAYOUT_ADDRESS,
            RefusalKind.BAD_REFUND_ADDRESS,
            RefusalKind.KEY_REFUSED,
            RefusalKind.BAD_REQUEST,
        )


@dataclass(frozen=True, slots=True)
class RefusedByExchange:
    """The exchange refused. `message` is its own text, bounded, for people only; branch on `kind`."""

    kind: RefusalKind
    message: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """No clear answer to a creation. If `maybe_created`, an order may exist; nobody ever pays that one."""

    reason: str
    maybe_created: bool


Creation = Created | OrderMismatch | RefusedByExchange | Unclear


class ExchangeStatus(StrEnum):
    """The statuses ChangeNOW is known to use."""

    NEW = "new"
    WAITING = "waiting"
    CONFIRMING = "confirming"
    EXCHANGING = "exchanging"
    SENDING = "sending"
    FINISHED = "finished"
    FAILED = "failed"
    REFUNDED = "refunded"
    VERIFYING = "verifying"
    EXPIRED = "expired"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """An order as the exchange shows it now. None means "not told", never zero and never "no longer".

    `status` is the exchange's word, `known` its meaning (None for a word nobody has seen yet: keep polling).
    Texts are as the exchange wrote them; the typed amounts beside them are None for other assets too. `children` are
    the orders that further deposits to the same address made; this order stays as it was.
    """

    cn_api_id: str
    status: str
    known: ExchangeStatus | None
    from_currency: str | None
    from_network: str | None
    to_currency: str | None
    to_network: str | None
    payin_address: str | None
    payin_extra_id: str | None
    payout_address: str | None
    refund_address: str | None
    expected_from: Ether | None
    expected_to_text: str | None
    amount_from: Ether | None
    amount_to_text: str | None
    amount_to: Tether | None
    payin_hash: str | None
    payout_hash: str | None
    refund_hash: str | None
    refund_amount_text: str | None
    updated_at_text: str | None
    children: tuple[str, ...] = ()
    raw: dict[str, object] = field(repr=False, compare=False, default_factory=dict)

    @property
    def is_payable(self) -> bool:
        """Does the exchange still wait for the deposit?"""
        return self.known in (ExchangeStatus.NEW, ExchangeStatus.WAITING)


@dataclass(frozen=True, slots=True)
class NotFound:
    """The exchange says it has no such order. After creation, and with another key, that is no proof of absence."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The order could not be read. `retry`: may looking again later help without a person?"""

    reason: str
    retry: bool


Reading = OrderSeen | NotFound | Unreadable


class Exchange(Protocol):
    """One exchange account. Only `create` changes anything, and it is never repeated by this room."""

    def range(self, pair: Pair) -> Limits:
        """The amounts taken now. Raises ExchangeUnreadable or QuoteRefused (both TryLater)."""

    def estimate(self, pair: Pair, amount: Ether) -> Quote:
        """What the amount would bring now. Raises ExchangeUnreadable or QuoteRefused (both TryLater)."""

    def quote_price(self, pair: Pair, probe: Ether) -> Price:
        """USDT per ETH that an estimate for the probe amount implies, fees included, rounded down."""

    def create(self, request: OrderRequest) -> Creation:
        """Ask once for an order. Every call may open another order, even for the same request. Never raises."""

    def read(self, cn_api_id: str) -> Reading:
        """The order as it is now. Never raises; repeats itself within a few seconds."""
