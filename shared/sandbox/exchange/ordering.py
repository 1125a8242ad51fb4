"""Making an order and reading it back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.sandbox.journal import Journal

from . import shapes
from .faults import ORDER
from .market import Market
from .numbers import ether_number, number
from .orders import Order, OrderBook, utc_now
from .parameters import from_amount_wei, require, require_pair, require_type, text_of, to_amount_units, valid_address
from .refusals import ApiRefusal, not_found, not_valid

FIXED_WINDOW_S = 20 * 60
MAX_LISTED = 200
Strikes = Callable[[str, str], Mapping[str, Any] | None]
"""(fault, route) -> its fields when it strikes now."""


@dataclass(frozen=True)
class OrderRoutes:
    """Each takes (partner, what was asked) and gives the JSON of a 200, or raises ApiRefusal."""

    book: OrderBook
    market: Market
    time_scale: int
    strikes: Strikes
    special_fields: Callable[[], bool]
    journal: Journal

    def create(self, partner: str, asked: Mapping[str, Any]) -> Any:
        require(asked, "fromCurrency", "toCurrency", "fromNetwork", "toNetwork")
        flow = require_pair(asked)
        kind = require_type(asked, flow)
        require(asked, "address")
        payout_to, refund_to = text_of(asked, "address"), text_of(asked, "refundAddress")
        if not valid_address(payout_to):
            raise ApiRefusal(400, "not_valid_address", f"Address {payout_to} is not valid")
        if refund_to and not valid_address(refund_to):
            raise ApiRefusal(400, "not_valid_refund_address", f"Address {refund_to} is not valid")
        with self.book.lock:
            terms = self._fixed_terms(asked, kind) if flow == "fixed-rate" else self._standard_terms(asked, payout_to)
            order = Order(
                id=self.book.new_id(),
                partner=partner,
                flow=flow,
                type=kind,
                expected_wei=terms.from_wei,
                expected_units=terms.to_units,
                promised_units=terms.to_units if terms.promised else None,
                overridden=terms.overridden,
                payin_address=self.book.new_payin_address(),
                payout_address=payout_to,
                refund_address=refund_to or None,
                created_at=utc_now(),
                updated_at=utc_now(),
                since=time.monotonic(),
                valid_until=terms.valid_until,
                user_id=text_of(asked, "userId") or None if self.special_fields() else None,
                payload=asked.get("payload") or None if self.special_fields() else None,
            )
            self._pin_faults(order)
            self.book.add(order)
            self.journal.write(
                "order_created", order=order.id, amount_wei=str(terms.from_wei), usdt_units=str(terms.to_units)
            )
            return shapes.created(order)

    def _standard_terms(self, asked: Mapping[str, Any], payout_to: str) -> _Terms:
        wei = from_amount_wei(asked)
        self._refuse_order_out_of_range(wei, "standard")
        override_units = self.market.claim_override(wei, payout_to)
        units = self.market.payout_units(wei) if override_units is None else override_units
        return _Terms(wei, units, promised=override_units is not None, overridden=override_units is not None)

    def _fixed_terms(self, asked: Mapping[str, Any], kind: str) -> _Terms:
        require(asked, "rateId")
        given = from_amount_wei(asked) if kind == "direct" else to_amount_units(asked)
        promised = self.market.redeem(text_of(asked, "rateId"), utc_now())
        if promised is None or given != (promised.from_wei if kind == "direct" else promised.to_units):
            raise ApiRefusal(400, "rate_id_not_found_or_expired", "Rate id was not found or expired")
        self._refuse_order_out_of_range(promised.from_wei, "fixed-rate")
        until = utc_now() + timedelta(seconds=FIXED_WINDOW_S) / self.time_scale
        return _Terms(promised.from_wei, promised.to_units, promised=True, overridden=False, valid_until=until)

    def _refuse_order_out_of_range(self, wei: int, flow: str) -> None:
        limits = self.market.range_of(flow)
        if wei < limits.minimum_wei:
            text = f"Amount is less then minimal: {ether_number(limits.minimum_wei).text} ETH"  # their spelling
            raise ApiRefusal(400, "out_of_range", text)
        if limits.maximum_wei is not None and wei > limits.maximum_wei:
            text = f"Amount is more then maximal: {ether_number(limits.maximum_wei).text} ETH"
            raise ApiRefusal(400, "out_of_range", text)

    def _pin_faults(self, order: Order) -> None:
        """The next order takes the faults that wait for it."""
        for name in ORDER:
            if (fields := self.strikes(name, "create")) is not None:
                order.faults[name] = fields
        if "changed_payout_address" in order.faults:
            order.payout_address = str(order.faults["changed_payout_address"]["address"])

    def by_id(self, partner: str, asked: Mapping[str, Any]) -> Any:
        with self.book.lock:
            order = own_order(self.book, partner, asked)
            hidden_s = order.faults.get("not_found_after_create", {"seconds": 0})["seconds"]
            if (utc_now() - order.created_at).total_seconds() < hidden_s:
                raise not_found()
            if self.strikes("forgotten_order", "by-id") is not None:
                raise not_found()
            shown = shapes.by_id(order, self.book)
            if order.earlier_answer is not None and self.strikes("stale_read", "by-id") is not None:
                return order.earlier_answer
            if order.status == "finished" and self.strikes("null_amount_to", "by-id") is not None:
                shown["amountTo"] = None
            if (word := self.strikes("unknown_status", "by-id")) is not None:
                shown["status"] = str(word["status"])
            if (skew := self.strikes("clock_skew", "by-id")) is not None:
                shown |= shapes.moved_in_time(shown, timedelta(seconds=int(skew["seconds"])))
            return shown

    def list(self, partner: str, asked: Mapping[str, Any]) -> Any:
        limit = min(_whole(asked, "limit", 100), MAX_LISTED)
        newest_first = text_of(asked, "sortDirection", "DESC").upper() == "DESC"
        field = "updated_at" if text_of(asked, "sortField") == "updatedAt" else "created_at"
        with self.book.lock:
            found = [order for order in self.book if order.partner == partner and _matches(order, asked)]
            found.sort(key=lambda order: getattr(order, field), reverse=newest_first)
            page = found[_whole(asked, "offset", 0) :][:limit]
            margin = number(self.market.margin_ppm, 4)
            return {"count": len(page), "exchanges": [shapes.listed(order, margin) for order in page]}


@dataclass(frozen=True)
class _Terms:
    from_wei: int
    to_units: int
    promised: bool
    overridden: bool
    valid_until: datetime | None = None


def own_order(book: OrderBook, partner: str, asked: Mapping[str, Any]) -> Order:
    """The order named by `id`, which must have been made with the same partner's key."""
    require(asked, "id")
    order = book.get(text_of(asked, "id"))
    if order is None:
        raise not_found()
    if order.partner != partner:
        raise ApiRefusal(403, "forbidden", "The transaction was made from another api key")
    return order


def _whole(asked: Mapping[str, Any], name: str, default: int) -> int:
    text = text_of(asked, name, str(default))
    if not text.isdecimal():
        raise not_valid(f"{name} must be a number")
    return int(text)


def _matches(order: Order, asked: Mapping[str, Any]) -> bool:
    payout_to, statuses = text_of(asked, "payoutAddress").lower(), text_of(asked, "statuses")
    moment = order.updated_at if text_of(asked, "dateField") == "updatedAt" else order.created_at
    return (
        text_of(asked, "requestId", order.id) == order.id
        and text_of(asked, "userId", order.user_id or "") == (order.user_id or "")
        and payout_to in ("", order.payout_address.lower())
        and (not statuses or order.status in statuses.split(","))
        and _date(asked, "dateFrom", moment) <= moment <= _date(asked, "dateTo", moment)
    )


def _date(asked: Mapping[str, Any], name: str, default: datetime) -> datetime:
    text = text_of(asked, name)
    if not text:
        return default
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise not_valid(f"{name} is not a date") from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)  # a date without a zone means UTC
