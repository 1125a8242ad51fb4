"""Reads what a caller of the exchange sent: parameters, amounts, addresses. Everything refused has its envelope."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from eth_utils.address import is_checksum_address

from .numbers import ORDER_DECIMALS, TETHER_DECIMALS, AmountRefused, Number, parse_amount
from .refusals import ApiRefusal, not_valid

CURRENCIES = {("eth", "eth"), ("usdt", "eth"), ("btc", "btc")}
FLOWS = ("standard", "fixed-rate")
TYPES = ("direct", "reverse")

_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def text_of(asked: Mapping[str, Any], name: str, default: str = "") -> str:
    """A field as text; JSON numbers keep their digits, null counts as absent."""
    value = asked.get(name)
    if value is None or value == "":
        return default
    return value.text if isinstance(value, Number) else str(value)


def require(asked: Mapping[str, Any], *names: str) -> None:
    """Refuse the first parameter that is missing."""
    for name in names:
        if not text_of(asked, name):
            raise not_valid(f"{name} is required")


def require_pair(asked: Mapping[str, Any]) -> str:
    """Check currencies, networks and flow; only eth to usdt on Ethereum is active. Gives the flow."""
    require(asked, "fromCurrency", "toCurrency")
    flow = text_of(asked, "flow", "standard")
    if flow not in FLOWS:
        raise not_valid(f"flow {flow} is not supported")
    sides = []
    for side in ("from", "to"):
        ticker = text_of(asked, f"{side}Currency").lower()
        network = text_of(asked, f"{side}Network", "btc" if ticker == "btc" else "eth").lower()
        if (ticker, network) not in CURRENCIES:
            raise not_valid(f"Currency {ticker} is not supported")
        sides.append(ticker)
    if sides != ["eth", "usdt"]:
        raise ApiRefusal(400, "pair_is_inactive", "Pair is inactive")
    return flow


def require_type(asked: Mapping[str, Any], flow: str) -> str:
    """`direct`, or `reverse` where the rate is fixed: the standard flow cannot promise what comes out."""
    kind = text_of(asked, "type", "direct")
    if kind not in TYPES:
        raise not_valid(f"type {kind} is not supported")
    if kind == "reverse" and flow == "standard":
        raise ApiRefusal(400, "bad_params", "Type reverse is not available for the standard flow")
    return kind


def from_amount_wei(asked: Mapping[str, Any]) -> int:
    """`fromAmount` in wei: plain decimal above zero; the exchange keeps eight decimals."""
    return _amount(asked, "fromAmount", 18, ORDER_DECIMALS)


def to_amount_units(asked: Mapping[str, Any]) -> int:
    """`toAmount` in USDT units."""
    return _amount(asked, "toAmount", TETHER_DECIMALS, TETHER_DECIMALS)


def _amount(asked: Mapping[str, Any], name: str, decimals: int, kept: int) -> int:
    require(asked, name)
    try:
        amount = parse_amount(text_of(asked, name), decimals, kept)
    except AmountRefused:
        raise not_valid(f"{name} is not a valid number") from None
    if amount == 0:
        raise not_valid(f"{name} must be greater than 0")
    return amount


def valid_address(address: str) -> bool:
    """An Ethereum address; mixed case must be the right checksum."""
    if not _EVM_ADDRESS.fullmatch(address):
        return False
    digits = address[2:]
    return digits in (digits.lower(), digits.upper()) or is_checksum_address(address)
