"""A real PostgreSQL for every test that asks for one: migrated once per test process, cloned for each test.

`database` is this test's own database, connected as the owner of the tables; `database_as(role)` is the same database
as one of the service roles sees it. `empty_database` is one without any schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pg8000.dbapi
import pytest

from shared.db import Database, bootstrap_roles, migrate, plain
from shared.db.roles import OWNER
from shared.sandbox.postgres import EmbeddedPostgres

MIGRATIONS = Path(__file__).parents[1] / "migrations"
TEMPLATE = "gcpay_template"
BEFORE_ALL_TESTS = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Postgres:
    """The server of this test process."""

    server: EmbeddedPostgres
    superuser: pg8000.dbapi.Connection
    _numbers: Iterator[int] = field(default_factory=count)

    def connect(self, name: str, role: str = OWNER, *, pool_size: int = 8, pool_wait_s: float = 2) -> Database:
        """The database `name` as `role` sees it; close it after use."""
        opener = plain(host=self.server.host, port=self.server.port, database=name, user=role)
        return Database(opener, pool_size=pool_size, pool_wait_s=pool_wait_s)

    def create(self, template: str = "template0") -> str:
        """A new database owned by `gcpay_owner`; its name."""
        name = f"gcpay_test_{next(self._numbers)}"
        strategy = "STRATEGY file_copy" if template == TEMPLATE else ""
        self._run(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template} {strategy}")
        return name

    def drop(self, name: str) -> None:
        """Ends its sessions and drops it."""
        self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, sql: str) -> None:
        self.superuser.cursor().execute(sql)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server with the roles and the migrated template; one per test process, so xdist workers do not meet."""
    with EmbeddedPostgres.start() as server:
        superuser = pg8000.dbapi.connect(
            server.user, host=server.host, port=server.port, database="postgres", ssl_context=False
        )
        superuser.autocommit = True
        running = Postgres(server, superuser)
        try:
            _bootstrap(running)
            _migrate_template(running)
            yield running
        finally:
            superuser.close()


def _bootstrap(postgres: Postgres) -> None:
    database = postgres.connect("postgres", postgres.server.user)
    with database.transaction() as conn:
        bootstrap_roles(conn, login=True)
    database.close()


def _migrate_template(postgres: Postgres) -> None:
    postgres.superuser.cursor().execute(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
    database = postgres.connect(TEMPLATE)
    migrate(database, MIGRATIONS, BEFORE_ALL_TESTS)
    database.close()  # a template with a session cannot be copied


@pytest.fixture
def database_name(postgres: Postgres) -> Iterator[str]:
    """The name of this test's own database, a copy of the migrated template."""
    name = postgres.create(TEMPLATE)
    yield name
    postgres.drop(name)


@pytest.fixture
def database(postgres: Postgres, database_name: str) -> Iterator[Database]:
    """This test's own database as its owner."""
    database = postgres.connect(database_name)
    yield database
    database.close()


@pytest.fixture
def database_as(postgres: Postgres, database_name: str) -> Iterator[Callable[[str], Database]]:
    """This test's own database as one of `shared.db.roles` sees it: `database_as("gcpay_intake")`."""
    with ExitStack() as opened:

        def connect(role: str) -> Database:
            database = postgres.connect(database_name, role)
            opened.callback(database.close)
            return database

        yield connect


@pytest.fixture
def empty_database(postgres: Postgres) -> Iterator[Database]:
    """A database without any schema, as its owner."""
    name = postgres.create()
    database = postgres.connect(name)
    yield database
    database.close()
    postgres.drop(name)
