"""May this batch be ordered at this price? Pure: every figure is an argument.

Two independent bands, because one wrong source must not decide alone: the exchange's quote against an on-chain feed,
and what is ordered (at the feed's price) against what the batch's payments are worth. Then what the exchange takes,
what one transfer may carry, and what gas may cost. A guard that says no leaves every payment pending.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.money import Ether, Percent, Price, Tether, Usd, deviation_ppm, within_band


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """The configured bands and limits."""

    quote_band: Percent
    order_value_band: Percent
    max_transfer: Ether
    max_gas_share: Percent
    payment_value_band: Percent


@dataclass(frozen=True, slots=True)
class Market:
    """What was read before anything was claimed."""

    feed: Price
    quoted: Tether
    minimum: Ether
    maximum: Ether | None
    expected_gas: Ether


@dataclass(frozen=True, slots=True)
class HeldBack:
    """No order now: a stable code and a sentence with the figures."""

    code: str
    reason: str


def check_order(ordered: Ether, worth: Usd, market: Market, limits: GuardLimits) -> HeldBack | None:
    """None when `ordered`, for payments worth `worth`, may be ordered; else the first rule that forbids it."""
    by_feed = market.feed.value(ordered)
    outside = check_range(ordered, market.minimum, market.maximum)
    if outside is not None:
        return outside
    if ordered > limits.max_transfer:
        return HeldBack(
            "above_transfer_limit", f"the order of {ordered} is above the transfer limit {limits.max_transfer}"
        )
    if not within_band(Usd(market.quoted.units), by_feed, limits.quote_band):
        off = _percent_text(deviation_ppm(Usd(market.quoted.units), by_feed))
        return HeldBack(
            "quote_outside_band",
            f"the exchange quotes {market.quoted} for {ordered}, the price feed says {by_feed}: "
            f"{off} apart, allowed {limits.quote_band}",
        )
    if not within_band(by_feed, worth, limits.order_value_band):
        off = _percent_text(deviation_ppm(by_feed, worth))
        return HeldBack(
            "order_value_outside_band",
            f"{ordered} is worth {by_feed}, its payments {worth}: {off} apart, allowed {limits.order_value_band}",
        )
    return _check_gas(by_feed, market, limits)


def payment_outside_band(net: Ether, worth: Usd, feed: Price, band: Percent) -> str | None:
    """A sentence when the ETH of one payment is not worth about what it was reported as: no batch may take it."""
    by_feed = feed.value(net)
    if not worth.is_positive() or within_band(by_feed, worth, band):
        return None
    off = _percent_text(deviation_ppm(by_feed, worth))
    return f"its {net} is worth {by_feed} by the price feed, it was reported as {worth}: {off} apart, allowed {band}"


def check_range(ordered: Ether, minimum: Ether, maximum: Ether | None) -> HeldBack | None:
    """What the exchange does not take it does not quote either, so this is asked before the quote."""
    if ordered < minimum:
        return HeldBack("below_exchange_minimum", f"the order of {ordered} is below the exchange's minimum {minimum}")
    if maximum is not None and ordered > maximum:
        return HeldBack("above_exchange_maximum", f"the order of {ordered} is above the exchange's maximum {maximum}")
    return None


def _check_gas(by_feed: Usd, market: Market, limits: GuardLimits) -> HeldBack | None:
    gas = market.feed.value(market.expected_gas)
    if gas.micros * 1_000_000 > by_feed.micros * limits.max_gas_share.ppm:
        return HeldBack("gas_too_dear", f"gas would cost {gas} of {by_feed}, allowed {limits.max_gas_share}")
    return None


def result_outside_band(arrived: Tether, expected: Tether, band: Percent) -> str | None:
    """A sentence when what arrived is outside the band around what was quoted; it is credited all the same."""
    if within_band(arrived, expected, band):
        return None
    off = _percent_text(deviation_ppm(arrived, expected))
    return f"{arrived} arrived, {expected} was quoted: {off} apart, allowed {band}"


def _percent_text(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"
