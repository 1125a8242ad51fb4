"""The skeleton of a service: identity before body, body before token, token before handler, errors as JSON."""

import json
from typing import ClassVar

import pytest
from structlog.testing import capture_logs

from shared.http import Answer, Route, create_service
from shared.lifecycle.reactions import Broken, Refused, TryLater, Unknown
from tests.unit.http_world import (
    BATCHER,
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
    error_of,
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
    answer = service.post("/", token(), bearer() | {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"})
    assert answer.headers["X-Trace"] == "ab" * 16, "the answer names it, also to a caller that had none"
    service.post("/", token(), bearer() | {"traceparent": "nonsense"})
    assert service.seen[0].trace == "ab" * 16
    assert len(service.seen[1].trace) == 32


def test_googles_own_header_is_followed_where_there_is_no_traceparent() -> None:
    service = Service()
    refused = service.post("/", token(), {"X-Cloud-Trace-Context": f"{'ef' * 16}/7;o=1"})
    assert (refused.status_code, refused.headers["X-Trace"]) == (401, "ef" * 16)


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
