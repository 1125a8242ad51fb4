"""When to look again. Polls slow down with age and never stop: an order may finish after days."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.lifecycle.decide import Limits

# Every 15 s for 10 min, 60 s for 2 h, 15 min for 7 days, then daily (facts of the exchange, section 6.2).
_POLLS: Final = (
    (timedelta(minutes=10), timedelta(seconds=15)),
    (timedelta(hours=2), timedelta(seconds=60)),
    (timedelta(days=7), timedelta(minutes=15)),
)
_DAILY: Final = timedelta(days=1)


def next_poll(since: datetime, now: datetime, limits: Limits) -> datetime:
    """When an order that is watched since `since` is to be read again."""
    age = (now - since) * limits.time_scale
    for until, every in _POLLS:
        if age < until:
            return now + limits.wait(every)
    return now + limits.wait(_DAILY)
