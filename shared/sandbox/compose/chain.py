"""`python -m shared.sandbox.compose.chain --port P`: anvil with the sandbox's contracts on it, and Ether in the wallet.

The addresses follow from the deployer's first two nonces, so they are the same at every start.
"""

from __future__ import annotations

import argparse

from shared.sandbox.chain import HOST_WALLET, Chain
from shared.sandbox.chain.deploy import deploy, set_balance
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.lifetime import announce_ready, die_with_parent, stop_on_signals


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.compose.chain", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    with Chain.start(options.port) as chain:
        deployed = deploy(chain.url)
        set_balance(chain.url, HOST_WALLET.address, FleetOptions.wallet.wei)
        announce_ready(port=options.port, usdt=deployed.usdt_address, feed=deployed.feed_address)
        stop.wait()


if __name__ == "__main__":
    main()
