"""Orders as the exchange shows them: which field is null when, which is lower-cased, which has no `Z`."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from .numbers import ORDER_DECIMALS, Number, ether_number, parse_amount, tether_number
from .orders import Order, OrderBook

_TIMES = ("createdAt", "updatedAt", "validUntil", "depositReceivedAt")
LEGACY_TICKER = {"eth": "eth", "usdt": "usdterc20"}


def timestamp(moment: datetime | None, suffix: str = "Z") -> str | None:
    """ISO 8601 with milliseconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}{suffix}" if moment else None


def moved_in_time(shown: dict[str, Any], by: timedelta) -> dict[str, Any]:
    """The times of an answer as a clock that is wrong by so much shows them."""
    return {name: timestamp(datetime.fromisoformat(shown[name]) + by) for name in _TIMES if shown.get(name)}


def created(order: Order) -> dict[str, Any]:
    """The answer of POST /exchange: no `status`."""
    assert order.expected_units is not None
    return {
        "id": order.id,
        "fromAmount": _expected_from(order),
        "toAmount": tether_number(order.expected_units),
        "flow": order.flow,
        "type": order.type,
        "payinAddress": _payin_address(order),
        "payoutAddress": order.payout_address,
        "fromCurrency": "eth",
        "fromNetwork": "eth",
        "toCurrency": "usdt",
        "toNetwork": "eth",
        "refundAddress": order.refund_address or "",
        "refundExtraId": "",
        "payinExtraId": "",
        "payoutExtraId": "",
        "validUntil": timestamp(order.valid_until),
    }


def by_id(order: Order, book: OrderBook) -> dict[str, Any]:
    """The answer of GET /exchange/by-id."""
    finished, refunded = order.status == "finished", order.status == "refunded"
    return {
        "id": order.id,
        "status": order.status,
        "actionsAvailable": order.actions_available,
        "fromCurrency": order.from_currency,
        "fromNetwork": "eth",
        "toCurrency": "usdt",
        "toNetwork": "eth",
        "expectedAmountFrom": _expected_from(order),
        "expectedAmountTo": tether_number(order.expected_units) if order.expected_units is not None else None,
        "amountFrom": _amount_from(order),
        "amountTo": tether_number(order.told_payout_units or 0) if finished else None,
        "payinAddress": _payin_address(order),
        "payoutAddress": order.payout_address.lower(),
        "payinExtraId": None,
        "payoutExtraId": None,
        "refundAddress": order.refund_address,
        "refundExtraId": None,
        "createdAt": timestamp(order.created_at),
        "updatedAt": timestamp(order.updated_at),
        "validUntil": timestamp(order.valid_until),
        "depositReceivedAt": timestamp(order.deposit_received_at),
        "payinHash": order.deposit.tx_hash if order.deposit else None,
        "payoutHash": order.payout_hash if finished else None,
        "fromLegacyTicker": LEGACY_TICKER[order.from_currency],
        "toLegacyTicker": "usdterc20",
        "refundHash": order.refund_hash if refunded else None,
        "refundAmount": ether_number(order.refund_wei or 0) if refunded else None,
        "userId": order.user_id,
        "relatedExchangesInfo": [_child(book, child) for child in order.related],
        "repeatedExchangesInfo": [_child(book, child) for child in order.repeated],
        "originalExchangeInfo": _child(book, order.parent) if order.parent else None,
    }


def listed(order: Order, margin_percent: Number) -> dict[str, Any]:
    """One row of GET /exchanges: other names, no `Z`."""
    finished, refunded = order.status == "finished", order.status == "refunded"
    return {
        "createdAt": timestamp(order.created_at, ""),
        "updatedAt": timestamp(order.updated_at, ""),
        "exchangeId": order.id.ljust(32, "0"),
        "requestId": order.id,
        "status": order.status,
        "validUntil": timestamp(order.valid_until, ""),
        "flow": order.flow,
        "payin": {
            "currency": order.from_currency,
            "network": "eth",
            "address": _payin_address(order),
            "extraId": None,
            "amount": _amount_from(order),
            "expectedAmount": _expected_from(order),
            "hash": order.deposit.tx_hash if order.deposit else None,
        },
        "payout": {
            "currency": "usdt",
            "network": "eth",
            "address": order.payout_address.lower(),
            "extraId": None,
            "amount": tether_number(order.told_payout_units or 0) if finished else None,
            "expectedAmount": tether_number(order.expected_units) if order.expected_units is not None else None,
            "hash": order.payout_hash if finished else None,
        },
        "refund": {
            "currency": order.from_currency if refunded else None,
            "address": order.refund_address if refunded else None,
            "extra_id": None,
            "hash": order.refund_hash if refunded else None,
        },
        "partnerInfo": {
            "commission": {"currency": "eth", "amount": Number("0"), "percent": margin_percent},
            "userId": order.user_id,
            "payload": order.payload or [],
        },
    }


def _expected_from(order: Order) -> Number | None:
    if "wrong_amount" in order.faults:
        return ether_number(parse_amount(str(order.faults["wrong_amount"]["amount"]), 18, ORDER_DECIMALS))
    return ether_number(order.expected_wei) if order.expected_wei is not None else None


def _payin_address(order: Order) -> str:
    return str(order.faults.get("malformed_payin_address", {"address": order.payin_address})["address"])


def _amount_from(order: Order) -> Number | None:
    if order.deposit is None:
        return None
    return tether_number(order.deposit.amount) if order.from_currency == "usdt" else ether_number(order.deposit.amount)


def _child(book: OrderBook, order_id: str) -> dict[str, Any]:
    order = book.get(order_id)
    assert order is not None
    return {
        "id": order.id,
        "status": order.status,
        "createdAt": timestamp(order.created_at, ""),  # without `Z`, as documented
        "amountFrom": _amount_from(order),
        "amountTo": tether_number(order.told_payout_units or 0) if order.status == "finished" else None,
        "fromCurrency": order.from_currency,
        "fromNetwork": "eth",
    }
