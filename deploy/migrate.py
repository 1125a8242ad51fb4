"""Brings the database to the schema of this image; run by the migration job before a deploy, and after it.

    python deploy/migrate.py pre     before the services get the image: what old and new code both can work with
    python deploy/migrate.py post    after all of them run it: the rest

Reads the settings of a database (CLOUD_SQL_CONNECTION_NAME and so on) and logs in as the owner of the tables. A repeat
does nothing; a file that was changed after it was applied is refused.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from shared.db import Database, migrate
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
    database = Database.from_settings(load_settings(DatabaseSettings), "gcpay-migrate")
    try:
        applied = migrate(database, _MIGRATIONS, datetime.now(UTC), until=until)
    except Reaction as reaction:
        sys.stderr.write(f"{reaction.message}\n")
        return _REFUSED
    finally:
        database.close()
    sys.stdout.write(f"{until}: {', '.join(applied) or 'nothing to do'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
