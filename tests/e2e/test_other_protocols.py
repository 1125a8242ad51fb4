"""What a proxy and a server may read differently is refused: other protocols, doubled, folded, look-alike headers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.sandbox.fleet import Fleet
from tests.e2e.outside import Heard, shout
from tests.e2e.standing import nothing_changes, quiet

SERVICE, PATH = "GCHostPay1", "/status-verified"


@pytest.fixture(scope="module")
def still(fleet: Fleet) -> Iterator[Fleet]:
    with quiet(fleet):
        yield fleet


def said(still: Fleet, *lines: str, target: str = PATH, body: str = "{}") -> Heard:
    """One request with these header lines, byte for byte."""
    head = [f"POST {target} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}", *lines, "", body]
    return shout(still.urls[SERVICE], "\r\n".join(head).encode("latin-1"))


@pytest.fixture
def bearer(still: Fleet) -> str:
    token = still.identity.token(still.world.identities.watcher, still.urls[SERVICE])
    return f"Bearer {token}"


def test_the_usual_request_gets_in(still: Fleet, bearer: str) -> None:
    said(still, f"Authorization: {bearer}").must_be_error(400, "token_missing")


def test_a_call_with_two_identities_of_any_kind_is_nobodys(still: Fleet, bearer: str) -> None:
    forged = f"{bearer.rpartition('.')[0]}.SIGNATURE_REMOVED_BY_GOOGLE"
    with nothing_changes(still):
        for lines in (
            (f"Authorization: {bearer}", f"Authorization: {bearer}"),
            (f"Authorization: {bearer}", "authorization: Bearer x"),
            (f"Authorization: {forged}", f"Authorization: {bearer}"),
            (f"Authorization: {bearer}", f"X-Serverless-Authorization: {bearer}"),
            (f"Authorization: {bearer}", "x-serverless-authorization:"),
            (f"X-Serverless-Authorization: {bearer}",),
            (f"Proxy-Authorization: {bearer}",),
        ):
            said(still, *lines).must_be_error(401, "identity_unproven")


def test_a_header_that_only_looks_like_another_is_not_that_other(still: Fleet, bearer: str) -> None:
    """With an underscore it has the same name inside of a server, and none of a proxy's rules apply to it."""
    with nothing_changes(still):
        for name in ("X_CloudTasks_TaskName", "X-CloudTasks_TaskName", "x_cloudtasks-taskname"):
            heard = said(still, f"Authorization: {bearer}", f"{name}: outbox-1")
            assert heard.status == 400, heard  # a direct caller's: as a task's it would be kept, and answered 200
        for line in (f"Authorization : {bearer}", f"Authorization\t: {bearer}", f"_Authorization: {bearer}"):
            heard = said(still, line)
            assert heard.status in (400, 401), heard
            heard.must_tell_nothing_inner()


def test_what_is_folded_or_holds_a_control_character_is_not_read(still: Fleet, bearer: str) -> None:
    with nothing_changes(still):
        for lines in (
            (f"Authorization: {bearer}", "X-A: b\r\n c"),
            (f"Authorization: Bearer\r\n {bearer[7:]}",),
            (f"Authorization: {bearer}", "X-A: b\0c"),
            (f"Authorization: {bearer}\nX-CloudTasks-TaskName: outbox-1",),
            (f"Authorization: {bearer}\rX-CloudTasks-TaskName: outbox-1",),
        ):
            heard = said(still, *lines)
            assert heard.status in (400, 401), (lines[-1][-40:], heard)
            heard.must_tell_nothing_inner()


def test_no_other_protocol_and_no_other_host_is_spoken(still: Fleet, bearer: str) -> None:
    with nothing_changes(still):
        heard = shout(still.urls[SERVICE], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
        assert heard.status in (400, 505), heard
        heard.must_tell_nothing_inner()
        for lines in (
            ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"),
            ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
        ):
            heard = said(still, *lines)
            assert (heard.status, heard.json["code"]) in ((401, "identity_unproven"), (400, "request_refused")), heard
            heard.must_tell_nothing_inner()
        heard = said(still, f"Authorization: {bearer}", target=f"http://evil.invalid{PATH}")
        heard.must_be_error(400, "token_missing")
        for target in (f"/{PATH}", f"//evil.invalid{PATH}", "*", f"{PATH}#x", f"/x/..{PATH}"):
            heard = said(still, f"Authorization: {bearer}", target=target)
            assert heard.status in (400, 404), (target, heard)
            heard.must_tell_nothing_inner()
            assert "evil" not in heard.text
