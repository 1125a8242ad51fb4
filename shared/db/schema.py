"""Whether this database has the schema that this code was written for. An older one makes statements fail, or worse."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from shared.db.connection import Connection
from shared.db.database import Database
from shared.db.migrate import Migration, read_migrations
from shared.db.queries import Queries, Query

MIGRATIONS: Final = Path(__file__).resolve().parents[2] / "migrations"
_QUERIES = Queries.load(Path(__file__).with_name("schema.sql"))


def schema_is_current(database: Database) -> bool:
    """Whether everything that must be applied before this code runs was applied. Raises TryLater when nobody can say.

    A schema that is ahead is fine: while a deploy is under way old code works on it.
    """
    with database.read() as conn:
        return not missing_migrations(conn)


def missing_migrations(conn: Connection) -> list[str]:
    """The files that must be applied before this code runs and were not, or were with another content."""
    applied = {row["name"]: row["checksum"] for row in _QUERIES.all(conn, "applied_migrations")}
    return [needed.name for needed in _needed() if applied.get(needed.name) != needed.checksum]


def would_run(conn: Connection, query: Query) -> None:
    """Look whether a query fits this schema and may be run by this role, without running it.

    Raises QueryBroken or PermissionMissing; the transaction is over then.
    """
    conn.script(f"EXPLAIN (GENERIC_PLAN) {query.text}")


@cache
def _needed() -> tuple[Migration, ...]:
    """Those of before a deploy; what runs after it, this code does not need yet."""
    return tuple(each for each in read_migrations(MIGRATIONS) if each.runs_before_deploy)
