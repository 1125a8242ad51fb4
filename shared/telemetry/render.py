"""The two faces of a log line: JSON for Cloud Logging, columns with a marker for people."""

import json
from typing import Any

from structlog.typing import EventDict

from shared.telemetry.events import marker_of
from shared.telemetry.redaction import without_secrets

_SERVICE_COLUMN = 21  # the longest service name, GCMicroBatchProcessor
_EVENT_COLUMN = 22
_LEVELS_WORTH_SAYING = {"warning", "error", "critical"}


def as_json(_logger: object, _method: str, event: EventDict) -> str:
    """structlog's last step in the cloud: one JSON object per line, concealed values replaced."""
    return without_secrets(json.dumps(event, default=str, ensure_ascii=False, separators=(",", ":")))


def as_columns(_logger: object, _method: str, event: EventDict) -> str:
    """structlog's last step for people: time, service, marker, event, then `name=value` for the rest."""
    fields = dict(event)
    time = str(fields.pop("time", ""))[11:23]
    service = str(fields.pop("service", "")).ljust(_SERVICE_COLUMN)
    level = str(fields.pop("level", "info"))
    stack = fields.pop("stack_trace", None)
    fields.pop("span", None)  # for Cloud Logging; the reference names the call
    name = str(fields.pop("event", ""))
    marker = marker_of(name, level)
    said = " ".join(f"{key}={_shown(value)}" for key, value in fields.items() if value is not None)
    loud = f" [{level}]" if level in _LEVELS_WORTH_SAYING else ""
    line = f"{time} {service} {marker} {name.ljust(_EVENT_COLUMN)}{loud} {said}".rstrip()
    return without_secrets(f"{line}\n{stack}" if stack else line)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value if value and " " not in value and "\n" not in value else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
