"""Who may call and what may be sent: refused in this order, with nothing stored for an unproven caller."""

import base64
import json
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from shared.http import sign_body
from shared.lifecycle.reactions import Refused
from tests.unit.http_world import (
    AUDIENCE,
    BATCHER,
    HOOK_KEY,
    NOW,
    OTHER_EDGE,
    SCHEDULER,
    Service,
    a_check_order,
    as_task,
    bearer,
    error_of,
    token,
)


class NoSuchBatch(Refused):
    """A refusal of a handler."""

    code: ClassVar[str] = "no_such_batch"
    http_status: ClassVar[int] = 404


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


# --- what anybody may send -------------------------------------------------------------------------------------------


def crafted(header: str, payload: str) -> str:
    """A token of these two texts and a made-up signature."""
    parts = (header, payload, "signature")
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


GOOD_HEADER = json.dumps({"alg": "RS256", "kid": "made-up"})


@pytest.mark.parametrize(
    "text",
    [
        crafted("[" * 2_500, "{}"),
        crafted(GOOD_HEADER, "[" * 2_500),
        crafted(GOOD_HEADER, "17"),
        crafted(GOOD_HEADER, json.dumps({"aud": {"a": 1}, "iss": ["x"]})),
        crafted(GOOD_HEADER, json.dumps({"aud": AUDIENCE, "iss": "https://issuer.example", "exp": 1e308})),
        crafted(GOOD_HEADER, '{"aud": "' + AUDIENCE + '", "iss": "https://issuer.example", "exp": Infinity}'),
        crafted('{"alg": "RS256", "kid": ["x"]}', "{}"),
        crafted('{"alg": ["RS256"], "kid": "x"}', "{}"),
    ],
)
def test_a_crafted_token_is_401_and_wakes_nobody(text: str) -> None:
    with capture_logs() as lines:
        error_of(Service().post("/", token(), {"Authorization": f"Bearer {text}"}), 401, "identity_unproven")
    assert all(line["log_level"] == "info" for line in lines)


SERVICE = Service()
PROVEN = bearer()
HEADER_TEXT = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80)


@settings(deadline=None, max_examples=60)
@given(authorization=HEADER_TEXT, signature=HEADER_TEXT, timestamp=HEADER_TEXT, body=st.binary(max_size=200))
def test_whatever_a_stranger_sends_is_401(authorization: str, signature: str, timestamp: str, body: bytes) -> None:
    headers = {"Authorization": authorization, "X-CloudTasks-TaskName": "outbox-1"}
    assert SERVICE.post("/", body, headers).status_code == 401
    assert SERVICE.post("/json", body, {"X-Signature": signature, "X-Request-Timestamp": timestamp}).status_code == 401


@settings(deadline=None, max_examples=60)
@given(body=st.binary(min_size=1, max_size=300))
def test_whatever_a_proven_caller_sends_is_answered_without_a_failure(body: bytes) -> None:
    assert SERVICE.post("/json", body, PROVEN).status_code in (200, 400)
    assert SERVICE.post("/", body, PROVEN).status_code == 400
