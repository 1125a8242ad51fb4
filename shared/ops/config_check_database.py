"""The database as one service sees it: it answers, has the schema of this code, and grants what the code needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from shared.db import Database, PermissionMissing, Queries, Query, QueryBroken, missing_migrations
from shared.db.grants import differences
from shared.db.schema import MIGRATIONS, would_run
from shared.lifecycle import Reaction
from shared.ops.config_check_line import Line, NotWell, tried

_ROOT: Final = MIGRATIONS.parent
_NO_SERVICE: Final = ("ops", "sandbox")
# What a service's code has beside it and never asks, and so needs no right to.
_NEVER_ASKED: Final = {"shared/db/history.sql:allow"}
_NOT_BY_INTAKE: Final = {"shared/db/heartbeat.sql:beat"}
_MOST_TOLD: Final = 5


def check(service: str, settings: Any) -> list[Line]:
    """The lines of the database. When it cannot be reached there is no more to ask."""
    database = Database.from_settings(settings, "gcpay-config-check")
    try:
        lines = tried(service, "database", lambda: _reached(database))
        if not lines[0].ok:
            return lines
        lines += tried(service, "schema", lambda: _schema(service, database))
        lines += tried(service, "grants", lambda: _grants(service, database))
        if hasattr(settings, "max_daily_eth"):  # the executor's
            lines += tried(service, "wallet", lambda: _wallet(database, settings))
        return lines
    finally:
        database.close()


def _reached(database: Database) -> str:
    with database.read() as conn:
        row = conn.one("select current_user::text as role, current_setting('server_version') as version")
    assert row is not None
    return f"PostgreSQL {row['version']} answers to {row['role']}"


def _schema(service: str, database: Database) -> str:
    with database.read() as conn:
        missing = missing_migrations(conn)
    if missing:
        raise NotWell(f"the schema is older than this code, or another: {', '.join(missing)} not applied as here")
    asked = list(_queries(service))
    broken = [f"{name}: {trouble}" for name, trouble in _refused(database, asked, QueryBroken)]
    if broken:
        raise NotWell(f"the schema is not that of its migrations: {_first(broken)}")
    return f"all migrations of this code are applied, and its {len(asked)} queries fit"


def _grants(service: str, database: Database) -> str:
    with database.read() as conn:
        different = differences(conn, MIGRATIONS)
    different += [f"{name}: {trouble}" for name, trouble in _refused(database, _queries(service), PermissionMissing)]
    if different:
        raise NotWell(f"the grants are not those of migrations/grants.sql: {_first(different)}")
    return "as migrations/grants.sql says, and this role may run every query of its service"


def _wallet(database: Database, settings: Any) -> str:
    from shared.chain import same_address

    ours = settings.host_wallet_eth_address
    with database.read() as conn:
        rows = conn.all("select address from account where chain_id = :chain_id", chain_id=settings.chain_id)
    others = [row["address"] for row in rows if not same_address(row["address"], ours)]
    if others and len(others) == len(rows):
        raise NotWell(f"HOST_WALLET_ETH_ADDRESS is {ours}, and this database has paid from {', '.join(others)}")
    if settings.host_wallet_private_key is None:
        from shared.chain.kms import KmsSigner

        held = KmsSigner.connect(settings.host_wallet_kms_key_version).address
        if not same_address(held, ours):
            raise NotWell(f"the key in Cloud KMS is that of {held}, and HOST_WALLET_ETH_ADDRESS is {ours}")
    return f"the key is that of {ours}"


def _queries(service: str) -> Iterator[tuple[str, Query]]:
    """Every query that the service's code asks, by file and name."""
    for folder in (_ROOT / service, _ROOT / "shared"):
        for path in sorted(folder.rglob("*.sql")):
            if not set(path.relative_to(_ROOT).parts) & set(_NO_SERVICE):
                for query in Queries.load(path).values():
                    name = f"{path.relative_to(_ROOT)}:{query.name}"
                    if name not in _NEVER_ASKED and not (service == "GCAccumulator" and name in _NOT_BY_INTAKE):
                        yield name, query


def _refused(database: Database, queries: Any, kind: type[Reaction]) -> Iterator[tuple[str, str]]:
    for name, query in queries:
        try:
            with database.read() as conn:
                would_run(conn, query)
        except kind as error:
            yield name, _words_of(error)
        except (QueryBroken, PermissionMissing):
            continue  # the other check tells it


def _words_of(error: Reaction) -> str:
    """The server's own sentence, as 'column "x" does not exist'."""
    told = getattr(error.__cause__, "args", ())
    return str(told[0].get("M", error.message)) if told and isinstance(told[0], dict) else error.message


def _first(sentences: list[str]) -> str:
    more = len(sentences) - _MOST_TOLD
    return "; ".join(sentences[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
