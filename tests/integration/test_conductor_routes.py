"""The conductor through its doors: sealed tokens, proven callers, tasks that come twice, late, never, in any order."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from GCHostPay1.routes import Callers
from GCHostPay1.routes import routes_of as conductor_routes
from GCHostPay2.routes import routes_of as watcher_routes
from shared.db import Database, refusal_recorder
from shared.http import Route, create_service
from shared.http.identity import IdentityVerifier
from shared.messages import (
    ALL_EDGES,
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_CONDUCTOR,
    CONDUCTOR_TO_EXECUTOR,
    EXECUTOR_TO_CONDUCTOR,
    UPSTREAM_TO_CONDUCTOR,
    WATCHER_TO_CONDUCTOR,
    CheckArrival,
    Edge,
    InstantPayout,
    Message,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapExecuted,
    SwapFailed,
    TransferFinal,
    open_sealed,
    seal,
)
from shared.queue import Destination, Sealer
from shared.sandbox.fakes import FakeTask
from tests.conftest import Postgres
from tests.integration.conductor_world import (
    ETH_TX,
    KEYRING,
    SOME_ETH,
    SOME_USDT,
    USDT_TX,
    World,
    conductor_databases,
    unique_id_of,
)
from tests.unit.http_world import AUDIENCE, ISSUER, KnownKeys, bearer, issuer_key, settings

UPSTREAM, BATCHER, WATCHER, EXECUTOR, CONDUCTOR, SCHEDULER = (
    f"{name}@project.example" for name in ("upstream", "batcher", "watcher", "executor", "conductor", "scheduler")
)
SENDER_OF = {
    "/": BATCHER,
    "/status-verified": WATCHER,
    "/payment-completed": EXECUTOR,
    "/retry-callback-check": CONDUCTOR,
}


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def fleet(databases: tuple[Database, Database]) -> Fleet:
    return Fleet(World.empty(databases))


@dataclass
class Fleet:
    """Conductor and watcher behind their real entrances; executor and batcher are what the test says they are."""

    world: World
    conductor: FlaskClient = field(init=False)
    watcher: FlaskClient = field(init=False)
    heard_by_batcher: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        callers = Callers([UPSTREAM], [BATCHER], [WATCHER], [EXECUTOR], [CONDUCTOR], [SCHEDULER])
        sealer = Sealer(KEYRING, {WATCHER_TO_CONDUCTOR: Destination("response", "https://conductor.test")})
        self.conductor = self._service("conductor", conductor_routes(world.c, callers)).test_client()
        self.watcher = self._service(
            "watcher", watcher_routes(world.exchange, world.sender, sealer, [CONDUCTOR])
        ).test_client()

    def _service(self, role: str, routes: list[Route]) -> Flask:
        return create_service(
            settings(),
            role,
            routes,
            [],
            refusal_recorder(self.world.c.database) if role == "conductor" else None,
            keyring=KEYRING,
            clock=lambda: self.world.now,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )

    @property
    def clock(self) -> datetime:
        return self.world.now

    def bring(
        self, edge: Edge, message: Message, caller: str, *, task: str | None = "outbox-7", route: str | None = None
    ) -> Any:
        """POSTs the sealed message to the conductor, as a delivery by Cloud Tasks unless `task` is None."""
        headers = bearer(caller) | ({"X-CloudTasks-TaskName": task} if task else {})
        body = {"token": seal(edge, message, KEYRING, bytes(range(16)), self.clock)}
        return self.conductor.post(route or edge.route, data=json.dumps(body), headers=headers)

    def sweep(self) -> Any:
        return self.conductor.post("/sweep", data=b"", headers=bearer(SCHEDULER))

    def deliver(self, task: FakeTask) -> int:
        """Delivers the task to whom it is addressed; the HTTP status."""
        path = "/" + task.url.split("/", 3)[-1] if task.url.count("/") > 2 else "/"
        headers = {"X-CloudTasks-TaskName": task.name}
        if task.audience == "https://watcher.test":
            return self.watcher.post("/", data=task.body, headers=headers | bearer(CONDUCTOR)).status_code
        if task.audience == "https://conductor.test":
            return self.conductor.post(path, data=task.body, headers=headers | bearer(SENDER_OF[path])).status_code
        token = json.loads(task.body)["token"]
        message = open_sealed([edge for edge in ALL_EDGES if edge.producer == "conductor"], token, KEYRING, self.clock)
        if isinstance(message.message, PayOrder):
            self.executor_pays(message.message)
        else:
            self.heard_by_batcher.append(message.message)
        return 200

    def executor_pays(self, order: PayOrder) -> None:
        """The executor's rows, once per request, and its report for each repeat."""
        asked = self.asked_of(order)
        known = self.world.rows("select 1 as there from transfer where unique_id = :id", id=order.unique_id)
        if not known:
            self.world.a_transfer(asked, "settled")
            self.world.books_of_transfer(asked)
        final = TransferFinal(order.unique_id, order.cn_api_id, "settled", ETH_TX, order.amount_wei)
        assert self.bring(EXECUTOR_TO_CONDUCTOR, final, EXECUTOR).status_code == 200

    def asked_of(self, order: PayOrder) -> PayBatch | InstantPayout:
        if order.context == "batch":
            return PayBatch(order.unique_id[6:], order.cn_api_id, "eth", "eth", order.amount_wei, order.payin_address)
        return InstantPayout(order.unique_id, order.cn_api_id, "eth", "eth", order.amount_wei, order.payin_address)

    def run(self, *, times: int = 1) -> None:
        """Delivers everything, each task `times` times, and lets time pass until the next one is due."""
        for _ in range(50):
            tasks = self.world.sender.take()
            if not tasks:
                return
            for task in tasks:
                self.world.now = max(self.world.now, task.schedule_at or self.world.now)
                for _ in range(times):
                    assert self.deliver(task) == 200
        raise AssertionError("the fleet does not come to an end")


def a_finished_order(fleet: Fleet, asked: PayBatch | InstantPayout) -> None:
    """The exchange waits until it is paid, then exchanges, then pays out: one step per look."""
    words = iter(["waiting", "confirming", "exchanging", "sending", "finished"])

    def step() -> None:
        paid = fleet.world.rows("select 1 as p from transfer where transfer_status = 'settled'")
        word = next(words, "finished") if paid else "waiting"
        fleet.world.says(asked, word, payout_hash=USDT_TX if word == "finished" else None)

    fleet.world.exchange.while_reading = step
    fleet.world.pays_usdt()


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 3])
def test_a_batch_goes_its_whole_way_through_sealed_tokens_however_often_each_comes(fleet: Fleet, times: int) -> None:
    asked = fleet.world.a_batch()
    a_finished_order(fleet, asked)
    for number in range(times):
        answer = fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER)
        assert (answer.status_code, answer.json["status"]) == (200, "success")
        assert (answer.json["request_status"], answer.json["duplicate"]) == ("checking", number > 0)
    fleet.run(times=times)
    world = fleet.world
    assert world.story(asked) == [
        "request_received",
        "request_checking",
        "request_paying",
        "request_watching",
        "request_reported",
    ]
    assert len(world.messages(PayOrder)) == len(world.messages(SwapExecuted)) == 1
    told = SwapExecuted(asked.batch_conversion_id, asked.cn_api_id, ETH_TX, USDT_TX, SOME_USDT.units)
    assert fleet.heard_by_batcher == [told] * times
    assert world.books()[1] == {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units}
    assert world.count("refused_message") == 0
    assert world.alerts() == []


def test_an_instant_payout_goes_its_whole_way(fleet: Fleet) -> None:
    asked = fleet.world.an_instant()
    a_finished_order(fleet, asked)
    answer = fleet.bring(UPSTREAM_TO_CONDUCTOR, asked, UPSTREAM)
    assert (answer.status_code, answer.json["unique_id"]) == (200, asked.unique_id)
    fleet.run()
    assert fleet.world.state(asked) == "reported"
    assert fleet.heard_by_batcher == []
    assert fleet.world.books() == ({"treasury": SOME_ETH.wei, "wallet": -SOME_ETH.wei}, {})


def test_an_order_that_differs_is_parked_and_the_batcher_hears_it(fleet: Fleet) -> None:
    asked = fleet.world.a_batch()
    fleet.world.says(asked, "waiting", payin_address="0x" + "12" * 20)
    fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER)
    fleet.run(times=2)
    assert fleet.world.state(asked) == "parked"
    assert {type(message) for message in fleet.heard_by_batcher} == {SwapFailed}
    assert fleet.world.messages(PayOrder) == []


@pytest.mark.parametrize("seed", range(12))
def test_tasks_that_are_lost_doubled_late_and_out_of_order_end_in_the_same_books(fleet: Fleet, seed: int) -> None:
    chance = random.Random(seed)
    world = fleet.world
    asked = world.a_batch()
    a_finished_order(fleet, asked)
    waiting: list[FakeTask] = []
    fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER)
    for _ in range(120):
        waiting += world.sender.take()
        if world.state(asked) == "reported" and not waiting:
            break
        world.now += timedelta(seconds=chance.choice([1, 15, 60, 200]))
        if chance.random() < 0.3:
            world.sender.be_away()
        if chance.random() < 0.3:
            assert fleet.sweep().status_code == 200
        if not waiting:
            continue
        task = waiting.pop(chance.randrange(len(waiting)))
        fate = chance.random()
        if fate < 0.25:
            continue  # lost
        if fate < 0.5:
            waiting.append(task)  # it comes again later
        world.now = max(world.now, task.schedule_at or world.now)
        assert fleet.deliver(task) in (200, 503)
    assert world.state(asked) == "reported"
    assert world.count("arrival") == 1
    assert world.books() == (
        {"in_transit": SOME_ETH.wei, "wallet": -SOME_ETH.wei},
        {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units},
    )
    assert len(world.messages(SwapExecuted)) == 1
    story = world.story(asked)
    assert len(story) == len(set(story)) == 5


# --- the doors --------------------------------------------------------------------------------------------------------


def test_a_refusal_is_stored_and_told_when_a_task_brings_it_and_a_4xx_when_a_caller_does(fleet: Fleet) -> None:
    asked = replace(fleet.world.a_batch(), amount_wei=1)
    direct = fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER, task=None)
    assert (direct.status_code, direct.json["code"]) == (400, "request_contradicts")
    assert "0.000000000000000001" in direct.json["message"]
    assert fleet.world.count("refused_message") == 0
    task = fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER)
    assert (task.status_code, task.json["status"], task.json["code"]) == (200, "refused", "request_contradicts")
    (row,) = fleet.world.rows("select service, route, caller, code from refused_message")
    assert (row["service"], row["route"], row["caller"]) == ("GCHostPay1", "/", BATCHER)
    assert fleet.world.alerts() == ["message_refused"]
    assert fleet.world.count("hostpay_request") == 0


def test_limits_name_their_field_and_rule(fleet: Fleet) -> None:
    fleet.world.with_terms(instant_max=SOME_ETH)
    fleet = Fleet(fleet.world)
    answer = fleet.bring(UPSTREAM_TO_CONDUCTOR, fleet.world.an_instant(SOME_ETH + SOME_ETH), UPSTREAM, task=None)
    assert (answer.status_code, answer.json["code"]) == (400, "above_limit")
    assert (answer.json["field"], answer.json["rule"]) == ("amount_wei", "at most 0.04 ETH")


def test_an_order_that_is_not_shown_is_a_503_that_names_no_detail(fleet: Fleet) -> None:
    asked = replace(fleet.world.an_instant(), cn_api_id="notshownorder1")
    answer = fleet.bring(UPSTREAM_TO_CONDUCTOR, asked, UPSTREAM)
    assert (answer.status_code, answer.json["code"]) == (503, "order_not_readable")
    assert "notshown" not in answer.text
    assert answer.headers["Retry-After"]


def test_a_transfer_that_is_not_final_is_a_503(fleet: Fleet) -> None:
    asked = fleet.world.a_paying_batch()
    fleet.world.a_transfer(asked, "live")
    final = TransferFinal(unique_id_of(asked), asked.cn_api_id, "settled", ETH_TX, asked.amount_wei)
    answer = fleet.bring(EXECUTOR_TO_CONDUCTOR, final, EXECUTOR)
    assert (answer.status_code, answer.json["code"]) == (503, "transfer_not_final")


def test_an_answer_of_the_watcher_that_waited_for_hours_pays_nothing(fleet: Fleet) -> None:
    asked = fleet.world.a_batch()
    fleet.bring(BATCHER_TO_CONDUCTOR, asked, BATCHER)
    (check,) = fleet.world.sender.take()
    fleet.deliver(check)
    (answer,) = fleet.world.sender.take()
    fleet.world.wait(hours=3)
    assert fleet.deliver(answer) == 200
    assert fleet.world.state(asked) == "checking"
    assert fleet.world.messages(PayOrder) == []
    fleet.sweep()
    for _ in ("the question", "the answer"):
        (task,) = fleet.world.sender.take()
        fleet.deliver(task)
    assert fleet.world.state(asked) == "paying"


EVERY_EDGE: list[tuple[Edge, Message, str]] = [
    (UPSTREAM_TO_CONDUCTOR, InstantPayout("up-1", "someorder00001", "eth", "eth", 1, "0x" + "12" * 20), UPSTREAM),
    (
        BATCHER_TO_CONDUCTOR,
        PayBatch("11111111-2222-3333-4444-555555555555", "someorder00001", "eth", "eth", 1, "0x" + "12" * 20),
        BATCHER,
    ),
    (WATCHER_TO_CONDUCTOR, OrderChecked("up-1", "someorder00001", "payable", "waiting", ""), WATCHER),
    (EXECUTOR_TO_CONDUCTOR, TransferFinal("up-1", "someorder00001", "settled", ETH_TX, 1), EXECUTOR),
    (CONDUCTOR_TO_CONDUCTOR, CheckArrival("up-1", "someorder00001", 1), CONDUCTOR),
    (
        CONDUCTOR_TO_EXECUTOR,
        PayOrder("up-1", "instant", "someorder00001", "eth", "eth", 1, "0x" + "12" * 20),
        CONDUCTOR,
    ),
]
ROUTES = ["/", "/status-verified", "/payment-completed", "/retry-callback-check"]


def test_every_route_opens_only_the_tokens_of_its_own_edges(fleet: Fleet) -> None:
    asked = fleet.world.a_paying_batch()
    before = fleet.world.everything()
    for route in ROUTES:
        for edge, message, _ in EVERY_EDGE:
            if edge.route == route and edge.consumer == "conductor":
                continue
            answer = fleet.bring(edge, message, SENDER_OF[route], task=None, route=route)
            assert (answer.status_code, answer.json["code"]) == (401, "token_foreign"), (route, edge.name)
    assert fleet.world.everything() == before
    assert fleet.world.state(asked) == "paying"


def test_every_route_knows_its_callers_and_nobody_brings_anothers_token(fleet: Fleet) -> None:
    before = fleet.world.everything()
    for edge, message, owner in EVERY_EDGE[:5]:
        for caller in (UPSTREAM, BATCHER, WATCHER, EXECUTOR, CONDUCTOR, SCHEDULER, "stranger@elsewhere.example"):
            if caller == owner:
                continue
            answer = fleet.bring(edge, message, caller)
            assert answer.status_code == 403, (edge.name, caller)
    assert fleet.world.everything() == before
    assert fleet.world.count("refused_message") == 0


def test_only_the_scheduler_sweeps_and_any_body_will_do(fleet: Fleet) -> None:
    for caller in (UPSTREAM, BATCHER, WATCHER, EXECUTOR, CONDUCTOR):
        assert fleet.conductor.post("/sweep", data=b"{}", headers=bearer(caller)).status_code == 403
    answer = fleet.sweep()
    assert answer.json == {"status": "success", "tasks_made": 0, "requests_redriven": 0, "requests_late": 0}


def test_each_message_about_a_request_that_is_not_there_is_a_stored_refusal(fleet: Fleet) -> None:
    for edge, message, owner in EVERY_EDGE[1:5]:
        answer = fleet.bring(edge, message, owner)
        assert (answer.status_code, answer.json["code"]) == (200, "order_unknown"), edge.name
    assert fleet.world.count("refused_message") == 4
