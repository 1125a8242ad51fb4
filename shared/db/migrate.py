"""Brings a database to this version's schema: plain SQL files, each applied once, in order, in its own transaction.

`NNNN_pre_words.sql` runs before the new code is deployed and must suit old and new code; `NNNN_post_words.sql` runs
after, when no old code is left, and may take away what only that needed. tests/migration/test_rolling.py tries both. A
migration that has to wait for a lock gives up after 4 s instead of holding the payments behind it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import ClassVar, Final, Literal

from shared.db.connection import Connection
from shared.db.database import Database
from shared.db.history import sync_allowed_transitions
from shared.db.roles import GRANTS_FILE, apply_grants, bootstrap_roles
from shared.lifecycle.reactions import Broken

_FILE_NAME: Final = re.compile(r"\d{4}_(?P<phase>pre|post)_[a-z0-9]+(_[a-z0-9]+)*\.sql")
# "gcpay" in ASCII: one migration at a time per database, whoever starts it.
_LOCK_NUMBER: Final = 0x6763706179
_WAIT_FOR_ANOTHER_MIGRATION: Final = "SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '60s'"
_FAIL_FAST: Final = "SET LOCAL statement_timeout = '5s'; SET LOCAL lock_timeout = '4s'"
_LEDGER: Final = """
    CREATE TABLE IF NOT EXISTS schema_migration (
        name text NOT NULL,
        checksum text NOT NULL,
        applied_at timestamptz NOT NULL,
        CONSTRAINT schema_migration_is_applied_once PRIMARY KEY (name)
    )
"""


class MigrationRefused(Broken):
    """The migration files do not fit each other or this database: nothing more was applied."""

    code: ClassVar[str] = "migration_refused"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name, its SQL, and the hash by which a later change is noticed."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def runs_before_deploy(self) -> bool:
        match = _FILE_NAME.fullmatch(self.name)
        return match is not None and match["phase"] == "pre"


def migrate(database: Database, directory: Path, now: datetime, *, until: Literal["pre", "post"] = "post") -> list[str]:
    """Applies what is missing and returns the names of the files applied now; none when all were there.

    Then the transitions of the lifecycle and the grants are made those of this version. `until="pre"` stops before
    the first file that must wait for the deploy; in a database without any schema there is no old code to wait for.
    Connect as the owner of the tables. Raises `MigrationRefused` when an applied file was changed or removed, or when
    the deploy before was not finished; safe to repeat and to run twice at once.
    """
    migrations = read_migrations(directory)
    with database.transaction() as conn:
        _lock(conn)
        bootstrap_roles(conn)
        conn.script(_LEDGER)
        applied = _applied(conn)
        _refuse_changed_past(migrations, applied)
    if until == "pre" and applied:
        migrations = _before_deploy(migrations, applied)
    done = [migration.name for migration in migrations if _apply(database, migration, now)]
    with database.transaction() as conn:
        _lock(conn)
        sync_allowed_transitions(conn)
        apply_grants(conn, directory)
    return done


def _before_deploy(migrations: list[Migration], applied: Mapping[str, str]) -> list[Migration]:
    """Those that suit the old code as well. A `pre` behind a `post` is the next release's: its new code would run on a
    schema that it does not know, so the deploy before must be finished first."""
    after = next((m.name for m in migrations if m.name not in applied and not m.runs_before_deploy), None)
    if after is None:
        return migrations
    behind = [m.name for m in migrations if m.name > after and m.runs_before_deploy]
    if behind:
        raise MigrationRefused(
            f"{behind[0]} waits behind {after}: the deploy before this one was not finished. When none of its old code "
            "is left, run what comes after it (post), then this again."
        )
    return [migration for migration in migrations if migration.name < after]


def read_migrations(directory: Path) -> list[Migration]:
    """The files in order. Raises `MigrationRefused` for a name out of form or a number used twice."""
    paths = sorted(path for path in directory.glob("*.sql") if path.name != GRANTS_FILE)
    numbers: dict[str, str] = {}
    for path in paths:
        if _FILE_NAME.fullmatch(path.name) is None:
            raise MigrationRefused(f"{path.name} is not named NNNN_pre_words.sql or NNNN_post_words.sql.")
        if path.name[:4] in numbers:
            raise MigrationRefused(f"{path.name} and {numbers[path.name[:4]]} have the same number.")
        numbers[path.name[:4]] = path.name
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in paths]


def _apply(database: Database, migration: Migration, now: datetime) -> bool:
    with database.transaction() as conn:
        _lock(conn)
        if migration.name in _applied(conn):  # another process was faster
            return False
        conn.script(migration.sql)
        conn.run(
            "insert into schema_migration (name, checksum, applied_at) values (:name, :checksum, :now)",
            name=migration.name,
            checksum=migration.checksum,
            now=now,
        )
    return True


def _lock(conn: Connection) -> None:
    conn.script(f"{_WAIT_FOR_ANOTHER_MIGRATION}; SELECT pg_advisory_xact_lock({_LOCK_NUMBER}); {_FAIL_FAST}")


def _applied(conn: Connection) -> Mapping[str, str]:
    rows = conn.all("select name, checksum from schema_migration")
    return {row["name"]: row["checksum"] for row in rows}


def _refuse_changed_past(migrations: list[Migration], applied: Mapping[str, str]) -> None:
    here = {migration.name: migration.checksum for migration in migrations}
    for name, checksum in sorted(applied.items()):
        if name not in here:
            raise MigrationRefused(f"{name} was applied to this database and its file is gone: is this code too old?")
        if here[name] != checksum:
            raise MigrationRefused(f"{name} was changed after it was applied: write a new migration instead.")
    waiting = [name for name in here if name not in applied]
    if waiting and applied and waiting[0] < max(applied):
        raise MigrationRefused(f"{waiting[0]} is numbered before {max(applied)}, which was applied already.")
