"""Meets the market before an order: price feed, fees, the exchange's range and quote, and then the price guard.

Nothing is claimed or locked here. A clear no from the market is a reason to wait and is told once a day; what cannot
be read is an error that the scheduler repeats, never a yes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

from shared.chain.trouble import FeesTooHigh
from shared.db import Alert, raise_alert
from shared.exchange import ETH_TO_USDT, QuoteRefused, RefusalKind
from shared.money import Ether, Price, Usd
from shared.telemetry import get_logger

from .batcher import GAS_OF_A_TRANSFER, SERVICE, Batcher
from .price_guard import HeldBack, Market, check_order, check_range

log = get_logger()

T = TypeVar("T")

# What the exchange says of the pair or the amount. Any other refusal is about us, and leaves its limits unread.
_OF_THE_MARKET: Final = frozenset(
    {RefusalKind.TOO_SMALL, RefusalKind.TOO_LARGE, RefusalKind.OUT_OF_RANGE, RefusalKind.PAIR_INACTIVE}
)


def read_feed(batcher: Batcher, now: datetime) -> Price:
    """The independent on-chain price. Raises TryLater when there is no usable one."""
    return batcher.chain.read_price(batcher.terms.price_feed_address, now, batcher.terms.price_feed_max_age_s)


def meet_market(batcher: Batcher, ordered: Ether, worth: Usd, feed: Price) -> Market | HeldBack:
    """The market that an order of so much, for payments worth so much, would meet now; or why it may not be.

    Raises TryLater for what cannot be read; FeesTooHigh and QuoteRefused are `or_held_back`'s to sort.
    """
    gas = Ether(batcher.chain.fees(batcher.terms.gas_ceiling_wei).cap_wei * GAS_OF_A_TRANSFER)
    limits = batcher.exchange.range(ETH_TO_USDT)
    outside = check_range(ordered, limits.minimum, limits.maximum)
    if outside is not None:
        return outside
    quote = batcher.exchange.estimate(ETH_TO_USDT, ordered)
    market = Market(feed, quote.expected, limits.minimum, limits.maximum, gas)
    return check_order(ordered, worth, market, batcher.terms.guard) or market


def or_held_back(batcher: Batcher, ask: Callable[[], T | HeldBack], now: datetime) -> T | HeldBack:
    """What `ask` found. A clear no from the fee market or the exchange is a reason to wait, and a person is told.

    Raises QuoteRefused when the no is about us (key, rate limit, form): then nothing was read.
    """
    try:
        found = ask()
    except FeesTooHigh as too_high:
        found = HeldBack("gas_too_dear", too_high.message)
    except QuoteRefused as refused:
        found = HeldBack("exchange_quotes_nothing", refused.message)
        if refused.kind not in _OF_THE_MARKET:
            if not refused.kind.may_pass:
                _tell(batcher, found, now)
            raise
    if isinstance(found, HeldBack):
        _tell(batcher, found, now)
    return found


def _tell(batcher: Batcher, held: HeldBack, now: datetime) -> None:
    """One alert a day and rule: a guard that holds for hours is one trouble, not one per tick."""
    alert = Alert("batch_held_back", held.code, held.reason, {"dedupe": now.date().isoformat()})
    with batcher.database.transaction() as conn:
        raise_alert(conn, SERVICE, alert, now)
    log.warning("batch_held_back", code=held.code, reason=held.reason)
