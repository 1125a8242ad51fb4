"""A real PostgreSQL for every test that asks for one: migrated once per test process, empty for each test.

`database` is a database that no other test sees meanwhile, connected as the owner of the tables; `database_as(role)` is
the same database as one of the service roles sees it. `empty_database` is one without any schema.

At the end a run says how many rows of the incident list it has covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pg8000.dbapi
import pytest

from shared.db import Database, bootstrap_roles, migrate, plain
from shared.db.roles import OWNER
from shared.sandbox.postgres import EmbeddedPostgres
from tests.simulation.incidents.counted import line_of

MIGRATIONS = Path(__file__).parents[1] / "migrations"
TEMPLATE = "gcpay_template"
KEPT_ROWS = ("allowed_transition", "schema_migration")
"""The tables that the migrations fill; all others are emptied between tests."""
BEFORE_ALL_TESTS = datetime(2026, 1, 1, tzinfo=UTC)
_NOTICE_CHANGES = (
    "CREATE SCHEMA test_fixture",
    "CREATE TABLE test_fixture.schema_of_this_database (changed boolean NOT NULL)",
    "INSERT INTO test_fixture.schema_of_this_database VALUES (false)",
    """CREATE FUNCTION test_fixture.notice() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER AS
       'BEGIN UPDATE test_fixture.schema_of_this_database SET changed = true; END'""",
    """CREATE FUNCTION test_fixture.notice_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
       'BEGIN UPDATE test_fixture.schema_of_this_database SET changed = true; RETURN NULL; END'""",
)
_NOTICE_SCHEMA = "CREATE EVENT TRIGGER test_fixture_notices ON ddl_command_end EXECUTE FUNCTION test_fixture.notice()"
_NOTICE_ROWS = """CREATE TRIGGER test_fixture_notices AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {}
                  EXECUTE FUNCTION test_fixture.notice_rows()"""


@dataclass
class Postgres:
    """The server of this test process."""

    server: EmbeddedPostgres
    superuser: pg8000.dbapi.Connection
    _numbers: Iterator[int] = field(default_factory=count)
    _free: list[str] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    """The tables that are emptied between tests."""

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

    def lend(self) -> str:
        """The name of an empty database with the migrated schema, for one test; `take_back` follows."""
        return self._free.pop() if self._free else self.create(TEMPLATE)

    def take_back(self, name: str) -> None:
        """Ends its sessions and empties it for the next test (10 ms; a new one costs 130), or drops it when the test
        has changed its schema, or rows that the migrations made."""
        with closing(self._superuser_of(name)) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            cursor.execute("SELECT changed FROM test_fixture.schema_of_this_database")
            changed: bool = cursor.fetchone()[0]
            if not changed:
                cursor.execute(f"TRUNCATE {', '.join(self.emptied)} RESTART IDENTITY")
        if changed:
            self.drop(name)
        else:
            self._free.append(name)

    def prepare_template(self) -> None:
        """Migrates the template, and has its copies notice when a test changes their schema."""
        self._run(f"CREATE DATABASE {TEMPLATE} OWNER {OWNER}")
        database = self.connect(TEMPLATE)
        migrate(database, MIGRATIONS, BEFORE_ALL_TESTS)
        database.close()  # a template with a session cannot be copied
        with closing(self._superuser_of(TEMPLATE)) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            self.emptied = sorted({name for (name,) in cursor.fetchall()} - set(KEPT_ROWS))
            for statement in [*_NOTICE_CHANGES, *map(_NOTICE_ROWS.format, KEPT_ROWS), _NOTICE_SCHEMA]:
                cursor.execute(statement)

    def _superuser_of(self, name: str) -> pg8000.dbapi.Connection:
        connection = pg8000.dbapi.connect(
            self.server.user, host=self.server.host, port=self.server.port, database=name, ssl_context=False
        )
        connection.autocommit = True
        return connection

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
            running.prepare_template()
            yield running
        finally:
            superuser.close()


def _bootstrap(postgres: Postgres) -> None:
    database = postgres.connect("postgres", postgres.server.user)
    with database.transaction() as conn:
        bootstrap_roles(conn, login=True)
    database.close()


@pytest.fixture
def database_name(postgres: Postgres) -> Iterator[str]:
    """The name of this test's own database: the migrated schema, and no rows but the migrations'."""
    name = postgres.lend()
    yield name
    postgres.take_back(name)


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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many incidents this run has covered, when it has played any."""
    line = line_of(terminalreporter.stats)
    if line is not None:
        terminalreporter.write_line(line)
