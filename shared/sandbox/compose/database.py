"""`python -m shared.sandbox.compose.database --port P`: an empty PostgreSQL with the fleet's roles and schema."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from shared.books import opening_balance, post
from shared.db import Database, bootstrap_roles, migrate, plain, roles
from shared.money import Tether
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.fleet.environment import DATABASE_NAME, REPOSITORY
from shared.sandbox.fleet.options import FleetOptions
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
        _prepare(postgres)
        announce_ready(port=postgres.port)
        stop.wait()


def _prepare(postgres: EmbeddedPostgres) -> None:
    """What an operator does in production: roles, their owner, the schema, and what the wallet holds at first."""
    postgres.create_database(DATABASE_NAME)
    superuser = _as(postgres, postgres.user)
    with superuser.transaction() as conn:
        bootstrap_roles(conn, login=True)
        conn.script(f"ALTER DATABASE {DATABASE_NAME} OWNER TO {roles.OWNER}")
    superuser.close()
    owner = _as(postgres, roles.OWNER)
    now = datetime.now(UTC)
    migrate(owner, REPOSITORY / "migrations", now)
    with owner.transaction() as conn:
        post(conn, opening_balance(HOST_WALLET.address, FleetOptions.wallet, Tether(0)), now, "sandbox")
    owner.close()


def _as(postgres: EmbeddedPostgres, role: str) -> Database:
    return Database(plain(host=postgres.host, port=postgres.port, database=DATABASE_NAME, user=role), pool_size=2)


if __name__ == "__main__":
    main()
