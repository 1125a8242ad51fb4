"""The watcher reads an order and says what it saw; it answers success only when that is a task, and keeps nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from GCHostPay2.routes import routes_of
from shared.exchange import NotFound, OrderSeen, Reading, Unreadable
from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.messages import (
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_WATCHER,
    WATCHER_TO_CONDUCTOR,
    CheckOrder,
    OrderChecked,
    PayBatch,
    open_sealed,
    seal,
)
from shared.money import Ether
from shared.queue import Destination, Sealer
from shared.sandbox.fakes import FakeTaskSender
from tests.integration.conductor_world import DEPOSIT, KEYRING, SOME_ETH, USDT_WALLET, ToldExchange, an_order_seen
from tests.unit.http_world import AUDIENCE, ISSUER, NOW, KnownKeys, bearer, issuer_key, settings

NOW_ID = bytes(range(16))
CONDUCTOR = "conductor@project.example"
QUEUE = "gchostpay1-response-queue"
ASKED = CheckOrder(
    "batch_11111111-2222-3333-4444-555555555555",
    "613c822e844358",
    "eth",
    "eth",
    "usdt",
    "eth",
    SOME_ETH.wei,
    DEPOSIT,
    USDT_WALLET,
)


class Watcher:
    """The real routes and entrance around an exchange and a task service that obey the test."""

    def __init__(self, clock: Callable[[], Any]) -> None:
        self.exchange = ToldExchange()
        self.sender = FakeTaskSender()
        self.clock = clock
        sealer = Sealer(KEYRING, {WATCHER_TO_CONDUCTOR: Destination(QUEUE, "https://conductor.test")})
        app = create_service(
            settings(),
            "watcher",
            routes_of(self.exchange, self.sender, sealer, [CONDUCTOR]),
            [],
            None,
            keyring=KEYRING,
            clock=clock,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )
        self.client: FlaskClient = app.test_client()

    def shows(self, seen: Reading, of: CheckOrder = ASKED) -> None:
        self.exchange.told[of.cn_api_id] = seen

    def ask(
        self, asked: CheckOrder = ASKED, *, message_id: bytes = NOW_ID, caller: str = CONDUCTOR, task: str = "outbox-1"
    ) -> Any:
        token = seal(CONDUCTOR_TO_WATCHER, asked, KEYRING, message_id, self.clock())
        return self.post(token, bearer(caller) | {"X-CloudTasks-TaskName": task})

    def post(self, token: str, headers: dict[str, str]) -> Any:
        return self.client.post("/", data=json.dumps({"token": token}), headers=headers)

    def said(self) -> list[OrderChecked]:
        """What its tasks tell the conductor."""
        tokens = [json.loads(task.body)["token"] for task in self.sender.tasks]
        told = [open_sealed([WATCHER_TO_CONDUCTOR], token, KEYRING, self.clock()).message for token in tokens]
        return [message for message in told if isinstance(message, OrderChecked)]


@pytest.fixture
def watcher() -> Watcher:
    return Watcher(lambda: NOW)


def seen(**told: Any) -> OrderSeen:
    return an_order_seen(ASKED.cn_api_id, **told)


@pytest.mark.parametrize(
    ("reading", "verdict", "status", "detail"),
    [
        (seen(), "payable", "waiting", "waits for the deposit"),
        (seen(status="new"), "payable", "new", "waits for the deposit"),
        (seen(status="confirming"), "not_waiting", "confirming", "not waiting"),
        (seen(status="finished"), "not_waiting", "finished", "not waiting"),
        (seen(status="expired"), "not_waiting", "expired", "not waiting"),
        (seen(status="refunded"), "not_waiting", "refunded", "not waiting"),
        (seen(status="hold"), "unclear", "hold", "read again"),
        (seen(status="verifying"), "unclear", "verifying", "read again"),
        (seen(status="A new Word!"), "unclear", "a_new_word_", "read again"),
        (seen(status="x" * 100), "unclear", "x" * 32, "read again"),
        (seen(expected_from=SOME_ETH + Ether(1)), "mismatch", "waiting", "amount_wei is"),
        (seen(payin_address=None), "mismatch", "waiting", "payin_address is None"),
        (seen(payin_extra_id="m"), "mismatch", "waiting", "memo"),
        (seen(status="expired", payin_address=USDT_WALLET), "mismatch", "expired", "payin_address is"),
        (
            seen(payout_address="line\nbreak\x00 and " + "x" * 500),
            "mismatch",
            "waiting",
            "payout_address is line break?",
        ),
        (NotFound(), "not_found", "", "does not show"),
    ],
)
def test_what_is_seen_becomes_one_verdict(
    watcher: Watcher, reading: Reading, verdict: str, status: str, detail: str
) -> None:
    watcher.shows(reading)
    answer = watcher.ask()
    assert answer.status_code == 200
    assert (answer.json["verdict"], answer.json["changenow_status"]) == (verdict, status)
    (told,) = watcher.said()
    assert (told.unique_id, told.cn_api_id) == (ASKED.unique_id, ASKED.cn_api_id)
    assert (told.verdict, told.exchange_status) == (verdict, status)
    assert detail in told.detail


def test_the_message_goes_to_the_conductor_at_once(watcher: Watcher) -> None:
    watcher.shows(seen())
    watcher.ask()
    (task,) = watcher.sender.tasks
    assert (task.queue, task.url) == (QUEUE, "https://conductor.test/status-verified")
    assert (task.audience, task.schedule_at) == ("https://conductor.test", None)


@pytest.mark.parametrize("retry", [True, False])
def test_an_order_that_cannot_be_read_is_no_answer(watcher: Watcher, retry: bool) -> None:
    watcher.shows(Unreadable("HTTP 502", retry))
    answer = watcher.ask()
    assert (answer.status_code, answer.json["code"]) == (503, "order_unreadable")
    assert "502" not in answer.text
    assert watcher.sender.calls == 0


def test_a_repeat_makes_the_same_task_whatever_it_sees_meanwhile(watcher: Watcher) -> None:
    watcher.shows(seen())
    first = watcher.ask()
    watcher.shows(seen(status="expired"))
    second = watcher.ask(task="outbox-1-again")
    assert (first.status_code, second.status_code) == (200, 200)
    assert [told.verdict for told in watcher.said()] == ["payable"]


def test_another_question_about_the_same_order_is_another_task(watcher: Watcher) -> None:
    watcher.shows(seen())
    watcher.ask()
    watcher.ask(message_id=bytes(16))
    assert len(watcher.sender.tasks) == 2
    assert len({task.name for task in watcher.sender.tasks}) == 2


@pytest.mark.parametrize("trouble", ["be_away", "be_busy", "lose_answers"])
def test_no_success_without_the_task(watcher: Watcher, trouble: str) -> None:
    watcher.shows(seen())
    getattr(watcher.sender, trouble)()
    assert watcher.ask().status_code == 503
    assert watcher.ask().status_code == 200
    assert [told.verdict for told in watcher.said()] == ["payable"]


def test_a_queue_that_is_not_there_is_our_fault_and_no_success(watcher: Watcher) -> None:
    watcher.shows(seen())
    watcher.sender.remove_queue(QUEUE)
    assert watcher.ask().status_code == 500


def test_nobody_but_the_conductor_is_answered(watcher: Watcher) -> None:
    watcher.shows(seen())
    assert watcher.ask(caller="batcher@project.example").status_code == 403
    assert watcher.exchange.reads == 0


def test_the_token_of_another_edge_is_refused_and_nothing_is_read(watcher: Watcher) -> None:
    message = PayBatch(ASKED.unique_id[6:], ASKED.cn_api_id, "eth", "eth", SOME_ETH.wei, DEPOSIT)
    token = seal(BATCHER_TO_CONDUCTOR, message, KEYRING, NOW_ID, watcher.clock())
    answer = watcher.post(token, bearer(CONDUCTOR))
    assert (answer.status_code, answer.json["code"]) == (401, "token_foreign")
    assert watcher.exchange.reads == 0
    assert watcher.sender.calls == 0


def test_a_question_that_is_more_than_a_day_late_is_refused(watcher: Watcher) -> None:
    watcher.shows(seen())
    token = seal(CONDUCTOR_TO_WATCHER, ASKED, KEYRING, NOW_ID, watcher.clock() - timedelta(hours=26))
    answer = watcher.post(token, bearer(CONDUCTOR))
    assert (answer.status_code, answer.json["code"]) == (401, "token_expired")
    assert watcher.sender.calls == 0


def test_an_instant_payout_to_any_chain_is_compared_as_it_is_written(watcher: Watcher) -> None:
    tron = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
    asked = replace(ASKED, to_currency="trx", to_network="trx", payout_address=tron)
    watcher.shows(seen(to_currency="trx", to_network="trx", payout_address=tron))
    assert watcher.ask(asked).json["verdict"] == "payable"
