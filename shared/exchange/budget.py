"""This process's share of the calls that the exchange allows its partner: 1,800 a minute for all processes together.

The share is fixed by a setting, so that no process has to ask another one; what exceeds it waits, or is not asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST_S = 10


class CallBudget:
    """The calls of ten seconds may come at once, then they come evenly. Threads may share it."""

    def __init__(
        self,
        calls_per_minute: int,
        clock_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock_s, self._sleep_s = clock_s, sleep_s
        self._interval_s = 60 / calls_per_minute
        self._ahead_s = max(_BURST_S - self._interval_s, 0)
        # Every call books one interval; who books more than a burst ahead of the clock waits.
        self._booked_until_s = clock_s()
        self._lock = threading.Lock()

    def take(self, patience_s: float) -> bool:
        """One call, after a wait if need be. False, at once and without taking it, if the wait would be too long."""
        with self._lock:
            now_s = self._clock_s()
            booked_s = max(self._booked_until_s, now_s)
            wait_s = max(booked_s - self._ahead_s - now_s, 0)
            if wait_s > patience_s:
                return False
            self._booked_until_s = booked_s + self._interval_s  # whoever waits has its place; the next waits longer
        if wait_s:
            self._sleep_s(wait_s)
        return True
