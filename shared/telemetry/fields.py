"""How values become log fields: money with its scale, ids as text, Cloud Logging's names."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import UUID

from structlog.typing import EventDict

from shared.money import Ether, Tether, Usd

_UNIT_OF: dict[type[Any], str] = {Usd: "micros", Ether: "wei", Tether: "units"}

_SPECIAL = "logging.googleapis.com/"
_CHECKOUT = Path(__file__).resolve().parents[2]

_SEVERITY = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "exception": "ERROR",
    "critical": "CRITICAL",
}


def spell_out_values(_logger: object, _method: str, event: EventDict) -> EventDict:
    """structlog step: `amount=Ether(...)` becomes `amount="0.04... ETH/18"` and `amount_wei=40000000000000000`.

    The text is exact and is what people and exports use; the integer is for range queries.
    """
    spelled: EventDict = {}
    for key, value in event.items():
        unit = _UNIT_OF.get(type(value))
        if unit is not None:
            spelled[key] = value.scaled()
            spelled[f"{key}_{unit}"] = value.base_units
        else:
            spelled[key] = _plain(value)
    return spelled


def _plain(value: Any) -> Any:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return value.hex()
    return value


def add_time(_logger: object, _method: str, event: EventDict) -> EventDict:
    """structlog step: when the line was written. The log's own clock; no decision ever reads it."""
    event["time"] = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event


def cloud_logging_names(project: str) -> Callable[[object, str, EventDict], EventDict]:
    """structlog step: the field names that Cloud Logging takes out of a JSON line and understands.

    `severity`, `message`, `time`, `httpRequest`, and below `logging.googleapis.com/` the trace (as the resource name
    `projects/PROJECT/traces/TRACE` when the project is known), `spanId`, `labels` and `sourceLocation`
    (cloud.google.com/logging/docs/structured-logging, "special JSON fields"). All else stays where queries find it.
    """

    def rename(_logger: object, _method: str, event: EventDict) -> EventDict:
        level = str(event.pop("level", "info"))
        named: EventDict = {
            "severity": "ALERT" if event.get("alert") else _SEVERITY.get(level, "DEFAULT"),
            "time": event.pop("time", None),
            "message": event.pop("event", ""),
        }
        if isinstance(event.get("trace"), str):
            trace = event.pop("trace")
            named[f"{_SPECIAL}trace"] = f"projects/{project}/traces/{trace}" if project else trace
            named[f"{_SPECIAL}spanId"] = event.pop("span", None)
        labels = {key: str(event.pop(key)) for key in ("service", "build") if event.get(key)}
        if labels:
            named[f"{_SPECIAL}labels"] = labels
        if "lineno" in event:
            named[f"{_SPECIAL}sourceLocation"] = _source_location(event)
        if "http_status" in event and "method" in event:
            named["httpRequest"] = _http_request(event)
        named.update(event)
        return {key: value for key, value in named.items() if value is not None}

    return rename


def _source_location(event: EventDict) -> dict[str, str]:
    """Which line wrote it: a file below the checkout, the line as text (its type is int64), the function."""
    file = _below_checkout(str(event.pop("pathname", "")))
    return {"file": file, "line": str(event.pop("lineno")), "function": str(event.pop("func_name", ""))}


@lru_cache(maxsize=1_024)
def _below_checkout(pathname: str) -> str:
    path = Path(pathname)
    return str(path.relative_to(_CHECKOUT) if path.is_relative_to(_CHECKOUT) else path)


def _http_request(event: EventDict) -> dict[str, object]:
    """What the Logs Explorer shows of a call; the line keeps its own fields, which metrics are made of."""
    told: dict[str, object] = {
        "requestMethod": event.get("method"),
        "requestUrl": event.get("route"),
        "status": event["http_status"],
    }
    if event.get("duration_ms") is not None:
        seconds, milliseconds = divmod(int(event["duration_ms"]), 1_000)
        told["latency"] = f"{seconds}.{milliseconds:03d}s"  # a Duration: seconds, and an s
    return {name: value for name, value in told.items() if value is not None}
