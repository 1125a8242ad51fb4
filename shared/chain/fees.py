"""What to bid for the next blocks. Pure: the nodes' numbers come in, wei per gas come out."""

from collections.abc import Sequence
from statistics import median_low
from typing import Final

from shared.chain.port import Fees
from shared.chain.trouble import FeesTooHigh

# 0.01 gwei: below it, public mempools drop transactions; at 21,000 gas it costs nothing worth counting.
LEAST_TIP_WEI: Final = 10_000_000
# 1 gwei, when no node has an opinion.
USUAL_TIP_WEI: Final = 1_000_000_000


def suggest_fees(next_base_wei: int, rewards_wei: Sequence[int], node_tip_wei: int | None, ceiling_wei: int) -> Fees:
    """Tip = the median recent one; cap = twice the next base fee plus tip, never above the ceiling.

    Twice the base fee survives six full blocks in a row. Raises FeesTooHigh if even the next block cannot be
    afforded under the ceiling: a bid that cannot win would only occupy a nonce.
    """
    paid = [reward for reward in rewards_wei if reward > 0]
    advised_wei = USUAL_TIP_WEI if node_tip_wei is None else node_tip_wei
    tip_wei = max(median_low(paid) if paid else advised_wei, LEAST_TIP_WEI)
    needed_wei = next_base_wei + tip_wei
    if needed_wei > ceiling_wei:
        raise FeesTooHigh(needed_wei, ceiling_wei)
    return Fees(tip_wei=tip_wei, cap_wei=min(2 * next_base_wei + tip_wei, ceiling_wei), base_wei=next_base_wei)
