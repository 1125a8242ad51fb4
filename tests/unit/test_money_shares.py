"""Shares, fees, prices and bands, with the figures worked out by hand."""

import pytest

from shared.money import (
    Ether,
    MoneyError,
    Percent,
    Price,
    Tether,
    Usd,
    apportion_wei,
    cut_to_decimals,
    deviation_ppm,
    percent_floor,
    share_out,
    split,
    take_fee,
    within_band,
)


def test_ninety_seven_dollars_over_fifty_thirty_twenty_is_exact() -> None:
    weights = [Usd.parse("50"), Usd.parse("30"), Usd.parse("20")]
    assert share_out(Tether.parse("97"), weights) == [Tether.parse(text) for text in ("48.5", "29.1", "19.4")]


def test_of_seven_equal_weights_the_five_lower_ids_get_the_odd_units() -> None:
    shares = share_out(Tether.parse("8.5"), [Usd.parse("1.2155")] * 7)
    assert shares == [Tether.parse("1.214286")] * 5 + [Tether.parse("1.214285")] * 2
    assert Tether.total(shares) == Tether.parse("8.5")


def test_the_unit_left_over_goes_to_the_largest_remainder_not_to_the_largest_weight() -> None:
    assert split(10, [6, 5, 4]) == [4, 3, 3]  # 4.0, 3.33, 2.67
    assert split(1, [1, 1]) == [1, 0]
    assert split(2, [1, 1, 1]) == [1, 1, 0]


def test_a_weight_of_zero_gets_nothing_and_nothing_may_be_shared_over_anybody() -> None:
    assert split(7, [0, 3, 0]) == [0, 7, 0]
    assert split(0, [1, 2]) == [0, 0]
    assert split(0, [0, 0]) == [0, 0]
    assert split(0, []) == []


@pytest.mark.parametrize(
    ("total", "weights", "rule"),
    [
        (-1, [1], "cannot be shared out: it is negative"),
        (1, [2, -1], "cannot be shared out: a weight is negative"),
        (1, [0, 0], "cannot be shared out: the weights sum to zero"),
        (1, [], "cannot be shared out: the weights sum to zero"),
    ],
)
def test_a_split_that_cannot_be_fair_is_refused(total: int, weights: list[int], rule: str) -> None:
    with pytest.raises(MoneyError) as refused:
        split(total, weights)
    assert refused.value.rule == rule


@pytest.mark.parametrize(("total", "weights"), [(1.0, [1]), (True, [1]), (1, [1.0]), (1, [True])])
def test_a_split_takes_whole_numbers_only(total: object, weights: list[object]) -> None:
    with pytest.raises(TypeError):
        split(total, weights)  # type: ignore[arg-type]


def test_wei_are_apportioned_to_the_last_one() -> None:
    parts = apportion_wei(Ether(10**18 + 1), [Usd(1), Usd(1), Usd(1)])
    assert parts == [Ether(333333333333333334), Ether(333333333333333334), Ether(333333333333333333)]


def test_a_fee_of_fifteen_percent_of_fifty_is_seven_and_a_half() -> None:
    assert take_fee(Usd.parse("50"), Percent.parse("15")) == (Usd.parse("7.5"), Usd.parse("42.5"))


def test_a_fee_is_rounded_down_so_that_the_payee_never_pays_for_it() -> None:
    assert take_fee(Usd(1), Percent.parse("99.9999")) == (Usd(0), Usd(1))
    assert take_fee(Ether(7), Percent.parse("15")) == (Ether(1), Ether(6))
    assert take_fee(Usd.parse("1.35"), Percent.parse("15")) == (Usd.parse("0.2025"), Usd.parse("1.1475"))


def test_a_fee_may_be_nothing_or_all_but_not_more() -> None:
    assert take_fee(Usd(9), Percent(0)) == (Usd(0), Usd(9))
    assert take_fee(Usd(9), Percent.parse("100")) == (Usd(9), Usd(0))
    with pytest.raises(MoneyError, match="over 100 percent"):
        take_fee(Usd(9), Percent.parse("100.0001"))
    with pytest.raises(MoneyError, match="negative"):
        take_fee(Usd(-9), Percent.parse("15"))


def test_a_share_of_gas_may_be_measured_beyond_the_whole() -> None:
    assert percent_floor(Ether(10), Percent.parse("250")) == Ether(25)


ETH_AT_3456_78 = Price(345_678_000_000, 8)


def test_ether_is_valued_at_the_feeds_answer_rounded_down() -> None:
    assert ETH_AT_3456_78.value(Ether.parse("1")) == Usd.parse("3456.78")
    assert ETH_AT_3456_78.value(Ether.parse("0.04")) == Usd.parse("138.2712")
    assert ETH_AT_3456_78.value(Ether(1)) == Usd.zero()
    assert Price(3456, 0).value(Ether.parse("2")) == Usd.parse("6912")
    assert Price(3456 * 10**18, 18).value(Ether.parse("2")) == Usd.parse("6912")
    assert str(ETH_AT_3456_78) == "3456.78 USD/ETH"
    assert repr(ETH_AT_3456_78) == "Price(345678000000, 8)"


def test_the_ether_for_a_value_is_rounded_down_and_never_worth_more() -> None:
    ether = ETH_AT_3456_78.ether_for(Usd.parse("100"))
    assert ether == Ether(28928656148207291)  # 100 / 3456.78 = 0.0289286561482072911...
    assert ETH_AT_3456_78.value(ether) <= Usd.parse("100")


@pytest.mark.parametrize(("answer", "decimals"), [(0, 8), (-1, 8), (1, -1), (1, 37)])
def test_a_feed_that_answers_nonsense_has_no_price(answer: int, decimals: int) -> None:
    with pytest.raises(MoneyError, match="no price"):
        Price(answer, decimals)


def test_a_price_takes_whole_numbers_and_values_nothing_negative() -> None:
    for answer, decimals in ((3456.78, 8), (True, 8), (1, True), ("1", 8)):
        with pytest.raises(TypeError):
            Price(answer, decimals)  # type: ignore[arg-type]
    with pytest.raises(MoneyError):
        ETH_AT_3456_78.value(Ether(-1))
    with pytest.raises(MoneyError):
        ETH_AT_3456_78.ether_for(Usd(-1))


def test_a_deviation_is_rounded_up_so_that_it_never_looks_smaller() -> None:
    assert deviation_ppm(105, 100) == 50_000
    assert deviation_ppm(95, 100) == 50_000
    assert deviation_ppm(100, 100) == 0
    assert deviation_ppm(3_000_001, 3_000_000) == 1
    assert deviation_ppm(Usd(0), Usd(5)) == 1_000_000


def test_the_edge_of_a_band_is_inside_and_the_next_unit_outside() -> None:
    five = Percent.parse("5")
    reference = Usd.parse("100")
    assert within_band(Usd.parse("105"), reference, five)
    assert within_band(Usd.parse("95"), reference, five)
    assert not within_band(Usd.parse("105.000001"), reference, five)
    assert not within_band(Usd.parse("94.999999"), reference, five)
    assert within_band(Ether(7), Ether(7), Percent(0))
    assert not within_band(10**30 + 1, 10**30, Percent(0))


def test_nothing_is_compared_with_a_reference_of_nothing() -> None:
    for observed, reference in ((1, 0), (1, -1), (-1, 1)):
        with pytest.raises(MoneyError):
            deviation_ppm(observed, reference)
    with pytest.raises(TypeError):
        within_band(1.0, 1.0, Percent(1))  # type: ignore[type-var]


def test_a_comparison_of_two_assets_is_refused() -> None:
    with pytest.raises(TypeError):
        deviation_ppm(Usd(1), Tether(1))  # type: ignore[type-var]


def test_an_order_is_cut_to_the_exchanges_eight_decimals() -> None:
    assert cut_to_decimals(Ether.parse("0.123456789999999999"), 8) == Ether.parse("0.12345678")
    assert cut_to_decimals(Ether.parse("0.12345678"), 8) == Ether.parse("0.12345678")
    assert cut_to_decimals(Ether(5), 18) == Ether(5)
    assert cut_to_decimals(Ether.parse("1.9"), 0) == Ether.parse("1")
    for amount, decimals in ((Ether(-1), 8), (Ether(1), 19), (Ether(1), -1)):
        with pytest.raises(MoneyError):
            cut_to_decimals(amount, decimals)
