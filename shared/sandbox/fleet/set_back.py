"""A backup of the running fleet's database, and the loss of everything since: what a restore does to a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.db import Database, migrate, plain, roles
from shared.sandbox.fleet.environment import DATABASE_NAME, REPOSITORY

if TYPE_CHECKING:
    from shared.sandbox.fleet.fleet import Fleet
    from shared.sandbox.postgres import EmbeddedPostgres

BACKUP = f"{DATABASE_NAME}_backup"


def take_backup(fleet: Fleet) -> None:
    """Copy the database as it is now. Whoever is connected is cut off for that moment, and connects again."""
    postgres = _server(fleet)
    with _superuser(postgres) as superuser:
        _let_in(superuser, "false")
        try:
            with superuser.transaction() as conn:
                conn.run(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname::text = :name",
                    name=DATABASE_NAME,
                )
            postgres.create_database(BACKUP, DATABASE_NAME)
        finally:
            _let_in(superuser, "true")


def restore_backup(fleet: Fleet) -> None:
    """Stop the services, put the backup in the database's place, and start the services again."""
    postgres = _server(fleet)
    fleet.parts.stop_services()
    fleet.database.close()
    postgres.drop_database(DATABASE_NAME)
    postgres.create_database(DATABASE_NAME, BACKUP)
    with _superuser(postgres) as superuser, superuser.transaction() as conn:
        # A copy has neither the owner nor the rights of the original.
        conn.script(f"ALTER DATABASE {DATABASE_NAME} OWNER TO {roles.OWNER}")
    owner = fleet.parts.database(roles.OWNER)
    migrate(owner, REPOSITORY / "migrations", datetime.now(UTC))
    owner.close()
    fleet.parts.start_services(fleet.world)


def _let_in(superuser: Database, whether: str) -> None:
    with superuser.transaction() as conn:
        conn.script(f"ALTER DATABASE {DATABASE_NAME} ALLOW_CONNECTIONS {whether}")


def _server(fleet: Fleet) -> EmbeddedPostgres:
    assert fleet.parts.postgres is not None, "it runs as long as the fleet does"
    return fleet.parts.postgres


@contextmanager
def _superuser(postgres: EmbeddedPostgres) -> Iterator[Database]:
    """Connected to the server's own database, so that ours can be closed."""
    opener = plain(host=postgres.host, port=postgres.port, database="postgres", user=postgres.user)
    database = Database(opener, pool_size=1)
    try:
        yield database
    finally:
        database.close()
