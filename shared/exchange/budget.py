"""This process's share of the calls that the exchange allows its partner: 1,800 a minute for all processes together.

The share is fixed by a setting, so that no process has to ask another one; what exceeds it waits, or is not asked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_BURST_S = 10


class CallBudget:
    """A bucket that holds the calls of ten seconds and fills up evenly. Threads may share it."""

    def __init__(
        self,
        calls_per_minute: int,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._per_s = calls_per_minute / 60
        self._most = max(1.0, self._per_s * _BURST_S)
        self._left = self._most
        self._monotonic = monotonic
        self._sleep = sleep
        self._filled_at = monotonic()
        self._lock = threading.Lock()

    def take(self, patience_s: float) -> bool:
        """One call, after a wait if need be. False, at once and without taking it, if the wait would be too long."""
        with self._lock:
            now = self._monotonic()
            self._left = min(self._most, self._left + (now - self._filled_at) * self._per_s)
            self._filled_at = now
            wait_s = max(0.0, (1 - self._left) / self._per_s)
            if wait_s > patience_s:
                return False
            self._left -= 1  # whoever waits has its place; the next one waits longer
        if wait_s:
            self._sleep(wait_s)
        return True
