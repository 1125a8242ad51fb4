"""What holds for every amount, not only for those we thought of."""

import random
from contextlib import suppress
from decimal import ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    share_out,
    split,
    take_fee,
    within_band,
)

QUICK = settings(max_examples=150, deadline=None)

units = st.integers(0, 10**24)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)
assets = st.sampled_from([Usd, Ether, Tether])


@QUICK
@given(total=units, weights=weights)
def test_a_split_is_exact_never_negative_and_within_one_unit_of_fair(total: int, weights: list[int]) -> None:
    shares = split(total, weights)
    assert sum(shares) == total
    assert all(share >= 0 for share in shares)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1
        assert weight or not share


@QUICK
@given(total=units, weights=weights)
def test_a_larger_weight_never_gets_a_smaller_share(total: int, weights: list[int]) -> None:
    pairs = sorted(zip(weights, split(total, weights), strict=True))
    for (lighter, less), (heavier, more) in pairwise(pairs):
        assert less <= more or lighter == heavier


@QUICK
@given(total=units, weights=weights, seed=st.randoms(use_true_random=False))
def test_members_read_in_any_order_get_the_same_shares_once_sorted_by_id(
    total: int, weights: list[int], seed: random.Random
) -> None:
    members = list(enumerate(weights))
    expected = dict(zip(range(len(weights)), split(total, weights), strict=True))
    seed.shuffle(members)
    members.sort()
    assert dict(zip([i for i, _ in members], split(total, [w for _, w in members]), strict=True)) == expected


@QUICK
@given(total=units, weights=weights, scale=st.integers(1, 1000))
def test_only_the_proportion_of_the_weights_counts(total: int, weights: list[int], scale: int) -> None:
    assert split(total, [weight * scale for weight in weights]) == split(total, weights)


@QUICK
@given(total=units, weights=weights)
def test_both_sharing_functions_are_the_same_split(total: int, weights: list[int]) -> None:
    dollars = [Usd(weight) for weight in weights]
    assert [share.units for share in share_out(Tether(total), dollars)] == split(total, weights)
    assert [part.wei for part in apportion_wei(Ether(total), dollars)] == split(total, weights)


@QUICK
@given(asset=assets, count=st.integers(-(10**40), 10**40))
def test_every_amount_survives_being_written_and_read(asset: type[Usd], count: int) -> None:
    amount = asset(count)
    assert asset.parse_signed(amount.decimal_text()) == amount
    assert asset.parse_signed(amount.short_text()) == amount
    assert asset.parse_signed(str(amount).split()[0]) == amount
    if count >= 0:
        assert asset.parse(amount.scaled().split()[0]) == amount


def exponent_in(text: str) -> int:
    return int(text.partition("E")[2] or "0")


@QUICK
@given(asset=assets, number=st.decimals(min_value=0, max_value=10**15, allow_nan=False, places=None))
def test_a_number_is_read_as_decimal_reads_it_or_refused(asset: type[Usd], number: Decimal) -> None:
    text = str(number)
    with localcontext() as context:
        context.prec = 200
        exact = number.scaleb(asset.DECIMALS)
        whole = int(exact.to_integral_value(ROUND_FLOOR))
    if len(text) > 100 or number.is_signed() or abs(exponent_in(text)) > 60:
        with pytest.raises(MoneyError):
            asset.parse_cut(text)
        return
    cut = asset.parse_cut(text)
    assert cut == asset(whole)
    if whole == exact:
        assert asset.parse(text) == asset(whole)
    else:
        with pytest.raises(MoneyError, match="more digits"):
            asset.parse(text)


@QUICK
@given(text=st.text(max_size=40) | st.text(alphabet="0123456789.eE+-_ ", max_size=120))
def test_any_text_at_all_is_an_amount_or_a_clear_refusal(text: str) -> None:
    with suppress(MoneyError):  # and nothing but MoneyError
        amount = Usd.parse_cut(text)
        assert 0 <= amount.micros < 10**60
        assert not set(text) - set("0123456789.eE+-")


@QUICK
@given(count=st.integers(0, 10**30), ppm=st.integers(0, 1_000_000))
def test_fee_and_net_are_the_whole_amount_and_the_fee_is_the_floor(count: int, ppm: int) -> None:
    fee, net = take_fee(Ether(count), Percent(ppm))
    assert fee + net == Ether(count)
    assert fee.wei == Fraction(count * ppm, 1_000_000).__floor__()
    assert not net.is_negative()


prices = st.builds(Price, st.integers(1, 10**14), st.integers(0, 18))


@QUICK
@given(price=prices, wei=st.integers(0, 10**24), micros=st.integers(0, 10**15))
def test_a_price_rounds_down_both_ways_and_so_creates_no_value(price: Price, wei: int, micros: int) -> None:
    exact_usd = Fraction(wei * price.answer, 10 ** (12 + price.decimals))
    assert price.value(Ether(wei)).micros == exact_usd.__floor__()
    assert price.value(price.ether_for(Usd(micros))) <= Usd(micros)


@QUICK
@given(observed=st.integers(0, 10**20), reference=st.integers(1, 10**20), ppm=st.integers(0, 2_000_000))
def test_a_band_is_exactly_the_fraction_it_names(observed: int, reference: int, ppm: int) -> None:
    exact = Fraction(abs(observed - reference) * 1_000_000, reference)
    assert within_band(observed, reference, Percent(ppm)) == (exact <= ppm)
    assert 0 <= deviation_ppm(observed, reference) - exact < 1


@QUICK
@given(wei=st.integers(0, 10**24), decimals=st.integers(0, 18))
def test_cutting_loses_less_than_one_step_and_cutting_again_nothing(wei: int, decimals: int) -> None:
    cut = cut_to_decimals(Ether(wei), decimals)
    assert 0 <= wei - cut.wei < 10 ** (18 - decimals)
    assert cut_to_decimals(cut, decimals) == cut
