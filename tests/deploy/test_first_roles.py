"""deploy/first_roles.sql and deploy/migrate.py on a real PostgreSQL, by a first user who is no superuser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared.db import Database, plain, roles
from shared.sandbox.postgres import EmbeddedPostgres

from .terraform_files import ROOT

PROJECT = "our-fleet"
PERSON = "on-call@example.com"
SQL = (ROOT / "deploy" / "first_roles.sql").read_text(encoding="utf-8")


def account(role: str) -> str:
    return f"gcpay-{role}@{PROJECT}.iam"


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.start() as postgres:
        superuser = _as(postgres, postgres.user, "postgres")
        with superuser.transaction() as conn:
            conn.script("CREATE ROLE first_user LOGIN CREATEROLE CREATEDB")
            for name in [account(role) for role in ("intake", "batcher", "conductor", "executor", "migrator")]:
                conn.script(f'CREATE ROLE "{name}" LOGIN')
            conn.script(f'CREATE ROLE "{PERSON}" LOGIN; CREATE ROLE "somebody@another-system.iam" LOGIN')
        superuser.close()
        subprocess.run(
            [*_psql(postgres), "-U", "first_user", "-d", "postgres", "-qc", "CREATE DATABASE gcpay"], check=True
        )
        first = _as(postgres, "first_user")
        for _ in range(2):  # a repeat is harmless
            with first.transaction() as conn:
                conn.script(SQL)
        first.close()
        yield postgres


def _psql(postgres: EmbeddedPostgres) -> list[str]:
    from shared.sandbox.postgres import program

    return [str(program("psql")), "-h", postgres.host, "-p", str(postgres.port), "-v", "ON_ERROR_STOP=1"]


def _as(postgres: EmbeddedPostgres, user: str, database: str = "gcpay") -> Database:
    return Database(plain(host=postgres.host, port=postgres.port, database=database, user=user), pool_size=1)


def migrate(postgres: EmbeddedPostgres, *arguments: str, user: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "DATABASE_HOST": postgres.host,
        "DATABASE_PORT": str(postgres.port),
        "DATABASE_NAME_SECRET": "gcpay",
        "DATABASE_USER_SECRET": user,
    }
    command = [sys.executable, "-P", str(ROOT / "deploy" / "migrate.py"), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def rows(postgres: EmbeddedPostgres, user: str, query: str) -> list[dict[str, object]]:
    database = _as(postgres, user)
    with database.read() as conn:
        found = [dict(row) for row in conn.all(query)]
    database.close()
    return found


def test_the_migration_makes_a_schema_that_its_role_owns_and_each_service_may_use(server: EmbeddedPostgres) -> None:
    done = migrate(server, "pre", user=account("migrator"))
    assert done.returncode == 0, done.stderr
    assert "pre: 0001_pre_schema.sql" in done.stdout
    assert migrate(server, "post", user=account("migrator")).stdout == "post: nothing to do\n"
    owners = rows(
        server, server.user, "select distinct tableowner::text as owner from pg_tables where schemaname = 'public'"
    )
    assert owners == [{"owner": roles.OWNER}]
    for role in ("intake", "batcher", "conductor", "executor"):
        assert rows(server, account(role), "select count(*) as n from history") == [{"n": 0}]
    assert rows(server, PERSON, "select count(*) as n from transfer") == [{"n": 0}]


def test_nobody_is_lent_what_is_not_his(server: EmbeddedPostgres) -> None:
    lent = rows(
        server,
        server.user,
        "select m.rolname::text as who, r.rolname::text as role from pg_auth_members a"
        " join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member"
        " where r.rolname like 'gcpay_%' and a.inherit_option order by 1, 2",
    )
    expected = {account(role): f"gcpay_{role}" for role in ("intake", "batcher", "conductor", "executor")}
    assert {str(row["who"]): row["role"] for row in lent} == expected | {
        account("migrator"): roles.OWNER,
        PERSON: roles.OPERATOR,
    }


def test_another_account_cannot_migrate(server: EmbeddedPostgres) -> None:
    done = migrate(server, "pre", user=account("executor"))
    assert done.returncode == 1
    assert done.stderr == "This login is no member of gcpay_owner; see deploy/first_roles.sql.\n"


def test_the_roles_are_those_of_the_code_and_a_wrong_call_is_told() -> None:
    assert {name for name in roles.ALL_ROLES if f"'{name}'" in SQL} == set(roles.ALL_ROLES)
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "deploy" / "migrate.py"), "sideways"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "before the services get the image" in done.stderr
