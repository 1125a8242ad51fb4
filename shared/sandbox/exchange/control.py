"""The simulator's own interface below `/_sim`: what a person or a test may see and turn.

- `GET /_sim/orders`        every order as it really is (amounts in base units, as text)
- `GET|POST|DELETE /_sim/faults`  see `faults`; `{"name": "stuck_verifying", "id": "<order>"}` for an order that exists
- `POST /_sim/price`        `{"usd_per_eth": "2600"}`: quotes, payouts and the price feed
- `POST /_sim/feed`         `{"refresh": false}`: let the feed grow stale, or go on
- `POST /_sim/permissions`  `{"range": false, ...}`: what the API keys may do
- `GET /_sim/health`
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.sandbox.fault_board import FaultBoard
from shared.sandbox.faulty_http import Asked, Told, answer_fault_route, told_json

from . import shapes
from .faults import ORDER
from .feed import FeedWriter
from .market import Market
from .numbers import AmountRefused, parse_amount, read_json
from .orders import Order, OrderBook
from .partners import PERMISSIONS, Partners

PREFIX = "/_sim"


@dataclass(frozen=True)
class Control:
    """Answers everything below `/_sim`; no key is asked for, it listens on loopback."""

    book: OrderBook
    market: Market
    board: FaultBoard
    partners: Partners
    feed: FeedWriter | None

    def answer(self, asked: Asked) -> Told:
        """One request."""
        what = asked.path.removeprefix(PREFIX)
        try:
            body = read_json(asked.body) if asked.body.strip() else {}
        except ValueError:
            return told_json({"error": "the body is not JSON"}, 400)
        if not isinstance(body, dict):
            return told_json({"error": "the body is not a JSON object"}, 400)
        match asked.method, what:
            case "GET", "/health":
                return told_json({"status": "healthy"})
            case "GET", "/orders":
                with self.book.lock:
                    return told_json({"orders": [_shown(order) for order in self.book]})
            case "POST", "/faults" if body.get("id"):
                return self._pin_on_order(body)
            case _, "/faults":
                return answer_fault_route(self.board, asked)
            case "POST", "/price":
                return self._set_price(str(body.get("usd_per_eth", "")))
            case "POST", "/feed" if self.feed is not None and isinstance(body.get("refresh"), bool):
                self.feed.refreshing = body["refresh"]
                return told_json({"refresh": self.feed.refreshing})
            case "POST", "/permissions" if set(body) <= PERMISSIONS:
                for name, allowed in body.items():
                    (self.partners.permissions.add if allowed else self.partners.permissions.discard)(name)
                return told_json({name: name in self.partners.permissions for name in sorted(PERMISSIONS)})
        return told_json({"error": f"no control {asked.method} {asked.path} with this body"}, 404)

    def _pin_on_order(self, body: Mapping[str, Any]) -> Told:
        name = str(body.get("name"))
        with self.book.lock:
            order = self.book.get(str(body["id"]))
            if order is None or name not in ORDER:
                return told_json({"error": f"no order {body['id']}, or {name} is no fault of an order"}, 400)
            own = ORDER[name] | {key: value for key, value in body.items() if key in ORDER[name]}
            order.faults[name] = {key: _plain(value) for key, value in own.items()}
            return told_json({"name": name, "id": order.id})

    def _set_price(self, usd_per_eth: str) -> Told:
        try:
            micros = parse_amount(usd_per_eth, 6)
        except AmountRefused:
            return told_json({"error": "usd_per_eth is a plain decimal in quotes"}, 400)
        with self.book.lock:
            self.market.price_micros = micros
        if self.feed is not None:
            self.feed.write(micros)
        return told_json({"usd_per_eth": usd_per_eth})


def _plain(value: Any) -> Any:
    """A number that was kept as text, as a number again: fault fields are counts and seconds, not money."""
    text = getattr(value, "text", None)
    if text is None:
        return value
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _shown(order: Order) -> dict[str, Any]:
    def text(amount: int | None) -> str | None:
        return None if amount is None else str(amount)

    return {
        "id": order.id,
        "status": order.status,
        "flow": order.flow,
        "expected_wei": text(order.expected_wei),
        "expected_usdt_units": text(order.expected_units),
        "received": text(order.amount_wei),
        "received_currency": order.from_currency,
        "told_usdt_units": text(order.told_payout_units),
        "paid_usdt_units": text(order.paid_units),
        "payin_address": order.payin_address,
        "payout_address": order.payout_address,
        "refund_address": order.refund_address,
        "payin_hash": order.deposit.tx_hash if order.deposit else None,
        "payout_hash": order.payout_hash,
        "refund_hash": order.refund_hash,
        "refund_wei": text(order.refund_wei),
        "overridden": order.overridden,
        "actions_available": order.actions_available,
        "parent": order.parent,
        "faults": sorted(order.faults),
        "created_at": shapes.timestamp(order.created_at),
        "updated_at": shapes.timestamp(order.updated_at),
    }
