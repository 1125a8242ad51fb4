"""The predecessor's upstream at the conductor's door: its payouts are taken like any other, and nothing else is."""

from __future__ import annotations

import gc
import json
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient

from GCHostPay1.app import create_app
from GCHostPay1.routes import Callers, routes_of
from GCHostPay1.settings import ConductorSettings
from shared.db import Database, refusal_recorder
from shared.exchange import NotFound
from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.http.service import description_of
from shared.messages import CheckOrder, InstantPayout, V1Door, V1Window
from shared.settings import load_settings
from shared.telemetry.redaction import forget_concealed
from tests.conftest import Postgres
from tests.integration.conductor_world import KEYRING, SOME_ETH, START, World, conductor_databases
from tests.integration.test_conductor_routes import (
    BATCHER,
    CONDUCTOR,
    EXECUTOR,
    SCHEDULER,
    UPSTREAM,
    WATCHER,
)
from tests.simulation.incidents.environment import ENVIRONMENT
from tests.unit.http_world import AUDIENCE, ISSUER, KnownKeys, bearer, issuer_key, settings
from tests.unit.v1_tokens import INTERNAL_TOKENS, T1_ONE_AMOUNT, bytes_of, sealed, written

SECRET = b"a secret of the upstream for tests"
OPEN = V1Door(V1Window(START - timedelta(hours=1), START + timedelta(days=7)), lambda: [SECRET])


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def old(databases: tuple[Database, Database]) -> Old:
    return Old(World.empty(databases))


@dataclass
class Old:
    """A conductor whose upstream is still the predecessor's."""

    world: World
    door: V1Door | None = OPEN
    client: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        callers = Callers([UPSTREAM], [BATCHER], [WATCHER], [EXECUTOR], [CONDUCTOR], [SCHEDULER])
        app = create_service(
            settings(),
            "conductor",
            routes_of(self.world.c, callers, self.door),
            [],
            refusal_recorder(self.world.c.database),
            keyring=KEYRING,
            clock=lambda: self.world.now,
            verifier=IdentityVerifier([AUDIENCE], [ISSUER], KnownKeys(issuer_key())),
        )
        self.client = app.test_client()

    def bring(self, token: str, caller: str = UPSTREAM, *, task: bool = True, route: str = "/") -> Any:
        headers = bearer(caller) | ({"X-CloudTasks-TaskName": "task-7"} if task else {})
        return self.client.post(route, data=json.dumps({"token": token}), headers=headers)

    def asks(self, asked: InstantPayout, *amounts: float, unique_id: str = "", **said: Any) -> str:
        """The token that the predecessor's upstream would make of this."""
        fields: dict[str, Any] = {
            "unique_id": (unique_id or asked.unique_id).encode(),
            "texts": (asked.cn_api_id, "eth", "eth"),
            "payin_address": asked.payin_address,
            "at": self.world.now,
            "secret": SECRET,
        }
        return written(*(amounts or (0.05, 0.04)), **fields | said)

    def nothing_was_taken(self) -> None:
        assert self.world.count("hostpay_request") == 0
        assert self.world.count("exchange_order") == 0
        assert self.world.messages(CheckOrder) == []


def test_its_payout_is_read_at_the_exchange_stored_and_checked_like_any_other(old: Old) -> None:
    asked = old.world.an_instant(SOME_ETH)
    answer = old.bring(old.asks(asked))
    assert (answer.status_code, answer.json["request_status"], answer.json["duplicate"]) == (200, "checking", False)
    [message] = old.world.messages(CheckOrder)
    assert (message.unique_id, message.cn_api_id, message.amount_wei) == (
        asked.unique_id,
        asked.cn_api_id,
        SOME_ETH.wei,
    )


def test_the_older_layout_with_one_amount_is_taken_as_well(old: Old) -> None:
    asked = old.world.an_instant(SOME_ETH)
    assert old.bring(old.asks(asked, 0.04)).json["request_status"] == "checking"


def test_a_replay_changes_nothing_however_it_is_written(old: Old) -> None:
    asked = old.world.an_instant(SOME_ETH)
    first = old.asks(asked)
    old.bring(first)
    old.world.wait(minutes=5)
    for again in (first, first, old.asks(asked), old.asks(asked, 0.04)):
        answer = old.bring(again)
        assert (answer.status_code, answer.json["duplicate"]) == (200, True)
    assert old.world.count("hostpay_request") == 1
    assert len(old.world.messages(CheckOrder)) == 1


def test_neither_its_id_nor_its_order_is_taken_twice(old: Old) -> None:
    asked, other = old.world.an_instant(SOME_ETH), old.world.an_instant(SOME_ETH)
    old.bring(old.asks(asked))
    for twice in (old.asks(asked, unique_id="ANOTHER-ID"), old.asks(other, unique_id=asked.unique_id)):
        assert old.bring(twice).json["code"] == "request_contradicts"
    assert old.world.count("hostpay_request") == 1


@pytest.mark.parametrize(
    ("amounts", "said", "code"),
    [
        ((0.05, 0.0400001), {}, "request_contradicts"),  # its order waits for another amount
        ((0.05, 0.04), {"payin_address": "0x" + "12" * 20}, "request_contradicts"),
        ((1.5, 1.000000001), {}, "above_limit"),
        ((61.5, 61.5), {"texts": ("613c822e844358", "usdt", "eth")}, "source_not_eth"),
    ],
)
def test_token_order_and_limits_must_agree(
    old: Old, amounts: tuple[float, ...], said: dict[str, Any], code: str
) -> None:
    asked = old.world.an_instant(SOME_ETH)
    answer = old.bring(old.asks(asked, *amounts, **said))
    assert (answer.status_code, answer.json["status"], answer.json["code"]) == (200, "refused", code)
    old.nothing_was_taken()
    assert old.world.count("refused_message") == 1


def test_an_order_that_the_exchange_does_not_show_now_is_asked_for_again(old: Old) -> None:
    asked = old.world.an_instant(SOME_ETH)
    shown = old.world.exchange.told[asked.cn_api_id]
    old.world.exchange.told[asked.cn_api_id] = NotFound()
    assert old.bring(old.asks(asked)).status_code == 503
    old.world.exchange.told[asked.cn_api_id] = shown
    assert old.bring(old.asks(asked)).status_code == 200


@pytest.mark.parametrize("task", [True, False])
def test_while_the_setting_is_off_it_is_refused_by_name(old: Old, task: bool) -> None:
    shut = Old(old.world, door=None)
    answer = shut.bring(shut.asks(shut.world.an_instant(SOME_ETH)), task=task)
    assert answer.json["code"] == "token_version_unsupported"
    if task:
        assert answer.status_code == 200
        [row] = shut.world.rows("select message, code from refused_message")
        assert row["message"] == "v1 tokens are not accepted"
    else:
        assert (answer.status_code, answer.json["message"]) == (400, "V1 tokens are not accepted.")
    shut.nothing_was_taken()


@pytest.mark.parametrize("name", INTERNAL_TOKENS)
def test_no_internal_token_of_the_predecessor_comes_in(old: Old, name: str) -> None:
    """Neither as it was sealed, nor sealed with the upstream's secret, which somebody outside may know."""
    stolen = bytes_of(INTERNAL_TOKENS[name])[:-16]
    codes = [old.bring(token, task=False).json["code"] for token in (INTERNAL_TOKENS[name], sealed(stolen, SECRET))]
    expected = ["token_version_unsupported"] * 2 if name == "T3" else ["token_foreign", "token_malformed"]
    assert [code.replace("token_expired", "token_malformed") for code in codes] == expected
    old.nothing_was_taken()


@pytest.mark.parametrize("caller", [BATCHER, "stranger@project.example"])
def test_only_the_upstream_may_bring_one(old: Old, caller: str) -> None:
    answer = old.bring(old.asks(old.world.an_instant(SOME_ETH)), caller)
    assert answer.status_code == 403
    old.nothing_was_taken()
    assert old.world.count("refused_message") == 0


@pytest.mark.parametrize(
    ("route", "caller"),
    [("/status-verified", WATCHER), ("/payment-completed", EXECUTOR), ("/retry-callback-check", CONDUCTOR)],
)
@pytest.mark.parametrize("token", [T1_ONE_AMOUNT, *INTERNAL_TOKENS.values()])
def test_behind_the_other_doors_there_is_no_v1(old: Old, route: str, caller: str, token: str) -> None:
    answer = old.bring(token, caller, task=False, route=route)
    assert (answer.status_code, answer.json["code"]) == (400, "token_version_unsupported")


@pytest.fixture
def _as_a_process() -> Iterator[None]:
    """What ends with a process: its log's set-up, the secrets it conceals, and what nobody closes by hand."""
    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()
    forget_concealed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("_as_a_process")
@pytest.mark.parametrize("said", [None, "2026-12-01T09:00:00Z/2026-12-15T00:00:00Z"])
def test_the_setting_opens_one_door_with_the_upstreams_secrets(said: str | None) -> None:
    older = {"TPS_HOSTPAY_SIGNING_KEY_PREVIOUS": "an-older-upstream-secret"}
    environment = ENVIRONMENT | older | ({} if said is None else {"ACCEPT_V1_TOKENS": said})
    app = create_app(load_settings(ConductorSettings, environment))
    doors = {route.path: route.v1 for route in description_of(app).routes if route.v1 is not None}
    assert list(doors) == ["/"]
    assert doors["/"].window == (None if said is None else V1Window.parse(said))
    assert doors["/"].secrets() == tuple(
        text.encode() for text in (ENVIRONMENT["TPS_HOSTPAY_SIGNING_KEY"], *older.values())
    )
