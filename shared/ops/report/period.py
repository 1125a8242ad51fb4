"""The period of a report: from an instant, up to and without another. Days are UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.ops.exits import Exit, Leave

_USUAL: Final = timedelta(days=30)
_AGO: Final = re.compile(r"([1-9][0-9]{0,3})([hd])")
_UNITS: Final = {"h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Period:
    """`since` is in it, `until` is not: two periods that touch count nothing twice."""

    since: datetime
    until: datetime

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M:%S} to {self.until:%Y-%m-%d %H:%M:%S} UTC"


def period_of(since: str | None, until: str | None, now: datetime) -> Period:
    """What a person typed: 2026-03-01, 2026-03-01T12:00+01:00, 12h or 7d. Until: default now. Since: 30 days before.

    Leaves with 2 for anything else, and for a period that ends before it begins.
    """
    last = now if until is None else _instant("--until", until, now)
    first = last - _USUAL if since is None else _instant("--since", since, now)
    if first >= last:
        raise Leave(f"The period ends before it begins: {Period(first, last)}.", Exit.USAGE)
    return Period(first, last)


def _instant(option: str, text: str, now: datetime) -> datetime:
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError) as wrong:
        raise Leave(f"{option} {text}: say a day as 2026-03-01, an instant, or 12h or 7d.", Exit.USAGE) from wrong
