"""The skeleton of a service: identity before body, body before token, token before handler, errors as JSON."""

import json
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from shared.http import Answer, Route, create_service, sign_body
from shared.lifecycle.reactions import Broken, Refused, TryLater, Unknown
from tests.unit.http_world import (
    BATCHER,
    HOOK_KEY,
    KEYRING,
    MESSAGE_ID,
    NOW,
    OTHER_EDGE,
    PAY_BATCH,
    SCHEDULER,
    Service,
    a_check_order,
    as_task,
    bearer,
    settings,
    token,
)


class NoSuchBatch(Refused):
    """A refusal of a handler."""

    code: ClassVar[str] = "no_such_batch"
    http_status: ClassVar[int] = 404


class Secretive(Broken):
    """An error with details that concern nobody outside."""

    code: ClassVar[str] = "shares_do_not_add_up"


def error_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """The body of an error answer, checked for its shape."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/json"
    body: dict[str, Any] = response.get_json()
    assert body["status"] == "error"
    assert body["code"] == code
    assert body["message"].endswith(".")
    assert body["reference"]
    assert set(body) <= {"status", "code", "message", "reference", "field", "rule"}
    return body


def test_a_sealed_message_from_an_allowed_caller_reaches_its_handler() -> None:
    service = Service()
    response = service.post("/", token(), bearer())
    assert (response.status_code, response.get_json()) == (200, {"status": "ok"})
    (incoming,) = service.seen
    assert incoming.now == NOW
    assert incoming.caller == BATCHER
    assert incoming.task_name is None
    assert incoming.opened is not None
    assert incoming.opened.message == PAY_BATCH
    assert incoming.opened.message_id == MESSAGE_ID


def test_a_delivery_by_cloud_tasks_is_known_by_its_task_name() -> None:
    service = Service()
    service.post("/", token(), as_task("outbox-77"))
    assert service.seen[0].task_name == "outbox-77"


def test_every_answer_forbids_storing_and_guessing_and_carries_its_reference() -> None:
    service = Service()
    for response in (
        service.post("/", token(), bearer()),
        service.post("/", token()),
        service.post("/nowhere", {}),
        service.client.get("/live"),
    ):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.mimetype == "application/json"


def test_numbers_of_a_json_body_reach_the_handler_as_text() -> None:
    service = Service()
    service.post("/json", b'{"payment_amount_usd": 1.10}', bearer())
    assert service.seen[0].body == {"payment_amount_usd": "1.10"}


@pytest.mark.parametrize("raw", [b"", b"not json", b"[]", b"\xff", b'{"threshold": 0}'])
def test_a_route_that_ignores_its_body_takes_any(raw: bytes) -> None:
    service = Service()
    assert service.post("/tick", raw, bearer(SCHEDULER)).status_code == 200
    assert service.seen[0].body == {}


def test_a_route_that_ignores_its_body_needs_no_length() -> None:
    service = Service()
    assert service.client.post("/tick", headers=bearer(SCHEDULER)).status_code == 200


# --- who calls -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/json", "/tick"])
def test_without_identity_nothing_is_read_or_stored(path: str) -> None:
    service = Service()
    response = service.post(path, b"x" * 100_000)
    error_of(response, 401, "identity_unproven")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert service.seen == []
    assert service.refused == []


def test_a_task_header_without_identity_proves_nothing() -> None:
    service = Service()
    error_of(service.post("/", token(), {"X-CloudTasks-TaskName": "outbox-1"}), 401, "identity_unproven")
    assert service.refused == []


def test_a_proven_caller_of_another_edge_is_turned_away() -> None:
    service = Service()
    error_of(service.post("/", token(), bearer(SCHEDULER)), 403, "caller_not_allowed")
    error_of(service.post("/tick", b"", bearer(BATCHER)), 403, "caller_not_allowed")
    error_of(service.post("/", token(), as_task(email=SCHEDULER)), 403, "caller_not_allowed")
    assert (service.seen, service.refused) == ([], [])


def signed(body: bytes, seconds: int = 0, key: str = HOOK_KEY) -> dict[str, str]:
    """The headers of a webhook that signs its body `seconds` from now."""
    timestamp = str(int((NOW + timedelta(seconds=seconds)).timestamp()))
    return {"X-Signature": sign_body(key, timestamp, body), "X-Request-Timestamp": timestamp}


@pytest.mark.parametrize("seconds", [0, -300, 300])
def test_a_webhook_may_sign_its_body_instead(seconds: int) -> None:
    service = Service()
    assert service.post("/json", b'{"a": 1}', signed(b'{"a": 1}', seconds)).status_code == 200
    assert service.seen[0].caller == "signed-webhook"
    assert service.seen[0].task_name is None


@pytest.mark.parametrize(
    "headers",
    [
        signed(b'{"a": 2}'),
        signed(b'{"a": 1}', key="another secret"),
        signed(b'{"a": 1}', -301),
        signed(b'{"a": 1}', 301),
        signed(b'{"a": 1}') | {"X-Request-Timestamp": "soon"},
        signed(b'{"a": 1}') | {"X-Request-Timestamp": "9" * 30},
        signed(b'{"a": 1}') | {"X-Signature": "0" * 64},
        signed(b'{"a": 1}') | {"X-Signature": ""},
        signed(b'{"a": 1}') | {"Authorization": "Bearer nonsense"},
        {"X-Signature": "0" * 64},
    ],
)
def test_a_signature_must_be_for_this_body_and_this_moment(headers: dict[str, str]) -> None:
    service = Service()
    error_of(service.post("/json", b'{"a": 1}', headers), 401, "identity_unproven")
    assert service.seen == []


def test_a_signature_opens_only_the_route_that_takes_it() -> None:
    body = json.dumps(token()).encode()
    error_of(Service().post("/", body, signed(body)), 401, "identity_unproven")


def test_a_signed_webhook_cannot_pose_as_a_task() -> None:
    service = Service()
    service.raises = NoSuchBatch("There is no such batch.")
    headers = signed(b'{"a": 1}') | {"X-CloudTasks-TaskName": "outbox-1"}
    error_of(service.post("/json", b'{"a": 1}', headers), 404, "no_such_batch")
    assert service.refused == []


# --- what the body is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/json"])
@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"17", b"null", b"{", b'{"a":1,"a":2}', b'{"a":NaN}'])
def test_a_body_that_is_no_object_is_refused_with_its_rule(path: str, raw: bytes) -> None:
    body = error_of(Service().post(path, raw, bearer()), 400, "json_malformed")
    assert body["rule"]


@pytest.mark.parametrize("path", ["/", "/json", "/tick"])
def test_a_body_over_the_limit_is_refused_unread(path: str) -> None:
    service = Service()
    response = service.post(path, b"x" * 70_000, bearer(SCHEDULER if path == "/tick" else BATCHER))
    error_of(response, 413, "body_too_large")
    assert service.seen == []


@pytest.mark.parametrize("path", ["/", "/json"])
def test_a_body_without_length_is_refused(path: str) -> None:
    error_of(Service().client.post(path, headers=bearer()), 411, "length_required")


@pytest.mark.parametrize("path", ["/", "/json", "/tick"])
def test_a_chunked_body_is_refused(path: str) -> None:
    headers = bearer(SCHEDULER if path == "/tick" else BATCHER) | {"Transfer-Encoding": "chunked"}
    error_of(Service().post(path, b'{"a": 1}', headers), 411, "length_required")


@pytest.mark.parametrize("body", [{}, {"token": None}, {"token": ""}, {"token": 17}, {"token": ["x"]}, {"Token": "x"}])
def test_a_token_route_needs_a_token(body: dict[str, Any]) -> None:
    assert error_of(Service().post("/", body, bearer()), 400, "token_missing")["field"] == "token"


@pytest.mark.parametrize("position", [0, 5, 10, 30, 60, -1])
def test_a_token_with_one_character_changed_is_refused(position: int) -> None:
    text = token()["token"]
    changed = list(text)
    changed[position] = "A" if changed[position] != "A" else "B"
    response = Service().post("/", {"token": "".join(changed)}, bearer())
    assert response.status_code in (400, 401)
    assert response.get_json()["code"] in ("token_foreign", "token_malformed", "token_version_unsupported")


def test_another_edges_token_is_foreign() -> None:
    service = Service()
    error_of(service.post("/", token(a_check_order(), OTHER_EDGE), bearer()), 401, "token_foreign")
    assert service.seen == []


@pytest.mark.parametrize("hours", [-26, 1])
def test_a_token_out_of_its_time_is_expired(hours: int) -> None:
    error_of(Service().post("/", token(at=NOW + timedelta(hours=hours)), bearer()), 401, "token_expired")


# --- what is raised --------------------------------------------------------------------------------------------------


def test_a_refusal_tells_a_direct_caller_field_and_rule() -> None:
    service = Service()
    service.raises = NoSuchBatch("There is no such batch.", field="batch_conversion_id", rule="a known batch")
    body = error_of(service.post("/", token(), bearer()), 404, "no_such_batch")
    assert body["message"] == "There is no such batch."
    assert (body["field"], body["rule"]) == ("batch_conversion_id", "a known batch")
    assert service.refused == []


def test_a_refused_task_is_stored_and_then_answered_200() -> None:
    service = Service()
    service.raises = NoSuchBatch("There is no such batch.", field="batch_conversion_id")
    response = service.post("/", token(), as_task("outbox-9"))
    assert response.status_code == 200
    assert response.get_json() == {
        "status": "refused",
        "code": "no_such_batch",
        "reference": service.refused[0].reference,
    }
    (refused,) = service.refused
    assert (refused.service, refused.route, refused.caller, refused.task_name) == (
        "GCHostPay1",
        "/",
        BATCHER,
        "outbox-9",
    )
    assert (refused.code, refused.message, refused.at) == ("no_such_batch", "There is no such batch.", NOW)
    assert refused.opened is not None


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"token": "AAAA"}',
        b'{"token": ""}',
        json.dumps(token(a_check_order(), OTHER_EDGE)).encode(),
        b"x" * 70_000,
    ],
)
def test_a_task_that_can_never_succeed_is_stored_whatever_is_wrong_with_it(body: bytes) -> None:
    service = Service()
    response = service.post("/", body, as_task())
    assert (response.status_code, response.get_json()["status"]) == (200, "refused")
    assert len(service.refused) == 1
    assert service.seen == []


def test_a_refusal_that_cannot_be_stored_is_delivered_again() -> None:
    service = Service()
    service.refuse_raises = TryLater("The database is away at 10.0.0.7.")
    with capture_logs() as lines:
        body = error_of(service.post("/", b"[]", as_task()), 503, "refusal_not_stored")
    assert "10.0.0.7" not in json.dumps(body)
    assert "message_not_stored" in [line["event"] for line in lines]


def test_a_service_without_a_database_refuses_into_the_log() -> None:
    service = Service(with_store=False)
    with capture_logs() as lines:
        response = service.post("/", b"[]", as_task())
    assert (response.status_code, response.get_json()["status"]) == (200, "refused")
    (line,) = [line for line in lines if line["event"] == "message_refused"]
    assert line["log_level"] == "critical"
    assert line["code"] == "json_malformed"


@pytest.mark.parametrize("headers", [bearer(), as_task()])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (TryLater("db at 10.0.0.7 is away"), 503, "try_later"),
        (Unknown("the commit at 10.0.0.7 is unclear"), 503, "unknown_outcome"),
        (Secretive("10.0.0.7 has 3 wei too many"), 500, "shares_do_not_add_up"),
        (ValueError("10.0.0.7 secret"), 500, "internal_error"),
        (KeyError("10.0.0.7"), 500, "internal_error"),
        (RecursionError("10.0.0.7"), 500, "internal_error"),
    ],
)
def test_a_failure_of_ours_is_told_in_fixed_words(
    error: Exception, status: int, code: str, headers: dict[str, str]
) -> None:
    service = Service()
    service.raises = error
    response = service.post("/", token(), headers)
    error_of(response, status, code)
    assert "10.0.0.7" not in response.get_data(as_text=True)
    assert ("Retry-After" in response.headers) == (status == 503)
    assert service.refused == []


def test_a_broken_invariant_and_an_unexpected_failure_call_a_person() -> None:
    service = Service()
    for error, event in ((Secretive("3 wei too many."), "invariant_broken"), (ValueError("x"), "call_failed")):
        service.raises = error
        with capture_logs() as lines:
            service.post("/", token(), bearer())
        (line,) = [line for line in lines if line["event"] == event]
        assert line["alert"] is True
        assert line["log_level"] == "critical"
        assert line["exc_info"] is error


def test_an_answer_that_is_no_json_is_a_failure_of_ours() -> None:
    service = Service()
    service.answers = {"when": NOW}
    error_of(service.post("/", token(), bearer()), 500, "internal_error")


def test_the_reference_in_the_answer_is_the_one_in_the_log() -> None:
    service = Service()
    service.raises = ValueError("x")
    response = service.post("/", token(), bearer())
    assert response.headers["X-Reference"] == response.get_json()["reference"]
    assert response.get_json()["reference"] != service.post("/", token(), bearer()).get_json()["reference"]


def test_the_trace_of_the_caller_is_followed() -> None:
    service = Service()
    service.post("/", token(), bearer() | {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    service.post("/", token(), bearer() | {"traceparent": "nonsense"})
    assert service.seen[0].trace == "ab" * 16
    assert len(service.seen[1].trace) == 32


def test_each_request_is_one_line_of_the_log() -> None:
    service = Service()
    with capture_logs() as lines:
        service.post("/", token(), as_task("outbox-3"))
        service.post("/", token())
    answered = [line for line in lines if line["event"] == "request_answered"]
    assert [(line["http_status"], line["code"], line["caller"], line["task_name"]) for line in answered] == [
        (200, None, BATCHER, "outbox-3"),
        (401, "identity_unproven", None, None),
    ]


# --- what no route sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nowhere", "/tick/", "//tick", "/health/x", "/static/x", "/%00"])
def test_an_unknown_path_is_answered_in_json(path: str) -> None:
    error_of(Service().post(path, {}, bearer()), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "PROPFIND"])
def test_a_wrong_method_is_answered_in_json(method: str) -> None:
    response = Service().client.open("/tick", method=method)
    assert response.status_code == 405
    assert response.headers["Allow"] == "POST"
    if method != "HEAD":
        error_of(response, 405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/health", "/live"])
def test_health_cannot_be_posted(path: str) -> None:
    error_of(Service().post(path, {}), 405, "method_not_allowed")


# --- mistakes in the wiring ------------------------------------------------------------------------------------------


def test_a_route_that_nobody_may_call_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nobody may call it"):
        Route("/", lambda _incoming: Answer(200, {}), [], body="ignored")


def test_a_token_route_without_edges_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="names its edges"):
        Route("/", lambda _incoming: Answer(200, {}), [BATCHER])


def test_token_routes_need_a_keyring() -> None:
    route = Route("/", lambda _incoming: Answer(200, {}), [BATCHER], edges=(OTHER_EDGE,))
    with pytest.raises(ValueError, match="needs a keyring"):
        create_service(settings(), "watcher", [route], [], None)
    assert create_service(settings(), "watcher", [route], [], None, keyring=KEYRING).name == "watcher"
