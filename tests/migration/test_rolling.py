"""Old and new code run side by side during a deploy: each on the schema of the other, with the rights that it needs.

Old code is what a release left in tests/migration/released; it must work once the `pre` files of today are applied. New
code is this checkout; it must work before the `post` files at the end are applied. What is tried: every statement is
prepared and planned with the rights of its role, and a row that old code inserts breaks no rule that it cannot know.
What is not tried: that old code runs as a whole. Its statements are kept, its Python is not.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.db import Database, PermissionMissing, migrate
from shared.db.migrate import read_migrations
from shared.db.roles import OWNER
from shared.lifecycle.reactions import Reaction
from tests.conftest import MIGRATIONS, Postgres
from tests.migration.released import Statement, read, released, today, versions, written

NOW = datetime(2026, 3, 1, tzinfo=UTC)
Connect = Callable[[str], Database]

REVIEWED = {
    "payment_of_a_v1_batch_is_parked": "speaks of rows that an import marked, which old code never writes; that "
    "old code cannot let such a payment go on is what the rule is for",
}
"""Rules that were added to a table that released code writes: name, and why no row of that code breaks it."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Today's migrations, for a test to add to."""
    return Path(shutil.copytree(MIGRATIONS, tmp_path / "migrations"))


@contextmanager
def a_database(postgres: Postgres, directory: Path, keep: Callable[[str], bool]) -> Iterator[Connect]:
    """A database with those files of the folder applied, as each role sees it."""
    chosen = directory.with_name(f"{directory.name}-chosen")
    shutil.copytree(directory, chosen, ignore=lambda _, names: [name for name in names if not keep(name)])
    name = postgres.create()
    opened: dict[str, Database] = {}

    def connect(role: str) -> Database:
        return opened.setdefault(role, postgres.connect(name, role))

    try:
        migrate(connect(OWNER), chosen, NOW)
        yield connect
    finally:
        for database in opened.values():
            database.close()
        postgres.drop(name)
        shutil.rmtree(chosen)


def posts_at_the_end(directory: Path) -> set[str]:
    """The files that wait until old code is gone, in the deploy of today."""
    names: set[str] = set()
    for migration in reversed(read_migrations(directory)):
        if migration.runs_before_deploy:
            break
        names.add(migration.name)
    return names


def not_understood(connect: Connect, statements: list[Statement]) -> list[str]:
    """The statements that this database would refuse to whoever asks them, with the reason."""
    failed = []
    for statement in statements:
        for role in statement.roles or (OWNER,):
            try:
                with connect(role).transaction() as conn:
                    conn.script(
                        f"EXPLAIN (GENERIC_PLAN) {statement.text}"
                    )  # parses, plans, checks rights; runs nothing
            except (Reaction, PermissionMissing) as error:
                failed.append(f"{statement.name} as {role}: {error}")
    return failed


@dataclass(frozen=True)
class Shape:
    """A schema, as far as it can refuse a row."""

    columns: Mapping[str, set[str]]
    must_be_given: Mapping[str, set[str]]
    rules: Mapping[tuple[str, str], set[str]]

    @classmethod
    def of(cls, owner: Database) -> Shape:
        columns: dict[str, set[str]] = defaultdict(set)
        needed: dict[str, set[str]] = defaultdict(set)
        with owner.read() as conn:
            for row in conn.all(
                """select table_name::text as table, column_name::text as column,
                          is_nullable = 'NO' and column_default is null and is_identity = 'NO' as needed
                     from information_schema.columns where table_schema = 'public'"""
            ):
                columns[row["table"]].add(row["column"])
                if row["needed"]:
                    needed[row["table"]].add(row["column"])
            rows = conn.all(
                """select con.conrelid::regclass::text as table, con.conname::text as name,
                          array(select attname::text from pg_attribute
                                 where attrelid = con.conrelid and attnum = any (con.conkey)) as columns
                     from pg_constraint con
                    where con.connamespace = 'public'::regnamespace and con.contype in ('c', 'f', 'u')
                   union all
                   select i.indrelid::regclass::text, i.indexrelid::regclass::text,
                          array(select attname::text from pg_attribute
                                 where attrelid = i.indrelid and attnum = any (i.indkey::int2[]))
                     from pg_index i join pg_class c on c.oid = i.indrelid
                    where i.indisunique and c.relnamespace = 'public'::regnamespace"""
            )
        return cls(columns, needed, {(row["table"], row["name"]): set(row["columns"]) for row in rows})


def old_rows_break(old: Shape, new: Shape) -> list[str]:
    """What a row of old code would break in the new schema: columns it does not give, rules it does not know."""
    broken = [
        f"{table}.{column} must be given"
        for table in old.columns
        for column in new.must_be_given.get(table, set()) - old.must_be_given.get(table, set())
    ]
    for (table, name), spoken_of in new.rules.items():
        if (table, name) not in old.rules and name not in REVIEWED and spoken_of & old.columns.get(table, set()):
            broken.append(f"{table} has a new rule: {name}")
    return sorted(broken)


# --- today ------------------------------------------------------------------------------------------------------------


def test_there_is_a_release_to_come_from() -> None:
    assert versions()
    assert all(len(released(version)) > 200 for version in versions())
    assert versions()[-1] <= max(path.name[:4] for path in MIGRATIONS.glob("[0-9]*.sql"))


def test_released_code_understands_the_schema_before_it_is_gone(postgres: Postgres, directory: Path) -> None:
    """Old code on the new schema, after `pre`: every statement, with the rights of every role that asks it."""
    waits = posts_at_the_end(directory)
    version = versions()[-1]
    with (
        a_database(postgres, directory, lambda name: name not in waits) as new,
        a_database(
            postgres, without_grants(directory), lambda name: name[:4] <= version or name == "grants.sql"
        ) as old,
    ):
        assert not_understood(new, released(version)) == []
        assert old_rows_break(Shape.of(old(OWNER)), Shape.of(new(OWNER))) == []


def test_new_code_understands_the_schema_before_post(postgres: Postgres, directory: Path) -> None:
    """New code on the old schema: what today's `post` files take away is not missed, what they bring is not needed."""
    waits = posts_at_the_end(directory)
    with a_database(postgres, directory, lambda name: name not in waits) as connect:
        assert not_understood(connect, today()) == []


def without_grants(directory: Path) -> Path:
    """The same files, with nothing granted: today's grants name tables that an older schema does not have."""
    bare = Path(shutil.copytree(directory, directory.with_name("bare")))
    (bare / "grants.sql").write_text("select 1;\n")
    return bare


# --- that a fault would be noticed ------------------------------------------------------------------------------------

TAKES = "alter table payout_accumulation drop column request_hash;"
STOPS_ASKING = [each for each in today() if "request_hash" not in each.text or "payout_accumulation" not in each.text]


def test_a_pre_file_that_takes_what_released_code_asks_for_is_noticed(postgres: Postgres, directory: Path) -> None:
    (directory / "9001_pre_take.sql").write_text(TAKES)
    with a_database(postgres, directory, lambda _: True) as connect:
        failed = not_understood(connect, released(versions()[-1]))
    assert any(line.startswith("GCAccumulator/store.sql:insert_payment as gcpay_intake") for line in failed)


def test_the_same_as_a_post_file_is_in_order_when_new_code_stopped_asking(postgres: Postgres, directory: Path) -> None:
    (directory / "9001_post_take.sql").write_text(TAKES)
    waits = posts_at_the_end(directory)
    assert waits == {"9001_post_take.sql"}
    with a_database(postgres, directory, lambda name: name not in waits) as before:
        assert not_understood(before, released(versions()[-1])) == []
        assert not_understood(before, STOPS_ASKING) == []
    with a_database(postgres, directory, lambda _: True) as after:
        assert not_understood(after, STOPS_ASKING) == []
        assert not_understood(after, today()) != []


def test_new_code_that_needs_what_only_a_post_file_brings_is_noticed(postgres: Postgres, directory: Path) -> None:
    (directory / "9001_post_bring.sql").write_text("alter table pause add column asked_in text;")
    asks = Statement("x.sql:too_early", (OWNER,), "select asked_in from pause")
    waits = posts_at_the_end(directory)
    with a_database(postgres, directory, lambda name: name not in waits) as connect:
        assert [line.partition(" ")[0] for line in not_understood(connect, [asks])] == ["x.sql:too_early"]


def test_a_right_that_is_taken_from_released_code_is_noticed(postgres: Postgres, directory: Path) -> None:
    grants = directory / "grants.sql"
    grants.write_text(
        grants.read_text().replace("GRANT SELECT ON pause TO gcpay_intake, ", "GRANT SELECT ON pause TO ")
    )
    with a_database(postgres, directory, lambda _: True) as connect:
        failed = not_understood(connect, released(versions()[-1]))
    assert [line.partition(":")[0] for line in failed] == ["GCAccumulator/store.sql"]


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ("alter table pause add column why text not null default '';", []),
        ("alter table pause add column why text;", []),
        (
            "alter table pause add column why text; alter table pause add constraint why_is_short check (why <> 'x');",
            [],
        ),
        ("create table next (x int not null check (x > 0));", []),
        ("alter table pause add column why text not null;", ["pause.why must be given"]),
        ("alter table pause alter expires_at set not null;", ["pause.expires_at must be given"]),
        ("alter table pause add constraint ends check (expires_at is not null);", ["pause has a new rule: ends"]),
        ("create unique index one_reason on pause (reason);", ["pause has a new rule: one_reason"]),
    ],
)
def test_a_rule_that_rows_of_old_code_would_break_is_noticed(database_as: Connect, sql: str, broken: list[str]) -> None:
    owner = database_as(OWNER)
    before = Shape.of(owner)
    with owner.transaction() as conn:
        conn.script(sql)
    assert old_rows_break(before, Shape.of(owner)) == broken


def test_a_release_is_read_as_it_was_written() -> None:
    assert read("\n".join(written(today(), "9999")) + "\n") == today()
