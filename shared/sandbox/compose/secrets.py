"""`python -m shared.sandbox.compose.secrets --port P --rpc URL...`: the sandbox's Secret Manager, filled.

The keys are made anew at each start, so no file holds one.
"""

from __future__ import annotations

import argparse
import secrets

from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.fleet.environment import API_KEY, PROJECT
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.lifetime import announce_ready, die_with_parent, listening, stop_on_signals


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.compose.secrets", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rpc", action="append", required=True, help="an Ethereum endpoint; repeatable")
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    # gRPC takes its time: a wrong option is told before.
    from shared.sandbox.secrets.service import SecretService

    with listening():
        service = SecretService(PROJECT, options.port)
    for name, value in secrets_of_the_fleet(options.rpc).items():
        service.store.add(name, value.encode())
    with service:
        announce_ready(port=service.port)
        stop.wait()


def secrets_of_the_fleet(rpc_urls: list[str]) -> dict[str, str]:
    """Every secret that a service cannot do without, and the threshold, by the names of their settings."""
    return {
        "SUCCESS_URL_SIGNING_KEY": secrets.token_hex(22),
        "TPS_HOSTPAY_SIGNING_KEY": secrets.token_hex(32),
        "CHANGENOW_API_KEY": API_KEY,
        "ETHEREUM_RPC_URLS": ",".join(rpc_urls),
        "HOST_WALLET_PRIVATE_KEY": HOST_WALLET.private_key,
        "MICRO_BATCH_THRESHOLD_USD": FleetOptions.threshold.decimal_text(),
    }


if __name__ == "__main__":
    main()
