"""Every named query of the project against the migrated schema, and every call of one against its file."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.db import Database, PermissionMissing, Queries, Query
from shared.db.roles import INTAKE, SERVICE_ROLES
from tests.migration.released import ROLE_OF_FOLDER

ROOT = Path(__file__).parents[2]
FOLDERS = ("shared", *ROLE_OF_FOLDER, "GCHostPay2")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.sql"))
QUERIES = [(path, query) for path in FILES for query in Queries.load(path).values()]
# What operators, the sandbox and the migrations ask, no service needs the right to.
NOT_FOR_SERVICES = {"shared/db/history.sql:allow"}
# Intake has no job of the scheduler, so it marks none.
NOT_FOR_INTAKE = {"shared/db/heartbeat.sql:beat"}
READS_THE_CLOCK = re.compile(
    r"\b(now|random|gen_random_uuid|uuidv7|uuidv4)\s*\(|current_(timestamp|date|time)|clock_timestamp|localtime"
)


def label(item: tuple[Path, Query]) -> str:
    path, query = item
    return f"{path.relative_to(ROOT)}:{query.name}"


def service_queries() -> list[tuple[str, Query, str]]:
    """(label, query, role) for every role that runs the query."""
    found = []
    for path, query in QUERIES:
        folder = path.relative_to(ROOT).parts[0]
        if folder == "shared" and (label((path, query)) in NOT_FOR_SERVICES or {"ops", "sandbox"} & {*path.parts}):
            continue
        roles = [ROLE_OF_FOLDER[folder]] if folder in ROLE_OF_FOLDER else list(SERVICE_ROLES)
        if label((path, query)) in NOT_FOR_INTAKE:
            roles.remove(INTAKE)
        found += [(f"{label((path, query))} as {role}", query, role) for role in roles]
    return found


def test_there_are_queries_to_look_at() -> None:
    assert len(QUERIES) >= 8
    assert len({label(item) for item in QUERIES}) == len(QUERIES)


def test_every_query_prepares_on_the_migrated_schema(database: Database) -> None:
    for number, (_, query) in enumerate(QUERIES):
        with database.transaction() as conn:
            conn.script(f"PREPARE q{number} AS {query.text}")


def test_every_service_may_run_its_queries_with_the_rights_of_its_role(database_as: Callable[[str], Database]) -> None:
    databases = {role: database_as(role) for role in SERVICE_ROLES}
    refused = [name for name, query, role in service_queries() if not may_run(databases[role], query)]
    assert refused == []


def may_run(database: Database, query: Query) -> bool:
    try:
        with database.transaction() as conn:
            conn.script(f"EXPLAIN (GENERIC_PLAN) {query.text}")  # checks the privileges, runs nothing
    except PermissionMissing:
        return False
    return True


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_queries_read_no_clock_and_no_dice(path: Path) -> None:
    for query in Queries.load(path).values():
        text = re.sub(r"--[^\n]*|'[^']*'", "", query.text.lower())
        assert not READS_THE_CLOCK.search(text), query.name
        assert "select *\nfrom" not in text.replace("select * from unnest", "")


class Calls(ast.NodeVisitor):
    """The calls `<queries>.one|only|all|run(conn, "name", ...)` of a module that loads one file of queries."""

    def __init__(self, module: Path) -> None:
        self.usual_file = f"{module.stem}.sql"
        self.files: dict[str, str] = {}
        self.found: list[tuple[str, str, list[str] | None]] = []

    def visit_Assign(self, node: ast.Assign) -> None:
        self._note(node.targets[0], node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._note(node.target, node.value)
        self.generic_visit(node)

    def _note(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Name) and isinstance(value, ast.Call) and ast.unparse(value.func) == "Queries.load":
            self.files[target.id] = ([*re.findall(r"\w+\.sql", ast.unparse(value)), self.usual_file])[0]

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in {"one", "only", "all", "run"}
            and isinstance(function.value, ast.Name)
            and function.value.id in self.files
            and len(node.args) == 2
            and isinstance(node.args[1], ast.Constant)
        ):
            names = [keyword.arg for keyword in node.keywords]
            given = None if None in names else sorted(name for name in names if name)
            self.found.append((self.files[function.value.id], str(node.args[1].value), given))
        self.generic_visit(node)


def calls_of(module: Path) -> list[tuple[str, str, list[str] | None]]:
    calls = Calls(module)
    calls.visit(ast.parse(module.read_text()))
    return calls.found


def test_every_call_names_a_query_of_its_file_with_exactly_its_parameters() -> None:
    wrong = []
    for folder in FOLDERS:
        for module in (ROOT / folder).rglob("*.py"):
            for file, name, given in calls_of(module):
                query = Queries.load(module.with_name(file)).get(name)
                if query is None or (given is not None and given != sorted(query.params)):
                    wrong.append((str(module.relative_to(ROOT)), name, given, query and sorted(query.params)))
    assert wrong == []


def test_every_query_is_used_by_a_module_beside_it() -> None:
    unused = []
    for path in FILES:
        said = {
            node.value
            for module in path.parent.glob("*.py")
            for node in ast.walk(ast.parse(module.read_text()))
            if isinstance(node, ast.Constant)
        }
        unused += [label((path, query)) for query in Queries.load(path).values() if query.name not in said]
    assert unused == []
