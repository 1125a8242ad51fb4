"""`python -m shared.sandbox.compose.database --port P`: an empty PostgreSQL with the fleet's roles and schema."""

from __future__ import annotations

import argparse

from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.fleet.prepare import prepare_database
from shared.sandbox.lifetime import announce_ready, die_with_parent, stop_on_signals
from shared.sandbox.postgres import EmbeddedPostgres


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.compose.database", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    with EmbeddedPostgres.start(port=options.port) as postgres:
        prepare_database(postgres, FleetOptions.wallet)
        announce_ready(port=postgres.port)
        stop.wait()


if __name__ == "__main__":
    main()
