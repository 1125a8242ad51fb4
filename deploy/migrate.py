"""Brings the database to the schema of this image; run by the migration job before a deploy, and after it.

    python deploy/migrate.py pre     before the services get the image: what old and new code both can work with
    python deploy/migrate.py post    after all of them run it: the rest

Reads the settings of a database (CLOUD_SQL_CONNECTION_NAME and so on), logs in as a member of the role that owns the
tables, and works as that role. A repeat does nothing; a file that was changed after it was applied is refused.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError

from shared.db import Database, migrate, roles
from shared.db.connect import connector
from shared.db.errors import PermissionMissing
from shared.db.pool import Connect
from shared.db.settings import DatabaseSettings
from shared.lifecycle import Reaction
from shared.settings import load_settings

_MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"
_USAGE, _REFUSED = 2, 1


def main(arguments: list[str]) -> int:
    """Migrate, say what was applied, give the exit code: 0 done, 1 refused or not now, 2 wrongly called."""
    match arguments:
        case ["pre"]:
            until: Literal["pre", "post"] = "pre"
        case ["post"]:
            until = "post"
        case _:
            sys.stderr.write(__doc__ or "")
            return _USAGE
    database = Database(_as_owner(connector(load_settings(DatabaseSettings), "gcpay-migrate")), pool_size=1)
    try:
        applied = migrate(database, _MIGRATIONS, datetime.now(UTC), until=until)
    except Reaction as reaction:
        sys.stderr.write(f"{reaction.message}\n")
        return _REFUSED
    finally:
        database.close()
    sys.stdout.write(f"{until}: {', '.join(applied) or 'nothing to do'}\n")
    return 0


def _as_owner(connect: Connect) -> Connect:
    """What it makes belongs to the role and not to whoever lends it."""

    def connected() -> CoreConnection:
        connection = connect()
        try:
            connection.execute_simple(f"SET ROLE {roles.OWNER}")
        except DatabaseError as refusal:
            connection.close()
            raise PermissionMissing(
                f"This login is no member of {roles.OWNER}; see deploy/first_roles.sql."
            ) from refusal
        return connection

    return connected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
