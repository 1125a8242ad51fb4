"""The two faces of a log line: JSON for Cloud Logging, columns with a marker for people."""

import json
import re
from typing import Any

from structlog.typing import EventDict

from shared.telemetry.events import marker_of
from shared.telemetry.redaction import without_secrets

_SERVICE_COLUMN = 21  # the longest service name, GCMicroBatchProcessor
_EVENT_COLUMN = 22
# Control characters, marks that turn the direction of writing or end a line, and halves of surrogate pairs.
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_LEVELS_WORTH_SAYING = {"warning", "error", "critical"}


def as_json(_logger: object, _method: str, event: EventDict) -> str:
    """structlog's last step in the cloud: one JSON object per line, concealed values replaced."""
    return _harmless(without_secrets(json.dumps(event, default=str, ensure_ascii=False, separators=(",", ":"))))


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
    return _harmless(without_secrets(f"{line}\n{stack}" if stack else line))


def _harmless(text: str) -> str:
    """A caller's escape sequences are shown, and not obeyed by the terminal of whoever reads the log."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        plain = value and value.isprintable() and " " not in value
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict | list):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)
