"""The batcher as it is deployed: its settings, its health, its callers; and webhooks that become shares."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
import structlog

from GCMicroBatchProcessor.app import create_app
from GCMicroBatchProcessor.settings import BatcherSettings
from shared.db import Database
from shared.db.roles import BATCHER, INTAKE
from shared.money import Ether, Percent, Usd
from shared.settings import load_settings
from tests.conftest import Postgres
from tests.integration.batcher_world import WALLET, BatcherWorld
from tests.integration.intake_world import FIFTY, THIRTY, TWENTY, IntakeWorld, changed

DatabaseAs = Callable[[str], Database]
NOWHERE = "http://127.0.0.1:1"
ENVIRONMENT = {
    "SERVICE_URL": "https://batcher.example",
    "SERVICE_IDENTITY": "batcher@project.example",
    "SCHEDULER_CALLERS": "scheduler@project.example",
    "CONDUCTOR_CALLERS": "conductor@project.example",
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_PORT": "1",
    "DATABASE_NAME_SECRET": "nothing",
    "DATABASE_USER_SECRET": BATCHER,
    "CLOUD_TASKS_PROJECT_ID": "some-project",
    "CLOUD_TASKS_LOCATION": "local",
    "CLOUD_TASKS_ENDPOINT": "127.0.0.1:1",
    "SUCCESS_URL_SIGNING_KEY": "a secret of the fleet for tests",
    "GCHOSTPAY1_URL": "https://conductor.example",
    "CHANGENOW_API_KEY": "a key for tests",
    "CHANGENOW_API_URL": NOWHERE,
    "ETHEREUM_RPC_URLS": NOWHERE,
    "CHAIN_ID": "31337",
    "USDT_CONTRACT_ADDRESS": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "PRICE_FEED_ADDRESS": "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    "HOST_WALLET_ETH_ADDRESS": WALLET,
    "HOST_WALLET_USDT_ADDRESS": WALLET,
    "MICRO_BATCH_THRESHOLD_USD": "100",
    "BATCH_FUNDING": "received",
    "MAX_TRANSFER_ETH": "1",
}


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


@pytest.fixture
def _as_a_process() -> Iterator[None]:
    """What ends with a process: its log's set-up, and the connections that nobody closes by hand."""
    yield
    structlog.reset_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MICRO_BATCH_THRESHOLD_USD", None),
        ("MICRO_BATCH_THRESHOLD_USD", "0"),
        ("MICRO_BATCH_THRESHOLD_USD", "NaN"),
        ("BATCH_FUNDING", None),
        ("BATCH_FUNDING", "both"),
        ("MAX_TRANSFER_ETH", None),
        ("MAX_TRANSFER_ETH", "0"),
        ("MAX_TRANSFER_ETH", "1e400"),
        ("QUOTE_BAND_PERCENT", "101"),
        ("ORDER_VALUE_BAND_PERCENT", "-1"),
        ("RESULT_BAND_PERCENT", "ten"),
        ("EXCHANGE_AMOUNT_DECIMALS", "19"),
        ("MAX_FEE_PER_GAS_GWEI", "0"),
        ("PRICE_FEED_ADDRESS", None),
        ("HOST_WALLET_ETH_ADDRESS", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267"),
        ("SUCCESS_URL_SIGNING_KEY", "short"),
        ("CHANGENOW_API_KEY", None),
        ("CONDUCTOR_CALLERS", ""),
    ],
)
def test_the_batcher_does_not_start_with_settings_that_could_cost_money(
    name: str, value: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {key: text for key, text in (ENVIRONMENT | {name: value}).items() if text is not None}
    with pytest.raises(SystemExit) as stopped:
        load_settings(BatcherSettings, environment)
    assert stopped.value.code == 78
    assert name in capsys.readouterr().err


def test_every_setting_that_decides_reaches_its_term() -> None:
    bands = {
        "QUOTE_BAND_PERCENT": "1",
        "ORDER_VALUE_BAND_PERCENT": "2",
        "RESULT_BAND_PERCENT": "3",
        "PAYMENT_VALUE_BAND_PERCENT": "5",
    }
    others = {"MAX_GAS_SHARE_PERCENT": "4", "MAX_FEE_PER_GAS_GWEI": "5", "EXCHANGE_AMOUNT_DECIMALS": "6"}
    terms = load_settings(BatcherSettings, ENVIRONMENT | bands | others | {"TIME_SCALE": "7"}).terms()
    assert (terms.threshold, terms.funding) == (Usd.parse("100"), "received")
    guard = terms.guard
    assert (guard.quote_band, guard.order_value_band, guard.max_gas_share) == tuple(map(Percent.parse, "124"))
    assert guard.payment_value_band == Percent.parse("5")
    assert guard.max_transfer == Ether.parse("1")
    assert (terms.result_band, terms.gas_ceiling_wei, terms.exchange_decimals) == (Percent.parse("3"), 5 * 10**9, 6)
    assert (terms.payout_address, terms.refund_address, terms.limits.time_scale) == (WALLET, WALLET, 7)


@pytest.mark.usefixtures("_as_a_process")
def test_the_application_is_able_while_only_third_parties_are_away(postgres: Postgres, database_name: str) -> None:
    server = {"DATABASE_HOST": postgres.server.host, "DATABASE_PORT": str(postgres.server.port)}
    settings = load_settings(BatcherSettings, ENVIRONMENT | server | {"DATABASE_NAME_SECRET": database_name})
    client = create_app(settings).test_client()
    health = client.get("/health")
    assert (health.status_code, health.get_json()["status"]) == (200, "healthy")
    components = health.get_json()["components"]
    assert components["database"] == "healthy"
    assert components["chain"] != "healthy"
    assert components["exchange"] != "healthy"
    assert client.post("/check-threshold", data=b"").status_code == 401
    assert client.post("/sweep", data=b"").status_code == 401


def test_no_route_takes_the_caller_or_the_message_of_another(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    before = world.snapshot()
    for path, caller in (
        ("/check-threshold", "conductor@project.example"),
        ("/sweep", "conductor@project.example"),
        ("/swap-executed", "scheduler@project.example"),
        ("/swap-failed", "scheduler@project.example"),
    ):
        assert world.post(path, b"{}", caller).status == 403
    token = world.sealed(report)
    assert world.post("/swap-failed", token, "conductor@project.example").status == 401
    changed_byte = token[:60] + (b"A" if token[60:61] != b"A" else b"B") + token[61:]
    assert world.post("/swap-executed", changed_byte, "conductor@project.example").status in (400, 401)
    world.wait(hours=26)
    assert world.post("/swap-executed", token, "conductor@project.example").status == 401
    assert world.snapshot() == before


def test_a_tick_takes_any_body_and_content_type(world: BatcherWorld) -> None:
    for body in (b"", b"{}", b"[1", b"\xff\x00", b"x" * 60_000):
        assert world.post("/check-threshold", body, "scheduler@project.example").status == 200


@pytest.mark.parametrize(
    ("fee", "threshold", "ordered_wei"), [("0", "100", 40_000_000_000_000_000), ("15", "80", 34_000_000_000_000_000)]
)
def test_webhooks_become_one_order_and_exact_shares(
    world: BatcherWorld,
    reused_database: Database,
    reused_database_as: DatabaseAs,
    fee: str,
    threshold: str,
    ordered_wei: int,
) -> None:
    intake = IntakeWorld.of(reused_database, reused_database_as(INTAKE), fee=fee)
    world.with_terms(threshold=Usd.parse(threshold))
    for body in (FIFTY, THIRTY, TWENTY):
        for _ in range(3):
            assert intake.post(body).status == 200
        world.tick()
    batch: UUID = world.batch()["batch_conversion_id"]
    assert world.batch()["ordered_wei"] == ordered_wei
    world.report(world.is_paid(batch, "97"))
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    assert {row["conversion_status"] for row in world.rows("select * from payout_accumulation")} == {"completed"}
    again = intake.post(FIFTY)
    assert (again.body["conversion_status"], again.body["duplicate"]) == ("completed", True)
    assert intake.post(changed(FIFTY, payment_amount_usd="51")).status == 409
    world.books()
