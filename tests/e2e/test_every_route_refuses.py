"""Nobody gets in who should not, nothing gets in that should not, and a refusal leaves nothing behind.

One running fleet; every POST route of every service, whatever routes there will be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.identities import SERVICES
from tests.e2e.doors import JSON_TYPE, Door, Visitor, doors, names, token_body
from tests.e2e.forged import Forger, bearer
from tests.e2e.outside import chunked, shout, speak
from tests.e2e.sealed import Sealer
from tests.e2e.standing import nothing_changes, quiet, standing
from tests.e2e.waiting import until

MAX_BODY_BYTES = 65_536
_20_MB = 20 * 1024 * 1024

ALL = doors()
TOKEN_DOORS = [door for door in ALL if door.route.body == "token"]
JSON_DOORS = [door for door in ALL if door.route.body != "ignored"]
BODILESS_DOORS = [door for door in ALL if door.route.body == "ignored"]
REMEMBERING_DOORS = [door for door in JSON_DOORS if door.service != "GCHostPay2"]
every_door = pytest.mark.parametrize("door", ALL, ids=names(ALL))
every_token_door = pytest.mark.parametrize("door", TOKEN_DOORS, ids=names(TOKEN_DOORS))
every_json_door = pytest.mark.parametrize("door", JSON_DOORS, ids=names(JSON_DOORS))
every_bodiless_door = pytest.mark.parametrize("door", BODILESS_DOORS, ids=names(BODILESS_DOORS))
every_remembering_door = pytest.mark.parametrize("door", REMEMBERING_DOORS, ids=names(REMEMBERING_DOORS))
every_service = pytest.mark.parametrize("service", SERVICES)


@pytest.fixture(scope="module")
def still(fleet: Fleet) -> Iterator[Fleet]:
    """The fleet while it does nothing by itself, so that every change is a caller's."""
    with quiet(fleet):
        yield fleet


@pytest.fixture(scope="module")
def forger(still: Fleet) -> Forger:
    return Forger(still.identity)


@pytest.fixture(scope="module")
def sealer(still: Fleet) -> Sealer:
    return Sealer(still.world)


# --- who calls --------------------------------------------------------------------------------------------------------


@every_door
@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_an_unproven_caller_gets_401_and_leaves_nothing(
    still: Fleet, forger: Forger, sealer: Sealer, door: Door, as_task: bool
) -> None:
    url = still.urls[door.service]
    elsewhere = next(still.urls[name] for name in SERVICES if name != door.service)
    email = door.callers(still.world.identities)[0]
    task = {"X-CloudTasks-TaskName": "outbox-made-up"} if as_task else {}
    body = door.good_body(sealer)
    with nothing_changes(still):
        for name, headers in forger.unproven(email, url, elsewhere):
            heard = speak(url, "POST", door.route.path, headers | JSON_TYPE | task, body)
            assert heard.status == 401, (name, heard)
            heard.must_be_error(401, "identity_unproven")
            assert heard.headers["www-authenticate"] == "Bearer"


@every_door
@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_a_proven_caller_who_may_not_use_the_route_gets_403_and_leaves_nothing(
    still: Fleet, sealer: Sealer, door: Door, as_task: bool
) -> None:
    url = still.urls[door.service]
    task = {"X-CloudTasks-TaskName": "outbox-made-up"} if as_task else {}
    strangers = door.strangers(still.world.identities)
    assert len(strangers) >= 6
    with nothing_changes(still):
        for email in strangers:
            headers = bearer(still.identity.token(email, url)) | JSON_TYPE | task
            speak(url, "POST", door.route.path, headers, door.good_body(sealer)).must_be_error(
                403, "caller_not_allowed"
            )


@every_token_door
@pytest.mark.parametrize("as_task", [False, True], ids=["direct", "as a task"])
def test_on_a_shared_route_nobody_brings_another_producers_token(
    still: Fleet, sealer: Sealer, door: Door, as_task: bool
) -> None:
    visitor = Visitor.allowed(still, door, "outbox-made-up" if as_task else "")
    with nothing_changes(still):
        for edge in door.route.edges:
            if edge != door.edge:
                visitor.brings(token_body(sealer.good(edge))).must_be_error(403, "caller_not_allowed")


def test_there_is_a_shared_route_to_test(still: Fleet) -> None:
    assert any(len(door.route.edges) > 1 for door in ALL)


# --- what is brought --------------------------------------------------------------------------------------------------


@every_token_door
def test_a_spoilt_or_foreign_token_is_refused_and_leaves_nothing(still: Fleet, sealer: Sealer, door: Door) -> None:
    assert door.edge is not None
    visitor = Visitor.allowed(still, door)
    with nothing_changes(still):
        for name, token, status, code in sealer.spoilt(door.edge, tuple(door.route.edges)):
            heard = visitor.brings(token_body(token))
            assert (heard.status, heard.json["code"]) == (status, code), (name, heard)
            heard.must_be_error(status, code)
            assert token not in heard.text


@every_token_door
def test_a_token_field_that_is_no_text_is_refused_and_leaves_nothing(still: Fleet, sealer: Sealer, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    assert door.edge is not None
    good = sealer.good(door.edge)
    with nothing_changes(still):
        for value in (None, True, 5, 1.5, "", [good], {"token": good}, {}):
            visitor.brings(token_body(value)).must_be_error(400, "token_missing")
        visitor.brings(b"{}").must_be_error(400, "token_missing")
        visitor.brings(json.dumps({"Token": good}).encode()).must_be_error(400, "token_missing")


@every_token_door
def test_a_genuine_token_about_a_row_that_does_not_exist_changes_nothing(
    still: Fleet, sealer: Sealer, door: Door
) -> None:
    """Even with every secret of the fleet: nothing is paid, shared out or sent that our own rows do not know."""
    before = standing(still)
    heard = Visitor.allowed(still, door).brings(door.good_body(sealer))
    heard.must_tell_nothing_inner()
    if door.service == "GCHostPay2":  # it has no rows: it reads the order and tells the conductor, who knows better
        until("the conductor's refusal", lambda: before.changed_tables(standing(still)))
        assert before.changed_tables(standing(still)) == {"refused_message": 1, "alert": 1}
        return
    assert (400 <= heard.status < 504, heard.json["status"]) == (True, "error"), heard
    after = standing(still)
    # A person may be told, and the executor may open the row of its own wallet.
    assert set(before.changed_tables(after)) <= {"alert", "account", "history"}, heard
    assert before.queues == after.queues


@every_json_door
def test_a_body_that_is_not_one_json_object_is_refused_and_leaves_nothing(
    still: Fleet, sealer: Sealer, door: Door
) -> None:
    visitor = Visitor.allowed(still, door)
    good = door.good_body(sealer)
    first_field = good[1 : good.index(b":")]
    deep = b'{"token":' + b"[" * 20_000 + b"]" * 20_000 + b"}"
    with nothing_changes(still):
        for body in (
            b"",
            b" ",
            b"[" + good + b"]",
            b'"text"',
            b"5",
            b"null",
            b"true",
            good[:-1],
            good + good,
            b"token=" + good,
            good.replace(b"{", b'{"\xff":1,', 1),
            b"\xef\xbb\xbf" + good,
            good.decode().encode("utf-16"),
            deep,
            b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
            b"{" + first_field + b":1," + good[1:],
            b'{"token":"\\ud800"}',
            b'{"token":"\\u0000"}',
            b'{"token":NaN}',
        ):
            heard = visitor.brings(body)
            assert heard.status == 400, (body[:60], heard)
            heard.must_be_error(400, "json_malformed")


@every_json_door
def test_a_body_without_its_length_gets_411_and_leaves_nothing(still: Fleet, sealer: Sealer, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    good = door.good_body(sealer)
    with nothing_changes(still):
        visitor.brings(b"", announce=False).must_be_error(411, "length_required")
        visitor.brings(b"", announce=False, send=good).must_be_error(411, "length_required")


@every_door
def test_a_chunked_body_gets_411_and_leaves_nothing(still: Fleet, sealer: Sealer, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    parts = chunked(door.good_body(sealer))
    with nothing_changes(still):
        visitor.brings(b"", announce=False, send=parts, Transfer_Encoding="chunked").must_be_error(
            411, "length_required"
        )


@every_door
def test_a_body_over_the_limit_gets_413_before_it_is_read(still: Fleet, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    with nothing_changes(still):
        visitor.brings(b" " * (MAX_BODY_BYTES + 1)).must_be_error(413, "body_too_large")
        # Twenty megabytes are announced and not one byte is sent: who answers has not waited for them.
        visitor.brings(b" " * _20_MB, send=b"").must_be_error(413, "body_too_large")


@every_service
def test_twenty_megabytes_that_are_really_sent_get_413(still: Fleet, service: str) -> None:
    door = next(door for door in ALL if door.service == service)
    with nothing_changes(still):
        Visitor.allowed(still, door).brings(b"[" * _20_MB).must_be_error(413, "body_too_large")


@every_json_door
def test_a_body_of_exactly_the_limit_is_read(still: Fleet, door: Door) -> None:
    with nothing_changes(still):
        heard = Visitor.allowed(still, door).brings(b"[" + b" " * (MAX_BODY_BYTES - 2) + b"]")
        heard.must_be_error(400, "json_malformed")


@every_bodiless_door
def test_a_periodic_route_takes_any_body_and_content_type(still: Fleet, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    for body in (b"", b"[1]", b"null", b"\xff\xfe", b"a=b"):
        heard = visitor.brings(body, Content_Type="application/x-www-form-urlencoded")
        assert (heard.status, heard.json["status"]) == (200, "success"), heard
    heard = visitor.brings(b"", announce=False)
    assert (heard.status, heard.json["status"]) == (200, "success"), heard


# --- a task's message that can never succeed --------------------------------------------------------------------------


@every_remembering_door
def test_a_task_that_is_refused_for_good_is_answered_200_and_kept_once(
    still: Fleet, sealer: Sealer, door: Door
) -> None:
    spoilt: list[tuple[str, bytes, str]] = [
        ("a list", b"[]", "json_malformed"),
        ("no length", b"", "length_required"),
        ("too large", b" " * (MAX_BODY_BYTES + 1), "body_too_large"),
    ]
    if door.edge is not None:
        tokens = sealer.spoilt(door.edge, tuple(door.route.edges))
        spoilt += [(name, token_body(token), code) for name, token, _status, code in tokens]
    else:
        spoilt.append(("no field", b"{}", "bad_field"))
    after = standing(still)
    for number, (name, body, code) in enumerate(spoilt):
        before = after
        task_name = (
            f"outbox-{door.service}-{door.route.path.strip('/')}-{door.edge.producer if door.edge else ''}-{number}"
        )
        heard = Visitor.allowed(still, door, task_name).brings(body, announce=name != "no length")
        heard.must_tell_nothing_inner()
        assert (heard.status, heard.json["status"], heard.json["code"]) == (200, "refused", code), (name, heard)
        after = standing(still)
        assert before.changed_tables(after) == {"refused_message": 1, "alert": 1}, name
        assert before.queues == after.queues
        assert _last_refusal(still) == (task_name, door.service, door.route.path, code, heard.json["reference"])


@pytest.mark.parametrize("door", [door for door in TOKEN_DOORS if door.service == "GCHostPay2"], ids=str)
def test_the_watcher_that_has_no_database_answers_200_refused_too(still: Fleet, sealer: Sealer, door: Door) -> None:
    assert door.edge is not None
    visitor = Visitor.allowed(still, door, "outbox-made-up")
    with nothing_changes(still):
        for name, token, _status, code in sealer.spoilt(door.edge, tuple(door.route.edges)):
            heard = visitor.brings(token_body(token))
            assert (heard.status, heard.json["status"], heard.json["code"]) == (200, "refused", code), (name, heard)


@pytest.mark.parametrize("door", TOKEN_DOORS, ids=str)
def test_a_task_under_a_key_that_may_yet_come_is_not_refused_but_brought_again(
    still: Fleet, sealer: Sealer, door: Door
) -> None:
    assert door.edge is not None
    body = token_body(sealer.under_a_newer_key(door.edge))
    with nothing_changes(still):
        Visitor.allowed(still, door, "outbox-newer-key").brings(body).must_be_error(503, "token_key_unknown")
        Visitor.allowed(still, door).brings(body).must_be_error(401, "token_foreign")


def _last_refusal(fleet: Fleet) -> tuple[str, ...]:
    with fleet.database.read() as conn:
        row = conn.all(
            "select task_name, service, route, code, reference from refused_message order by id desc limit 1"
        )[0]
    return tuple(str(row[name]) for name in ("task_name", "service", "route", "code", "reference"))


# --- what is no route ------------------------------------------------------------------------------------------------


@every_door
def test_another_method_gets_405_in_json(still: Fleet, sealer: Sealer, door: Door) -> None:
    visitor = Visitor.allowed(still, door)
    url, body = still.urls[door.service], door.good_body(sealer)
    with nothing_changes(still):
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"):
            heard = speak(url, method, door.route.path, visitor.headers, body)
            heard.must_be_error(405, "method_not_allowed")
            assert heard.headers["allow"] == "POST"
        assert speak(url, "HEAD", door.route.path, visitor.headers).status == 405


@every_service
def test_an_unknown_path_gets_404_in_json(still: Fleet, service: str) -> None:
    url = still.urls[service]
    known = {door.route.path for door in ALL if door.service == service}
    paths = [
        "/nothing",
        "/health/",
        "/health/x",
        "/health//",
        "/x//",
        "/./sweep",
        "/..",
        "/%2e%2e/etc/passwd",
        "/%00",
        "/%ff",
    ]
    paths += ["/static/app.js", "/sweep/", "/" + "x" * 3_000, "/check-threshold%20", "/SWEEP", "/console"]
    with nothing_changes(still):
        for path in paths:
            assert path not in known
            for method in ("GET", "POST"):
                heard = speak(url, method, path, JSON_TYPE, b"{}")
                assert heard.status == 404, (method, path, heard)
                heard.must_be_error(404, "not_found")


@every_service
def test_what_is_not_http_gets_a_plain_json_answer(still: Fleet, service: str) -> None:
    url = still.urls[service]
    with nothing_changes(still):
        for raw in (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"POST / HTTP/9.9\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\nabcde",
            b"POST / HTTP/1.1\r\nbad header\r\n\r\n",
            b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(200)) + b"\r\n",
        ):
            heard = shout(url, raw)
            heard.must_tell_nothing_inner()
            assert 400 <= heard.status <= 505, (raw[:60], heard)
            assert set(heard.json) == {"status", "code", "message", "reference"}, (raw[:60], heard)


# --- and afterwards --------------------------------------------------------------------------------------------------


@every_service
def test_health_and_life_tell_how_it_is_and_nothing_else(still: Fleet, service: str) -> None:
    url = still.urls[service]
    with nothing_changes(still):
        healthy = speak(url, "GET", "/health")
        alive = speak(url, "GET", "/live")
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            speak(url, method, "/health", JSON_TYPE, b"{}").must_be_error(405, "method_not_allowed")
            speak(url, method, "/live", JSON_TYPE, b"{}").must_be_error(405, "method_not_allowed")
    healthy.must_tell_nothing_inner()
    assert (healthy.status, healthy.json["status"], healthy.json["service"]) == (200, "healthy", service)
    assert set(healthy.json) == {"status", "service", "timestamp", "version", "components"}
    components = healthy.json["components"]
    if service == "GCMicroBatchProcessor":
        assert components.pop("alerts") == "unknown"  # no webhook is set
        components.pop("scheduler")  # in this sandbox jobs may be held
    assert set(components.values()) == {"healthy"}
    assert (alive.status, alive.json["status"]) == (200, "alive")


def test_after_all_this_every_service_is_healthy_and_takes_a_payment(still: Fleet, sealer: Sealer) -> None:
    assert set(still.health().values()) == {"healthy"}
    intake = next(door for door in ALL if door.service == "GCAccumulator")
    heard = Visitor.allowed(still, intake).brings(intake.good_body(sealer))
    assert (heard.status, heard.json["status"]) == (200, "success")
