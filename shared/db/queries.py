"""Named queries in `.sql` files: SQL reads as SQL, and a call reads as a sentence.

A file is a list of

    -- name: payment_by_ref(payment_ref)
    -- Finds the payment with the gateway's reference; relies on payment_counted_once.
    select id from payout_accumulation where payment_ref = :payment_ref;

Name, parameters and one sentence of purpose are mandatory. A parameter that is declared and not used, or used and
not declared, refuses the whole file when it is loaded. `tests/migration/test_queries_prepare.py` prepares every query
of the project against the migrated schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.db.errors import QueryBroken

if TYPE_CHECKING:
    from shared.db.connection import Connection

Row = Mapping[str, Any]
"""One row by column name. NUMERIC and integers come as `int`, timestamps aware in UTC, jsonb as Python values."""

_HEAD = re.compile(r"^-- name: (?P<name>[a-z][a-z0-9_]*)\((?P<params>[a-z0-9_, ]*)\)$")
# What a parameter may hide behind: a string, a quoted name, a comment or a cast is passed over as it stands.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|::|(?P<dollar>\$)|(?P<end>;)|:(?P<param>[a-z_][a-z0-9_]*)")


class QueryFileWrong(ValueError):
    """A `.sql` file does not keep the form above. Raised when the file is loaded, so at start and in every test."""


@dataclass(frozen=True, slots=True)
class Query:
    """One statement, ready for the server: `text` has $1, $2 ... in the order of `params`."""

    name: str
    params: tuple[str, ...]
    sentence: str
    text: str
    source: str = ""

    @classmethod
    def of(cls, sql: str, name: str = "ad_hoc", source: str = "") -> Query:
        """A query from SQL with `:name` parameters, numbered in order of appearance."""
        params: list[str] = []

        def number(token: re.Match[str]) -> str:
            if token["dollar"] or token["end"]:
                raise QueryFileWrong(f"{source or name}: one statement per query, and parameters as :name, not $1")
            param = token["param"]
            if param is None:
                return token[0]
            if param not in params:
                params.append(param)
            return f"${params.index(param) + 1}"

        text = _TOKEN.sub(number, sql.strip().removesuffix(";").rstrip())
        return cls(name, tuple(params), "", text, source)

    def values(self, given: Mapping[str, object]) -> tuple[object, ...]:
        """The parameters in the server's order; a missing or a surplus one is a programming error."""
        if len(given) != len(self.params):
            raise TypeError(f"{self.source}:{self.name} takes {self.params}, not {tuple(given)}")
        try:
            return tuple([given[param] for param in self.params])
        except KeyError as missing:
            raise TypeError(f"{self.source}:{self.name} takes {self.params}, not {tuple(given)}") from missing


class Queries(Mapping[str, Query]):
    """The queries of one `.sql` file. Loading is done once per process; running needs a connection in a transaction."""

    def __init__(self, queries: Mapping[str, Query], source: str) -> None:
        self._queries = queries
        self.source = source

    @classmethod
    def load(cls, path: Path) -> Queries:
        """Reads and checks the file; raises `QueryFileWrong` with the name of the query that is wrong."""
        source = f"{path.parent.name}/{path.name}"
        queries: dict[str, Query] = {}
        for query in _parse(path.read_text(encoding="utf-8"), source):
            if query.name in queries:
                raise QueryFileWrong(f"{source}: {query.name} is there twice")
            queries[query.name] = query
        if not queries:
            raise QueryFileWrong(f"{source}: no query in it")
        return cls(queries, source)

    def one(self, conn: Connection, name: str, /, **params: object) -> Row | None:
        """The one row, or None when there is none; two rows are `QueryBroken`, because a rule we rely on is false."""
        return conn.fetch_one(self[name], params)

    def only(self, conn: Connection, name: str, /, **params: object) -> Row:
        """Exactly one row (a sum, a count, a row that must be there); anything else is `QueryBroken`."""
        row = conn.fetch_one(self[name], params)
        if row is None:
            raise QueryBroken(f"{self.source}:{name} found no row where one must be.")
        return row

    def all(self, conn: Connection, name: str, /, **params: object) -> list[Row]:
        """All rows, in the order the query gives them."""
        return conn.fetch_all(self[name], params)

    def run(self, conn: Connection, name: str, /, **params: object) -> int:
        """Runs it for its effect; the number of rows that were written (or returned)."""
        return conn.execute(self[name], params)

    def __getitem__(self, name: str) -> Query:
        return self._queries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queries)

    def __len__(self) -> int:
        return len(self._queries)


def _parse(text: str, source: str) -> Iterator[Query]:
    preamble, *sections = re.split(r"(?m)^(?=-- name:)", text)
    if any(line.strip() and not line.startswith("--") for line in preamble.splitlines()):
        raise QueryFileWrong(f"{source}: SQL before the first '-- name:'")
    for section in sections:
        yield _query(section, source)


def _query(section: str, source: str) -> Query:
    head, *lines = section.splitlines()
    match = _HEAD.match(head)
    if match is None:
        raise QueryFileWrong(f"{source}: not '-- name: words_like_this(param, param)': {head}")
    name = match["name"]
    declared = tuple(param.strip() for param in match["params"].split(",") if param.strip())
    count = next((i for i, line in enumerate(lines) if not line.startswith("--")), len(lines))
    sentence = " ".join(line.removeprefix("--").strip() for line in lines[:count]).strip()
    if not sentence.endswith("."):
        raise QueryFileWrong(f"{source}: {name} needs a sentence that says what it is for")
    query = Query.of("\n".join(lines[count:]), name, source)
    if not query.text:
        raise QueryFileWrong(f"{source}: {name} has no statement")
    if sorted(declared) != sorted(query.params):
        raise QueryFileWrong(f"{source}: {name} declares {sorted(declared)} and uses {sorted(query.params)}")
    return Query(name, query.params, sentence, query.text, source)
