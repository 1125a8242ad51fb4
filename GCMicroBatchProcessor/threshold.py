"""The threshold as it is now: people change it in Secret Manager, and no service has to start anew for it.

Read at most once a minute. When it cannot be read, or is no amount, the last one that was read holds and everybody
hears of it; without such a one nothing is claimed. There is no default: a threshold that nobody chose moves money.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import ClassVar, Final

from shared.lifecycle.reactions import TryLater
from shared.money import MoneyError, Usd
from shared.settings import Secret, Unreadable
from shared.telemetry import get_logger

SETTING: Final = "MICRO_BATCH_THRESHOLD_USD"
KEPT_FOR: Final = timedelta(minutes=1)
ASKED_AGAIN_AFTER: Final = timedelta(seconds=10)  # when it could not be read: a tick waits seconds for an answer

log = get_logger()


class ThresholdUnreadable(TryLater):
    """The threshold cannot be read and none was read before: nothing is claimed."""

    code: ClassVar[str] = "threshold_unreadable"


class LiveThreshold:
    """The threshold of Secret Manager. `read` asks for it; `first` is what the start read. Threads may share it."""

    def __init__(self, read: Callable[[], Secret | Unreadable | None], first: Usd | None, read_at: datetime) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._last, self._last_read_at = first, read_at
        self._ask_at = read_at + KEPT_FOR if first is not None else read_at
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why the last one that was read is still used; None when that is the present one."""
        return self._trouble

    def at(self, now: datetime) -> Usd:
        """The threshold of a tick. Raises ThresholdUnreadable."""
        with self._lock:  # who comes meanwhile waits for the same answer
            if now >= self._ask_at:
                self._ask(now)
            if self._last is None:
                raise ThresholdUnreadable(f"{SETTING} {self._trouble}, and no value was read before.")
            return self._last

    def _ask(self, now: datetime) -> None:
        found = _amount(self._read())
        if isinstance(found, str):
            self._ask_at = now + ASKED_AGAIN_AFTER
            held = f"; the value read at {self._last_read_at.isoformat(timespec='seconds')} holds"
            self._trouble = found if self._last is None else found + held
            log.warning("threshold_unreadable", setting=SETTING, reason=found, threshold=self._last)
            return
        if found != self._last:
            log.info("threshold_changed", threshold=found, before=self._last)
        self._last, self._last_read_at, self._trouble = found, now, None
        self._ask_at = now + KEPT_FOR


def _amount(answer: Secret | Unreadable | None) -> Usd | str:
    """The amount, or what is wrong with it."""
    match answer:
        case None:
            return "is not in Secret Manager any more"
        case Unreadable(rule):
            return rule
        case Secret(value):
            try:
                amount = Usd.parse(value)
            except MoneyError:
                return "is no amount of US dollars in Secret Manager"
            return amount if amount.is_positive() else "is not above 0 in Secret Manager"
