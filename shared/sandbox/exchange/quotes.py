"""What can be exchanged, and for how much: currencies, pairs, limits, estimates. Nothing here makes an order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import shapes
from .market import Market
from .numbers import Number, ether_number, tether_number
from .orders import OrderBook, utc_now
from .parameters import from_amount_wei, require, require_pair, require_type, text_of, to_amount_units, valid_address
from .refusals import ApiRefusal, not_valid


@dataclass(frozen=True)
class QuoteRoutes:
    """Each takes (partner, what was asked) and gives the JSON of a 200, or raises ApiRefusal."""

    book: OrderBook
    market: Market
    usdt_address: str
    time_scale: int

    def currencies(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        rows = [
            _currency("eth", "Ethereum", "eth", None),
            _currency("usdt", "Tether (ERC20)", "eth", self.usdt_address.lower()),
            _currency("btc", "Bitcoin", "btc", None) | {"buy": False, "sell": False},
        ]
        wanted = [side for side in ("buy", "sell") if text_of(asked, side) == "true"]
        return [row for row in rows if all(row[side] for side in wanted)]

    def available_pairs(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        pair = {"fromCurrency": "eth", "fromNetwork": "eth", "toCurrency": "usdt", "toNetwork": "eth"}
        fits = all(text_of(asked, name, value).lower() == value for name, value in pair.items())
        return [pair | {"flow": {"standard": True, "fixed-rate": True}}] if fits else []

    def min_amount(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        flow = require_pair(asked)
        return _pair(flow) | {"minAmount": ether_number(self.market.range_of(flow).minimum_wei)}

    def range(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        flow = require_pair(asked)
        return _pair(flow) | self._range_numbers(flow)

    def _range_numbers(self, flow: str) -> dict[str, Number | None]:
        limits = self.market.range_of(flow)
        ceiling = ether_number(limits.maximum_wei) if limits.maximum_wei is not None else None
        return {"minAmount": ether_number(limits.minimum_wei), "maxAmount": ceiling}

    # --- quotes -----------------------------------------------------------------------------------------------------

    def estimated_amount(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        flow = require_pair(asked)
        kind = require_type(asked, flow)
        with self.book.lock:
            if kind == "direct":
                wei = from_amount_wei(asked)
                units = self.market.quote_units(wei, flow)
            else:
                units = to_amount_units(asked)
                wei = self.market.cost_wei(units, flow)
            self._refuse_estimate_out_of_range(wei, flow)
            rate_id, use_by = None, None
            if flow == "fixed-rate":
                rate_id, promised = self.market.promise(wei, units, utc_now(), self.time_scale)
                use_by = promised.use_by
        return _pair(flow) | {
            "type": kind,
            "rateId": rate_id,
            "validUntil": shapes.timestamp(use_by),
            "transactionSpeedForecast": "10-60" if flow == "standard" else None,
            "warningMessage": None,
            "depositFee": ether_number(self.market.deposit_fee_wei),
            "withdrawalFee": tether_number(self.market.withdrawal_fee_units),
            "userId": None,
            "fromAmount": ether_number(wei),
            "toAmount": tether_number(units),
        }

    def _refuse_estimate_out_of_range(self, wei: int, flow: str) -> None:
        limits = self.market.range_of(flow)
        payload = {"range": self._range_numbers(flow)}
        if wei < limits.minimum_wei:
            raise ApiRefusal(400, "deposit_too_small", "Out of min amount", payload)
        if limits.maximum_wei is not None and wei > limits.maximum_wei:
            raise ApiRefusal(400, "max_amount_exceeded", "Out of max amount", payload)

    def network_fee(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        require_pair(asked)
        deposit, withdrawal = self.market.deposit_fee_wei, self.market.withdrawal_fee_units
        eth = {"currency": "eth", "network": "eth", "amount": ether_number(deposit)}
        usdt = {"currency": "usdt", "network": "eth", "amount": tether_number(withdrawal)}
        deposit_usd = deposit * self.market.price_micros // 10**18
        return {
            "estimatedFee": {
                "deposit": eth,
                "withdrawal": usdt,
                "totals": {"from": eth, "to": usdt},
                "converted": {
                    "currency": "usd",
                    "network": "usd",
                    "deposit": tether_number(deposit_usd),
                    "withdrawal": tether_number(withdrawal),
                    "total": tether_number(deposit_usd + withdrawal),
                },
            }
        }

    def validate(self, _partner: str, asked: Mapping[str, Any]) -> Any:
        require(asked, "currency", "address")
        if text_of(asked, "currency").lower() != "eth":
            raise not_valid(f"Currency {text_of(asked, 'currency')} is not supported")
        fits = valid_address(text_of(asked, "address"))
        return {"result": fits, "message": None if fits else "Invalid address", "isActivated": None}


def _pair(flow: str) -> dict[str, Any]:
    return {"fromCurrency": "eth", "fromNetwork": "eth", "toCurrency": "usdt", "toNetwork": "eth", "flow": flow}


def _currency(ticker: str, name: str, network: str, contract: str | None) -> dict[str, Any]:
    legacy = shapes.LEGACY_TICKER.get(ticker, ticker)
    return {
        "ticker": ticker,
        "name": name,
        "image": f"https://content-api.changenow.io/uploads/{legacy}.svg",
        "hasExternalId": False,
        "isExtraIdSupported": False,
        "isFiat": False,
        "featured": True,
        "isStable": ticker == "usdt",
        "supportsFixedRate": True,
        "network": network,
        "tokenContract": contract,
        "buy": True,
        "sell": True,
        "legacyTicker": legacy,
    }
