"""The price guard: each rule at its edge and one unit beyond it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from GCMicroBatchProcessor.price_guard import GuardLimits, HeldBack, Market, check_order, result_outside_band
from shared.money import Ether, Percent, Price, Tether, Usd

ONE_WEI = Ether(1)
ORDERED = Ether.parse("0.04")
WORTH = Usd.parse("100")
LIMITS = GuardLimits(
    quote_band=Percent.parse("5"),
    order_value_band=Percent.parse("10"),
    max_transfer=Ether.parse("0.04"),
    max_gas_share=Percent.parse("10"),
    payment_value_band=Percent.parse("50"),
)
MARKET = Market(
    feed=Price(2_500 * 10**8, 8),
    quoted=Tether.parse("97"),
    minimum=Ether.parse("0.0006"),
    maximum=None,
    expected_gas=Ether.parse("0.0001"),
)


def code(held: HeldBack | None) -> str | None:
    return None if held is None else held.code


def test_a_sound_order_at_a_sound_price_is_allowed() -> None:
    assert check_order(ORDERED, WORTH, MARKET, LIMITS) is None


@pytest.mark.parametrize(
    ("quoted", "verdict"),
    [
        ("94.999999", "quote_outside_band"),
        ("95", None),
        ("100", None),
        ("105", None),
        ("105.000001", "quote_outside_band"),
        ("0", "quote_outside_band"),
    ],
)
def test_the_quote_may_be_as_far_from_the_feed_as_its_band(quoted: str, verdict: str | None) -> None:
    assert code(check_order(ORDERED, WORTH, replace(MARKET, quoted=Tether.parse(quoted)), LIMITS)) == verdict


@pytest.mark.parametrize(
    ("worth", "verdict"),
    [
        # 10 % of the payments' worth: 100 / 1.1 = 90.909090..., 100 / 0.9 = 111.111111...
        ("90.909090", "order_value_outside_band"),
        ("90.909091", None),
        ("111.111111", None),
        ("111.111112", "order_value_outside_band"),
    ],
)
def test_the_order_may_be_as_far_from_its_payments_as_its_band(worth: str, verdict: str | None) -> None:
    assert code(check_order(ORDERED, Usd.parse(worth), MARKET, LIMITS)) == verdict


def test_both_bands_are_asked_so_that_one_wrong_source_does_not_decide_alone() -> None:
    high = replace(MARKET, feed=Price(5_000, 0), quoted=Tether.parse("200"))
    assert code(check_order(ORDERED, WORTH, high, LIMITS)) == "order_value_outside_band"
    low = replace(MARKET, quoted=Tether.parse("50"))
    assert code(check_order(ORDERED, WORTH, low, LIMITS)) == "quote_outside_band"


def test_the_exchanges_range_counts_to_the_wei() -> None:
    assert check_order(ORDERED, WORTH, replace(MARKET, minimum=ORDERED, maximum=ORDERED), LIMITS) is None
    too_small = check_order(ORDERED, WORTH, replace(MARKET, minimum=ORDERED + ONE_WEI), LIMITS)
    assert code(too_small) == "below_exchange_minimum"
    too_large = check_order(ORDERED, WORTH, replace(MARKET, maximum=ORDERED - ONE_WEI), LIMITS)
    assert code(too_large) == "above_exchange_maximum"


def test_the_transfer_limit_counts_to_the_wei() -> None:
    over = replace(LIMITS, max_transfer=ORDERED - ONE_WEI)
    assert code(check_order(ORDERED, WORTH, MARKET, over)) == "above_transfer_limit"


def test_gas_may_cost_exactly_its_share() -> None:
    at_the_edge = replace(MARKET, expected_gas=Ether.parse("0.004"))
    assert check_order(ORDERED, WORTH, at_the_edge, LIMITS) is None
    beyond = replace(MARKET, expected_gas=Ether.parse("0.0040000004"))
    assert code(check_order(ORDERED, WORTH, beyond, LIMITS)) == "gas_too_dear"


def test_every_refusal_says_its_figures() -> None:
    held = check_order(ORDERED, WORTH, replace(MARKET, quoted=Tether.parse("90")), LIMITS)
    assert held is not None
    assert held.reason == (
        "the exchange quotes 90.00 USDT for 0.04 ETH, the price feed says 100.00 USD: 10.00 % apart, allowed 5 %"
    )


@pytest.mark.parametrize(
    ("arrived", "outside"),
    [("87.3", False), ("87.299999", True), ("97", False), ("106.7", False), ("106.700001", True), ("0.000001", True)],
)
def test_a_result_is_judged_against_its_quote(arrived: str, outside: bool) -> None:
    sentence = result_outside_band(Tether.parse(arrived), Tether.parse("97"), Percent.parse("10"))
    assert (sentence is not None) is outside
