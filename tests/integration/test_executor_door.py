"""The executor over HTTP: who may ask, what a refusal leaves behind, its health, and when it does not start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from GCHostPay3.app import create_app
from GCHostPay3.routes import routes_of
from GCHostPay3.settings import ExecutorSettings
from shared.db import Database, refusal_recorder
from shared.db.roles import EXECUTOR
from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.messages import CONDUCTOR_TO_EXECUTOR, EXECUTOR_TO_EXECUTOR, DriveAccount, Edge, Message, seal
from shared.sandbox.chain import CHAIN_ID, FAUCET, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from shared.settings import EXIT_CONFIGURATION, load_settings
from tests.conftest import Postgres
from tests.integration.executor_world import DEPOSIT, KEYRING, URL, WALLET_ETH, World
from tests.unit import http_world
from tests.unit.http_world import ISSUER, KnownKeys, error_of, issuer_key

CONDUCTOR_CALLER = "conductor@project.example"
EXECUTOR_CALLER = "executor@project.example"
SCHEDULER_CALLER = "scheduler@project.example"
STRANGER = "stranger@project.example"


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


@pytest.fixture
def client(world: World) -> FlaskClient:
    return create_service(
        http_world.settings(service_url=URL),
        "executor",
        routes_of(world.x, [CONDUCTOR_CALLER], [EXECUTOR_CALLER], [SCHEDULER_CALLER]),
        [],
        refusal_recorder(world.x.db),
        keyring=KEYRING,
        clock=lambda: world.now,
        verifier=IdentityVerifier([URL], [ISSUER], KnownKeys(issuer_key())),
    ).test_client()


def post(client: FlaskClient, path: str, body: Any, caller: str, *, task: str = "outbox-1") -> Any:
    headers = http_world.bearer(caller, URL) | ({"X-CloudTasks-TaskName": task} if task else {})
    return client.post(path, data=json.dumps(body), headers=headers)


def token(world: World, edge: Edge, message: Message) -> dict[str, str]:
    return {"token": seal(edge, message, KEYRING, bytes(range(16)), world.now)}


def test_a_pay_order_is_taken_in_and_a_repeat_answers_the_present_state(world: World, client: FlaskClient) -> None:
    order = world.a_payable_order()
    body = token(world, CONDUCTOR_TO_EXECUTOR, order)
    first = post(client, "/", body, CONDUCTOR_CALLER)
    assert first.status_code == 200
    assert first.get_json() == {
        "status": "success",
        "unique_id": order.unique_id,
        "transfer_status": "approved",
        "reason": None,
        "duplicate": False,
    }
    world.run_to_the_end()
    again = post(client, "/", body, CONDUCTOR_CALLER).get_json()
    assert (again["transfer_status"], again["duplicate"]) == ("settled", True)
    assert len(world.chain.transactions_to(DEPOSIT)) == 1


def test_a_contradiction_in_a_task_is_committed_and_answered_200_refused(world: World, client: FlaskClient) -> None:
    order = replace(world.a_payable_order(), amount_wei=1)
    answer = post(client, "/", token(world, CONDUCTOR_TO_EXECUTOR, order), CONDUCTOR_CALLER)
    assert answer.status_code == 200
    assert answer.get_json()["status"] == "refused"
    assert answer.get_json()["code"] == "pay_order_contradicts"
    rows = world.rows("select service, route, code from refused_message")
    assert rows == [{"service": "GCHostPay3", "route": "/", "code": "pay_order_contradicts"}]
    assert "pay_order_contradicts" in world.alerts()
    assert world.rows("select * from transfer") == []


def test_a_contradiction_without_a_task_is_a_4xx_with_its_rule(world: World, client: FlaskClient) -> None:
    order = replace(world.a_payable_order(), amount_wei=1)
    answer = post(client, "/", token(world, CONDUCTOR_TO_EXECUTOR, order), CONDUCTOR_CALLER, task="")
    assert error_of(answer, 400, "pay_order_contradicts")["rule"] == "amount_differs"


@pytest.mark.parametrize("path", ["/", "/drive", "/sweep"])
def test_no_route_does_anything_for_a_stranger(world: World, client: FlaskClient, path: str) -> None:
    body = token(world, CONDUCTOR_TO_EXECUTOR, world.a_payable_order())
    error_of(client.post(path, data=json.dumps(body)), 401, "identity_unproven")
    error_of(post(client, path, body, STRANGER), 403, "caller_not_allowed")
    assert world.rows("select * from transfer") == []
    assert world.rows("select * from outbox") == []


def test_the_conductor_may_not_drive_and_the_executor_may_not_ask(world: World, client: FlaskClient) -> None:
    drive = token(world, EXECUTOR_TO_EXECUTOR, DriveAccount(HOST_WALLET.address, CHAIN_ID))
    error_of(post(client, "/drive", drive, CONDUCTOR_CALLER), 403, "caller_not_allowed")
    pay = token(world, CONDUCTOR_TO_EXECUTOR, world.a_payable_order())
    error_of(post(client, "/", pay, EXECUTOR_CALLER), 403, "caller_not_allowed")


def test_a_drive_message_is_no_pay_order(world: World, client: FlaskClient) -> None:
    drive = token(world, EXECUTOR_TO_EXECUTOR, DriveAccount(HOST_WALLET.address, CHAIN_ID))
    error_of(post(client, "/", drive, CONDUCTOR_CALLER, task=""), 401, "token_foreign")


def test_a_drive_says_what_it_did_and_what_still_waits(world: World, client: FlaskClient) -> None:
    world.pay(world.a_payable_order())
    body = token(world, EXECUTOR_TO_EXECUTOR, DriveAccount(HOST_WALLET.address, CHAIN_ID))
    answer = post(client, "/drive", body, EXECUTOR_CALLER)
    assert answer.get_json() == {"status": "success", "did": "slot_reserved", "waits_for": None, "open": 1}


def test_providers_that_are_away_are_no_reason_to_slow_the_queue(world: World, client: FlaskClient) -> None:
    world.pay(world.a_payable_order())
    world.chain.away = True
    body = token(world, EXECUTOR_TO_EXECUTOR, DriveAccount(HOST_WALLET.address, CHAIN_ID))
    answer = post(client, "/drive", body, EXECUTOR_CALLER)
    assert answer.status_code == 200
    assert answer.get_json()["waits_for"] == "providers_unavailable"


def test_the_scheduler_may_sweep_with_any_body(world: World, client: FlaskClient) -> None:
    world.pay(world.a_payable_order())
    answer = post(client, "/sweep", ["whatever"], SCHEDULER_CALLER, task="")
    assert answer.get_json() == {"status": "success", "accounts_redriven": 0, "transfers_overdue": 0}


# --- settings and health ----------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "SERVICE_URL": URL,
    "SERVICE_IDENTITY": EXECUTOR_CALLER,
    "CONDUCTOR_CALLERS": CONDUCTOR_CALLER,
    "EXECUTOR_CALLERS": EXECUTOR_CALLER,
    "SCHEDULER_CALLERS": SCHEDULER_CALLER,
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_NAME_SECRET": "a_database",
    "DATABASE_USER_SECRET": EXECUTOR,
    "CLOUD_TASKS_PROJECT_ID": "a-project",
    "CLOUD_TASKS_LOCATION": "us-central1",
    "CLOUD_TASKS_ENDPOINT": "127.0.0.1:1",
    "SUCCESS_URL_SIGNING_KEY": "a secret of the fleet for tests",
    "GCHOSTPAY1_URL": "https://conductor.test",
    "GCHOSTPAY3_URL": URL,
    "ETHEREUM_RPC_URLS": "http://127.0.0.1:1,http://127.0.0.1:2",
    "CHAIN_ID": str(CHAIN_ID),
    "USDT_CONTRACT_ADDRESS": DEPOSIT,
    "PRICE_FEED_ADDRESS": DEPOSIT,
    "HOST_WALLET_ETH_ADDRESS": HOST_WALLET.address,
    "HOST_WALLET_USDT_ADDRESS": HOST_WALLET.address,
    "HOST_WALLET_PRIVATE_KEY": HOST_WALLET.private_key,
    "MAX_TRANSFER_ETH": "2",
    "MAX_DAILY_ETH": "5",
    "GAS_RESERVE_WEI": "10000000000000000",
    "SIGNED_BYTES_ARCHIVE": "/nowhere/signed-bytes",
}
KMS_KEY = "projects/a-project/locations/global/keyRings/wallet/cryptoKeys/host/cryptoKeyVersions/1"
PROTECTS_MONEY = ("MAX_TRANSFER_ETH", "MAX_DAILY_ETH", "GAS_RESERVE_WEI", "SIGNED_BYTES_ARCHIVE")


def refused_start(environ: Mapping[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        load_settings(ExecutorSettings, environ)
    assert ended.value.code == EXIT_CONFIGURATION
    said = capsys.readouterr().err
    assert HOST_WALLET.private_key[2:] not in said
    return said


def test_it_starts_with_its_environment() -> None:
    limits = load_settings(ExecutorSettings, ENVIRONMENT).pay_limits()
    assert (str(limits.max_transfer), str(limits.max_daily)) == ("2 ETH", "5 ETH")
    assert (limits.max_fee_per_gas_wei, limits.inflight_cap) == (200 * 10**9, 4)


def test_it_starts_with_a_key_in_cloud_kms_instead_of_one_of_its_own() -> None:
    environ = {name: value for name, value in ENVIRONMENT.items() if name != "HOST_WALLET_PRIVATE_KEY"}
    settings = load_settings(ExecutorSettings, environ | {"HOST_WALLET_KMS_KEY_VERSION": KMS_KEY})
    assert settings.host_wallet_private_key is None
    assert settings.host_wallet_kms_key_version == KMS_KEY


def test_it_does_not_start_without_the_limits_and_names_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    environ = {name: value for name, value in ENVIRONMENT.items() if name not in PROTECTS_MONEY}
    said = refused_start(environ, capsys)
    assert all(f"{name} is missing" in said for name in PROTECTS_MONEY)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"HOST_WALLET_ETH_ADDRESS": FAUCET.address}, "must be the address of HOST_WALLET_PRIVATE_KEY"),
        ({"HOST_WALLET_PRIVATE_KEY": "0x1234"}, "HOST_WALLET_PRIVATE_KEY must be 32 bytes"),
        ({"HOST_WALLET_PRIVATE_KEY": None}, "set either HOST_WALLET_PRIVATE_KEY or HOST_WALLET_KMS_KEY_VERSION"),
        ({"HOST_WALLET_KMS_KEY_VERSION": KMS_KEY}, "and not both"),
        ({"HOST_WALLET_KMS_KEY_VERSION": "a-key"}, "HOST_WALLET_KMS_KEY_VERSION"),
        ({"MAX_TRANSFER_ETH": "6"}, "MAX_TRANSFER_ETH must not be more than MAX_DAILY_ETH"),
        ({"MAX_TRANSFER_ETH": "0"}, "MAX_TRANSFER_ETH"),
        ({"GAS_RESERVE_WEI": "0"}, "GAS_RESERVE_WEI"),
        ({"INFLIGHT_CAP": "17"}, "INFLIGHT_CAP"),
        ({"SIGNED_BYTES_ARCHIVE": "signed-bytes"}, "SIGNED_BYTES_ARCHIVE"),
    ],
)
def test_it_does_not_start_with_settings_that_contradict(
    changed: dict[str, str | None], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {name: value for name, value in (ENVIRONMENT | changed).items() if value is not None}
    assert sentence in refused_start(environ, capsys)


def test_the_health_names_database_each_provider_chain_id_and_wallet(
    postgres: Postgres, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = ENVIRONMENT | {
        "DATABASE_PORT": str(postgres.server.port),
        "DATABASE_NAME_SECRET": database_name,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    app = create_app()
    answer = app.test_client().get("/health")
    assert answer.status_code == 503  # the providers of this test do not exist
    assert answer.get_json()["components"] == {
        "database": "healthy",
        "schema": "healthy",
        "chain_provider_1": "unhealthy",
        "chain_provider_2": "unhealthy",
        "chain_id": "unknown",
        "wallet": "healthy",
    }
    assert app.test_client().get("/live").status_code == 200
