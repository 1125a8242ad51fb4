"""Fees follow the market and never pass the ceiling."""

import pytest

from shared.chain.fees import LEAST_TIP_WEI, USUAL_TIP_WEI, suggest_fees
from shared.chain.trouble import FeesTooHigh

GWEI = 10**9


def test_the_cap_is_twice_the_next_base_fee_and_the_median_tip() -> None:
    fees = suggest_fees(10 * GWEI, [1 * GWEI, 2 * GWEI, 9 * GWEI], None, 200 * GWEI)
    assert (fees.tip_wei, fees.cap_wei, fees.base_wei) == (2 * GWEI, 22 * GWEI, 10 * GWEI)


def test_blocks_without_a_tip_do_not_count() -> None:
    assert suggest_fees(10 * GWEI, [0, 0, 3 * GWEI], None, 200 * GWEI).tip_wei == 3 * GWEI


def test_without_rewards_the_node_is_asked_and_else_the_usual_tip_is_taken() -> None:
    assert suggest_fees(10 * GWEI, [], 4 * GWEI, 200 * GWEI).tip_wei == 4 * GWEI
    assert suggest_fees(10 * GWEI, [0], None, 200 * GWEI).tip_wei == USUAL_TIP_WEI


def test_a_tip_is_never_too_small_to_be_relayed() -> None:
    assert suggest_fees(10 * GWEI, [1], None, 200 * GWEI).tip_wei == LEAST_TIP_WEI


def test_the_cap_stops_at_the_ceiling_while_the_next_block_can_be_afforded() -> None:
    fees = suggest_fees(150 * GWEI, [GWEI], None, 200 * GWEI)
    assert fees.cap_wei == 200 * GWEI
    assert suggest_fees(199 * GWEI, [GWEI], None, 200 * GWEI).cap_wei == 200 * GWEI


def test_above_the_ceiling_nothing_is_bid() -> None:
    with pytest.raises(FeesTooHigh) as caught:
        suggest_fees(200 * GWEI, [GWEI], None, 200 * GWEI)
    assert caught.value.needed_wei == 201 * GWEI
    assert caught.value.ceiling_wei == 200 * GWEI
