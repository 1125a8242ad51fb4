"""An environment in which every service starts, for tests that spoil one setting of it."""

from __future__ import annotations

from typing import Final

from shared.sandbox.chain.accounts import HOST_WALLET

SERVICES: Final = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3")
NOWHERE: Final = "http://127.0.0.1:1"
ENVIRONMENT: Final = {
    "SERVICE_URL": "https://service.example",
    "SERVICE_IDENTITY": "service@project.example",
    **{
        f"{role}_CALLERS": f"{role.lower()}@project.example"
        for role in ("UPSTREAM", "SCHEDULER", "BATCHER", "CONDUCTOR", "WATCHER", "EXECUTOR")
    },
    **{f"{service}_URL": f"https://{service.lower()}.example" for service in ("GCHOSTPAY1", "GCHOSTPAY2")},
    "GCHOSTPAY3_URL": "https://gchostpay3.example",
    "MICROBATCH_URL": "https://microbatch.example",
    "DATABASE_HOST": "127.0.0.1",
    "DATABASE_PORT": "1",
    "DATABASE_NAME_SECRET": "nothing",
    "DATABASE_USER_SECRET": "nobody",
    "CLOUD_TASKS_PROJECT_ID": "some-project",
    "CLOUD_TASKS_LOCATION": "local",
    "CLOUD_TASKS_ENDPOINT": "127.0.0.1:1",
    "SUCCESS_URL_SIGNING_KEY": "5cf2e0b1a7d94e3688b1f0c2d7e65a49",
    "TPS_HOSTPAY_SIGNING_KEY": "9d41a7c3e5f60b2817c8d4a3b9e0f652",
    "UPSTREAM_SIGNING_KEY": "27be60f8d1c3a594e8f7b6025d9c1e3a",
    "CHANGENOW_API_KEY": "b8d13f5264a7c9e0f1d2b3854e6a7c90",
    "CHANGENOW_API_URL": NOWHERE,
    "ETHEREUM_RPC_URLS": NOWHERE,
    "CHAIN_ID": "31337",
    "USDT_CONTRACT_ADDRESS": "0xdAC17F958D2ee523a2206206994597C13D831ec7",
    "PRICE_FEED_ADDRESS": "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419",
    "HOST_WALLET_ETH_ADDRESS": HOST_WALLET.address,
    "HOST_WALLET_USDT_ADDRESS": HOST_WALLET.address,
    "HOST_WALLET_PRIVATE_KEY": HOST_WALLET.private_key,
    "TP_FLAT_FEE": "15",
    "MICRO_BATCH_THRESHOLD_USD": "100",
    "BATCH_FUNDING": "received",
    "MAX_TRANSFER_ETH": "1",
    "MAX_DAILY_ETH": "5",
    "INSTANT_MAX_ETH": "1",
    "GAS_RESERVE_WEI": "10000000000000000",
    "SIGNED_BYTES_ARCHIVE": "/nowhere/archive",
}
SECRETS: Final = tuple(
    ENVIRONMENT[name]
    for name in (
        "SUCCESS_URL_SIGNING_KEY",
        "TPS_HOSTPAY_SIGNING_KEY",
        "UPSTREAM_SIGNING_KEY",
        "CHANGENOW_API_KEY",
        "HOST_WALLET_PRIVATE_KEY",
    )
)
