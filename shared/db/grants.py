"""The grants of a database held against `migrations/grants.sql`: what is missing, and what somebody gave by hand."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path
from typing import Final

from shared.db.connection import Connection
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, GRANTS_FILE, INTAKE, OPERATOR

Matrix = dict[tuple[str, str], set[str]]
"""(role, table) -> privileges: "SELECT", or "UPDATE(column)" for one column."""

_ROLES: Final = frozenset({INTAKE, BATCHER, CONDUCTOR, EXECUTOR, OPERATOR, "PUBLIC"})
_ALL_TABLES: Final = "ALL TABLES IN SCHEMA public"
_GRANT: Final = re.compile(r"GRANT (?P<what>.+?) ON (?P<on>ALL TABLES IN SCHEMA public|\w+) TO (?P<to>[\w, ]+);")
_PRIVILEGE: Final = re.compile(r"(?P<verb>[A-Z]+)(?: \((?P<columns>[^)]*)\))?")
_GRANTED: Final = """
    SELECT coalesce(role.rolname, 'PUBLIC')::text AS role, rel.relname::text AS relation,
           acl.privilege_type::text AS what
      FROM pg_class rel CROSS JOIN aclexplode(rel.relacl) acl LEFT JOIN pg_roles role ON role.oid = acl.grantee
     WHERE rel.relnamespace = 'public'::regnamespace AND rel.relkind IN ('r', 'p', 'v') AND acl.grantee <> rel.relowner
    UNION ALL
    SELECT coalesce(role.rolname, 'PUBLIC')::text, rel.relname::text, acl.privilege_type || '(' || att.attname || ')'
      FROM pg_class rel JOIN pg_attribute att ON att.attrelid = rel.oid CROSS JOIN aclexplode(att.attacl) acl
           LEFT JOIN pg_roles role ON role.oid = acl.grantee
     WHERE rel.relnamespace = 'public'::regnamespace AND NOT att.attisdropped
"""


def differences(conn: Connection, migrations: Path) -> list[str]:
    """One sentence part per grant that is missing or too much; none when the database is as the file says."""
    tables = [
        row["name"]
        for row in conn.all("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    ]
    wanted, given = _of_the_file(migrations, tables), _of_the_database(conn)
    told = []
    for role, table in sorted(wanted.keys() | given.keys()):
        missing = sorted(wanted[role, table] - given[role, table])
        too_much = sorted(given[role, table] - wanted[role, table])
        if missing:
            told.append(f"{role} lacks {', '.join(missing)} on {table}")
        if too_much:
            told.append(f"{role} has {', '.join(too_much)} on {table}, which no file gives")
    return told


def _of_the_file(migrations: Path, tables: list[str]) -> Matrix:
    matrix: Matrix = defaultdict(set)
    text = re.sub(r"--[^\n]*", "", (migrations / GRANTS_FILE).read_text(encoding="utf-8"))
    for statement in re.findall(r"\bGRANT [^;]*;", text):
        grant = _GRANT.fullmatch(" ".join(statement.split()))
        if grant is None:  # on a schema
            continue
        for table in tables if grant["on"] == _ALL_TABLES else [grant["on"]]:
            for role in grant["to"].split(", "):
                matrix[role, table] |= _privileges(grant["what"])
    return matrix


def _privileges(text: str) -> set[str]:
    found: set[str] = set()
    for privilege in _PRIVILEGE.finditer(text):
        verb, columns = privilege["verb"], privilege["columns"]
        found |= {f"{verb}({column.strip()})" for column in columns.split(",")} if columns else {verb}
    return found


def _of_the_database(conn: Connection) -> Matrix:
    matrix: Matrix = defaultdict(set)
    for row in conn.all(_GRANTED):
        if row["role"] in _ROLES:
            matrix[row["role"], row["relation"]].add(row["what"])
    return matrix
