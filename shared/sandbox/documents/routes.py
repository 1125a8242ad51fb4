"""The route tables of the five services, built without any connection, for documents and tests.

Every service is made by its own composition root from settings that lead nowhere; only the table is looked at.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from flask import Flask

from shared.http import SERVICE_OF_ROLE, ServiceDescription, description_of
from shared.settings import load_settings

_ADDRESS: Final = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
# A key of the public test mnemonic: it guards nothing anywhere.
_TEST_KEY: Final = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
_TEST_ADDRESS: Final = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
_SETTINGS_CLASS: Final = {
    "intake": "IntakeSettings",
    "batcher": "BatcherSettings",
    "conductor": "ConductorSettings",
    "watcher": "WatcherSettings",
    "executor": "ExecutorSettings",
}
ENVIRONMENT: Final[dict[str, str]] = {
    "SERVICE_URL": "https://service.invalid",
    "SERVICE_IDENTITY": "service@fleet.invalid",
    **{f"{who}_CALLERS": f"{who.lower()}@fleet.invalid" for who in
       ("UPSTREAM", "SCHEDULER", "BATCHER", "CONDUCTOR", "WATCHER", "EXECUTOR")},
    "DATABASE_HOST": "database.invalid",
    "DATABASE_NAME_SECRET": "gcpay",
    "DATABASE_USER_SECRET": "gcpay",
    "CLOUD_TASKS_PROJECT_ID": "a-project",
    "CLOUD_TASKS_LOCATION": "local",
    "CLOUD_TASKS_ENDPOINT": "tasks.invalid:443",
    "SUCCESS_URL_SIGNING_KEY": "internal-secret-of-the-documents",
    "TPS_HOSTPAY_SIGNING_KEY": "external-secret-of-the-documents",
    "GCHOSTPAY1_URL": "https://gchostpay1.invalid",
    "GCHOSTPAY2_URL": "https://gchostpay2.invalid",
    "GCHOSTPAY3_URL": "https://gchostpay3.invalid",
    "MICROBATCH_URL": "https://gcmicrobatchprocessor.invalid",
    "CHANGENOW_API_KEY": "a-key-of-the-documents",
    "ETHEREUM_RPC_URLS": "https://one.invalid,https://two.invalid",
    "CHAIN_ID": "31337",
    "USDT_CONTRACT_ADDRESS": _ADDRESS,
    "PRICE_FEED_ADDRESS": _ADDRESS,
    "HOST_WALLET_ETH_ADDRESS": _TEST_ADDRESS,
    "HOST_WALLET_USDT_ADDRESS": _TEST_ADDRESS,
    "HOST_WALLET_PRIVATE_KEY": _TEST_KEY,
    "TP_FLAT_FEE": "15",
    "MICRO_BATCH_THRESHOLD_USD": "20",
    "BATCH_FUNDING": "received",
    "MAX_TRANSFER_ETH": "1",
    "MAX_DAILY_ETH": "5",
    "INSTANT_MAX_ETH": "0.5",
    "GAS_RESERVE_WEI": "10000000000000000",
    "ALERT_WEBHOOK_URL": "https://alerts.invalid/webhook",
    "SIGNED_BYTES_ARCHIVE": "gs://a-bucket/signed-bytes",
}  # fmt: skip


def service_descriptions() -> list[ServiceDescription]:
    """The five services with their routes, in the order in which money passes them."""
    return [description_of(app_of(role)) for role in SERVICE_OF_ROLE]


def app_of(role: str) -> Flask:
    """The application of one service, connected to nothing."""
    package = SERVICE_OF_ROLE[role]
    settings_class = getattr(import_module(f"{package}.settings"), _SETTINGS_CLASS[role])
    app = import_module(f"{package}.app").create_app(load_settings(settings_class, ENVIRONMENT))
    assert isinstance(app, Flask)
    return app
