"""What the intake refuses at its door leaves no row; and the two ways in: an identity token, or a signature."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import structlog

from GCAccumulator.app import create_app
from GCAccumulator.settings import IntakeSettings
from shared.db import Database
from shared.db.roles import INTAKE
from shared.http.signature import sign_body
from shared.settings import load_settings
from tests.conftest import Postgres
from tests.integration.intake_world import (
    FIFTY,
    NOW,
    OLDER_SIGNING_KEY,
    OUR_WALLET,
    SIGNING_KEY,
    THIRTY,
    USDT_CONTRACT,
    IntakeWorld,
    Raw,
    changed,
)
from tests.unit.http_world import bearer

DatabaseAs = Callable[[str], Database]
ENVIRONMENT = {
    "SERVICE_URL": "https://intake.example",
    "SERVICE_IDENTITY": "intake@project.example",
    "UPSTREAM_CALLERS": "upstream@project.example",
    "UPSTREAM_SIGNING_KEY": SIGNING_KEY,
    "UPSTREAM_SIGNING_KEY_PREVIOUS": OLDER_SIGNING_KEY,
    "TP_FLAT_FEE": "15",
    "HOST_WALLET_ETH_ADDRESS": OUR_WALLET,
    "HOST_WALLET_USDT_ADDRESS": OUR_WALLET,
    "USDT_CONTRACT_ADDRESS": USDT_CONTRACT,
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_NAME_SECRET": "nothing",
    "DATABASE_USER_SECRET": INTAKE,
}


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> IntakeWorld:
    return IntakeWorld.of(reused_database, reused_database_as(INTAKE))


@pytest.fixture
def _as_a_process() -> Iterator[None]:
    """What ends with a process: its log's set-up, and the connections that nobody closes by hand."""
    yield
    structlog.reset_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def test_every_kind_of_nonsense_is_a_400_that_names_its_field_and_leaves_nothing(world: IntakeWorld) -> None:
    nonsense: list[tuple[str, str | None]] = [
        (changed(FIFTY, payment_amount_usd=Raw("-50")), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=Raw("0")), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=Raw("0.0000001")), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd="NaN"), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd="Infinity"), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=Raw("1e400")), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=True), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=None), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd=[50]), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd={"usd": 50}), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd="1000.000001"), "payment_amount_usd"),
        (changed(FIFTY, payment_amount_usd="٥٠"), "payment_amount_usd"),
        (changed(FIFTY, wallet_address=...), "wallet_address"),
        (changed(FIFTY, wallet_address="0x2915767890A6FbF031DCe70E1b80D987Dc3a2923"), "wallet_address"),
        (changed(FIFTY, user_id=Raw("9" * 30)), "user_id"),
        (changed(FIFTY, user_id=Raw("1.0")), "user_id"),
        (changed(FIFTY, client_id=Raw("-9223372036854775809")), "client_id"),
        (changed(FIFTY, subscription_id=-1), "subscription_id"),
        (changed(FIFTY, payment_timestamp="yesterday"), "payment_timestamp"),
        (changed(FIFTY, nowpayments_payment_id="4479119533 "), "nowpayments_payment_id"),
        (changed(FIFTY, nowpayments_outcome_amount=Raw("-0.02")), "nowpayments_outcome_amount"),
        (changed(FIFTY, nowpayments_outcome_amount=Raw("1e-19")), "nowpayments_outcome_amount"),
        (changed(FIFTY, nowpayments_outcome_amount=False), "nowpayments_outcome_amount"),
        (
            changed(FIFTY, nowpayments_outcome_amount="x" * 60_000, nowpayments_outcome_currency="btc"),
            "nowpayments_outcome_amount",
        ),
        (changed(FIFTY, wallet_address="0x" + "0" * 40), "wallet_address"),
        (changed(FIFTY, wallet_address="0x\x002915767890A6FbF031DCe70E1b80D987Dc3a2922"), None),
        (changed(FIFTY, payment_amount_usd=Raw("NaN")), "payment_amount_usd"),
        (FIFTY[:-1] + ', "payment_amount_usd": 1}', "payment_amount_usd"),
        (f"[{FIFTY}]", None),
        (json.dumps(FIFTY), None),
        ("null", None),
        ("{", None),
    ]
    for body, field in nonsense:
        answer = world.post(body)
        assert answer.status == 400, body
        assert answer.body["status"] == "error"
        assert answer.body.get("field") == field, body
        assert answer.body["message"]
        assert answer.body["reference"]
    assert world.counts() == {}
    assert world.post(FIFTY).status == 200


def test_a_conflict_is_not_hidden_by_nonsense_and_nonsense_is_no_conflict(world: IntakeWorld) -> None:
    world.post(FIFTY)
    assert world.post(changed(FIFTY, payment_amount_usd=Raw("-50"))).status == 400
    assert world.post(changed(FIFTY, payment_amount_usd=Raw("51"))).status == 409


def test_a_signed_webhook_needs_no_identity(world: IntakeWorld) -> None:
    assert world.post(FIFTY, _signed(FIFTY)).status == 200
    assert world.post(FIFTY, _signed(FIFTY)).body["duplicate"] is True


def test_a_signature_of_another_body_key_or_time_is_refused_and_leaves_nothing(world: IntakeWorld) -> None:
    an_hour_ago = str(int(NOW.timestamp()) - 3600)
    for headers in (
        _signed(THIRTY),
        _signed(FIFTY, key="another key of the same length"),
        _signed(FIFTY, at=an_hour_ago),
        _signed(FIFTY) | {"X-Request-Timestamp": str(int(NOW.timestamp()) + 1)},
        {"X-Signature": _signed(FIFTY)["X-Signature"]},
        {"X-Request-Timestamp": str(int(NOW.timestamp()))},
        {},
        bearer("somebody@project.example"),
        bearer("upstream@project.example", audience="https://other.example"),
    ):
        assert world.post(FIFTY, headers).status in (401, 403), headers
    assert world.counts() == {}


def test_a_signature_makes_no_task_of_a_direct_call(world: IntakeWorld) -> None:
    headers = _signed(changed(FIFTY, user_id=0)) | {"X-CloudTasks-TaskName": "outbox-1"}
    answer = world.post(changed(FIFTY, user_id=0), headers)
    assert (answer.status, answer.body["code"]) == (400, "bad_field")
    assert world.counts() == {}, "only a verified identity can be a queue"


def test_while_the_webhooks_secret_is_rotated_both_versions_sign(world: IntakeWorld) -> None:
    assert world.post(FIFTY, _signed(FIFTY)).status == 200
    heard = world.post(FIFTY, _signed(FIFTY, key=OLDER_SIGNING_KEY))
    assert (heard.status, heard.body["duplicate"]) == (200, True)
    assert world.post(FIFTY, _signed(FIFTY, key="a secret of before before")).status == 401


@pytest.mark.usefixtures("_as_a_process")
def test_the_application_as_it_is_deployed_records_a_signed_payment(
    postgres: Postgres, database_name: str, database: Database
) -> None:
    settings = load_settings(
        IntakeSettings,
        ENVIRONMENT
        | {
            "DATABASE_HOST": postgres.server.host,
            "DATABASE_PORT": str(postgres.server.port),
            "DATABASE_NAME_SECRET": database_name,
        },
    )
    client = create_app(settings).test_client()
    at = str(int(datetime.now(UTC).timestamp()))
    answer = client.post("/", data=FIFTY, headers=_signed(FIFTY, at=at))
    assert answer.status_code == 200
    assert answer.get_json()["pending_usd_amount"] == "42.500000"
    health = client.get("/health")
    assert (health.status_code, health.get_json()["components"]) == (
        200,
        {"database": "healthy", "schema": "healthy"},
    )
    with database.read() as conn:
        assert conn.one("select fee_wei, net_wei from payout_accumulation") == {
            "fee_wei": 3 * 10**15,
            "net_wei": 17 * 10**15,
        }


@pytest.mark.usefixtures("_as_a_process")
def test_an_application_whose_database_is_away_says_so_and_answers_503(postgres: Postgres) -> None:
    settings = load_settings(IntakeSettings, ENVIRONMENT | {"DATABASE_PORT": "1"})
    client = create_app(settings).test_client()
    at = str(int(datetime.now(UTC).timestamp()))
    answer = client.post("/", data=FIFTY, headers=_signed(FIFTY, at=at))
    assert (answer.status_code, answer.get_json()["code"]) == (503, "database_unreachable")
    assert client.get("/health").status_code == 503
    assert client.get("/live").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TP_FLAT_FEE", None),
        ("TP_FLAT_FEE", "31"),
        ("TP_FLAT_FEE", "-1"),
        ("TP_FLAT_FEE", "NaN"),
        ("TP_FLAT_FEE", "1.00001"),
        ("TP_FLAT_FEE_MIN", "16"),
        ("MAX_PAYMENT_USD", "0"),
        ("UPSTREAM_SIGNING_KEY", "short"),
        ("UPSTREAM_SIGNING_KEY", None),
        ("UPSTREAM_CALLERS", ""),
        ("HOST_WALLET_ETH_ADDRESS", None),
        ("HOST_WALLET_USDT_ADDRESS", OUR_WALLET[:-1]),
        ("USDT_CONTRACT_ADDRESS", "0x" + "0" * 40),
        ("DATABASE_HOST", ""),
    ],
)
def test_the_intake_does_not_start_with_settings_that_could_cost_money(
    name: str, value: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {key: text for key, text in (ENVIRONMENT | {name: value}).items() if text is not None}
    with pytest.raises(SystemExit) as stopped:
        load_settings(IntakeSettings, environment)
    assert stopped.value.code == 78
    assert name in capsys.readouterr().err


def _signed(body: str, *, key: str = SIGNING_KEY, at: str | None = None) -> dict[str, str]:
    at = at or str(int(NOW.timestamp()))
    return {"X-Request-Timestamp": at, "X-Signature": sign_body(key, at, body.encode())}
