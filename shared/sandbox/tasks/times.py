"""Time fields of the API's messages. The library annotates them with the wire types, but hands out and takes datetime
and timedelta; these four functions say so to the type checker in one place."""

from datetime import UTC, datetime, timedelta
from typing import Any


def moment(field: object) -> datetime:
    """A timestamp field as an aware time."""
    assert isinstance(field, datetime)
    return field


def span(field: object) -> timedelta:
    """A duration field."""
    assert isinstance(field, timedelta)
    return field


def stamp(unix_s: float) -> Any:
    """Unix seconds, ready to be put into a timestamp field."""
    return datetime.fromtimestamp(unix_s, UTC)


def duration(value: timedelta) -> Any:
    """A timedelta, ready to be put into a duration field."""
    return value
