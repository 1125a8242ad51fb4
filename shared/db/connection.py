"""One connection in one transaction: what a store gets to run its queries on.

Statements are prepared once per connection and query, then executed by name: one round trip each, a third of the
time of the driver's own cursor. No float enters or leaves; NUMERIC leaves as `int` and a fraction is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import count
from select import POLLIN, poll
from typing import Any, NoReturn

from pg8000.converters import make_params
from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from shared.db.errors import (
    CommitUnknown,
    DatabaseUnreachable,
    PlanStale,
    QueryBroken,
    reaction_to,
    reaction_to_commit,
    reaction_to_lone_statement,
)
from shared.db.queries import Query, Row
from shared.lifecycle.reactions import Broken

_FLOAT4, _FLOAT8, _NUMERIC, _NUMERIC_ARRAY, _JSON, _JSONB = 700, 701, 1700, 1231, 114, 3802
_IN_FAILED_TRANSACTION = b"E"
# What pg8000 raises when the socket is gone; the plain OSError escapes from its read loop.
_CONNECTION_LOST = (InterfaceError, OSError)


class NotWhole(Broken):
    """A NUMERIC that must be whole has a fraction, or a float came out of the database."""

    code = "database_number_not_whole"


def whole(value: int | Decimal) -> int:
    """The exact integer of a NUMERIC; a fraction, NaN or infinity raises `NotWhole`."""
    if isinstance(value, Decimal):
        if not value.is_finite() or value != value.to_integral_value():
            raise NotWhole("A number from the database is not whole.")
        return int(value)
    return value


def array_text(value: object) -> object:
    """A list of whole numbers or of words as PostgreSQL writes it; everything else as it is, for the driver to write.

    The driver takes five times as long for ten thousand of them, and makes nothing of the word "null".
    """
    if type(value) is not list or not value:
        return value
    if all(type(item) is int for item in value):
        return "{" + ",".join(map(str, value)) + "}"
    if all(type(item) is str for item in value):
        words = "".join(value)
        if '"' in words or "\\" in words:
            value = [item.replace("\\", "\\\\").replace('"', '\\"') for item in value]
        return '{"' + '","'.join(value) + '"}'
    return value


class Connection:
    """A pooled connection. Inside `Database.transaction()` or `.read()` it runs queries; outside it refuses to.

    Raises the reactions of `shared.db.errors`. After any of them the transaction is lost, but for a
    `ConstraintViolated` inside `savepoint()`.
    """

    def __init__(self, raw: CoreConnection) -> None:
        self._raw = raw
        self._prepared: dict[str, tuple[bytes, Any, Any, list[str]]] = {}
        self._savepoint_numbers = count(1)
        self._in_transaction = False
        self._after_commit: list[Callable[[], None]] = []
        self._alone = False  # the statement that runs is a transaction of its own
        self.usable = True
        _teach_types(raw)

    # --- queries -------------------------------------------------------------------------------------------------

    def fetch_all(self, query: Query, params: Mapping[str, object]) -> list[Row]:
        """All rows of the query."""
        names, rows, _ = self._perform(query, params)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def fetch_one(self, query: Query, params: Mapping[str, object]) -> Row | None:
        """The one row or None; more than one is `QueryBroken`."""
        names, rows, _ = self._perform(query, params)
        if not rows:
            return None
        if len(rows) > 1:
            raise QueryBroken(f"{query.source}:{query.name} found {len(rows)} rows where one may be.")
        return dict(zip(names, rows[0], strict=True))

    def execute(self, query: Query, params: Mapping[str, object]) -> int:
        """Runs the query; the number of rows written or returned."""
        return self._perform(query, params)[2]

    def all(self, sql: str, /, **params: object) -> list[Row]:
        """Ad-hoc SQL with `:name` parameters, for tests and operations; services keep theirs in store.sql."""
        return self.fetch_all(Query.of(sql), params)

    def one(self, sql: str, /, **params: object) -> Row | None:
        """As `all`, for one row or None."""
        return self.fetch_one(Query.of(sql), params)

    def run(self, sql: str, /, **params: object) -> int:
        """As `all`, for its effect; the number of rows."""
        return self.execute(Query.of(sql), params)

    def script(self, sql: str) -> None:
        """Several statements without parameters, in this transaction: migrations and grants."""
        self._require_transaction()
        self._talk(lambda: self._raw.execute_simple(sql))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that may fail and be taken back while the transaction goes on."""
        name = f"sp_{next(self._savepoint_numbers)}"
        self.script(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            if self.usable:
                self.script(f"ROLLBACK TO SAVEPOINT {name}; RELEASE SAVEPOINT {name}")
            raise
        self.script(f"RELEASE SAVEPOINT {name}")

    def after_commit(self, told: Callable[[], None]) -> None:
        """Calls `told` once this transaction is committed, or nobody knows whether it is; never if it is taken back.

        For the log: what is called must not raise, and has no connection.
        """
        self._require_transaction()
        self._after_commit.append(told)

    # --- transaction: called by Database only --------------------------------------------------------------------

    def begin(self, mode: str) -> None:
        """Starts a transaction. It is also the ping: a dead connection shows here, where nothing has happened."""
        self._after_commit = []
        self._talk(lambda: self._raw.execute_simple(f"BEGIN {mode}"))
        self._in_transaction = True

    def begin_alone(self) -> None:
        """Lets one statement run that is its own transaction. A connection that died while it was idle shows here."""
        self._after_commit = []
        if self._peer_spoke():
            self.usable = False
            raise DatabaseUnreachable("The connection to the database is gone; nothing was committed.")
        self._in_transaction = self._alone = True

    def end_alone(self) -> None:
        """The statement ran, or never will."""
        self._in_transaction = self._alone = False

    def commit(self) -> None:
        """Commits. Raises `CommitUnknown` when the answer is lost, a reaction when it was rolled back for certain."""
        if self._raw._transaction_status == _IN_FAILED_TRANSACTION:  # noqa: SLF001 - the driver has no public word for it
            self.roll_back()
            raise QueryBroken("A failed statement was passed over; its transaction was rolled back, not committed.")
        self._in_transaction = False
        self.usable = False
        try:
            self._raw.execute_simple("COMMIT")
        except DatabaseError as error:
            raise reaction_to_commit(error.args[0]) from error
        except _CONNECTION_LOST as error:
            self._tell()  # a repeat would find it done, and say nothing
            raise CommitUnknown("The answer to a commit was lost; whether it happened is not known.") from error
        self.usable = True
        self._tell()

    def _tell(self) -> None:
        told, self._after_commit = self._after_commit, []
        for each in told:
            each()

    def roll_back(self) -> None:
        """Takes everything back. A connection that cannot even do that is marked unusable; the server takes it back."""
        self._in_transaction = False
        if not self.usable:
            return
        self.usable = False
        try:
            self._raw.execute_simple("ROLLBACK")
        except (DatabaseError, *_CONNECTION_LOST):
            return
        self.usable = True

    def close(self) -> None:
        """Ends the session; a connection that is already gone is fine."""
        self.usable = False
        try:
            self._raw.close()
        except _CONNECTION_LOST:
            return

    # --- the protocol --------------------------------------------------------------------------------------------

    def _perform(self, query: Query, params: Mapping[str, object]) -> tuple[list[str], list[list[Any]], int]:
        self._require_transaction()
        values = query.values(params)
        for value in values:
            if isinstance(value, float) or (isinstance(value, datetime) and value.tzinfo is None):
                raise TypeError(f"{query.source}:{query.name}: no float and no naive time goes into the database")
        arguments = make_params(self._raw.py_types, [array_text(value) for value in values])
        context: Any = self._talk(lambda: self._execute_prepared(query.text, arguments))
        if self._alone:
            self._in_transaction = False  # it is committed, and no second statement belongs to it
            self._tell()
        names = self._prepared[query.text][3]
        if query.name == "ad_hoc":
            statement = self._prepared.pop(query.text)[0]
            self._talk(lambda: self._raw.close_prepared_statement(statement))
        return names, context.rows or [], max(context.row_count, 0)

    def _execute_prepared(self, text: str, arguments: tuple[str | None, ...]) -> Any:
        if text not in self._prepared:
            statement, columns, readers = self._raw.prepare_statement(text, ())
            names = [column["name"] for column in columns or ()]
            self._prepared[text] = (statement, columns, readers, names)
        statement, columns, readers, _ = self._prepared[text]
        return self._raw.execute_named(statement, arguments, columns, readers, text)

    def _talk(self, exchange: Any) -> Any:
        """One exchange with the server. Whatever interrupts it half-way (a signal too) makes the connection unusable,

        because the next reader would take this answer for his own.
        """
        if not self.usable:
            raise DatabaseUnreachable("The connection to the database is gone; nothing was committed.")
        self.usable = False
        try:
            answer = exchange()
        except DatabaseError as error:
            reaction = (reaction_to_lone_statement if self._alone else reaction_to)(error.args[0])
            self.usable = not isinstance(reaction, DatabaseUnreachable | PlanStale | CommitUnknown)
            raise reaction from error
        except _CONNECTION_LOST as error:
            if self._alone:
                self._tell()
                raise CommitUnknown(
                    "The answer to a statement was lost; whether it is committed is unknown."
                ) from error
            raise DatabaseUnreachable("The connection to the database broke; nothing was committed.") from error
        self.usable = True
        return answer

    def _peer_spoke(self) -> bool:
        """Whether something waits to be read on an idle connection: the server's goodbye, most likely."""
        idle = poll()
        idle.register(self._raw._usock, POLLIN)  # noqa: SLF001 - the driver has no public way to its socket
        return bool(idle.poll(0))

    def _require_transaction(self) -> None:
        if not self._in_transaction:
            raise QueryBroken("A query was run outside of its transaction.")


def _teach_types(raw: CoreConnection) -> None:
    raw.register_in_adapter(_NUMERIC, _whole_from_text)
    raw.register_in_adapter(_NUMERIC_ARRAY, _wholes_from_text)
    for oid in (_FLOAT4, _FLOAT8):
        raw.register_in_adapter(oid, _refuse_float)
    for oid in (_JSON, _JSONB):
        raw.register_in_adapter(oid, _json_without_floats)


def _whole_from_text(text: str) -> int:
    return whole(Decimal(text)) if not text.lstrip("-").isdigit() else int(text)


def _wholes_from_text(text: str) -> list[int | None]:
    items = text.strip("{}")
    return [None if item == "NULL" else _whole_from_text(item) for item in items.split(",")] if items else []


def _refuse_float(_text: str) -> NoReturn:
    raise NotWhole("A float came out of the database; cast it to numeric or text in the query.")


def _json_without_floats(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)
