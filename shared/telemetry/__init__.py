"""What the fleet tells about itself: one log line per fact, the same names everywhere, nothing secret.

Public: `configure_logging` (once per process), `get_logger`, `alert` (a line a person must see), `bind` and
`task_context` (fields of one task), `EVENTS` (the vocabulary), `conceal` (secret values that may never be
printed), `new_trace`, `new_span`, `trace_of`, `trace_of_call`, `traceparent`, `current_trace`, `current_span`.
"""

from shared.telemetry import lean as _lean  # noqa: F401 - first of all
from shared.telemetry.context import bind, current_span, current_trace, task_context
from shared.telemetry.events import EVENTS, marker_of
from shared.telemetry.logs import alert, configure_logging, get_logger
from shared.telemetry.redaction import conceal
from shared.telemetry.trace import new_span, new_trace, trace_of, trace_of_call, traceparent

__all__ = [
    "EVENTS",
    "alert",
    "bind",
    "conceal",
    "configure_logging",
    "current_span",
    "current_trace",
    "get_logger",
    "marker_of",
    "new_span",
    "new_trace",
    "task_context",
    "trace_of",
    "trace_of_call",
    "traceparent",
]
