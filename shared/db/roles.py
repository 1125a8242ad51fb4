"""Who may do what: the roles of the fleet, and the one reviewed file that grants to them.

The file `migrations/grants.sql` is applied after every migration. It first takes everything away and then gives, in one
transaction, so it is the whole truth and can be repeated.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.db.connection import Connection

OWNER: Final = "gcpay_owner"
INTAKE: Final = "gcpay_intake"
BATCHER: Final = "gcpay_batcher"
CONDUCTOR: Final = "gcpay_conductor"
EXECUTOR: Final = "gcpay_executor"
OPERATOR: Final = "gcpay_operator"
COMPAT_READER: Final = "gcpay_compat_reader"
"""The predecessor's payout reader: it names its table payout_accumulation, and finds the view of that name."""

SERVICE_ROLES: Final = (INTAKE, BATCHER, CONDUCTOR, EXECUTOR)
ALL_ROLES: Final = (OWNER, *SERVICE_ROLES, OPERATOR, COMPAT_READER)

GRANTS_FILE: Final = "grants.sql"


def bootstrap_roles(conn: Connection, *, login: bool = False) -> list[str]:
    """Creates the roles that are missing and returns their names; harmless when repeated or done twice at once.

    NOLOGIN in production, where the environment lends them to IAM users; `login=True` lets the sandbox connect as
    them. Needs CREATEROLE only when one is missing.
    """
    known = {row["rolname"] for row in conn.all("select rolname::text from pg_roles where rolname like 'gcpay_%'")}
    missing = [role for role in ALL_ROLES if role not in known]
    for role in missing:
        conn.script(_create(role, login))
    return missing


def apply_grants(conn: Connection, directory: Path) -> None:
    """Makes the privileges in the database those of the file, no more and no less."""
    conn.script((directory / GRANTS_FILE).read_text(encoding="utf-8"))


def _create(role: str, login: bool) -> str:
    # Roles belong to the whole server: another database's bootstrap may create the same one at the same moment.
    path = f"ALTER ROLE {role} SET search_path = compat;" if role == COMPAT_READER else ""
    return f"""
        DO $$ BEGIN
            CREATE ROLE {role} {"LOGIN" if login else "NOLOGIN"};
            {path}
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
    """
