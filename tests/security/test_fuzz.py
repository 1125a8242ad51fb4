"""Noise at every door: no answer is ever a 500 or tells what is inside, and no row is ever half written.

Fixed seeds by default. `--fuzz-seconds 600` goes on with new seeds; what fails is repeated by its seed alone.
"""

from __future__ import annotations

import base64
import json
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from werkzeug.test import TestResponse

from tests.about_nobody import as_text
from tests.security.house import JSON_TYPE, Door, House, an_app, token_body
from tests.security.mutations import a_body, a_token, a_token_of_the_predecessor, some_claims, some_headers
from tests.security.tokens import sealed

A_PAYMENT: Final = {
    "user_id": "5550001112",
    "client_id": "-1001234567890",
    "wallet_address": '"0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"',
    "payout_currency": '"usdt"',
    "payout_network": '"eth"',
    "payment_amount_usd": '"50"',
    "subscription_id": "17",
    "payment_timestamp": '"2026-11-20T20:14:05.123456"',
    "nowpayments_payment_id": "4479119533",
    "nowpayments_pay_address": '"0x57f31ad4b64095347F87eDB1675566DAfF5EC886"',
    "nowpayments_outcome_amount": "0.02",
    "nowpayments_outcome_currency": '"eth"',
}
_INNER = re.compile(
    r"Traceback|werkzeug|gunicorn|flask|pg8000|psycopg|\.py\b|<html|<!doctype|[A-Za-z]*Exception|\w+Error\b|line \d+"
    r"|SELECT |INSERT |0x7f[0-9a-f]{6,}|/work/|site-packages",
)


def must_be_clean(answer: TestResponse, told: str) -> dict[str, Any]:
    """The answer is one JSON object in our own words, and not a 500."""
    text = answer.get_data(as_text=True)
    assert answer.status_code in (200, 400, 401, 403, 404, 405, 408, 409, 411, 413, 503), (told, answer.status, text)
    assert answer.mimetype == "application/json", (told, text)
    assert _INNER.search(text) is None, (told, text)
    assert "Set-Cookie" not in answer.headers, told
    body = json.loads(text)
    assert body["status"] in ("success", "busy", "error", "refused"), (told, text)
    if body["status"] == "error":
        assert set(body) <= {"status", "code", "message", "reference", "field", "rule"}, (told, text)
        assert len(text) < 1_000, (told, text)
    return dict(body)


def for_seeds(fuzz_seconds: int, fixed: int, attack: Callable[[random.Random, str], None]) -> None:
    """The attack with the fixed seeds, or with new ones for as long as was asked for."""
    if not fuzz_seconds:
        for seed in range(fixed):
            attack(random.Random(seed), f"seed {seed}")
        return
    end = time.monotonic() + fuzz_seconds
    while time.monotonic() < end:
        seed = secrets.randbits(48)
        attack(random.Random(seed), f"seed {seed}")


def test_spoilt_tokens_at_every_door_are_refused_and_leave_nothing(house: House, fuzz_seconds: int) -> None:
    doors = [door for door in house.doors if door.edge is not None]
    identities = {str(door): house.identity(house.caller(door), door.service) for door in doors}
    before = house.standing()

    def attack(dice: random.Random, told: str) -> None:
        door = dice.choice(doors)
        assert door.edge is not None
        token = a_token(dice, door.edge, house.keyring)
        body = json.dumps({"token": token}).encode()
        answer = house.post(door, body, identities[str(door)])
        must_be_clean(answer, f"{told} at {door} with {token!r}")
        if isinstance(token, str) and len(token) > 30:
            assert token not in answer.get_data(as_text=True), told

    for_seeds(fuzz_seconds, 1_000, attack)
    # A token that stayed genuine may speak of a row that is not there: a person is told; the wallet's row may be made.
    assert set(before.changed_tables(house.standing())) <= {"alert", "account", "history"}


def test_spoilt_tokens_that_a_queue_delivers_are_kept_each_once(house: House, fuzz_seconds: int) -> None:
    doors = [door for door in house.doors if door.edge is not None and door.service != "GCHostPay2"]
    identities = {str(door): house.identity(house.caller(door), door.service) for door in doors}
    refused: list[str] = []

    def attack(dice: random.Random, told: str) -> None:
        door = dice.choice(doors)
        assert door.edge is not None
        token = a_token(dice, door.edge, house.keyring)
        answer = house.post(door, json.dumps({"token": token}).encode(), identities[str(door)], f"task {told}")
        body = must_be_clean(answer, f"{told} at {door} with {token!r}")
        if body["status"] == "refused":
            assert answer.status_code == 200, told
            refused.append(str(body["reference"]))

    for_seeds(fuzz_seconds, 400, attack)
    kept = [row["reference"] for row in house.rows("select reference from refused_message order by id")]
    assert kept == refused
    assert len(refused) > 100
    (told,) = house.rows("select count(*) as n from alert where kind = 'message_refused'")
    assert told["n"] == len(refused)


def test_spoilt_tokens_of_the_predecessor_are_refused_where_they_are_taken_at_all(
    house: House, fuzz_seconds: int
) -> None:
    """With the right secret under them, in the hands of whoever had it before: lengths, doubles and texts that lie."""
    now = datetime.now(UTC)
    window = f"{now - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}/{now + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    environment = house.environments["GCHostPay1"] | {"ACCEPT_V1_TOKENS": window}
    client = an_app("GCHostPay1", environment).test_client()
    headers = JSON_TYPE | house.identity(house.who.upstream, "GCHostPay1")
    secret = environment["TPS_HOSTPAY_SIGNING_KEY"].encode()
    codes: Counter[str] = Counter()

    def attack(dice: random.Random, told: str) -> None:
        token = as_text(a_token_of_the_predecessor(dice, secret, int(time.time())))
        answer = client.post("/", data=json.dumps({"token": token}).encode(), headers=headers)
        codes[str(must_be_clean(answer, f"{told}: {token}").get("code"))] += 1

    with house.nothing_changes():
        for_seeds(fuzz_seconds, 300, attack)
    # "order_not_readable": it was opened, and the exchange shows no such order.
    assert {"token_malformed", "token_foreign", "token_expired", "order_not_readable"} <= set(codes), codes
    assert "internal_error" not in codes


def test_noise_at_the_intake_is_a_4xx_or_one_whole_payment(house: House, fuzz_seconds: int) -> None:
    door = next(door for door in house.doors if door.service == "GCAccumulator")
    identity = house.identity(house.caller(door), door.service)
    accepted: dict[int, str] = {}

    def attack(dice: random.Random, told: str) -> None:
        fields = A_PAYMENT | {"nowpayments_payment_id": str(dice.randrange(10**9))}
        body = a_body(dice, fields)
        task = f"task {told}" if dice.random() < 0.2 else ""
        answer = house.post(door, body, some_headers(dice) | identity, task)
        heard = must_be_clean(answer, f"{told}: {body[:300]!r}")
        if heard["status"] == "success":
            accepted[int(heard["accumulation_id"])] = body.decode()

    for_seeds(fuzz_seconds, 1_000, attack)
    assert len(accepted) > 100
    must_be_whole(house, accepted)


def must_be_whole(house: House, accepted: dict[int, str]) -> None:
    """Every answered payment is one row with its story and its books, and its amount is the text's, cut to the unit."""
    rows = house.rows(
        """select p.id, p.payment_amount_usd_micros as usd, p.fee_usd_micros as fee, p.pending_usd_amount_micros as net,
                  p.gross_wei, p.fee_wei, p.net_wei, p.conversion_status as state, p.payment_ref as ref,
                  (select count(*) from history h where h.machine = 'payment' and h.subject = p.id::text) as told,
                  (select count(*) from posting b where b.subject = p.payment_ref) as booked
           from payout_accumulation p order by p.id"""
    )
    assert {row["id"] for row in rows} == set(accepted)
    for row in rows:
        sent = json.loads(accepted[row["id"]], parse_float=str, parse_int=str)
        micros = int(Decimal(sent["payment_amount_usd"]) * 10**6)
        assert row["usd"] == micros == row["fee"] + row["net"], (row, sent)
        assert row["told"] == 1, row
        if row["gross_wei"] is not None:
            assert row["gross_wei"] == int(Decimal(sent["nowpayments_outcome_amount"]) * 10**18), (row, sent)
            assert row["gross_wei"] == row["fee_wei"] + row["net_wei"], row
        assert row["booked"] == (1 if row["gross_wei"] is not None and row["state"] == "pending" else 0), row
    (books,) = house.rows("select coalesce(sum(amount), 0) as n, count(*) as entries from book_entry")
    assert books["n"] == 0


def test_strange_headers_and_bodies_at_the_token_doors_are_no_500(house: House, fuzz_seconds: int) -> None:
    doors = [door for door in house.doors if door.service != "GCAccumulator"]
    identities = {str(door): house.identity(house.caller(door), door.service) for door in doors}
    before = house.standing()

    def attack(dice: random.Random, told: str) -> None:
        door = dice.choice(doors)
        token = sealed(door.edge, house.keyring) if door.edge is not None else "x"
        body = a_body(dice, {"token": json.dumps(token), "more": "1"})
        headers = some_headers(dice) | identities[str(door)]
        headers.pop("X-CloudTasks-TaskName", None)
        answer = house.post(door, body, headers)
        must_be_clean(answer, f"{told} at {door}: {body[:200]!r} {headers}")

    for_seeds(fuzz_seconds, 600, attack)
    changed = set(before.changed_tables(house.standing()))
    assert changed <= {"alert", "account", "history", "heartbeat", "threshold_check"}, changed


def test_claims_of_any_type_are_a_401_and_wake_nobody(house: House, fuzz_seconds: int) -> None:
    """An issuer would never sign them; if one does, or its key is lost, it is still no crash."""

    def attack(dice: random.Random, told: str) -> None:
        door: Door = dice.choice(house.doors)
        claims = some_claims(dice)
        try:
            token = house.issuer.key.mint(house.caller(door), house.url(door.service), claims=claims)
        except (TypeError, ValueError):  # the library of the issuer does not sign everything
            return
        headers = {"Authorization": f"Bearer {token}"} | (
            {"X-CloudTasks-TaskName": told} if dice.random() < 0.3 else {}
        )
        answer = house.post(door, token_body("x"), headers)
        body = must_be_clean(answer, f"{told}: {claims}")
        assert answer.status_code in (401, 403, 200, 400), (told, claims, body)

    for_seeds(fuzz_seconds, 400, attack)


def test_headers_of_identity_that_are_noise_are_a_401(house: House, fuzz_seconds: int) -> None:
    good = {str(door): house.identity(house.caller(door), door.service)["Authorization"] for door in house.doors}

    def attack(dice: random.Random, told: str) -> None:
        door: Door = dice.choice(house.doors)
        header = noisy(dice, good[str(door)])
        answer = house.client(door.service).post(
            door.route.path, data=b"{}", headers=JSON_TYPE | {"Authorization": header}
        )
        must_be_clean(answer, f"{told}: {header[:200]!r}")
        if answer.status_code != 401:  # then all that is signed is whole, and only its spelling is another one
            scheme, _, token = header.partition(" ")
            assert scheme.lower() == "bearer", (told, header)
            assert token.rpartition(".")[0] == good[str(door)].removeprefix("Bearer ").rpartition(".")[0], (
                told,
                header,
            )

    for_seeds(fuzz_seconds, 500, attack)


def noisy(dice: random.Random, good: str) -> str:
    """A spoilt Authorization header, in the letters that HTTP has."""
    head, claims, signature = good.removeprefix("Bearer ").split(".")
    at = dice.randrange(len(good))
    deep = _b64(b'{"alg":"RS256","kid":' + b"[" * 3_000 + b"]" * 3_000 + b"}")
    deep_claims = _b64(b'{"aud":' + b"[" * 2_000 + b"]" * 2_000 + b"}")
    huge_claims = _b64(b'{"exp":1e400,"iat":' + b"9" * 4_500 + b"}")
    kid = dice.choice(['"x"', "1", "null", '["x"]', "{}", '"\\ud800"', '"' + "k" * 3_000 + '"', '"../../etc/passwd"'])
    alg = dice.choice(['"RS256"', '"none"', '"HS256"', '"ES256"', "null", "1", '["RS256"]', '"rs256"', '"RS256 "'])
    strange_head = _b64(('{"alg":' + alg + ',"kid":' + kid + "}").encode())
    return dice.choice(
        (
            good[:at] + chr(dice.randrange(32, 256)) + good[at + 1 :],
            good[:at],
            good + chr(dice.randrange(32, 127)),
            f"Bearer {deep}.{claims}.{signature}",
            f"Bearer {strange_head}.{claims}.{signature}",
            f"Bearer {head}.{deep_claims}.{signature}",
            f"Bearer {head}.{_b64(b'[1]')}.{signature}",
            f"Bearer {head}.{huge_claims}.{signature}",
            f"Bearer {head}..{signature}",
            f"Bearer {head}.{claims}.",
            "Bearer ..",
            f"bearer\t{claims}",
            "Bearer " + "A" * dice.choice((1, 8_191, 8_193, 60_000)),
            "Basic " + _b64(b"admin:admin"),
            "Negotiate x",
            dice.randbytes(40).decode("latin-1").replace("\n", "").replace("\r", ""),
        )
    )


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
