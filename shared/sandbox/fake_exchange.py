"""An exchange in memory (port `shared.exchange.Exchange`): it opens orders, and it can go wrong on command."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.exchange import (
    Created,
    Creation,
    ExchangeStatus,
    Limits,
    NotFound,
    Order,
    OrderRequest,
    OrderSeen,
    Pair,
    Quote,
    QuoteRefused,
    Reading,
    RefusalKind,
    RefusedByExchange,
)
from shared.money import Ether, Price, Tether

_PAYIN = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"


@dataclass(frozen=True)
class OpenedOrder:
    """One order of the fake: what was asked, and what it says of itself."""

    request: OrderRequest
    seen: OrderSeen


class FakeExchange:
    """Quotes `usdt_per_eth`, or `pays` whatever the amount. `orders` are all that were ever opened, in order."""

    def __init__(self, usdt_per_eth: int = 2_425, pays: Tether | None = None) -> None:
        self.price = Price(usdt_per_eth, 0)
        self.pays = pays
        self.limits = Limits(Ether.parse("0.0006"), None)
        self.orders: list[OpenedOrder] = []
        self._scripted: deque[Creation | Callable[[], None]] = deque()
        self._lock = threading.Lock()

    def answer_next(self, answer: Creation) -> None:
        """The next creation gets this answer; an order is opened all the same, as when an answer is lost."""
        self._scripted.append(answer)

    def before_next_answer(self, happens: Callable[[], None]) -> None:
        """Something that happens after the next order is opened and before its answer is given."""
        self._scripted.append(happens)

    def range(self, pair: Pair) -> Limits:
        return self.limits

    def estimate(self, pair: Pair, amount: Ether) -> Quote:
        if amount < self.limits.minimum:
            raise QuoteRefused("estimate", RefusalKind.TOO_SMALL, "deposit_too_small")
        if not self.limits.allow(amount):
            raise QuoteRefused("estimate", RefusalKind.TOO_LARGE, "max_amount_exceeded")
        expected = self._expected(amount)
        return Quote(pair, amount, expected, expected.short_text(), None)

    def quote_price(self, pair: Pair, probe: Ether) -> Price:
        expected = self.estimate(pair, probe).expected
        return Price(expected.units * 10**Ether.DECIMALS // probe.wei, Tether.DECIMALS)

    def create(self, request: OrderRequest) -> Creation:
        if not self.limits.allow(request.amount):
            return RefusedByExchange(RefusalKind.OUT_OF_RANGE, "out_of_range")
        with self._lock:
            number = len(self.orders) + 1
            order = Order(f"fake{number:010d}", _PAYIN, request.amount, self._expected(request.amount).short_text())
            self.orders.append(OpenedOrder(request, _seen(order, request)))
            scripted = self._scripted.popleft() if self._scripted else None
        if callable(scripted):
            scripted()
            return Created(order)
        return Created(order) if scripted is None else scripted

    def read(self, cn_api_id: str) -> Reading:
        for opened in self.orders:
            if opened.seen.cn_api_id == cn_api_id:
                return opened.seen
        return NotFound()

    def show(self, cn_api_id: str, seen: Callable[[OrderSeen], OrderSeen]) -> None:
        """Changes what an order says of itself."""
        self.orders = [
            replace(opened, seen=seen(opened.seen)) if opened.seen.cn_api_id == cn_api_id else opened
            for opened in self.orders
        ]

    def _expected(self, amount: Ether) -> Tether:
        return self.pays if self.pays is not None else Tether(self.price.value(amount).micros)


def _seen(order: Order, request: OrderRequest) -> OrderSeen:
    return OrderSeen(
        cn_api_id=order.cn_api_id,
        status="waiting",
        known=ExchangeStatus.WAITING,
        from_currency=request.pair.from_currency,
        from_network=request.pair.from_network,
        to_currency=request.pair.to_currency,
        to_network=request.pair.to_network,
        payin_address=order.payin_address,
        payin_extra_id=None,
        payout_address=request.payout_address.lower(),
        refund_address=request.refund_address,
        expected_from=request.amount,
        expected_to_text=order.expected_to_text,
        amount_from=None,
        amount_to_text=None,
        amount_to=None,
        payin_hash=None,
        payout_hash=None,
        refund_hash=None,
        refund_amount_text=None,
        updated_at_text=None,
    )
