"""One tick of the scheduler: is it time for a batch, and may it be ordered now? Then form it and open its order.

Everything is read before anything is claimed: the pending total, the exchange's range and quote, the price feed, the
fee market. What cannot be read is an error that the scheduler repeats, never "below the threshold".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from shared.db import beat
from shared.exchange import ETH_TO_USDT
from shared.money import Ether, Price, Usd, cut_to_decimals
from shared.telemetry import get_logger

from . import store
from .batcher import MOST_MEMBERS, Batcher
from .form_batch import (
    Amounts,
    amounts_quoted,
    amounts_received,
    claim,
)
from .market import meet_market, or_held_back, read_feed
from .open_order import open_order
from .price_guard import HeldBack, Market
from .rows import PendingPayment
from .set_aside import park_odd, park_too_large, park_without_wei

log = get_logger()


@dataclass(frozen=True, slots=True)
class Tick:
    """What a tick found and did. `outcome` is a stable code, `reason` its sentence.

    `threshold_note`: why the threshold is the last one that could be read; None when it is the present one.
    """

    total: Usd
    threshold: Usd
    outcome: str
    reason: str
    batch_conversion_id: UUID | None = None
    cn_api_id: str | None = None
    payment_count: int | None = None
    threshold_note: str | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the database says before anything outside is asked."""

    total: Usd
    payments: int
    paused: str | None
    pending: list[PendingPayment]
    dust: Ether


def check_threshold(batcher: Batcher, now: datetime, trace: str) -> Tick:
    """Runs one tick and writes its row. At most one order is opened; a repeat finds what is left to do.

    Raises TryLater when something could not be read: then nothing was claimed.
    """
    batcher = batcher.with_present_threshold(now)
    if batcher.terms.funding == "received":
        park_without_wei(batcher, now, trace, MOST_MEMBERS)
    tick = _tick(batcher, now, trace)
    with batcher.database.transaction() as conn:
        every = batcher.tick_every
        beat(conn, "batcher /check-threshold", now, None if every is None else batcher.terms.limits.wait(every))
        store.record_threshold_check(
            conn, now, tick.total, tick.threshold, tick.outcome, tick.reason, tick.batch_conversion_id
        )
    log.info("threshold_checked", pending=tick.total, threshold=tick.threshold, outcome=tick.outcome)
    live = batcher.live_threshold
    return tick if live is None else replace(tick, threshold_note=live.trouble)


def _look(batcher: Batcher, now: datetime) -> _Seen:
    with batcher.database.read() as conn:
        total, payments = store.pending_total(conn)
        enough = total >= batcher.terms.threshold
        return _Seen(
            total,
            payments,
            store.why_paused(conn, "batching", now),
            store.pending_payments(conn, MOST_MEMBERS) if enough else [],
            store.carried_dust(conn),
        )


def _tick(batcher: Batcher, now: datetime, trace: str) -> Tick:
    seen, threshold = _look(batcher, now), batcher.terms.threshold
    if (too_soon := _too_soon(seen, threshold)) is not None:
        return too_soon
    feed = read_feed(batcher, now)
    while park_odd(batcher, seen.pending, feed, now, trace):  # again: another payment may have come meanwhile
        seen = _look(batcher, now)
        if (too_soon := _too_soon(seen, threshold)) is not None:
            return too_soon
    planned = or_held_back(batcher, lambda: _plan(batcher, seen, feed, now, trace), now)
    if isinstance(planned, HeldBack):
        return Tick(seen.total, threshold, planned.code, planned.reason)
    amounts, market = planned
    claimed = claim(batcher, amounts, market, now, trace)
    if claimed is None:
        reason = "another tick took these payments meanwhile, or batching was paused; the next tick plans anew"
        return Tick(seen.total, threshold, "changed_meanwhile", reason)
    log.info("batch_claimed", batch=str(claimed.batch_conversion_id), payments=claimed.payment_count)
    opened = open_order(batcher, claimed.batch_conversion_id, claimed.order_id, claimed.ordered, now, trace)
    return Tick(
        seen.total,
        threshold,
        "batch_created",
        opened.reason,
        claimed.batch_conversion_id,
        opened.cn_api_id,
        claimed.payment_count,
    )


def _too_soon(seen: _Seen, threshold: Usd) -> Tick | None:
    """Why no batch is formed whatever the market says; None when it is time for one."""
    if seen.total < threshold or seen.payments == 0:
        missing = threshold - seen.total
        return Tick(seen.total, threshold, "below_threshold", f"{missing} more is needed to reach the threshold")
    if seen.paused is not None:
        return Tick(seen.total, threshold, "paused", f"batching is paused: {seen.paused}")
    return None


def _plan(batcher: Batcher, seen: _Seen, feed: Price, now: datetime, trace: str) -> tuple[Amounts, Market] | HeldBack:
    """What would be ordered and the market it would meet, or why it may not be."""
    amounts = _amounts(batcher, seen, feed)
    park_too_large(batcher, amounts.too_large, now, trace)
    if not amounts.payments or not amounts.ordered.is_positive():
        most = batcher.terms.guard.max_transfer
        return HeldBack("above_transfer_limit", f"no payment fits under the transfer limit {most}")
    market = meet_market(batcher, amounts.ordered, amounts.worth, feed)
    return market if isinstance(market, HeldBack) else (amounts, market)


def _amounts(batcher: Batcher, seen: _Seen, feed: Price) -> Amounts:
    if batcher.terms.funding == "received":
        return amounts_received(seen.pending, seen.dust, batcher.terms)
    # The exchange does not quote the reverse direction in the standard flow, so its price is read off a probe of
    # about the size of the order, in the decimals that the exchange takes: it would answer about another amount.
    about = min(feed.ether_for(seen.total), batcher.terms.guard.max_transfer)
    probe = cut_to_decimals(about, batcher.terms.exchange_decimals)
    return amounts_quoted(seen.pending, batcher.exchange.quote_price(ETH_TO_USDT, probe), batcher.terms)
