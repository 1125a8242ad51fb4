"""Where histories are played: a throw-away PostgreSQL with the fleet's schema, one database per process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pg8000.core import CoreConnection

from shared.db import Database, bootstrap_roles, migrate
from shared.db.connect import plain
from shared.db.roles import OWNER
from shared.sandbox.postgres import EmbeddedPostgres
from shared.sandbox.simulator.session import Session

_MIGRATIONS: Final = Path(__file__).resolve().parents[3] / "migrations"
_TEMPLATE: Final = "gcpay_simulator"
_BEFORE_ALL_HISTORIES: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A database that histories are played in. Can be handed to another process."""

    socket_folder: str
    port: int
    user: str
    database: str

    def connect(self) -> CoreConnection:
        """A connection to the database."""
        return plain(host=self.socket_folder, port=self.port, database=self.database, user=self.user)()

    @contextmanager
    def database_of_it(self) -> Iterator[Database]:
        """The database as the fleet sees one, for preparations."""
        database = Database(self.connect)
        try:
            yield database
        finally:
            database.close()

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session over a connection of its own, which the block's end closes."""
        session = Session.over(self.connect())
        try:
            yield session
        finally:
            session.connection.close()


@contextmanager
def places(count: int) -> Iterator[list[Place]]:
    """So many databases on a server that ends with the block."""
    with EmbeddedPostgres.start() as server:
        maintenance = Place(str(server.place / "socket"), server.port, server.user, "postgres")
        with maintenance.database_of_it() as database, database.transaction() as conn:
            bootstrap_roles(conn, login=True)
        _create(maintenance, _TEMPLATE, "template0")
        template = replace(maintenance, database=_TEMPLATE, user=OWNER)
        with template.database_of_it() as database:
            migrate(database, _MIGRATIONS, _BEFORE_ALL_HISTORIES)
        made = [replace(maintenance, database=f"{_TEMPLATE}_{number}") for number in range(count)]
        for place in made:
            _create(maintenance, place.database, _TEMPLATE)
        yield made


def _create(maintenance: Place, name: str, template: str) -> None:
    raw = maintenance.connect()
    try:
        raw.execute_simple(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} STRATEGY file_copy")
    finally:
        raw.close()
