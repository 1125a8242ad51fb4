"""The environment of each service: production's settings by production's names, each service only what it needs."""

import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared.db import roles
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fleet.identities import Identities
from shared.sandbox.fleet.options import FleetOptions

REPOSITORY = Path(__file__).resolve().parents[3]
PROJECT, LOCATION = "sandbox", "local"
DATABASE_NAME = "gcpay"
API_KEY = "sandbox-partner-key"
_PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class World:
    """Where everything around the services is."""

    options: FleetOptions
    usdt_address: str
    feed_address: str
    identities: Identities = field(default_factory=Identities)
    internal_key: str = field(default_factory=lambda: secrets.token_hex(22), repr=False)
    upstream_key: str = field(default_factory=lambda: secrets.token_hex(32), repr=False)

    def service(self, name: str) -> dict[str, str]:
        """The complete environment of one service's process, with its secrets in it. What is not set is left out."""
        given = process_environment() | self._common(name) | self._special(name)
        return {setting: value for setting, value in given.items() if value}

    def operator(self) -> dict[str, str]:
        """The settings of an operator's command line: the database as an operator may use it, and the chain."""
        direct = {"DATABASE_PORT": str(self.options.ports.postgres), "TIME_SCALE": str(self.options.time_scale)}
        return self.database(roles.OPERATOR) | direct | self.chain() | {"SIGNED_BYTES_ARCHIVE": self.archive}

    @property
    def archive(self) -> str:
        """Where the executor keeps copies of what it signs: outside the database, with the logs."""
        return str((self.options.logs / "signed-bytes").resolve())

    def database(self, role: str) -> dict[str, str]:
        """DATABASE_...: plain, on loopback; through the proxy when there is one."""
        ports = self.options.ports
        return {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(ports.postgres_proxy if self.options.proxied_database else ports.postgres),
            "DATABASE_NAME_SECRET": DATABASE_NAME,
            "DATABASE_USER_SECRET": role,
        }

    def chain(self) -> dict[str, str]:
        """ETHEREUM_... and what is looked at on it. Two endpoints of one chain, which must agree."""
        urls = (self.options.ports.url("chain"), self.options.ports.url("chain_second"))
        return {
            "ETHEREUM_RPC_URLS": ",".join(urls),
            "CHAIN_ID": str(CHAIN_ID),
            "PRICE_FEED_ADDRESS": self.feed_address,
        } | self.wallets()

    def wallets(self) -> dict[str, str]:
        """Our addresses, and the token's: what no client's wallet may be."""
        return {
            "USDT_CONTRACT_ADDRESS": self.usdt_address,
            "HOST_WALLET_ETH_ADDRESS": HOST_WALLET.address,
            "HOST_WALLET_USDT_ADDRESS": HOST_WALLET.address,
        }

    def tasks(self) -> dict[str, str]:
        """CLOUD_TASKS_..., the services' addresses and the key of their own edges."""
        ports = self.options.ports
        return {
            "CLOUD_TASKS_PROJECT_ID": PROJECT,
            "CLOUD_TASKS_LOCATION": LOCATION,
            "CLOUD_TASKS_ENDPOINT": f"127.0.0.1:{ports.tasks}",
            "SUCCESS_URL_SIGNING_KEY": self.internal_key,
            "GCHOSTPAY1_URL": ports.url("GCHostPay1"),
            "GCHOSTPAY2_URL": ports.url("GCHostPay2"),
            "GCHOSTPAY3_URL": ports.url("GCHostPay3"),
            "MICROBATCH_URL": ports.url("GCMicroBatchProcessor"),
        }

    def exchange(self) -> dict[str, str]:
        """CHANGENOW_...: the simulator."""
        return {
            "CHANGENOW_API_KEY": API_KEY,
            "CHANGENOW_API_URL": f"{self.options.ports.url('exchange')}/v2",
        }

    def _common(self, name: str) -> dict[str, str]:
        issuer = self.options.ports.url("identity")
        return {
            "PORT": str(getattr(self.options.ports, name)),
            "LISTEN_ADDRESS": "127.0.0.1",
            "SERVICE_URL": self.options.ports.url(name),
            "OIDC_ISSUERS": issuer,
            "OIDC_CERTS_URL": f"{issuer}/jwks",
            "LOG_FORMAT": "json",
            "BUILD_ID": "sandbox",
            "TIME_SCALE": str(self.options.time_scale),
        } | self.identities.callers()

    def _special(self, name: str) -> dict[str, str]:
        options, who = self.options, self.identities
        limits = {"MAX_TRANSFER_ETH": options.max_transfer.decimal_text()}
        match name:
            case "GCAccumulator":
                return self.database(roles.INTAKE) | self.wallets() | {
                    "SERVICE_IDENTITY": who.intake,
                    "TP_FLAT_FEE": options.fee_percent,
                    "TP_FLAT_FEE_MAX": "100",
                }  # fmt: skip
            case "GCMicroBatchProcessor":
                outside = self.tasks() | self.chain() | self.exchange()
                return self.database(roles.BATCHER) | outside | limits | {
                    "SERVICE_IDENTITY": who.batcher,
                    "MICRO_BATCH_THRESHOLD_USD": options.threshold.decimal_text(),
                    "BATCH_FUNDING": options.funding,
                    "QUOTE_BAND_PERCENT": options.quote_band_percent,
                    "CHECK_THRESHOLD_EVERY_S": str(options.tick_every_s),
                    "ALERT_WEBHOOK_URL": options.alert_webhook,
                }  # fmt: skip
            case "GCHostPay1":
                outside = self.tasks() | self.chain() | self.exchange()
                return self.database(roles.CONDUCTOR) | outside | limits | {
                    "SERVICE_IDENTITY": who.conductor,
                    "TPS_HOSTPAY_SIGNING_KEY": self.upstream_key,
                    "INSTANT_MAX_ETH": options.instant_max.decimal_text(),
                }  # fmt: skip
            case "GCHostPay2":
                return self.tasks() | self.exchange() | {"SERVICE_IDENTITY": who.watcher}
            case "GCHostPay3":
                return self.database(roles.EXECUTOR) | self.tasks() | self.chain() | limits | {
                    "SERVICE_IDENTITY": who.executor,
                    "HOST_WALLET_PRIVATE_KEY": HOST_WALLET.private_key,
                    "MAX_DAILY_ETH": options.max_daily.decimal_text(),
                    "GAS_RESERVE_WEI": str(options.gas_reserve.wei),
                    "SIGNED_BYTES_ARCHIVE": self.archive,
                }  # fmt: skip
        raise KeyError(name)


def process_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every process of the sandbox gets: the little it needs of ours, and the way to the code.

    The rest of the caller's environment stays out, so that a setting of production in his shell cannot reach a sandbox.
    """
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return passed | {"PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"} | dict(more or {})


def service_command(name: str) -> list[str]:
    """gunicorn as in production."""
    return [sys.executable, "-m", "gunicorn", "-c", "shared/http/gunicorn_conf.py", f"{name}.app:create_app()"]
