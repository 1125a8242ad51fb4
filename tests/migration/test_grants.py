"""The real database's privileges are those of `migrations/grants.sql`, and what is not granted is refused."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable

import pytest

from shared.db import ConstraintViolated, Database, PermissionMissing, apply_grants, migrate
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, INTAKE, OPERATOR, OWNER, SERVICE_ROLES
from shared.lifecycle.reactions import Reaction
from tests.conftest import BEFORE_ALL_TESTS, MIGRATIONS, Postgres

Matrix = dict[tuple[str, str], set[str]]
"""(role, table) -> privileges: "SELECT", or "UPDATE(column)" for one column."""

_GRANT = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>ALL TABLES IN SCHEMA public|SCHEMA \w+|[\w.]+) TO (?P<to>[\w, ]+);")
_PRIVILEGE = re.compile(r"(?P<verb>[A-Z]+)(?: \((?P<columns>[^)]*)\))?")
READERS = (*SERVICE_ROLES, OPERATOR)


def granted_by_the_file(tables: list[str]) -> Matrix:
    matrix: Matrix = defaultdict(set)
    text = re.sub(r"--[^\n]*", "", (MIGRATIONS / "grants.sql").read_text())
    for statement in re.findall(r"GRANT [^;]*;", text):
        grant = _GRANT.fullmatch(" ".join(statement.split()))
        assert grant is not None, statement
        if grant["on"].startswith(("SCHEMA ", "compat.")):  # test_compat_view.py
            continue
        for table in tables if grant["on"].startswith("ALL") else [grant["on"]]:
            assert table in tables, f"{table} is granted and not there"
            for role in grant["to"].split(", "):
                matrix[role, table] |= privileges(grant["what"])
    return matrix


def privileges(text: str) -> set[str]:
    found: set[str] = set()
    for privilege in _PRIVILEGE.finditer(text):
        columns = privilege["columns"]
        found |= {f"{privilege['verb']}({c.strip()})" for c in columns.split(",")} if columns else {privilege["verb"]}
    return found


def granted_in_the_database(database: Database) -> Matrix:
    matrix: Matrix = defaultdict(set)
    with database.read() as conn:
        rows = conn.all(
            """select coalesce(role.rolname, 'PUBLIC')::text as role, rel.relname::text as table,
                      acl.privilege_type::text as what
               from pg_class rel cross join aclexplode(rel.relacl) acl left join pg_roles role on role.oid = acl.grantee
               where rel.relnamespace = 'public'::regnamespace and acl.grantee <> rel.relowner
               union all
               select coalesce(role.rolname, 'PUBLIC')::text, rel.relname::text,
                      acl.privilege_type || '(' || att.attname || ')'
               from pg_class rel join pg_attribute att on att.attrelid = rel.oid cross join aclexplode(att.attacl) acl
               left join pg_roles role on role.oid = acl.grantee
               where rel.relnamespace = 'public'::regnamespace"""
        )
    for row in rows:
        matrix[row["role"], row["table"]].add(row["what"])
    return matrix


@pytest.fixture
def tables(database: Database) -> list[str]:
    with database.read() as conn:
        rows = conn.all(
            """select relname::text as name from pg_class
               where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1"""
        )
    return [row["name"] for row in rows]


def test_the_database_grants_exactly_what_the_file_says(database: Database, tables: list[str]) -> None:
    assert granted_in_the_database(database) == granted_by_the_file(tables)


def test_applying_the_file_again_changes_nothing_and_takes_back_what_was_added(database: Database) -> None:
    before = granted_in_the_database(database)
    with database.transaction() as conn:
        conn.script("grant delete on history to gcpay_intake; grant select on history to public")
        apply_grants(conn, MIGRATIONS)
    assert granted_in_the_database(database) == before


def test_nobody_deletes_or_truncates_anything(database: Database) -> None:
    verbs = {verb for granted in granted_in_the_database(database).values() for verb in granted}
    assert not verbs & {"DELETE", "TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}


def test_the_story_the_books_and_the_arrivals_are_never_changed(database: Database) -> None:
    matrix = granted_in_the_database(database)
    for table in (
        "history",
        "posting",
        "book_entry",
        "arrival",
        "refused_message",
        "send_log",
        "threshold_check",
        "operator_log",
    ):
        for role in READERS:
            assert matrix[role, table] <= {"SELECT", "INSERT"}, (role, table)


def test_what_an_alert_says_is_never_changed_and_only_the_batcher_marks_its_delivery(database: Database) -> None:
    matrix = granted_in_the_database(database)
    marks = {"UPDATE(delivery_attempts)", "UPDATE(next_delivery_at)", "UPDATE(delivered_at)"}
    for role in READERS:
        more = marks if role == BATCHER else set()
        assert matrix[role, "alert"] == {"SELECT"} | more | (set() if role == OPERATOR else {"INSERT"}), role


def test_a_message_is_only_ever_marked_as_sent(database: Database) -> None:
    matrix = granted_in_the_database(database)
    for role in SERVICE_ROLES:
        assert matrix[role, "outbox"] == {"SELECT", "INSERT", "UPDATE(sent_at)", "UPDATE(task_name)"}


def test_whole_rows_are_never_updated_only_named_columns(database: Database) -> None:
    for (role, table), granted in granted_in_the_database(database).items():
        assert "UPDATE" not in granted, (role, table)


def test_nobody_but_its_writer_changes_an_amount_or_an_address(database: Database) -> None:
    changed = {
        (role, what)
        for (role, _), granted in granted_in_the_database(database).items()
        for what in granted
        if what.startswith("UPDATE(") and re.search(r"_wei|_micros|address|weight|amount|nonce", what)
    }
    # The batcher writes the address that the exchange answered, and shares; the executor its nonce, hold and gas.
    assert changed == {
        (BATCHER, "UPDATE(payin_address)"),
        (BATCHER, "UPDATE(converted_usdt_amount_units)"),
        (EXECUTOR, "UPDATE(next_nonce)"),
        (EXECUTOR, "UPDATE(gas_wei)"),
        (EXECUTOR, "UPDATE(hold_wei)"),
    }


def test_only_the_executor_touches_the_wallet(database: Database) -> None:
    matrix = granted_in_the_database(database)
    for table in ("account", "transfer", "slot", "attempt", "send_log"):
        for role in (INTAKE, BATCHER, CONDUCTOR, OPERATOR):
            assert all(what.startswith("SELECT") for what in matrix[role, table]), (role, table)


def test_the_operator_reads_everything_and_writes_what_the_verbs_need(database: Database, tables: list[str]) -> None:
    matrix = granted_in_the_database(database)
    assert all("SELECT" in matrix[OPERATOR, table] for table in tables)
    writes = {table: matrix[OPERATOR, table] - {"SELECT"} for table in tables if matrix[OPERATOR, table] != {"SELECT"}}
    tells = ("operator_log", "asked_approval", "history", "posting", "book_entry", "outbox")
    assert writes == {table: {"INSERT"} for table in tells} | {
        "pause": {"INSERT", *updates("reason", "paused_by", "paused_at", "expires_at")},
        "payout_accumulation": updates(
            *("conversion_status", "parked_reason", "batch_conversion_id", "v1_batch_conversion_id"),
            *("updated_at", "due_at"),
        ),
        "batch_conversions": updates("conversion_status", "reason", "attempts_forgiven", "updated_at", "due_at"),
        "batch_member": updates("live"),
        "hostpay_request": updates("request_status", "reason", "updated_at", "due_at"),
    }


def updates(*columns: str) -> set[str]:
    return {f"UPDATE({column})" for column in columns}


def test_every_table_has_an_owner_in_the_file(database: Database, tables: list[str]) -> None:
    written = {table for (role, table), granted in granted_in_the_database(database).items() if "INSERT" in granted}
    # What only migrations and recoveries write, the owner writes.
    assert set(tables) - written == {"allowed_transition", "schema_migration", "foreign_nonce"}


@pytest.mark.parametrize("role", READERS)
def test_what_is_not_granted_is_refused(
    database: Database, database_as: Callable[[str], Database], tables: list[str], role: str
) -> None:
    matrix = granted_by_the_file(tables)
    columns = columns_of(database)
    as_role = database_as(role)
    for table in tables:
        allowed = matrix[role, table]
        attempts = {
            "INSERT": f"insert into {table} default values",
            "DELETE": f"delete from {table} where false",
            "TRUNCATE": f"truncate {table}",
        } | {f"UPDATE({c})": f"update {table} set {c} = default where false" for c in columns[table]}
        for privilege, statement in attempts.items():
            assert may(as_role, statement) == (privilege in allowed), (role, privilege, table)


@pytest.mark.parametrize("role", READERS)
@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (x int)",
        "alter table history add column x int",
        "drop table history",
        "alter table book_entry disable trigger posting_balances",
        "set role gcpay_owner",
        "create function mine() returns int language sql as 'select 1'",
    ],
)
def test_no_role_changes_the_schema_or_its_own_rights(
    database_as: Callable[[str], Database], role: str, statement: str
) -> None:
    with pytest.raises(Reaction), database_as(role).transaction() as conn:
        conn.script(statement)


def test_no_temporary_table_can_stand_before_a_real_one(empty_database: Database, postgres: Postgres) -> None:
    migrate(empty_database, MIGRATIONS, BEFORE_ALL_TESTS)
    with empty_database.read() as conn:
        (row,) = conn.all("select current_database()::text as name")
    for role in READERS:
        database = postgres.connect(row["name"], role)
        with pytest.raises(PermissionMissing), database.transaction() as conn:
            conn.script("create temporary table book_entry (x int)")
        database.close()


def test_a_service_does_what_it_is_there_for(database_as: Callable[[str], Database]) -> None:
    with database_as(INTAKE).transaction() as conn:
        conn.run("select id from payout_accumulation where payment_ref = 'x'")
    with database_as(EXECUTOR).transaction() as conn:
        conn.run("select sum(net_wei) as s from payout_accumulation where conversion_status = 'pending'")
        with pytest.raises(PermissionMissing), conn.savepoint():
            conn.run("select client_wallet_address from payout_accumulation")


def test_the_owner_owns_every_table(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all(
            """select distinct pg_get_userbyid(relowner)::text as owner from pg_class
               where relkind in ('r', 'S') and relnamespace = 'public'::regnamespace"""
        )
    assert rows == [{"owner": OWNER}]


def may(database: Database, statement: str) -> bool:
    """Whether the role may run it; a rule that refuses the row afterwards means it was allowed to try."""
    try:
        with database.transaction() as conn:
            conn.run(statement)
    except PermissionMissing:
        return False
    except ConstraintViolated:
        return True
    return True


def columns_of(database: Database) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = defaultdict(list)
    with database.read() as conn:
        for row in conn.all(
            """select table_name::text as table, column_name::text as name
               from information_schema.columns where table_schema = 'public'"""
        ):
            columns[row["table"]].append(row["name"])
    return columns
