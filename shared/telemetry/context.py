"""Fields that every line of one task carries: bound once, gone when the task ends."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


def bind(**fields: object) -> None:
    """Add fields (batch, transfer, message id) to every later line of the current task."""
    structlog.contextvars.bind_contextvars(**fields)


@contextmanager
def task_context(**fields: object) -> Iterator[None]:
    """Start a task's own set of fields and restore the outer one afterwards.

    Gunicorn's threads are reused: what one request bound must not appear in the lines of the next.
    """
    outer = structlog.contextvars.get_contextvars()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**fields)
    try:
        yield
    finally:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(**outer)


def current_trace() -> str | None:
    """The trace id of the task that runs here, or None outside of one."""
    trace = structlog.contextvars.get_contextvars().get("trace")
    return trace if isinstance(trace, str) else None


def current_span() -> str | None:
    """The span id of the call that runs here, or None outside of one."""
    span = structlog.contextvars.get_contextvars().get("span")
    return span if isinstance(span, str) else None
