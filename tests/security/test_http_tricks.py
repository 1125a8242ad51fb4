"""Methods, paths, hosts and headers with which a door is looked for beside the doors."""

from __future__ import annotations

import gzip
import io
import logging
import re
import zlib
from urllib.parse import unquote_to_bytes

import pytest
from werkzeug.test import TestResponse

from shared.sandbox.fleet.identities import SERVICES
from shared.telemetry import configure_logging, get_logger
from tests.security.house import JSON_TYPE, House
from tests.security.test_fuzz import must_be_clean

METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "QUERY")
every_service = pytest.mark.parametrize("service", SERVICES)


def must_be_shut(answer: TestResponse, told: str) -> None:
    """Headers that every answer has, and none that tells what answers."""
    assert answer.headers["Cache-Control"] == "no-store", told
    assert answer.headers["X-Content-Type-Options"] == "nosniff", told
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'", told
    for name in ("Server", "X-Powered-By", "Set-Cookie", "Location", "Access-Control-Allow-Origin", "Via", "ETag"):
        assert name not in answer.headers, (told, name)


def test_every_answer_of_every_kind_forbids_storing_guessing_and_scripts_and_names_no_server(house: House) -> None:
    for door in house.doors:
        must_be_shut(house.post(door, b"{}"), f"{door} answered")
        must_be_shut(house.post(door, b"{}", {}), f"{door} without identity")
        must_be_shut(house.post(door, b"[", task="outbox-1"), f"{door} refused for good")
    for service in SERVICES:
        for path in ("/health", "/live", "/nothing", "/%ff"):
            for method in ("GET", "POST", "OPTIONS"):
                must_be_shut(house.client(service).open(path, method=method), f"{method} {service}{path}")


def test_only_post_opens_a_door_and_head_and_options_tell_nothing(house: House) -> None:
    with house.nothing_changes():
        for door in house.doors:
            identity = house.identity(house.caller(door), door.service) | JSON_TYPE
            for method in METHODS:
                answer = house.client(door.service).open(door.route.path, method=method, data=b"{}", headers=identity)
                assert answer.status_code == 405, (str(door), method)
                assert answer.headers["Allow"] == "POST", (str(door), method)
                if method != "HEAD":
                    assert must_be_clean(answer, f"{method} {door}")["code"] == "method_not_allowed"
            for override in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"):
                answer = house.client(door.service).open(
                    f"{door.route.path}?_method=POST", headers=identity | {override: "POST"}, data=b"{}"
                )
                assert answer.status_code == 405, (str(door), override)


@every_service
def test_no_other_spelling_of_a_path_is_a_door(house: House, service: str) -> None:
    """What a proxy in front of us might read as another path than we do is no path here."""
    paths = [door.route.path for door in house.doors if door.service == service]
    spelled = {
        *(f"/{path}" for path in paths),
        *(f"{path}/" for path in paths if path != "/"),
        *(f"{path}//" for path in paths),
        *(f"/.{path}" for path in paths if path != "/"),
        *(f"/x/..{path}" for path in paths if path != "/"),
        *(f"/%2e%2e{path}" for path in paths if path != "/"),
        *(f"/%2f{path}" for path in paths if path != "/"),
        *(f"{path};x=1" for path in paths),
        *(f"{path}%00" for path in paths),
        *(f"{path}%20" for path in paths),
        *(f"{path}%0d%0aX: y" for path in paths),
        *(path.upper() for path in paths if path != "/"),
        *(path.replace("-", "_") for path in paths if "-" in path),
        *(path.replace("-", "%E2%80%90") for path in paths if "-" in path),
        *("/health/..", "/live/../", "/console", "/debug", "/.env", "/admin", "/static/", "/openapi.json", "/metrics"),
    } - set(paths)
    identity = house.identity(house.who.scheduler, service) | JSON_TYPE
    with house.nothing_changes():
        for path in sorted(spelled):
            # Not by the client's own path, which it reads as an address.
            raw = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1")}
            answer = house.client(service).post("/", data=b"{}", headers=identity, environ_overrides=raw)
            assert answer.status_code == 404, (service, path, answer.status)
            assert must_be_clean(answer, path)["code"] == "not_found"
            assert path not in answer.get_data(as_text=True) or len(path) < 3


def test_no_host_and_no_forwarded_header_changes_what_is_answered(house: House) -> None:
    strange = (
        {"Host": "evil.invalid"},
        {"Host": "localhost:99999"},
        {"Host": ""},
        {"Host": "a b"},
        {"X-Forwarded-Host": "evil.invalid", "X-Forwarded-Proto": "javascript"},
        {"X-Forwarded-Prefix": "/admin", "X-Script-Name": "/x", "X-Original-URL": "/sweep", "X-Rewrite-URL": "/sweep"},
    )
    with house.nothing_changes():
        for door in house.doors:
            for headers in strange:
                answer = house.post(door, b"{}", headers)
                assert answer.status_code == 401, (str(door), headers)
                assert "evil" not in f"{answer.headers} {answer.get_data(as_text=True)}"
    for service in SERVICES:
        for headers in strange:
            assert house.client(service).get("/live", headers=headers).status_code == 200, (service, headers)


def test_what_a_query_or_a_form_says_is_never_read(house: House) -> None:
    with house.nothing_changes():
        for door in house.doors:
            if door.route.body == "ignored":
                continue
            identity = house.identity(house.caller(door), door.service)
            answer = house.client(door.service).post(
                f"{door.route.path}?token=x&user_id=1", data=b"{}", headers=identity
            )
            assert answer.get_json()["code"] in ("token_missing", "bad_field"), str(door)
            form = house.client(door.service).post(
                door.route.path, data={"token": "x", "user_id": "1"}, headers=identity
            )
            assert form.get_json()["code"] == "json_malformed", str(door)


@every_service
def test_health_and_life_tell_words_and_nothing_else_and_cannot_be_asked_for_more(house: House, service: str) -> None:
    usual = set(house.client(service).get("/health").get_json())
    assert usual == {"status", "service", "timestamp", "version", "components"}
    for path in ("/health", "/live"):
        for query in ("", "?verbose=1", "?debug=true", "?component=database&format=yaml"):
            answer = house.client(service).get(path + query, headers={"X-Debug": "1", "Accept": "text/html"})
            body = answer.get_json()
            assert set(body) <= usual, (path, query)
            assert set(body.get("components", {}).values()) <= {"healthy", "unhealthy", "unknown"}
            assert answer.mimetype == "application/json"


def test_a_body_that_is_not_what_it_is_announced_as_is_never_unpacked(house: House) -> None:
    """A few bytes that unpack to gigabytes: nothing here unpacks anything."""
    bomb = gzip.compress(b'{"token": "' + b"A" * 10_000_000 + b'"}')
    with house.nothing_changes():
        for door in house.doors:
            if door.route.body == "ignored":
                continue
            identity = house.identity(house.caller(door), door.service)
            for coding, body in (("gzip", bomb), ("deflate", zlib.compress(b"{}")), ("br", b"\x0b\x02\x80{}\x03")):
                answer = house.post(door, body, identity | {"Content-Encoding": coding})
                assert answer.get_json()["code"] == "json_malformed", (str(door), coding)
            for kind in ("multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "text/xml"):
                answer = house.post(door, b"--x\r\n\r\nx", identity | {"Content-Type": kind})
                assert answer.get_json()["code"] == "json_malformed", (str(door), kind)


def test_what_a_caller_writes_into_a_log_is_one_line_and_moves_no_cursor(house: House) -> None:
    """A name of a task, a trace, a header of identity: an attacker's words stand in the line of his own call."""
    log = io.StringIO()
    nasty = "x\x1b[2J\x1b]0;owned\x07\x9b31m\x85\u2028\u202e"
    try:
        for log_format in ("json", "console"):
            configure_logging(log_format, "DEBUG", "every service", stream=log)
            for door in house.doors:
                headers = house.identity(house.caller(door), door.service)
                headers |= {"X-CloudTasks-TaskName": nasty.encode("latin-1", "replace").decode("latin-1")}
                house.post(door, b'{"a\\u001b[2J\\r\\n{}": 1, "a\\u001b[2J\\r\\n{}": 2}', headers)
            get_logger().info("call_refused", reason=nasty + '\r\n{"severity":"ALERT"}')
    finally:
        logging.getLogger().handlers = []
    lines = log.getvalue().split("\n")
    assert len(lines) > 2 * len(house.doors)
    assert not [line for line in lines if re.search("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u2028\u202e]", line)]
    assert not [line for line in lines if line.startswith('{"severity":"ALERT"}')]
