"""How values become log fields: money with its scale, ids as text, Cloud Logging's names."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from structlog.typing import EventDict

from shared.money import Ether, Tether, Usd

_UNIT_OF: dict[type[Any], str] = {Usd: "micros", Ether: "wei", Tether: "units"}

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
    """structlog step: the field names that Cloud Logging understands (severity, message, trace, labels)."""

    def rename(_logger: object, _method: str, event: EventDict) -> EventDict:
        level = str(event.pop("level", "info"))
        named: EventDict = {
            "severity": "ALERT" if event.get("alert") else _SEVERITY.get(level, "DEFAULT"),
            "time": event.pop("time", None),
            "message": event.pop("event", ""),
        }
        if isinstance(event.get("trace"), str):
            trace = event.pop("trace")
            named["logging.googleapis.com/trace"] = f"projects/{project}/traces/{trace}" if project else trace
        labels = {key: str(event.pop(key)) for key in ("service", "build") if event.get(key)}
        if labels:
            named["logging.googleapis.com/labels"] = labels
        named.update({key: value for key, value in event.items() if value is not None})
        return named

    return rename
