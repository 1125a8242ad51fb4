"""The migration runner: every file once, in order, never a changed past, and the whole schema in form."""

from __future__ import annotations

import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.db import Database, MigrationRefused, bootstrap_roles, migrate
from shared.db.migrate import read_migrations
from shared.db.roles import ALL_ROLES
from shared.lifecycle.transitions import ALL_TRANSITIONS
from tests.conftest import MIGRATIONS, Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A folder of migrations of its own, with nothing granted."""
    (tmp_path / "grants.sql").write_text("-- nothing\nselect 1;\n")
    shutil.copy(MIGRATIONS / "0001_pre_schema.sql", tmp_path)
    return tmp_path


def add(directory: Path, name: str, sql: str) -> None:
    (directory / name).write_text(sql)


def applied(database: Database) -> list[str]:
    with database.read() as conn:
        return [row["name"] for row in conn.all("select name from schema_migration order by name")]


def test_every_file_is_applied_once_and_a_repeat_applies_none(empty_database: Database) -> None:
    names = [migration.name for migration in read_migrations(MIGRATIONS)]
    assert migrate(empty_database, MIGRATIONS, NOW) == names
    assert migrate(empty_database, MIGRATIONS, NOW) == []
    assert applied(empty_database) == names


def test_a_failing_migration_leaves_nothing_of_itself_and_stops_the_rest(
    empty_database: Database, directory: Path
) -> None:
    add(directory, "0002_pre_half.sql", "create table half (x int); select 1/0;")
    add(directory, "0003_pre_later.sql", "create table later (x int);")
    with pytest.raises(Exception, match="refused"):
        migrate(empty_database, directory, NOW)
    assert applied(empty_database) == ["0001_pre_schema.sql"]
    with empty_database.read() as conn:
        assert conn.one("select to_regclass('half')::text as half, to_regclass('later')::text as later") == {
            "half": None,
            "later": None,
        }
    add(directory, "0002_pre_half.sql", "create table half (x int);")
    assert migrate(empty_database, directory, NOW) == ["0002_pre_half.sql", "0003_pre_later.sql"]


def test_a_changed_file_is_refused_and_nothing_more_is_applied(empty_database: Database, directory: Path) -> None:
    add(directory, "0002_pre_one.sql", "create table one (x int);")
    migrate(empty_database, directory, NOW)
    add(directory, "0002_pre_one.sql", "create table one (x bigint);")
    add(directory, "0003_pre_two.sql", "create table two (x int);")
    with pytest.raises(MigrationRefused, match=r"0002_pre_one\.sql was changed"):
        migrate(empty_database, directory, NOW)
    assert applied(empty_database) == ["0001_pre_schema.sql", "0002_pre_one.sql"]


def test_code_older_than_the_database_is_refused(empty_database: Database, directory: Path) -> None:
    add(directory, "0002_pre_one.sql", "create table one (x int);")
    migrate(empty_database, directory, NOW)
    (directory / "0002_pre_one.sql").unlink()
    with pytest.raises(MigrationRefused, match="file is gone"):
        migrate(empty_database, directory, NOW)


def test_a_file_that_comes_in_before_an_applied_one_is_refused(empty_database: Database, directory: Path) -> None:
    add(directory, "0003_pre_three.sql", "create table three (x int);")
    migrate(empty_database, directory, NOW)
    add(directory, "0002_pre_two.sql", "create table two (x int);")
    with pytest.raises(MigrationRefused, match="numbered before"):
        migrate(empty_database, directory, NOW)


def test_what_must_wait_for_the_deploy_waits(empty_database: Database, directory: Path) -> None:
    migrate(empty_database, directory, NOW)
    add(directory, "0002_pre_more.sql", "create table more (x int);")
    add(directory, "0003_post_drop.sql", "create table dropped (x int);")
    assert migrate(empty_database, directory, NOW, until="pre") == ["0002_pre_more.sql"]
    assert migrate(empty_database, directory, NOW, until="pre") == []
    assert migrate(empty_database, directory, NOW) == ["0003_post_drop.sql"]


def test_a_deploy_that_was_not_finished_stops_the_next_one(empty_database: Database, directory: Path) -> None:
    """Else the next release's code would run on a schema without its own migration."""
    migrate(empty_database, directory, NOW)
    add(directory, "0002_post_drop.sql", "create table dropped (x int);")
    add(directory, "0003_pre_next.sql", "create table next (x int);")
    with pytest.raises(MigrationRefused, match=r"0003_pre_next\.sql waits behind 0002_post_drop\.sql"):
        migrate(empty_database, directory, NOW, until="pre")
    assert applied(empty_database) == ["0001_pre_schema.sql"]
    assert migrate(empty_database, directory, NOW) == ["0002_post_drop.sql", "0003_pre_next.sql"]


def test_in_a_new_database_there_is_no_old_code_to_wait_for(empty_database: Database, directory: Path) -> None:
    add(directory, "0002_post_drop.sql", "create table dropped (x int);")
    add(directory, "0003_pre_next.sql", "create table next (x int);")
    names = ["0001_pre_schema.sql", "0002_post_drop.sql", "0003_pre_next.sql"]
    assert migrate(empty_database, directory, NOW, until="pre") == names


@pytest.mark.parametrize("name", ["0002_schema.sql", "2_pre_x.sql", "0002_pre_.sql", "0002_pre_Big.sql", "notes.sql"])
def test_a_file_name_out_of_form_is_refused(directory: Path, name: str) -> None:
    add(directory, name, "select 1;")
    with pytest.raises(MigrationRefused, match="is not named"):
        read_migrations(directory)


def test_a_number_is_used_once(directory: Path) -> None:
    add(directory, "0002_pre_a.sql", "select 1;")
    add(directory, "0002_post_b.sql", "select 1;")
    with pytest.raises(MigrationRefused, match="same number"):
        read_migrations(directory)


def test_a_migration_gives_up_soon_when_it_must_wait_for_a_lock(
    empty_database: Database, directory: Path, postgres: Postgres
) -> None:
    migrate(empty_database, directory, NOW)
    add(directory, "0002_pre_wait.sql", "set local lock_timeout = '50ms'; alter table pause add column x int;")
    with empty_database.transaction() as holder:
        holder.run("lock table pause in access share mode")
        with pytest.raises(Exception, match="did not let go"):
            migrate(empty_database, directory, NOW)
    assert migrate(empty_database, directory, NOW) == ["0002_pre_wait.sql"]


def test_a_migration_runs_under_the_short_limits(empty_database: Database, directory: Path) -> None:
    add(
        directory,
        "0002_pre_limits.sql",
        "create table limits (l, s) as select current_setting('lock_timeout'), current_setting('statement_timeout');",
    )
    migrate(empty_database, directory, NOW)
    with empty_database.read() as conn:
        assert conn.all("select l, s from limits") == [{"l": "4s", "s": "5s"}]


def test_two_migrations_at_once_do_it_once(empty_database: Database, directory: Path) -> None:
    for number in range(2, 6):
        add(directory, f"000{number}_pre_t.sql", f"create table t{number} (x int); select pg_sleep(0.05);")
    done: list[list[str]] = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty_database, directory, NOW))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 3
    assert sorted(name for names in done for name in names) == [m.name for m in read_migrations(directory)]


def test_the_database_allows_exactly_the_transitions_of_the_lifecycle(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all("select machine, from_state, to_state, event from allowed_transition")
    assert {tuple(row.values()) for row in rows} == set(ALL_TRANSITIONS)


def test_roles_are_made_when_missing_and_found_when_there(database: Database, postgres: Postgres) -> None:
    with database.transaction() as conn:
        assert bootstrap_roles(conn) == []
        assert bootstrap_roles(conn, login=True) == []
    superuser = postgres.connect("postgres", postgres.server.user)
    with superuser.transaction() as conn:
        conn.script("create role gcpay_test_probe")  # a role that merely looks like ours does not confuse it
        assert bootstrap_roles(conn) == []
        conn.script("drop role gcpay_test_probe")
        rows = conn.all(
            "select rolname::text as name, rolsuper or rolcreaterole or rolbypassrls as mighty from pg_roles"
        )
    superuser.close()
    might = {row["name"]: row["mighty"] for row in rows}
    assert {role: might[role] for role in ALL_ROLES} == dict.fromkeys(ALL_ROLES, False)


@pytest.mark.parametrize("path", sorted(MIGRATIONS.glob("[0-9]*.sql")), ids=lambda path: path.name)
def test_a_migration_begins_with_its_reason_and_reads_no_clock(path: Path) -> None:
    text = path.read_text()
    first = text.splitlines()[0]
    assert re.match(r"-- \w.{20,}", first), "the first line says why this migration is there"
    code = re.sub(r"--[^\n]*", "", text).lower()
    assert not re.search(r"\bnow\(\)|current_timestamp|clock_timestamp|localtime|default\s+now", code)


def test_every_rule_of_the_schema_has_a_name_that_somebody_gave_it(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all(
            """select rel.relname::text as table, con.conname::text as name from pg_constraint con
               join pg_class rel on rel.oid = con.conrelid
               where rel.relnamespace = 'public'::regnamespace and con.contype in ('p', 'u', 'c', 'f', 't', 'x')"""
        )
    assert len(rows) > 50
    generated = re.compile(r"_(pkey|key|check|fkey|excl)\d*$")
    assert [row for row in rows if generated.search(row["name"])] == []


def test_no_column_holds_a_float_or_a_time_without_zone(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all(
            """select table_name::text as table, column_name::text as column, data_type::text as type
               from information_schema.columns where table_schema = 'public'"""
        )
    wrong = {"double precision", "real", "money", "timestamp without time zone", "character varying", "character"}
    assert [row for row in rows if row["type"] in wrong] == []


def test_a_column_of_money_names_its_unit_and_holds_whole_numbers(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all(
            """select table_name::text as table, column_name::text as column, data_type::text as type,
                      numeric_precision::int as precision, numeric_scale::int as scale
               from information_schema.columns where table_schema = 'public'"""
        )
    numerics = [row for row in rows if row["type"] == "numeric"]
    assert numerics
    assert all((row["precision"], row["scale"]) == (78, 0) for row in numerics)
    units = ("wei", "_usd_micros", "_usdt_units", "usdt_units", "_amount_micros")
    named = {row["column"] for row in numerics} - {"feed_answer", "amount"}  # a price, and an entry with its asset
    assert [column for column in named if not column.endswith(units)] == []


def test_a_foreign_key_is_never_searched_by_reading_a_whole_table_of_payments(database: Database) -> None:
    """Payments, members and entries grow for ever: the references into and out of them are indexed."""
    with database.read() as conn:
        rows = conn.all(
            """select con.conrelid::regclass::text as table, con.conname::text as name
               from pg_constraint con
               where con.contype = 'f' and con.conrelid in ('payout_accumulation'::regclass, 'book_entry'::regclass)
                 and not exists (select 1 from pg_index i where i.indrelid = con.conrelid
                                 and (i.indkey::int2[])[0] = con.conkey[1])"""
        )
    assert rows == []
