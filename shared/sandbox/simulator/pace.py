"""How often the scheduler looks: every minute, but where nothing has moved for long, and a night would cost."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_PACES: Final = (
    (timedelta(hours=1), 3_600),
    (timedelta(minutes=10), 300),
    (timedelta(0), 60),
)


def pace_after(idle: timedelta) -> int:
    """Seconds until the scheduler's next look, when nothing has moved for `idle`."""
    return next(pace_s for least, pace_s in _PACES if idle >= least)
