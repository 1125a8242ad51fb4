"""An exchange behind the port `Exchange`: it opens orders, sees deposits on the model chain and really pays there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from shared.chain.address import is_address, keccak, to_checksum
from shared.exchange import (
    Created,
    Creation,
    ExchangeStatus,
    ExchangeUnreadable,
    Limits,
    Mismatch,
    NotFound,
    Order,
    OrderMismatch,
    OrderRequest,
    OrderSeen,
    Pair,
    Quote,
    QuoteRefused,
    Reading,
    RefusalKind,
    RefusedByExchange,
    Unclear,
    Unreadable,
)
from shared.money import Ether, Price, Tether
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.order_plans import Fate, Plan
from shared.sandbox.simulator.profile import Faults

USDT_PER_ETH: Final = 2_500
_MINIMUM: Final = Ether.parse("0.0006")
_DEPOSIT_FEE: Final = Ether.parse("0.00011")
_PAYOUT_FEE: Final = Tether.parse("0.74")
_MARGIN_PPM: Final = 5_000
_STRANGE_WORDS: Final = ("queued", "partially_finished", "EXCHANGING", "aml-check")
_REFUSALS: Final = (
    RefusalKind.PAIR_INACTIVE,
    RefusalKind.OUT_OF_RANGE,
    RefusalKind.RATE_LIMITED,
    RefusalKind.TOO_SMALL,
)


class Lost(StrEnum):
    """How an answer to a creation is lost."""

    NO_CONNECTION = "no connection"
    BEFORE_IT_IS_OPENED = "before it is opened"
    AFTER_IT_IS_OPENED = "after it is opened"


_LOST: Final = ((Lost.NO_CONNECTION, 3), (Lost.BEFORE_IT_IS_OPENED, 4), (Lost.AFTER_IT_IS_OPENED, 3))


class Around(Protocol):
    """What the world does around an outside call."""

    @property
    def now(self) -> datetime: ...
    def calls(self, where: str) -> None:
        """Before the call: the handler may end or stand still here."""

    def called(self, where: str) -> None:
        """After it: the other side has acted, the handler may never learn of it."""


class RefusingAddress(Protocol):
    """Tells the chain of an address that takes no ETH."""

    def __call__(self, address: str, *, surprising: bool) -> None: ...


def _nowhere(address: str, *, surprising: bool) -> None:
    """No chain is told."""


@dataclass
class ModelOrder:
    """An order as the exchange knows it. `views` are what it showed before, for answers that lag."""

    number: int
    cn_api_id: str
    payin_address: str
    request: OrderRequest
    expected: Tether
    opened_at: datetime
    plan: Plan
    status: ExchangeStatus = ExchangeStatus.WAITING
    deposit_hash: str | None = None
    deposit: Ether | None = None
    payout_hash: str | None = None
    owns_payout: bool = True
    payout_shown: bool = False
    paid_out: Tether | None = None
    refund_hash: str | None = None
    refunded: Ether | None = None
    done: bool = False  # nothing more will happen to it
    views: list[OrderSeen] = field(default_factory=list)

    def seen(self) -> OrderSeen:
        """The order as it is shown now."""
        shown = self.payout_shown
        return OrderSeen(
            cn_api_id=self.cn_api_id,
            status=self.status.value,
            known=self.status,
            from_currency=self.request.pair.from_currency,
            from_network=self.request.pair.from_network,
            to_currency=self.request.pair.to_currency,
            to_network=self.request.pair.to_network,
            payin_address=self.payin_address,
            payin_extra_id=None,
            payout_address=self.request.payout_address.lower(),
            refund_address=self.request.refund_address,
            expected_from=self.request.amount,
            expected_to_text=self.expected.short_text(),
            amount_from=self.deposit,
            amount_to_text=self.paid_out.short_text() if shown and self.paid_out is not None else None,
            amount_to=self.paid_out if shown else None,
            payin_hash=self.deposit_hash,
            payout_hash=self.payout_hash if shown else None,
            refund_hash=self.refund_hash,
            refund_amount_text=None if self.refunded is None else self.refunded.short_text(),
            updated_at_text=None,
        )


class ModelExchange:
    """The port, and its faults. What happens to an order after it is opened is `progress.Progress`'s."""

    def __init__(
        self, faults: Faults, dice: Dice, around: Around, told: Callable[[str], None], *, label: str = ""
    ) -> None:
        self._faults = faults
        self._dice = dice
        self._around = around
        self._told = told
        self._label = label
        self.refusing_address: RefusingAddress = _nowhere
        self.orders: dict[str, ModelOrder] = {}
        self.fates: deque[Fate] = deque()  # of the next orders, for a script; chance decides when it is empty
        self.lost_answers: deque[Lost] = deque()  # to the next creations, for a script

    # --- the port -----------------------------------------------------------------------------------------------------

    def range(self, pair: Pair) -> Limits:
        self._ask("its range")
        return Limits(_MINIMUM, None)

    def estimate(self, pair: Pair, amount: Ether) -> Quote:
        self._ask("a quote")
        if amount < _MINIMUM:
            raise QuoteRefused("a quote", RefusalKind.TOO_SMALL, "below the minimum of the model exchange")
        expected = self._expected(amount)
        return Quote(pair, amount, expected, expected.short_text(), None)

    def quote_price(self, pair: Pair, probe: Ether) -> Price:
        self._ask("a quote")
        return Price(self._expected(probe).units * 10**Ether.DECIMALS // probe.wei, Tether.DECIMALS)

    def create(self, request: OrderRequest) -> Creation:
        self._around.calls("the exchange for an order")
        answer = self._create(request)
        self._around.called("the exchange for an order")
        return answer

    def read(self, cn_api_id: str) -> Reading:
        self._around.calls(f"the exchange for order {cn_api_id}")
        return self._read(cn_api_id)

    # --- what others do here ------------------------------------------------------------------------------------------

    def open(self, request: OrderRequest) -> ModelOrder:
        """Opens an order, whoever asked; from here on it lives by its plan."""
        number = len(self.orders) + 1
        digest = keccak(f"order {number} of {self._label}".encode())
        order = ModelOrder(
            number=number,
            cn_api_id=digest[:7].hex(),
            payin_address=to_checksum("0x" + digest[-20:].hex()),
            request=request,
            expected=self._expected(request.amount),
            opened_at=self._around.now,
            plan=self._plan(),
        )
        self.orders[order.cn_api_id] = order
        if self._dice.happens(self._faults.now.deposits_refused):
            self._told(f"the address of order {order.cn_api_id} takes no ETH")
            self.refusing_address(order.payin_address.lower(), surprising=self._dice.happens(500))
        self._told(f"the exchange opens order {order.cn_api_id} over {request.amount} for {order.payin_address}")
        return order

    # --- inside -------------------------------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        drawn = Plan.drawn(self._dice, self._faults.now.orders_unusual)
        return replace(drawn, fate=self.fates.popleft()) if self.fates else drawn

    def _create(self, request: OrderRequest) -> Creation:
        if request.amount < _MINIMUM:
            return RefusedByExchange(RefusalKind.OUT_OF_RANGE, "below the minimum of the model exchange")
        if not is_address(request.payout_address):
            return RefusedByExchange(RefusalKind.BAD_PAYOUT_ADDRESS, "no address")
        if not is_address(request.refund_address):
            return RefusedByExchange(RefusalKind.BAD_REFUND_ADDRESS, "no address")
        if self._dice.happens(self._faults.now.creations_refused):
            kind = self._dice.pick(_REFUSALS)
            self._told(f"the exchange refuses an order: {kind}")
            return RefusedByExchange(kind, "refused by the model exchange")
        if self.lost_answers:
            return self._lose_answer(request, self.lost_answers.popleft())
        if self._dice.happens(self._faults.now.creations_unclear):
            return self._lose_answer(request, self._dice.weighted(_LOST))
        order = self.open(request)
        if self._dice.happens(self._faults.now.creations_wrong):
            self._told(f"and answers another amount for order {order.cn_api_id}")
            answered = (request.amount + request.amount).short_text()
            return OrderMismatch(order.cn_api_id, (Mismatch("fromAmount", request.amount.short_text(), answered),))
        return Created(Order(order.cn_api_id, order.payin_address, request.amount, order.expected.short_text()))

    def _lose_answer(self, request: OrderRequest, how: Lost) -> Unclear:
        match how:
            case Lost.NO_CONNECTION:
                self._told("no connection to the exchange")
                return Unclear("no connection", maybe_created=False)
            case Lost.BEFORE_IT_IS_OPENED:
                self._told("the exchange is asked for an order, opens none and does not answer")
            case Lost.AFTER_IT_IS_OPENED:
                order = self.open(request)
                self._told(f"and its answer about order {order.cn_api_id} is lost")
        return Unclear("the answer was lost", maybe_created=True)

    def _read(self, cn_api_id: str) -> Reading:
        order = self.orders.get(cn_api_id)
        shown_from = None if order is None else order.opened_at + timedelta(seconds=order.plan.shown_after_s)
        if order is None or (shown_from is not None and self._around.now < shown_from):
            return NotFound()
        seen = order.seen()
        if not order.views or order.views[-1] != seen:
            order.views.append(seen)
        return self._spoilt(order, seen)

    def _spoilt(self, order: ModelOrder, seen: OrderSeen) -> Reading:
        faults, dice = self._faults.now, self._dice
        if dice.happens(faults.reads_missing):
            return NotFound()
        if dice.happens(faults.reads_unreadable):
            return Unreadable("no answer", retry=True)
        if dice.happens(faults.reads_stale):
            seen = dice.pick(order.views)
        if dice.happens(faults.reads_thin):
            seen = replace(
                seen, payout_hash=None, payin_hash=None, refund_hash=None, amount_to=None, expected_from=None
            )
        if dice.happens(faults.reads_strange):
            seen = replace(seen, status=dice.pick(_STRANGE_WORDS), known=None)
        return seen

    def _ask(self, what: str) -> None:
        self._around.calls(f"the exchange for {what}")
        if self._dice.happens(self._faults.now.quotes_missing):
            if self._dice.happens(500):
                raise QuoteRefused(what, self._dice.pick(_REFUSALS[:3]), "refused by the model exchange")
            raise ExchangeUnreadable(what, "no answer")

    def _expected(self, amount: Ether) -> Tether:
        rest = amount - _DEPOSIT_FEE
        gross_units = max(rest.wei, 0) * USDT_PER_ETH // 10 ** (Ether.DECIMALS - Tether.DECIMALS)
        units = gross_units * (1_000_000 - _MARGIN_PPM) // 1_000_000 - _PAYOUT_FEE.units
        return Tether(max(units, 0))


def order_paid_by(orders: dict[str, ModelOrder], to: str) -> ModelOrder | None:
    """The order whose deposit address this is."""
    return next((order for order in orders.values() if order.payin_address.lower() == to.lower()), None)
