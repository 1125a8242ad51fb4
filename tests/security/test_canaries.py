"""Every secret setting is a canary; everything around the fleet fails and repeats what it was asked; then we search.

Logs, answers, tasks, every column of every table, the archive, the document, and what a service says that cannot start.
"""

from __future__ import annotations

import base64
import contextlib
import io
import json
import logging
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import pytest
import stamina
from pydantic import SecretStr

from shared.exchange import ChangeNow, ExchangeSettings
from shared.exchange.wire import KEY_HEADER
from shared.messages import (
    CheckArrival,
    CheckOrder,
    DeliverAlert,
    DriveAccount,
    InstantPayout,
    Message,
    OrderChecked,
    batch_unique_id,
    seal,
)
from shared.sandbox.documents.routes import ENVIRONMENT
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.faulty_http import Asked, Told
from shared.sandbox.fleet.identities import SERVICES
from shared.telemetry import configure_logging, get_logger
from tests.conftest import Postgres
from tests.integration import batcher_world, conductor_world, executor_world
from tests.security.canaries import ALL, CANARIES, WALLET, search, settings_of, spellings
from tests.security.house import House, a_house, an_app, message_kinds, settings_from, token_body
from tests.security.test_fuzz import A_PAYMENT

EDGE_OF = {kind: edge for edge, kind in message_kinds()}


@dataclass
class Heard:
    """Everything that was said, with its place."""

    house: House
    log: io.StringIO
    answers: list[tuple[str, str]] = field(default_factory=list)

    def everything(self) -> Iterator[tuple[str, str]]:
        """For the search."""
        yield "log", self.log.getvalue()
        yield from self.answers
        for task in self.house.made:
            body = task.http_request.body.decode()
            token = json.loads(body)["token"]
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
            yield task.name, f"{task.http_request.url} {dict(task.http_request.headers)} {body} {raw.hex()}"
            yield task.name, raw.decode("latin-1")
        for row in self.house.rows("select tablename::text as name from pg_tables where schemaname = 'public'"):
            for line in self.house.rows(f"select t::text as whole from {row['name']} as t"):
                yield row["name"], line["whole"]
        for path in Path(self.house.world.options.logs).rglob("*"):
            if path.is_file():
                yield str(path.name), path.read_bytes().decode("latin-1")


@pytest.fixture(scope="module")
def canary_house(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with a_house(postgres, tmp_path_factory.mktemp("canaries"), more=settings_of) as running:
        yield running


@pytest.fixture
def told(canary_house: House) -> Iterator[Heard]:
    log = io.StringIO()
    configure_logging("json", "DEBUG", "every service", stream=log)
    with stamina.set_testing(True, attempts=1):
        yield Heard(canary_house, log)
    canary_house.empty()
    logging.getLogger().handlers = []


def echo(asked: Asked) -> str:
    """All that the caller told, as a chatty server repeats it."""
    return f"{asked.method} {asked.path} {dict(asked.query)} {dict(asked.headers)} {asked.body.decode('latin-1')[:400]}"


def key_of(asked: Asked) -> str:
    return asked.headers.get("x-changenow-api-key", "") or f"{asked.path}?{dict(asked.query)}"


def in_json(status: int) -> Callable[[Asked], Told]:
    """An error that repeats everything; to a JSON-RPC call, a proper JSON-RPC error."""

    def answer(asked: Asked) -> Told:
        text = f"your key {key_of(asked)} is not valid: {echo(asked)}"
        told: dict[str, object] = {"error": "unauthorized", "message": text, "payload": {"key": key_of(asked)}}
        if b"jsonrpc" in asked.body:
            told = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": text, "data": echo(asked)}}
        return Told(status, json.dumps(told).encode())

    return answer


def a_page(status: int, **headers: str) -> Callable[[Asked], Told]:
    """A proxy's page that repeats the request."""

    def answer(asked: Asked) -> Told:
        location = {name: f"http://127.0.0.1:1{asked.path}?k={key_of(asked)[:60]}" for name in headers}
        return Told(status, f"<html>{echo(asked)}</html>".encode(), "text/html", headers=location)

    return answer


TROUBLES: dict[str, Callable[[Asked], Told | None]] = {
    **{f"errors in JSON under {status}": in_json(status) for status in (200, 400, 401, 403, 404, 429, 500)},
    "a page under 200": a_page(200),
    "a page under 502": a_page(502),
    "a redirect": a_page(302, Location="x"),
    "no answer": lambda _: None,
    "half an answer": lambda asked: Told(200, echo(asked).encode(), cut=True),
    "an answer that is a list": lambda asked: Told(200, json.dumps([echo(asked)]).encode()),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_whatever_the_outside_repeats_no_secret_is_told_anywhere(told: Heard, trouble: str) -> None:
    house = told.house
    house.outside.says = TROUBLES[trouble]
    Life(told).goes_on()
    asked = {asked.path for asked in house.outside.asked}
    assert any("exchange" in path for path in asked), asked
    assert any("canary" in path for path in asked), asked
    assert any(path == "/rpc" for path in asked), asked
    found = list(search(told.everything()))
    assert not found, "\n".join(
        sorted({f"{f.secret} | {f.spelling} | {f.place} | {f.around[90:150]!r}" for f in found})
    )
    assert len(told.log.getvalue()) > 5_000
    assert len(told.answers) > 15


@dataclass
class Life:
    """What a day brings: payments, a tick, requests, checks, transfers, alerts and sweeps; nothing of it succeeds."""

    told: Heard
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def goes_on(self) -> None:
        self.pays()
        conductor = conductor_world.World(
            *(self.told.house.owner, None, FakeTaskSender()),  # type: ignore[arg-type] # rows only
            *(conductor_world.ToldExchange(), conductor_world.ToldChain(), self.now),
        )
        executor = executor_world.World(self.told.house.owner, None, FakeTaskSender(), self.now)  # type: ignore[arg-type]
        batch = conductor.a_batch()
        unique_id = batch_unique_id(batch.batch_conversion_id)
        self.says(batch)
        self.says(InstantPayout("up-1", "0a1b2c3d4e5f60", "eth", "eth", batch.amount_wei, batch.payin_address))
        self.says(
            CheckOrder(
                *(unique_id, batch.cn_api_id, "eth", "eth", "usdt", "eth"),
                *(batch.amount_wei, batch.payin_address, WALLET),
            )
        )
        self.brings_what_was_made()
        self.says(OrderChecked(unique_id, batch.cn_api_id, "payable", "waiting", ""))
        with self.told.house.owner.transaction() as conn:
            conn.run("update hostpay_request set request_status = 'watching', watching_since = :now", now=self.now)
        self.says(CheckArrival(unique_id, batch.cn_api_id, 1))
        for order in (executor.a_payable_order(), executor.a_payable_order(context="instant")):
            self.says(order)
        self.says(DriveAccount(WALLET, 31_337))
        for service, path in (
            *(("GCMicroBatchProcessor", "/check-threshold"), ("GCMicroBatchProcessor", "/sweep")),
            *(("GCHostPay1", "/sweep"), ("GCHostPay3", "/sweep")),
        ):
            self.calls(service, path)
        for row in self.told.house.rows("select id from alert order by id"):
            self.says(DeliverAlert(int(row["id"]), 0))
        for service in SERVICES:
            answer = self.told.house.client(service).get("/health")
            self.told.answers.append((f"{service}/health", answer.get_data(as_text=True)))

    def pays(self) -> None:
        door = next(door for door in self.told.house.doors if door.service == "GCAccumulator")
        for number in range(3):
            fields = A_PAYMENT | {"nowpayments_payment_id": str(700 + number)}
            body = "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items()) + "}"
            self.hears(str(door), self.told.house.post(door, body.encode()))

    def says(self, message: Message) -> None:
        """Directly and by its queue: what is told to a caller, and what is kept."""
        house, edge = self.told.house, EDGE_OF[type(message)]
        door = next(door for door in house.doors if door.edge == edge)
        for number, task in enumerate(("", "outbox-1")):
            token = seal(edge, message, house.keyring, bytes([number]) * 16, datetime.now(UTC))
            self.hears(f"{door} {type(message).__name__}", house.post(door, token_body(token), task=task))

    def brings_what_was_made(self) -> None:
        """The tasks so far, to whom they are for."""
        house = self.told.house
        for task in list(house.made):
            for door in house.doors:
                if task.http_request.url.rstrip("/") == (house.url(door.service) + door.route.path).rstrip("/"):
                    self.hears(str(door), house.post(door, task.http_request.body, task="outbox-2"))

    def calls(self, service: str, path: str) -> None:
        house = self.told.house
        door = next(door for door in house.doors if (door.service, door.route.path) == (service, path))
        self.hears(str(door), house.post(door, b""))

    def hears(self, place: str, answer: Any) -> None:
        whole = f"{answer.status} {dict(answer.headers)} {answer.get_data(as_text=True)}"
        self.told.answers.append((place, whole))


@pytest.mark.parametrize("status", [200, 400, 401, 403, 409, 429, 500])
def test_an_exchange_that_answers_an_order_with_our_key_has_it_stored_nowhere(told: Heard, status: int) -> None:
    """Its words about an order are kept for people: in the order's row, in the story, in alerts."""
    house, key = told.house, CANARIES["CHANGENOW_API_KEY"]

    def says(asked: Asked) -> Told:
        if asked.path.endswith("/range"):
            return Told(200, b'{"minAmount": 0.003, "maxAmount": null}')
        if asked.path.endswith("/estimated-amount"):
            return Told(200, b'{"fromAmount": 0.04, "toAmount": 97}')
        words = {"id": key[:20], "payinAddress": key, "fromCurrency": key, "error": key, "message": f"key {key} is bad"}
        return Told(status, json.dumps(words | {"status": key, "payoutAddress": asked.headers[KEY_HEADER]}).encode())

    house.outside.says = says
    world = batcher_world.BatcherWorld.of(house.owner, house.owner)
    settings = ExchangeSettings(changenow_api_key=SecretStr(key), changenow_api_url=house.outside.server.url)
    world.with_batcher(replace(world.batcher, exchange=ChangeNow(settings)))
    world.a_payment("100")
    assert world.tick().status == 200
    for _ in range(3):
        world.wait(minutes=5)
        told.answers.append(("sweep", str(world.sweep().body)))
    assert any(asked.path == "/exchange" for asked in house.outside.asked)
    rows = house.rows("select order_status, reason from exchange_order")
    assert rows
    found = list(search(told.everything()))
    assert not found, found[:3]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_slips_into_a_log_line_is_stars_however_it_is_escaped(told: Heard, log_format: Literal["json"]) -> None:
    configure_logging(log_format, "DEBUG", "every service", stream=told.log)
    values = [*ALL.values(), *settings_of("http://node.invalid").values()]
    for value in values:
        where = {"repr": repr(value), "url": f"http://x/{quote(value, safe='')}", "json": json.dumps({"k": value})}
        get_logger().error("call_failed", error=f"it was {value}", reason=value, **where)
        get_logger().error("call_failed", exc_info=RuntimeError(f"cannot connect with {value!r}: {value}"))
    found = list(search(told.everything()))
    assert not found, found[:3]
    assert told.log.getvalue().count("***") > 4 * len(values)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_cannot_start_says_which_setting_is_wrong_and_never_its_value(
    canary_house: House, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    good = canary_house.environments[service]
    secret = [name for name, value in good.items() if any(canary in value for canary in ALL.values())]
    assert secret or service == "GCHostPay2"
    for name in secret:
        # Each breaks a rule of some setting; what breaks none is a value that a service starts with.
        for value in (
            f"{good[name][:9]}é\n{good[name]}",
            f"projects/p/secrets/{good[name]}/versions/latest",
            f"://{good[name]}",
        ):
            with contextlib.suppress(SystemExit):
                settings_from(service, good | {name: value})
    with contextlib.suppress(SystemExit):
        settings_from(service, {name: value for name, value in good.items() if name in secret})
    said = "".join(capsys.readouterr())
    assert "is missing" in said
    assert not list(search([(service, said)]))


def test_a_server_that_asks_for_the_password_and_repeats_it_has_it_told_nowhere(told: Heard) -> None:
    """Whoever stands in the database's place: he is told the password, and nobody is told by us what he says of it."""
    password = CANARIES["DATABASE_PASSWORD_SECRET"]
    with a_chatty_database() as (port, heard):
        environment = told.house.environments["GCAccumulator"] | {"DATABASE_PORT": str(port)}
        app = an_app("GCAccumulator", environment)
        configure_logging("json", "DEBUG", "every service", stream=told.log)
        door = next(door for door in told.house.doors if door.service == "GCAccumulator")
        body = "{" + ", ".join(f'"{name}": {text}' for name, text in A_PAYMENT.items()) + "}"
        identity = told.house.identity(told.house.caller(door), door.service)
        answer = app.test_client().post("/", data=body, headers=identity | {"Content-Type": "application/json"})
        health = app.test_client().get("/health")
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unreachable")
    assert health.status_code == 503
    assert any(password.encode() in part for part in heard)
    told.answers += [("answer", answer.get_data(as_text=True)), ("health", health.get_data(as_text=True))]
    found = list(search(told.everything()))
    assert not found, found[:3]


@contextlib.contextmanager
def a_chatty_database() -> Iterator[tuple[int, list[bytes]]]:
    """Speaks as much of PostgreSQL as it takes to hear the password and to repeat it in an error."""
    heard: list[bytes] = []

    class Speaker(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4_096)
            self.request.sendall(b"R" + struct.pack(">II", 8, 3))
            said = self.request.recv(4_096)
            heard.append(said)
            words = b"SFATAL\0C28P01\0Mthe password " + said[5:].rstrip(b"\0") + b" is wrong\0D" + said[5:] + b"\0"
            self.request.sendall(b"E" + struct.pack(">I", 4 + len(words)) + words)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Speaker) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server.server_address[1], heard
        server.shutdown()
        thread.join()


def test_the_document_holds_none_of_the_secrets_that_it_was_made_with() -> None:
    document = (Path(__file__).parents[2] / "deploy" / "openapi.json").read_text()
    secret = {name: value for name, value in ENVIRONMENT.items() if name in CANARIES or name == "ETHEREUM_RPC_URLS"}
    assert len(secret) > 4
    assert not list(search([("openapi.json", document)], secret))


def test_the_search_finds_a_secret_in_each_of_its_spellings() -> None:
    """Else all of the above shows nothing."""
    for name, value in ALL.items():
        for way, spelled in spellings(value).items():
            found = list(search([("here", f"before {spelled.upper()} after")], {name: value}))
            assert found, (name, way)
        inside = base64.b64encode(b"xy" + value.removeprefix("0x").encode() + b"z").decode()
        assert list(search([("here", inside)], {name: value})), name
