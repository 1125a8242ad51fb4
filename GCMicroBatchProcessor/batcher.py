"""What the batcher works with: its doors to the outside and the terms it must keep. Built once, in app.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.chain.port import Chain
from shared.db import Database
from shared.exchange import Exchange
from shared.lifecycle import Limits
from shared.money import Percent, Usd
from shared.queue import Outbox

from .deliver_alert import Deliveries
from .price_guard import GuardLimits
from .threshold import LiveThreshold

SERVICE: Final = "GCMicroBatchProcessor"

MOST_MEMBERS: Final = 10_000  # of one batch; the rest waits for the next tick
MOST_ORDER_ATTEMPTS: Final = 5  # unclear answers per batch; each orphan is free but looks abusive (exchange facts 6.6)
REDRIVE_AFTER: Final = timedelta(minutes=2)  # a message that was lost is sent anew by the first sweep after this
TAKEN_WITHIN: Final = timedelta(hours=1)  # a request that the conductor has not taken by then was refused
GAS_OF_A_TRANSFER: Final = 26_250  # 21,000 and a quarter more: a deposit address may be a small contract


@dataclass(frozen=True, slots=True)
class Terms:
    """The settings that decide, as typed values."""

    threshold: Usd
    funding: str
    guard: GuardLimits
    result_band: Percent
    exchange_decimals: int
    gas_ceiling_wei: int
    key_alias: str
    payout_address: str
    refund_address: str
    usdt_contract_address: str
    price_feed_address: str
    price_feed_max_age_s: int
    limits: Limits


@dataclass(frozen=True, slots=True)
class Batcher:
    """The batcher's doors: database, outbox, exchange, chain (read only) and the source of batch ids.

    `deliveries`: where alerts go; None: nowhere. `tick_every`: how often the scheduler asks for a tick; None: on
    request only. `live_threshold`: where the threshold is read anew; None: the one of the terms holds.
    """

    database: Database
    outbox: Outbox
    exchange: Exchange
    chain: Chain
    new_id: Callable[[], UUID]
    terms: Terms
    deliveries: Deliveries | None = None
    tick_every: timedelta | None = timedelta(minutes=15)
    live_threshold: LiveThreshold | None = None

    def with_present_threshold(self, now: datetime) -> Batcher:
        """This batcher with the threshold of a tick that begins now. Raises ThresholdUnreadable."""
        if self.live_threshold is None:
            return self
        return replace(self, terms=replace(self.terms, threshold=self.live_threshold.at(now)))
