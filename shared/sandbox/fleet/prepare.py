"""What an operator does once in production: roles and their owner, the schema, and what the wallet holds at first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.books import opening_balance, post
from shared.db import Database, bootstrap_roles, migrate, plain, roles
from shared.money import Tether
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.fleet.environment import DATABASE_NAME, REPOSITORY

if TYPE_CHECKING:
    from shared.money import Ether
    from shared.sandbox.postgres import EmbeddedPostgres


def prepare_database(postgres: EmbeddedPostgres, wallet: Ether) -> None:
    """Make the fleet's database on an empty server. `wallet`: what is in it before the first payment."""
    postgres.create_database(DATABASE_NAME)
    superuser = _as(postgres, postgres.user)
    with superuser.transaction() as conn:
        bootstrap_roles(conn, login=True)
        conn.script(f"ALTER DATABASE {DATABASE_NAME} OWNER TO {roles.OWNER}")
    superuser.close()
    owner = _as(postgres, roles.OWNER)
    now = datetime.now(UTC)
    migrate(owner, REPOSITORY / "migrations", now)
    # The operator's first act: what the wallet holds before the first payment is the platform's own.
    with owner.transaction() as conn:
        post(conn, opening_balance(HOST_WALLET.address, wallet, Tether(0)), now, "sandbox")
    owner.close()


def _as(postgres: EmbeddedPostgres, role: str) -> Database:
    return Database(plain(host=postgres.host, port=postgres.port, database=DATABASE_NAME, user=role), pool_size=2)
