"""What the exchange pays: one price, a margin, network fees, limits, and the override for the first batch."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

WEI = 10**18
USDT = 10**6
PPM = 10**6
ORDER_STEP_WEI = 10**10  # the eighth decimal
FIXED_RATE_USE_BY = timedelta(minutes=10)
FIXED_EXTRA_MARGIN_PPM = 10_000  # a promised rate costs one percent more


@dataclass(frozen=True)
class Range:
    """Smallest and largest amount of one order in wei; None = no ceiling."""

    minimum_wei: int
    maximum_wei: int | None


@dataclass(frozen=True)
class PromisedRate:
    """A fixed rate: for this amount, until then, once."""

    from_wei: int
    to_units: int
    use_by: datetime


@dataclass
class Override:
    """`--first-payout-usdt`: quote and payout of the first order paid, whatever its amount.

    It belongs to the amount of the first order created, so that an order whose answer was lost, and which is then
    created again with the same amount, keeps it. Once a deposit arrives for one such order, it is used up.
    """

    units: int
    payout_to: str | None = None
    amount_wei: int | None = None
    used: bool = False

    def covers(self, from_wei: int) -> bool:
        return not self.used and self.amount_wei in (None, from_wei)


@dataclass
class Market:
    """Integers only: the price in micro-USD for one ETH, the margin in millionths."""

    price_micros: int
    margin_ppm: int
    minimum_wei: int = 6 * 10**14
    deposit_fee_wei: int = 0
    withdrawal_fee_units: int = 0
    override: Override | None = None
    seed: int = 0
    _rates: dict[str, PromisedRate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def range_of(self, flow: str) -> Range:
        """Fixed-rate orders have twice the minimum, and a ceiling."""
        return Range(self.minimum_wei, None) if flow == "standard" else Range(2 * self.minimum_wei, 12 * WEI)

    def payout_units(self, from_wei: int, flow: str = "standard") -> int:
        """(amount - deposit fee) x price x (1 - margin) - withdrawal fee, cut to whole units; never below zero."""
        margin_ppm = self.margin_ppm + (FIXED_EXTRA_MARGIN_PPM if flow == "fixed-rate" else 0)
        swapped = max(0, from_wei - self.deposit_fee_wei) * self.price_micros * (PPM - margin_ppm)
        return max(0, swapped // (WEI * PPM) - self.withdrawal_fee_units)

    def quote_units(self, from_wei: int, flow: str) -> int:
        """What an estimate says: the override while it stands, else the payout of now."""
        if flow == "standard" and self.override is not None and self.override.covers(from_wei):
            return self.override.units
        return self.payout_units(from_wei, flow)

    def cost_wei(self, to_units: int, flow: str) -> int:
        """The smallest amount (in steps of eight decimals) that pays out at least `to_units`."""
        margin_ppm = self.margin_ppm + (FIXED_EXTRA_MARGIN_PPM if flow == "fixed-rate" else 0)
        per_wei = self.price_micros * (PPM - margin_ppm)
        needed = -(-(to_units + self.withdrawal_fee_units) * WEI * PPM // per_wei) + self.deposit_fee_wei
        return -(-needed // ORDER_STEP_WEI) * ORDER_STEP_WEI

    def promise(self, from_wei: int, to_units: int, now: datetime, time_scale: int) -> tuple[str, PromisedRate]:
        """A new rateId: random base64 text of a few hundred characters."""
        rate_id = base64.b64encode(self._random.randbytes(self._random.randrange(90, 220))).decode()
        self._rates[rate_id] = PromisedRate(from_wei, to_units, now + FIXED_RATE_USE_BY / time_scale)
        return rate_id, self._rates[rate_id]

    def redeem(self, rate_id: str, now: datetime) -> PromisedRate | None:
        """The promise of a rateId, which is thereby used up; None when unknown, used or too old."""
        promised = self._rates.pop(rate_id, None)
        return promised if promised is not None and now <= promised.use_by else None

    def claim_override(self, from_wei: int, payout_to: str) -> int | None:
        """The promised units when the override applies to a new standard order, else None."""
        override = self.override
        if override is None or not override.covers(from_wei):
            return None
        if override.payout_to is not None and override.payout_to.lower() != payout_to.lower():
            return None
        override.amount_wei = from_wei
        return override.units
