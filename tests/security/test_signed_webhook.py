"""`X-Signature`: the only way in without an identity, so whoever stands in between tries all of it."""

from __future__ import annotations

import hmac
import itertools
import time
from hashlib import sha256

import pytest
from werkzeug.test import TestResponse

from shared.http import sign_body
from shared.http.signature import WINDOW_S
from tests.security.house import JSON_TYPE, UPSTREAM_SIGNING_KEY, House, an_app
from tests.security.test_fuzz import A_PAYMENT, must_be_clean, must_be_whole

_numbers = itertools.count(31_000)


def a_payment(usd: str = '"50"') -> bytes:
    fields = A_PAYMENT | {"nowpayments_payment_id": str(next(_numbers)), "payment_amount_usd": usd}
    return ("{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}").encode()


def signed(body: bytes, at: float | str, key: str = UPSTREAM_SIGNING_KEY) -> dict[str, str]:
    timestamp = at if isinstance(at, str) else str(int(at))
    return {"X-Signature": sign_body(key, timestamp, body), "X-Request-Timestamp": timestamp}


def send(house: House, body: bytes, headers: dict[str, str]) -> TestResponse:
    return house.client("GCAccumulator").post("/", data=body, headers=JSON_TYPE | headers)


def test_a_signed_call_said_again_within_the_window_is_the_same_payment(house: House) -> None:
    body = a_payment()
    headers = signed(body, time.time())
    first, *others = (send(house, body, headers).get_json() for _ in range(5))
    assert first["duplicate"] is False
    assert {(other["accumulation_id"], other["duplicate"]) for other in others} == {(first["accumulation_id"], True)}
    must_be_whole(house, {first["accumulation_id"]: body.decode()})


@pytest.mark.parametrize("away_s", [-WINDOW_S - 2, WINDOW_S + 2, -86_400, 45 * 86_400, -1_700_000_000])
def test_a_signed_call_said_outside_of_the_window_is_refused_unread(house: House, away_s: int) -> None:
    body = a_payment()
    with house.nothing_changes():
        answer = send(house, body, signed(body, time.time() + away_s))
        assert (answer.status_code, answer.get_json()["field"]) == (401, "X-Request-Timestamp")


@pytest.mark.parametrize("away_s", [-WINDOW_S + 5, WINDOW_S - 5])
def test_the_edges_of_the_window_are_inside(house: House, away_s: int) -> None:
    body = a_payment()
    assert send(house, body, signed(body, time.time() + away_s)).status_code == 200


def test_one_signature_is_good_for_one_body_one_time_and_one_key(house: House) -> None:
    body, now = a_payment(), int(time.time())
    good = signed(body, now)
    signature = good["X-Signature"]
    plain = hmac.new(UPSTREAM_SIGNING_KEY.encode(), body, sha256).hexdigest()
    moved = str(now)[:-1]
    attempts: dict[str, tuple[bytes, dict[str, str]]] = {
        "another amount": (body.replace(b'"50"', b'"51"'), good),
        "a blank more": (body + b" ", good),
        "an empty body": (b"", good),
        "another second": (body, good | {"X-Request-Timestamp": str(now + 1)}),
        "a leading zero": (body, good | {"X-Request-Timestamp": f"0{now}"}),
        "a plus": (body, good | {"X-Request-Timestamp": f"+{now}"}),
        "a blank": (body, good | {"X-Request-Timestamp": f"{now} x"}),
        "a fraction": (body, good | {"X-Request-Timestamp": f"{now}.0"}),
        "hexadecimal": (body, good | {"X-Request-Timestamp": hex(now)}),
        "other digits": (body, good | {"X-Request-Timestamp": "\u00b2" * 10}),
        "no time": (body, {"X-Signature": signature}),
        "time moved into the body": (str(now)[-1].encode() + b":" + body, good | {"X-Request-Timestamp": moved}),
        "the body alone signed": (body, good | {"X-Signature": plain}),
        "another key": (body, signed(body, now, "the secret with which nobody of ours signs")),
        "an empty key": (body, signed(body, now, "")),
        "a changed digit": (body, good | {"X-Signature": ("0" if signature[0] != "0" else "1") + signature[1:]}),
        "cut": (body, good | {"X-Signature": signature[:63]}),
        "cut to nothing": (body, good | {"X-Signature": ""}),
        "twice": (body, good | {"X-Signature": signature + signature}),
        "with a prefix": (body, good | {"X-Signature": f"sha256={signature}"}),
        "with 0x": (body, good | {"X-Signature": f"0x{signature[2:]}"}),
        "a list": (body, good | {"X-Signature": f"{'0' * 64}, {signature}"}),
    }
    with house.nothing_changes():
        for name, (sent, headers) in attempts.items():
            answer = send(house, sent, headers)
            told = must_be_clean(answer, name)["code"]
            expected = (401, "identity_unproven") if sent else (411, "length_required")
            assert (answer.status_code, told) == expected, (name, answer.get_data(as_text=True))
            assert signature not in answer.get_data(as_text=True), name
    assert send(house, body, good).status_code == 200
    assert send(house, body, good | {"X-Signature": signature.upper()}).get_json()["duplicate"] is True


def test_a_signature_opens_the_intake_alone_and_makes_no_task_and_no_other_caller(house: House) -> None:
    with house.nothing_changes():
        for door in house.doors:
            if door.service != "GCAccumulator":
                answer = house.post(door, b"{}", signed(b"{}", time.time()))
                assert answer.status_code == 401, str(door)
    nonsense = b"{}"
    headers = signed(nonsense, time.time()) | {"X-CloudTasks-TaskName": "outbox-1"}
    with house.nothing_changes():  # a direct caller's refusal is his own business and is not kept
        assert send(house, nonsense, headers).status_code == 400


def test_an_identity_that_is_wrong_is_not_made_good_by_a_signature(house: House) -> None:
    body = a_payment()
    with house.nothing_changes():
        for authorization in ("Bearer x", "", "Basic eDp4"):
            answer = send(house, body, signed(body, time.time()) | {"Authorization": authorization})
            assert answer.status_code == 401, authorization


def test_where_no_signing_key_is_set_no_signature_opens_anything(house: House) -> None:
    environment = {name: value for name, value in house.environments["GCAccumulator"].items() if "SIGNING" not in name}
    client = an_app("GCAccumulator", environment).test_client()
    body = a_payment()
    with house.nothing_changes():
        for key in ("", UPSTREAM_SIGNING_KEY, "None", "null"):
            answer = client.post("/", data=body, headers=JSON_TYPE | signed(body, time.time(), key))
            assert answer.status_code == 401, key
