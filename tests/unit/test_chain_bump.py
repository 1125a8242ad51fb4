"""A bump replaces the attempt before it at every client, follows the market, hurries with the order, and has an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.chain.bump import AtCeiling, bumped, is_outbid, pressure_at
from shared.chain.port import Fees

GWEI = 10**9
NOW = datetime(2026, 1, 1, tzinfo=UTC)

wei = st.integers(1, 10**15)
pressures = st.fractions(0, 1, max_denominator=10**6)


@st.composite
def fees(draw: st.DrawFn) -> Fees:
    tip_wei, base_wei = draw(wei), draw(st.integers(0, 10**15))
    return Fees(tip_wei, draw(st.integers(tip_wei, 10**16)), base_wei)


@st.composite
def made(draw: st.DrawFn) -> tuple[Fees, Fees, int, tuple[int, int]]:
    """A bid, a market, a ceiling, and the bump that was possible under it."""
    previous, market, ceiling_wei = draw(fees()), draw(fees()), draw(st.integers(1, 10**16))
    ceiling_wei = max(ceiling_wei, -(-previous.cap_wei * 9 // 8))
    bump = bumped(previous, market, ceiling_wei, draw(pressures))
    assert isinstance(bump, tuple)
    return previous, market, ceiling_wei, bump


# --- what every bump is ---------------------------------------------------------------------------------------------


@given(made())
def test_a_bump_is_an_eighth_dearer_follows_the_market_and_never_passes_the_ceiling(
    case: tuple[Fees, Fees, int, tuple[int, int]],
) -> None:
    previous, market, ceiling_wei, (tip_wei, cap_wei) = case
    assert cap_wei * 8 >= previous.cap_wei * 9
    assert tip_wei * 8 >= previous.tip_wei * 9
    assert 0 < tip_wei <= cap_wei <= ceiling_wei
    assert cap_wei >= min(market.cap_wei, ceiling_wei)
    assert tip_wei >= min(market.tip_wei, cap_wei)


def replaces_at_geth(old_wei: int, new_wei: int) -> bool:
    """core/txpool/legacypool/list.go: dearer, and at least 110 / 100, rounded down."""
    return new_wei > old_wei and new_wei >= old_wei * 110 // 100


def replaces_at_nethermind(old_wei: int, new_wei: int) -> bool:
    """CompareReplacedTxByFee: old + old / 10 is at most the new one; exactly as much needs a rise above zero."""
    return old_wei + old_wei // 10 < new_wei


def replaces_at_twelve_percent(old_wei: int, new_wei: int) -> bool:
    """reth, erigon and besu ask for 10 % unless they are configured otherwise."""
    return new_wei * 100 >= old_wei * 112


@given(made())
def test_every_clients_rule_lets_a_bump_replace(case: tuple[Fees, Fees, int, tuple[int, int]]) -> None:
    previous, _, _, (tip_wei, cap_wei) = case
    for replaces in (replaces_at_geth, replaces_at_nethermind, replaces_at_twelve_percent):
        assert replaces(previous.tip_wei, tip_wei), replaces.__name__
        assert replaces(previous.cap_wei, cap_wei), replaces.__name__


# --- the ceiling ----------------------------------------------------------------------------------------------------


@given(fees(), fees(), pressures)
def test_one_wei_below_an_eighth_more_nothing_is_bid(previous: Fees, market: Fees, pressure: Fraction) -> None:
    least_wei = -(-previous.cap_wei * 9 // 8)
    assert isinstance(bumped(previous, market, least_wei, pressure), tuple)
    assert bumped(previous, market, least_wei - 1, pressure) == AtCeiling(least_wei, least_wei - 1)


@settings(max_examples=25)
@given(fees(), pressures)
def test_bumping_again_and_again_ends_at_the_ceiling(market: Fees, pressure: Fraction) -> None:
    ceiling_wei, bid, rounds = 200 * GWEI, Fees(GWEI, 20 * GWEI, 0), 0
    while isinstance(bump := bumped(bid, market, ceiling_wei, pressure), tuple):
        bid, rounds = Fees(*bump, base_wei=0), rounds + 1
    assert rounds <= 20  # 20 gwei x (9/8)^20 > 200 gwei
    assert bid.cap_wei <= ceiling_wei < bump.least_cap_wei


def test_a_rise_of_less_than_a_wei_is_a_wei() -> None:
    assert bumped(Fees(1, 1, 0), Fees(1, 1, 0), 100, Fraction(0)) == (2, 2)


# --- the order's deadline -------------------------------------------------------------------------------------------


def test_without_hurry_a_bump_is_no_dearer_than_it_must_be() -> None:
    assert bumped(Fees(GWEI, 20 * GWEI, 0), Fees(GWEI, 20 * GWEI, 9 * GWEI), 200 * GWEI, Fraction(0)) == (
        GWEI * 9 // 8,
        20 * GWEI * 9 // 8,
    )


def test_half_way_the_cap_is_half_way_to_the_ceiling_and_the_tip_half_as_much_again_as_the_markets() -> None:
    bump = bumped(Fees(GWEI, 16 * GWEI, 0), Fees(2 * GWEI, 20 * GWEI, 9 * GWEI), 200 * GWEI, Fraction(1, 2))
    assert bump == (3 * GWEI, 110 * GWEI)


def test_at_the_last_moment_the_ceiling_is_bid_and_twice_the_markets_tip() -> None:
    bump = bumped(Fees(GWEI, 16 * GWEI, 0), Fees(2 * GWEI, 20 * GWEI, 9 * GWEI), 200 * GWEI, Fraction(1))
    assert bump == (4 * GWEI, 200 * GWEI)


@given(fees(), fees(), st.integers(1, 10**16), pressures, pressures)
def test_more_pressure_never_bids_less(
    previous: Fees, market: Fees, ceiling_wei: int, one: Fraction, other: Fraction
) -> None:
    calm, hurried = (bumped(previous, market, ceiling_wei, pressure) for pressure in sorted((one, other)))
    if isinstance(calm, tuple):
        assert isinstance(hurried, tuple)
        assert calm[0] <= hurried[0]
        assert calm[1] <= hurried[1]
    else:
        assert hurried == calm


@pytest.mark.parametrize("pressure", [Fraction(-1, 10), Fraction(11, 10)])
def test_a_share_outside_nothing_and_all_is_a_mistake_of_the_caller(pressure: Fraction) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        bumped(Fees(1, 1, 0), Fees(1, 1, 0), 100, pressure)


def test_pressure_is_the_share_of_the_orders_time_that_is_used_up() -> None:
    deadline = NOW + timedelta(minutes=20)
    assert pressure_at(NOW, NOW, deadline) == 0
    assert pressure_at(NOW + timedelta(minutes=5), NOW, deadline) == Fraction(1, 4)
    assert pressure_at(deadline, NOW, deadline) == 1
    assert pressure_at(deadline + timedelta(days=1), NOW, deadline) == 1
    assert pressure_at(NOW - timedelta(seconds=5), NOW, deadline) == 0
    assert pressure_at(NOW + timedelta(days=1), NOW, None) == 0


@given(st.datetimes(), st.datetimes(), st.datetimes())
def test_pressure_is_always_a_share(now: datetime, since: datetime, deadline: datetime) -> None:
    assert 0 <= pressure_at(now, since, deadline) <= 1


# --- when a bump helps ----------------------------------------------------------------------------------------------


def test_a_bid_is_outbid_when_the_next_block_or_the_others_tips_leave_it_behind() -> None:
    market = Fees(tip_wei=2 * GWEI, cap_wei=22 * GWEI, base_wei=10 * GWEI)
    assert not is_outbid(Fees(2 * GWEI, 12 * GWEI, 0), market)
    assert is_outbid(Fees(2 * GWEI, 12 * GWEI - 1, 0), market)
    assert is_outbid(Fees(2 * GWEI - 1, 40 * GWEI, 0), market)
