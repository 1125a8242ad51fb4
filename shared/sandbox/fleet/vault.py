"""Which settings of the sandbox's services lie in its Secret Manager, as an operator keeps them in production."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.sandbox.fleet.environment import World, process_environment
from shared.sandbox.fleet.identities import SERVICES

PROJECT: Final = "sandbox"
# A user of the database is each service's own, so it stands in its environment; the threshold is no secret but live.
NAMES: Final = (
    *("SUCCESS_URL_SIGNING_KEY", "TPS_HOSTPAY_SIGNING_KEY", "CHANGENOW_API_KEY", "HOST_WALLET_PRIVATE_KEY"),
    *("ETHEREUM_RPC_URLS", "DATABASE_NAME_SECRET", "ALERT_WEBHOOK_URL", "MICRO_BATCH_THRESHOLD_USD"),
)


def secrets_of(world: World) -> dict[str, str]:
    """Every secret of the fleet. None of them depends on the chain, so they can be served before there is one."""
    every = [world.service(service) for service in SERVICES]
    return {name: environment[name] for environment in every for name in NAMES if name in environment}


def written_environments(world: World, endpoint: str) -> dict[str, dict[str, str]]:
    """The settings of each service as its process has them: no secret, and nothing of the machine that it runs on."""
    machine = process_environment()
    return {
        service: {
            name: value
            for name, value in without_its_secrets(world.service(service), endpoint).items()
            if name not in machine
        }
        for service in SERVICES
    }


def without_its_secrets(environment: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """The environment of a service that reads its secrets from the Secret Manager at `endpoint`."""
    kept = {name: value for name, value in environment.items() if name not in NAMES}
    return kept | {"SECRETS_PROJECT_ID": PROJECT, "SECRETS_ENDPOINT": endpoint}
