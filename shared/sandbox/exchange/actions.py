"""What can still be done with a failed order: exchange it after all, or send the money back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .market import Market
from .numbers import ether_number, tether_number
from .ordering import own_order
from .orders import Order, OrderBook
from .parameters import require, text_of
from .progress import Progress
from .refusals import ApiRefusal


@dataclass(frozen=True)
class ActionRoutes:
    """Each takes (partner, what was asked) and gives the JSON of a 200, or raises ApiRefusal."""

    book: OrderBook
    market: Market
    progress: Progress

    def actions(self, partner: str, asked: Mapping[str, Any]) -> Any:
        with self.book.lock:
            order = own_order(self.book, partner, asked)
            if not order.actions_available or order.deposit is None:
                return {"error": None, "continue": {"available": False}, "refund": {"available": False}}
            estimate = tether_number(self.market.payout_units(order.deposit.amount)).text
            address = {"address": order.refund_address, "extraId": None} if order.refund_address else None
            return {
                "error": None,
                "continue": {"available": True, "currentEstimate": estimate},  # amounts are strings here
                "refund": {
                    "available": True,
                    "amount": ether_number(order.deposit.amount).text,
                    "address": address,
                    "additionalAddressList": [order.deposit.sender],
                },
            }

    def resume(self, partner: str, asked: Mapping[str, Any]) -> Any:
        with self.book.lock:
            order = self._actionable(partner, asked, "Continue")
            self.progress.resume(order)
            estimate = tether_number(self.market.payout_units(order.amount_wei or 0))
            return {
                "result": {
                    "result": True,
                    "data": {"estimate": {"amount": estimate, "currency": "usdt", "network": "eth"}},
                }
            }

    def refund(self, partner: str, asked: Mapping[str, Any]) -> Any:
        require(asked, "address")
        with self.book.lock:
            order = self._actionable(partner, asked, "Refund")
            allowed = {(order.refund_address or "").lower(), order.deposit.sender.lower() if order.deposit else ""}
            if text_of(asked, "address").lower() not in allowed:
                raise ApiRefusal(400, "not_valid_refund_address", "Refund address is not allowed for this exchange")
            self.progress.begin_refund(order, text_of(asked, "address"))
            return {"result": True}

    def _actionable(self, partner: str, asked: Mapping[str, Any], action: str) -> Order:
        order = own_order(self.book, partner, asked)
        if not order.actions_available:
            raise ApiRefusal(400, "not_available", f"{action} not available for exchange {order.id}")
        return order
