"""What a service that was broken into could do with its database role: everything is tried, as that role, for real.

`tests/migration/test_grants.py` holds the grants against their file and tries to write where nothing is granted; here
are reading, the server itself, and the ways round a grant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shared.db import ConstraintViolated, Database, PermissionMissing, apply_grants
from shared.db.roles import ALL_ROLES, COMPAT_READER, OPERATOR, OWNER, SERVICE_ROLES
from shared.lifecycle.reactions import Reaction
from tests.conftest import MIGRATIONS
from tests.migration.test_grants import columns_of, granted_by_the_file, may

ROLES = (*SERVICE_ROLES, OPERATOR, COMPAT_READER)
APPEND_ONLY = (
    "history",
    "posting",
    "book_entry",
    "arrival",
    "send_log",
    "signed_nonce",
    "operator_log",
    "refused_message",
)
NEVER = (
    "create schema mine",
    "create table public.mine (x int)",
    "create view public.mine as select 1",
    "create function public.mine() returns int language sql as 'select 1'",
    "create type public.mine as enum ('a')",
    "create sequence public.mine",
    "create extension if not exists dblink",
    "create extension if not exists postgres_fdw",
    "create language plpython3u",
    "create role mine superuser",
    "create database mine",
    "create event trigger mine on ddl_command_end execute function pg_catalog.now()",
    "alter role current_user superuser",
    "alter role current_user bypassrls",
    f"alter role {OWNER} login",
    f"set role {OWNER}",
    f"set session authorization {OWNER}",
    f"grant {OWNER} to current_user",
    "alter database current_database() set search_path = evil",
    "alter system set log_statement = 'all'",
    "set session_replication_role = replica",
    "copy (select 1) to program 'id'",
    "copy (select 1) to '/tmp/gcpay-mine'",
    "select pg_read_file('pg_hba.conf')",
    "select pg_ls_dir('.')",
    "select pg_reload_conf()",
    "select pg_rotate_logfile()",
    "select lo_import('/etc/passwd')",
    "select pg_create_logical_replication_slot('mine', 'pgoutput')",
    "select rolpassword from pg_authid",
    "select passwd from pg_shadow",
    "select * from pg_statistic",
    "select public.posting_must_balance()",
    "checkpoint",
    "load 'auto_explain'",
)
DatabaseAs = Callable[[str], Database]
every_role = pytest.mark.parametrize("role", ROLES)


def rows(database: Database, sql: str) -> list[dict[str, object]]:
    with database.read() as conn:
        return [dict(row) for row in conn.all(sql)]


def tables_of(database: Database) -> list[str]:
    found = rows(
        database,
        """select relname::text as name from pg_class
           where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace order by 1""",
    )
    return [str(row["name"]) for row in found]


def runs(database: Database, statement: str) -> bool:
    """Whether the server does it for this role, and does not refuse it for whatever reason."""
    try:
        with database.transaction() as conn:
            conn.run(statement)
    except Reaction:
        return False
    return True


@every_role
def test_a_role_reads_the_columns_that_it_was_given_and_no_other(
    database: Database, database_as: DatabaseAs, role: str
) -> None:
    matrix = granted_by_the_file(tables_of(database))
    columns = columns_of(database)
    as_role = database_as(role)
    tried = {True: 0, False: 0}
    for table in tables_of(database):
        given = matrix[role, table]
        for column in columns[table]:
            expected = "SELECT" in given or f"SELECT({column})" in given
            tried[expected] += 1
            assert may(as_role, f"select {column} from public.{table} limit 0") == expected, (role, table, column)
        for whole in (
            f"select * from public.{table}",
            f"copy public.{table} to stdout",
            f"select t::text from public.{table} t",
        ):
            if "SELECT" not in given:
                assert not may(as_role, whole), (role, whole)
    assert tried[True] > 0 or role == COMPAT_READER
    assert tried[False] > 0 or role == OPERATOR


@every_role
def test_nobody_takes_back_what_is_only_ever_added_by_any_statement(
    database: Database, database_as: DatabaseAs, role: str
) -> None:
    as_role = database_as(role)
    columns = columns_of(database)
    for table in (*APPEND_ONLY, "alert", "outbox", "attempt", "slot", "transfer"):
        first = columns[table][0]
        for statement in (
            f"delete from public.{table}",
            f"truncate public.{table}",
            f"truncate public.{table} cascade",
            f"with gone as (delete from public.{table} returning 1) select count(*) from gone",
            f"merge into public.{table} t using (select 1 as x) s on true when matched then delete",
            f"alter table public.{table} disable trigger all",
            f"alter table public.{table} owner to {role}",
            f"drop table public.{table} cascade",
            f"lock table public.{table} in access exclusive mode",
            f"create index mine on public.{table} ({first})",
            f"create rule mine as on insert to public.{table} do instead nothing",
            f"create policy mine on public.{table} using (false)",
            f"comment on table public.{table} is 'x'",
        ):
            assert not may(as_role, statement), (role, statement)


@every_role
def test_no_role_reaches_the_server_another_role_or_a_place_of_its_own(database_as: DatabaseAs, role: str) -> None:
    as_role = database_as(role)
    assert [statement for statement in NEVER if runs(as_role, statement)] == []


def test_who_may_read_gives_nobody_else_the_right(database: Database, database_as: DatabaseAs) -> None:
    """PostgreSQL answers such a GRANT with a warning; what counts is that nothing was granted."""
    for role in ROLES:
        for table in tables_of(database):
            may(database_as(role), f"grant all on public.{table} to public")
    given = rows(
        database,
        """select c.relname::text as name from pg_class c cross join aclexplode(c.relacl) acl
           where acl.grantee = 0 or (acl.is_grantable and acl.grantee <> c.relowner)""",
    )
    assert [row["name"] for row in given if str(row["name"]) in tables_of(database)] == []


@every_role
def test_no_sequence_is_moved_or_read(database: Database, database_as: DatabaseAs, role: str) -> None:
    """Who sets a sequence back has the next payment refused, or its number given out twice."""
    sequences = [
        str(row["name"])
        for row in rows(database, "select schemaname || '.' || sequencename as name from pg_sequences")
        if not str(row["name"]).startswith("test_fixture")
    ]
    assert len(sequences) > 8
    as_role = database_as(role)
    for sequence in sequences:
        for statement in (
            f"select setval('{sequence}', 1)",
            f"select nextval('{sequence}')",
            f"alter sequence {sequence} restart with 1",
        ):
            assert not may(as_role, statement), (role, statement)


def test_no_role_has_an_attribute_a_membership_or_a_setting_that_makes_it_more(database: Database) -> None:
    told = rows(
        database,
        """select rolname::text as name, coalesce(array_to_string(rolconfig, ','), '') as settings,
                  rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls as more
           from pg_roles where rolname like 'gcpay%'""",
    )
    assert {row["name"] for row in told} == set(ALL_ROLES)
    assert not [row["name"] for row in told if row["more"]]
    assert {row["name"]: row["settings"] for row in told if row["settings"]} == {COMPAT_READER: "search_path=compat"}
    members = rows(
        database,
        """select m.rolname::text as member, r.rolname::text as of from pg_auth_members am
           join pg_roles m on m.oid = am.member join pg_roles r on r.oid = am.roleid where m.rolname like 'gcpay%'""",
    )
    assert members == []


def test_nothing_runs_with_its_owners_rights_and_nobody_may_make_anything(database: Database) -> None:
    mine = "n.nspname in ('public', 'compat')"
    functions = rows(
        database,
        f"""select p.proname::text as name, p.prosecdef as definer,
                  has_function_privilege('public', p.oid, 'EXECUTE') as everybody
           from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {mine}""",
    )
    assert functions
    assert [row for row in functions if row["definer"] or row["everybody"]] == []
    schemas = rows(
        database,
        """select n.nspname::text as schema, r.rolname::text as role from pg_namespace n cross join pg_roles r
           where r.rolname like 'gcpay%' and r.rolname <> 'gcpay_owner'
             and has_schema_privilege(r.oid, n.oid, 'CREATE')""",
    )
    assert schemas == []
    on_database = rows(
        database,
        """select r.rolname::text as role from pg_roles r
           where r.rolname like 'gcpay%' and r.rolname <> 'gcpay_owner'
             and (has_database_privilege(r.oid, current_database(), 'CREATE')
                  or has_database_privilege(r.oid, current_database(), 'TEMPORARY'))""",
    )
    # Copies of the template get the server's default back; the real one is test_grants.py's.
    assert {row["role"] for row in on_database} <= set(ROLES)
    defaults = rows(database, "select defaclobjtype::text as kind from pg_default_acl")
    assert defaults == []


def test_what_a_migration_adds_is_nobodys_until_the_file_names_it(database: Database, database_as: DatabaseAs) -> None:
    with database.transaction() as conn:
        conn.script("create table public.later (x int); create view public.looks as select * from public.history")
        conn.script("create function public.does() returns int language sql as 'select 1'")
        apply_grants(conn, MIGRATIONS)
    for role in ROLES:
        as_role = database_as(role)
        assert may(as_role, "select * from public.later") == (role == OPERATOR), role
        assert may(as_role, "select * from public.looks") == (role == OPERATOR), role
        assert not may(as_role, "insert into public.later values (1)"), role
        assert not may(as_role, "select public.does()"), role


@pytest.mark.parametrize("role", [*SERVICE_ROLES, OPERATOR])
def test_a_search_path_of_ones_own_turns_no_check_off(database_as: DatabaseAs, role: str) -> None:
    """A service that was broken into may book what it likes, as long as it sums to zero; wherever it looks first."""
    for path in ("compat", "pg_catalog", "pg_temp, public", "''"):
        with pytest.raises(ConstraintViolated) as refused, database_as(role).transaction() as conn:
            conn.script(f"set local search_path = {path}")
            posting = conn.one(
                """insert into public.posting (event, subject, trace, at)
                   values ('x', :path, 'x', '2026-01-01T00:00:00Z'::timestamptz) returning id""",
                path=path,
            )
            assert posting is not None
            conn.run(
                """insert into public.book_entry (posting_id, line, asset, account, amount)
                   values (:id, 1, 'ETH', 'wallet', 1)""",
                id=posting["id"],
            )
            conn.script("set constraints all immediate")
        assert refused.value.constraint == "posting_balances", path


@pytest.fixture(autouse=True)
def _roles_are_left_alone(database: Database) -> Iterator[None]:
    """Roles belong to the whole server: whatever a test tried, they are as they were."""
    yield
    with pytest.raises(PermissionMissing), database.transaction() as conn:
        conn.run("create role mine")
