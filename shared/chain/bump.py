"""A dearer attempt at the same nonce: how much dearer, and when no attempt is left under the ceiling. Pure.

Every pool asks for 10 % more on the tip and on the cap before it lets one transaction replace another; 12.5 % rounded
up is more than that at every client, however each of them rounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final, Protocol

from shared.chain.port import Fees

# 9/8: geth, reth, erigon, besu and nethermind replace at 10 %; the rest is for pools that were set to a little more.
_LEAST_RISE: Final = Fraction(9, 8)
NO_HURRY: Final = Fraction(0)
LAST_MOMENT: Final = Fraction(1)
_TICK: Final = timedelta(microseconds=1)


class Bid(Protocol):
    """What an attempt offers, in wei per gas; `Fees`, `TransferFields` and the executor's attempts are bids."""

    @property
    def tip_wei(self) -> int: ...

    @property
    def cap_wei(self) -> int: ...


@dataclass(frozen=True, slots=True)
class AtCeiling:
    """No attempt under the ceiling could replace the last one: repeat its bytes and tell a person."""

    least_cap_wei: int
    ceiling_wei: int


def bumped(previous: Bid, market: Fees, ceiling_wei: int, deadline_pressure: Fraction) -> tuple[int, int] | AtCeiling:
    """Tip and cap (wei per gas) of the attempt after `previous`: 12.5 % dearer on both, or the market's if more.

    `deadline_pressure` is the share of the order's time that is used up, 0 to 1 (`pressure_at`). It moves the cap that
    far towards the ceiling, because a cap is only paid when blocks cost that much, and the tip that far towards twice
    the market's, because a tip is paid in any case. Neither ever passes the ceiling.
    """
    if not NO_HURRY <= deadline_pressure <= LAST_MOMENT:
        raise ValueError("deadline_pressure is a share between 0 and 1")
    least_cap_wei = _up(previous.cap_wei * _LEAST_RISE)
    if least_cap_wei > ceiling_wei:
        return AtCeiling(least_cap_wei, ceiling_wei)
    cap_wei = max(least_cap_wei, min(market.cap_wei, ceiling_wei))
    cap_wei += _up((ceiling_wei - cap_wei) * deadline_pressure)
    tip_wei = max(_up(previous.tip_wei * _LEAST_RISE), _up(market.tip_wei * (1 + deadline_pressure)))
    return min(tip_wei, cap_wei), cap_wei


def is_outbid(bid: Bid, market: Fees) -> bool:
    """Whether the next block would leave this bid out, or others pay a higher tip: only then does a bump help."""
    return bid.cap_wei < market.base_wei + market.tip_wei or bid.tip_wei < market.tip_wei


def pressure_at(now: datetime, since: datetime, deadline: datetime | None) -> Fraction:
    """The share of the time from `since` to `deadline` that is used up at `now`, 0 to 1; 0 without a deadline."""
    if deadline is None or now <= since:
        return NO_HURRY
    if now >= deadline:
        return LAST_MOMENT
    return Fraction((now - since) // _TICK, (deadline - since) // _TICK)


def _up(amount: Fraction | int) -> int:
    """Rounded up: half a wei less than 12.5 % would be less than 12.5 %."""
    return -(-amount.numerator // amount.denominator)
