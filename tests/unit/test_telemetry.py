"""What a log line looks like in the cloud and for people, and what never gets into one."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import structlog
from pydantic import SecretStr

from shared.money import Ether, Tether, Usd
from shared.telemetry import (
    alert,
    bind,
    conceal,
    configure_logging,
    current_trace,
    get_logger,
    new_trace,
    task_context,
    trace_of,
    trace_of_call,
    traceparent,
)
from shared.telemetry.redaction import forget_concealed

TRACE = "ab" * 16
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(capture=False)
    forget_concealed()


def fail(error: Exception) -> None:
    raise error


class Log:
    """A log that a test reads."""

    def __init__(self, log_format: Any = "json", level: str = "INFO", **labels: str) -> None:
        self._stream = io.StringIO()
        configure_logging(log_format, level, "GCHostPay3", stream=self._stream, **{"build": "", "project": ""} | labels)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


def test_a_line_in_the_cloud_carries_the_clouds_names() -> None:
    log = Log(build="build-7", project="project-one")
    with task_context(trace=TRACE, span="cd" * 8):
        get_logger().info("attempt_signed", nonce=7)
    (line,) = log.lines
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    where = line.pop("logging.googleapis.com/sourceLocation")
    assert where.pop("line").isdigit()
    assert where == {
        "file": "tests/unit/test_telemetry.py",
        "function": "test_a_line_in_the_cloud_carries_the_clouds_names",
    }
    assert line == {
        "severity": "INFO",
        "message": "attempt_signed",
        "logging.googleapis.com/trace": f"projects/project-one/traces/{TRACE}",
        "logging.googleapis.com/spanId": "cd" * 8,
        "logging.googleapis.com/labels": {"service": "GCHostPay3", "build": "build-7"},
        "nonce": 7,
    }


def test_a_call_is_told_in_the_clouds_form_beside_its_own_fields() -> None:
    log = Log()
    get_logger().info("request_answered", method="POST", route="/drive", http_status=200, duration_ms=1_042)
    (line,) = log.lines
    assert line["httpRequest"] == {
        "requestMethod": "POST",
        "requestUrl": "/drive",
        "status": 200,
        "latency": "1.042s",
    }
    assert (line["http_status"], line["duration_ms"], line["route"]) == (200, 1_042, "/drive")


def test_an_alert_names_the_line_that_raised_it() -> None:
    log = Log()
    alert("providers_disagreed", account="0xabc")
    assert log.lines[0]["logging.googleapis.com/sourceLocation"]["file"] == "tests/unit/test_telemetry.py"


def test_without_a_project_the_trace_is_told_bare() -> None:
    log = Log()
    with task_context(trace=TRACE):
        get_logger().info("attempt_sent")
    assert log.lines[0]["logging.googleapis.com/trace"] == TRACE
    assert "logging.googleapis.com/spanId" not in log.lines[0]


def test_people_do_not_read_spans_and_places() -> None:
    log = Log("console")
    with task_context(trace=TRACE, span="cd" * 8):
        get_logger().info("attempt_sent")
    assert "span" not in log.text
    assert "test_telemetry" not in log.text


@pytest.mark.parametrize(
    ("level", "severity"), [("info", "INFO"), ("warning", "WARNING"), ("error", "ERROR"), ("critical", "CRITICAL")]
)
def test_levels_become_severities(level: str, severity: str) -> None:
    log = Log()
    getattr(get_logger(), level)("attempt_sent")
    assert log.lines[0]["severity"] == severity


def test_an_alert_is_a_severity_of_its_own() -> None:
    log = Log()
    alert("providers_disagreed", account="0xabc")
    assert (log.lines[0]["severity"], log.lines[0]["alert"], log.lines[0]["account"]) == ("ALERT", True, "0xabc")


def test_lines_below_the_level_are_not_written() -> None:
    log = Log(level="WARNING")
    get_logger().info("attempt_sent")
    get_logger().warning("attempt_not_sent")
    assert [line["message"] for line in log.lines] == ["attempt_not_sent"]


@pytest.mark.parametrize(
    ("amount", "text", "unit", "number"),
    [
        (Ether(40_000_000_000_000_000), "0.040000000000000000 ETH/18", "wei", 40_000_000_000_000_000),
        (Usd(1_430_000), "1.430000 USD/6", "micros", 1_430_000),
        (Tether(-1), "-0.000001 USDT/6", "units", -1),
    ],
)
def test_money_is_shown_with_its_scale_and_as_an_integer(amount: Any, text: str, unit: str, number: int) -> None:
    log = Log()
    get_logger().info("attempt_signed", value=amount)
    assert (log.lines[0]["value"], log.lines[0][f"value_{unit}"]) == (text, number)


def test_ids_times_and_bytes_are_text() -> None:
    log = Log()
    get_logger().info(
        "task_made", id=UUID(int=1), at=datetime(2026, 1, 1, tzinfo=UTC), message_id=b"\x01\xff", nothing=None
    )
    line = log.lines[0]
    assert line["id"] == "00000000-0000-0000-0000-000000000001"
    assert line["at"] == "2026-01-01T00:00:00+00:00"
    assert line["message_id"] == "01ff"
    assert "nothing" not in line


def test_people_read_columns_with_a_mark() -> None:
    log = Log("console")
    get_logger().info("attempt_signed", nonce=7, why="first try", value=Ether(1))
    assert log.text[12:].rstrip() == (
        " GCHostPay3            🔐 attempt_signed         "
        'nonce=7 why="first try" value="0.000000000000000001 ETH/18" value_wei=1'
    )


def test_a_loud_line_says_its_level_and_shows_where_it_failed() -> None:
    log = Log("console")
    try:
        fail(ValueError("three wei too many"))
    except ValueError as error:
        alert("invariant_broken", exc_info=error)
    first, *rest = log.text.splitlines()
    assert "🚨 invariant_broken       [critical]" in first
    assert rest[0].startswith("Traceback")
    assert rest[-1] == "ValueError: three wei too many"


def test_a_failure_in_the_cloud_has_its_stack_under_the_name_that_groups_errors() -> None:
    log = Log()
    try:
        fail(ValueError("three wei too many"))
    except ValueError as error:
        get_logger().error("call_failed", exc_info=error)
    assert log.lines[0]["stack_trace"].endswith("ValueError: three wei too many")


def test_foreign_lines_go_through_the_same_door() -> None:
    log = Log()
    logging.getLogger("gunicorn.error").propagate = True
    logging.getLogger("some.library").warning("cannot reach %s", "somewhere")
    logging.getLogger("urllib3.pool").info("chatter")
    (line,) = log.lines
    assert (line["message"], line["severity"], line["logger"]) == ("cannot reach somewhere", "WARNING", "some.library")
    assert line["logging.googleapis.com/labels"] == {"service": "GCHostPay3"}


def test_setting_up_twice_does_not_double_the_lines() -> None:
    Log()
    log = Log()
    get_logger().info("attempt_sent")
    assert len(log.lines) == 1


def test_the_servers_build_and_project_outlive_the_services_own_setup() -> None:
    configure_logging("json", "INFO", "gunicorn", build="build-7", project="project-one", stream=io.StringIO())
    stream = io.StringIO()
    configure_logging("json", "INFO", "GCHostPay3", stream=stream)
    get_logger().info("attempt_sent", trace=TRACE)
    line = json.loads(stream.getvalue())
    assert line["logging.googleapis.com/labels"] == {"service": "GCHostPay3", "build": "build-7"}
    assert line["logging.googleapis.com/trace"].startswith("projects/project-one/")


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        "token",
        "identity_token",
        "password",
        "database_password",
        "host_wallet_private_key",
        "changenow_api_key",
        "success_url_signing_key",
        "authorization",
        "Authorization",
        "x_signature",
        "rpc_url",
        "ethereum_rpc_urls",
        "secret",
        "raw_transaction",
    ],
)
@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_field_with_a_secret_name_is_stars(field: str, log_format: str) -> None:
    log = Log(log_format)
    get_logger().info("settings_loaded", **{field: "dont-show-me"}, inside={field: "dont-show-me"})
    assert "dont-show-me" not in log.text
    assert "***" in log.text


def test_a_secret_type_is_stars_under_any_name() -> None:
    log = Log()
    get_logger().info("settings_loaded", value=SecretStr("dont-show-me"), many=[SecretStr("dont-show-me")])
    assert (log.lines[0]["value"], log.lines[0]["many"]) == ("***", ["***"])


@pytest.mark.parametrize("field", ["edge", "token_kind", "batch_key_id", "tokens_made", "signature_kind", "nonce"])
def test_other_fields_stay_readable(field: str) -> None:
    log = Log()
    get_logger().info("settings_loaded", **{field: "shown"})
    assert log.lines[0][field] == "shown"


def test_a_concealed_value_is_stars_even_in_a_foreign_exception() -> None:
    conceal(["v2/provider-key-123456", "short"])
    log = Log()
    try:
        fail(OSError("Max retries exceeded with url: /v2/provider-key-123456"))
    except OSError as error:
        get_logger().error("provider_unreachable", exc_info=error, reason=str(error), word="short")
    assert "provider-key" not in log.text
    assert log.lines[0]["word"] == "short"


def test_an_identity_token_is_stars_wherever_it_stands() -> None:
    log = Log()
    get_logger().info("call_refused", reason="got Bearer eyJhbGciOiJSUzI1NiJ9.eyJlbWFpbCI6ImEifQ.c2lnbmF0dXJl")
    assert log.lines[0]["reason"] == "got Bearer ***"


# --- what a task binds -----------------------------------------------------------------------------------------------


def test_what_a_task_binds_is_on_its_lines_and_not_on_the_next_ones() -> None:
    log = Log()
    with task_context(trace=TRACE, route="/"):
        bind(batch="b-1")
        get_logger().info("order_created")
        assert current_trace() == TRACE
    with task_context(trace="cd" * 16):
        get_logger().info("order_created")
    assert (log.lines[0]["batch"], log.lines[0]["route"]) == ("b-1", "/")
    assert "batch" not in log.lines[1]
    assert current_trace() is None


def test_a_task_inside_a_task_gives_the_outer_fields_back() -> None:
    with task_context(trace=TRACE):
        with task_context(trace="cd" * 16):
            assert current_trace() == "cd" * 16
        assert current_trace() == TRACE


def test_a_trace_goes_from_service_to_service() -> None:
    trace = new_trace()
    assert trace_of(traceparent(trace)) == trace


@pytest.mark.parametrize(
    "header", [None, "", "nonsense", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01", f"00-{TRACE}-01"]
)
def test_a_header_without_a_good_trace_starts_a_new_one(header: str | None) -> None:
    assert len(trace_of(header)) == 32
    assert trace_of(header) != trace_of(header)


OTHER = "ef" * 16


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-{'1' * 16}-01", "X-Cloud-Trace-Context": f"{OTHER}/1;o=1"}, TRACE),
        ({"X-Cloud-Trace-Context": f"{OTHER}/18446744073709551615;o=1"}, OTHER),
        ({"X-Cloud-Trace-Context": OTHER.upper()}, OTHER),
        ({"X-Cloud-Trace-Context": f"{OTHER};o=0"}, OTHER),
        ({"traceparent": "nonsense", "X-Cloud-Trace-Context": f"{OTHER}/7"}, OTHER),
    ],
)
def test_a_call_is_followed_by_either_of_googles_headers(headers: dict[str, str], expected: str) -> None:
    assert trace_of_call(headers) == expected


@pytest.mark.parametrize("header", ["0" * 32, f"{OTHER}/x", f"{OTHER}/1;o=1;drop", "é" * 32, ""])
def test_a_header_that_names_no_trace_begins_a_new_one(header: str) -> None:
    found = trace_of_call({"X-Cloud-Trace-Context": header})
    assert len(found) == 32
    assert found not in (OTHER, "0" * 32)


def test_the_span_of_the_call_is_handed_on() -> None:
    assert traceparent(TRACE, "cd" * 8) == f"00-{TRACE}-{'cd' * 8}-01"


def test_a_process_that_set_nothing_up_leaves_standard_output_to_what_it_prints() -> None:
    program = "from shared.telemetry import get_logger; get_logger().error('alert_raised'); print('{}')"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout == "{}\n"
    assert "alert_raised" in ended.stderr
