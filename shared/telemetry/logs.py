"""Logging of one process, set up once: our own lines through structlog, foreign libraries' lines by the same door."""

import logging
import sys
from typing import Literal, TextIO, cast

import structlog
from structlog.processors import CallsiteParameter, CallsiteParameterAdder
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor

from shared.telemetry.fields import add_time, cloud_logging_names, spell_out_values
from shared.telemetry.redaction import drop_secret_fields
from shared.telemetry.render import as_columns, as_json

LogFormat = Literal["json", "console"]

# Libraries whose INFO lines tell nothing about money.
_QUIET = ("asyncio", "google", "grpc", "urllib3", "web3", "werkzeug")

# Which line of the code wrote it; `alert` speaks for its caller.
_WHERE: tuple[Processor, ...] = (
    CallsiteParameterAdder(
        {CallsiteParameter.PATHNAME, CallsiteParameter.LINENO, CallsiteParameter.FUNC_NAME},
        additional_ignores=["shared.telemetry"],
    ),
)

# The server names build and project before the service, which knows only itself, sets up its log.
_remembered: dict[str, str] = {}


def configure_logging(
    log_format: LogFormat,
    level: str,
    service: str,
    *,
    build: str | None = None,
    project: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Send every log line of this process to `stream` (default: standard error, so that `--json` output stays clean).

    `service` and `build` become labels of every line; `project` completes the trace's name for Cloud Logging. Called
    again it replaces the former setup, but for `build` and `project` when they are not given.
    """
    build = _remember("build", build)
    project = _remember("project", project)
    steps: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        *(_WHERE if log_format == "json" else ()),
        _labels(service, build),
        add_time,
        drop_secret_fields,
        spell_out_values,
        structlog.processors.format_exc_info,
        _name_stack_trace,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *steps, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=False,
    )
    _send_everything_to(_handler(log_format, steps, project, stream), level)


def get_logger() -> BoundLogger:
    """The logger of the fleet: `get_logger().info("transfer_signed", amount=...)`; events are names from `EVENTS`."""
    return cast(BoundLogger, structlog.get_logger("gcpay"))


def alert(event: str, **fields: object) -> None:
    """A line that a person must see: severity ALERT in the cloud, where the alerting policy waits for it."""
    get_logger().critical(event, alert=True, **fields)


def _handler(log_format: LogFormat, steps: list[Processor], project: str, stream: TextIO | None) -> logging.Handler:
    last: list[Processor] = [ProcessorFormatter.remove_processors_meta]
    last += [cloud_logging_names(project), as_json] if log_format == "json" else [as_columns]
    handler = logging.StreamHandler(stream if stream is not None else sys.stderr)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *steps],
            processors=last,
        )
    )
    return handler


def _send_everything_to(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


def _remember(name: str, value: str | None) -> str:
    if value is not None:
        _remembered[name] = value
    return _remembered.get(name, "")


def _labels(service: str, build: str) -> Processor:
    def add_labels(_logger: object, _method: str, event: EventDict) -> EventDict:
        event.setdefault("service", service)
        if build:
            event.setdefault("build", build)
        return event

    return add_labels


def _name_stack_trace(_logger: object, _method: str, event: EventDict) -> EventDict:
    # Cloud Error Reporting groups by a field of exactly this name.
    if "exception" in event:
        event["stack_trace"] = event.pop("exception")
    return event


def _on_standard_error(*_: object) -> structlog.PrintLogger:
    return structlog.PrintLogger(sys.stderr)


# Until a process says where its lines go: never among what a command prints for a program.
if not structlog.is_configured():
    structlog.configure(logger_factory=_on_standard_error)
