"""A database for all tests of one module, emptied after each: for services, of which one test costs little else.

A test that changes the schema takes `database` and `database_as` instead, which are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from shared.db import Database
from tests.conftest import Postgres


class Reused:
    """One database, and its connections as owner and as each role that was asked for."""

    def __init__(self, postgres: Postgres, name: str, opened: ExitStack) -> None:
        self._postgres = postgres
        self._name = name
        self._opened = opened
        self._roles: dict[str, Database] = {}
        self.owner = self._open(postgres.connect(name))

    def as_role(self, role: str) -> Database:
        if role not in self._roles:
            self._roles[role] = self._open(self._postgres.connect(self._name, role))
        return self._roles[role]

    def empty(self) -> None:
        """Takes every row away and begins all numbers anew."""
        with self.owner.transaction() as conn:
            conn.script(f"TRUNCATE {', '.join(self._postgres.emptied)} RESTART IDENTITY")

    def _open(self, database: Database) -> Database:
        self._opened.callback(database.close)
        return database


@pytest.fixture(scope="module")
def reused(postgres: Postgres) -> Iterator[Reused]:
    """The module's database."""
    name = postgres.lend()
    with ExitStack() as opened:
        yield Reused(postgres, name, opened)
    postgres.take_back(name)


@pytest.fixture
def reused_database(reused: Reused) -> Iterator[Database]:
    """The module's database as its owner, empty."""
    yield reused.owner
    reused.empty()


@pytest.fixture
def reused_database_as(reused: Reused, reused_database: Database) -> Callable[[str], Database]:
    """The same as one of `shared.db.roles` sees it."""
    return reused.as_role
