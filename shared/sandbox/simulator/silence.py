"""The services' log lines are not written while histories are played: the story tells what they would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL

import structlog
from structlog.typing import EventDict


@contextmanager
def silence() -> Iterator[None]:
    """No line of the fleet's log leaves this process until the block ends; what was set up before is set up again."""
    before = structlog.get_config()
    structlog.configure(
        processors=[_drop],
        wrapper_class=structlog.make_filtering_bound_logger(CRITICAL),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: EventDict) -> EventDict:
    raise structlog.DropEvent
