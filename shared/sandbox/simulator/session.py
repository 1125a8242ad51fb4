"""One PostgreSQL connection for the whole fleet: a history is a transaction, a handler's transaction a savepoint in it.

`SimDatabase` is `shared.db.Database` to its service: the same three methods, the same errors, the rights of the
service's own role. Rules that are checked at commit are checked at the end of each handler's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any, Final

from pg8000.converters import make_params
from pg8000.core import CoreConnection

from shared.db import CommitUnknown, Connection, DatabaseUnreachable, QueryBroken
from shared.db.queries import Query
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.interruptions import Interruptions, OutsideInTransaction
from shared.sandbox.simulator.wire import Wire

_CHECK_AND_KEEP: Final = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE SAVEPOINT handler"
_KEEP: Final = "RELEASE SAVEPOINT handler"
_TAKE_BACK: Final = "ROLLBACK TO SAVEPOINT handler; RELEASE SAVEPOINT handler"
_SETTINGS: Final = (
    "statement_timeout = 0",
    "lock_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
    "plan_cache_mode = force_generic_plan",  # no statement is planned twice
    "track_activities = off",
    "track_counts = off",
    "update_process_title = off",
    "jit = off",
)
_HISTORIES_UNTIL_CLEAN: Final = 20  # rows that were rolled back still lie in the tables
_FAILED: Final = b"E"
_TIMESTAMPTZ: Final = 1184
_WRITES: Final = re.compile(r"\b(?:insert\s+into|update|delete\s+from)\s+([a-z_]+)", re.IGNORECASE)
# What moves money or a state (each leaves its row in the history); a look that was put off is no reason to check.
_MONEY_TABLES: Final = frozenset({"history", "batch_member", "slot", "arrival", "posting"})


@cache
def _written_by(text: str) -> frozenset[str]:
    return frozenset(table.lower() for table in _WRITES.findall(text))


class SimConnection(Connection):
    """A connection over a `Wire`. It remembers whether money moved, and, when somebody listens, every move.

    `checked_at_commit` are the tables whose rules wait for the end of a transaction.
    """

    def __init__(self, raw: CoreConnection) -> None:
        super().__init__(raw)
        raw.register_in_adapter(_TIMESTAMPTZ, datetime.fromisoformat)
        self.wire = Wire(raw)
        self.moved = False
        self.to_check = False
        self.statements = 0
        self.checked_at_commit: frozenset[str] = frozenset()
        self.told: list[tuple[str, tuple[str, ...], str, str]] | None = None  # machine, subjects, event, evidence

    def script(self, sql: str) -> None:
        self.wire.flush()
        super().script(sql)

    def roll_back(self) -> None:
        self.wire.forget()
        super().roll_back()

    @property
    def failed(self) -> bool:
        """Whether a statement failed and was passed over: PostgreSQL would roll back at COMMIT."""
        return bool(self._raw._transaction_status == _FAILED)  # noqa: SLF001 - the driver has no public word for it

    def _perform(self, query: Query, params: Mapping[str, object]) -> tuple[list[str], list[list[Any]], int]:
        self.statements += 1
        self._require_transaction()
        self._notice(query)
        values = query.values(params)
        for value in values:
            if isinstance(value, float) or (isinstance(value, datetime) and value.tzinfo is None):
                raise TypeError(f"{query.source}:{query.name}: no float and no naive time goes into the database")
        if query.text not in self._prepared:
            self._prepare(query.text)
        statement, _, readers, names = self._prepared[query.text]
        rows, row_count = self.wire.execute(statement, make_params(self._raw.py_types, values))
        read = [
            [None if value is None else reader(value.decode()) for reader, value in zip(readers, row, strict=True)]
            for row in rows
        ]
        self._tell_move(query, params, names, read)
        return names, read, row_count

    def _prepare(self, text: str) -> None:
        self.wire.flush()
        statement, columns, readers = self._talk(lambda: self._raw.prepare_statement(text, ()))
        self._prepared[text] = (statement, columns, readers, [column["name"] for column in columns or ()])

    def _notice(self, query: Query) -> None:
        written = _written_by(query.text)
        if written:
            self.moved = self.moved or not written.isdisjoint(_MONEY_TABLES)
            self.to_check = self.to_check or not written.isdisjoint(self.checked_at_commit)

    def _tell_move(self, query: Query, params: Mapping[str, Any], names: list[str], rows: list[list[Any]]) -> None:
        """Remembers the moves that a statement wrote into the history, when somebody listens."""
        if self.told is None or "event" not in query.params:
            return
        if query.source.endswith("history.sql"):
            subjects = (params["subject"],) if "subject" in params else params["subjects"]
        elif query.name == "insert_payment":  # it writes its own move, and only its row tells which payment it is
            ids = [row[names.index("id")] for row in rows]
            subjects = [number for number in ids if number is not None]
        else:
            return
        if subjects:
            self.told.append((params["machine"], tuple(map(str, subjects)), params["event"], params["evidence"]))


class Session:
    """The connection of a world. `inside` is the service whose transaction is open, None between transactions."""

    def __init__(self, connection: SimConnection) -> None:
        self.connection = connection
        self.inside: str | None = None
        self.transactions = 0
        self.alone = 0  # how many of them are a single statement, which needs no BEGIN and no COMMIT
        self.tables: tuple[str, ...] = ()  # those that a history writes
        self._histories = 0
        self._role = ""

    @classmethod
    def over(cls, raw: CoreConnection) -> Session:
        """A session over a superuser's connection (it takes the services' roles one after the other)."""
        raw.execute_simple("; ".join(f"SET {setting}" for setting in _SETTINGS))
        session = cls(SimConnection(raw))
        connection = session.connection
        connection.begin("READ ONLY")
        tables = connection.all("select distinct tgrelid::regclass::text as name from pg_trigger where tgdeferrable")
        connection.checked_at_commit = frozenset(row["name"] for row in tables)
        written = connection.all(
            """select relname::text as name from pg_class
                where relnamespace = 'public'::regnamespace and relkind = 'r'
                  and relname not in ('schema_migration', 'allowed_transition') order by relname"""
        )
        session.tables = tuple(row["name"] for row in written)
        connection.roll_back()
        return session

    def begin_history(self) -> None:
        """Everything from here on is one transaction, and serial numbers start at 1."""
        self.connection.begin("ISOLATION LEVEL READ COMMITTED READ WRITE")
        self._role = ""
        self.connection.all(
            """select setval(pg_get_serial_sequence(quote_ident(table_name), column_name), 1, false)
                 from information_schema.columns where table_schema = 'public' and is_identity = 'YES'"""
        )

    def end_history(self) -> None:
        """Takes the whole history back. Now and then what such rows leave behind in the tables is thrown away too."""
        self.inside = None
        self.connection.roll_back()
        self._histories += 1
        if self._histories % _HISTORIES_UNTIL_CLEAN == 0:
            self.connection.begin("")
            self.connection.script(f"TRUNCATE {', '.join(self.tables)}; COMMIT")
            self.connection.roll_back()

    def taken_transactions(self) -> int:
        """How many transactions there were since this was last asked."""
        taken, self.transactions = self.transactions, 0
        return taken

    def must_be_outside(self, what: str) -> None:
        """Raises when a handler calls to the outside with its transaction open."""
        if self.inside is not None:
            raise OutsideInTransaction(f"{self.inside} called {what} while its transaction was open")

    def enter(self, service: str, role: str) -> None:
        self._open(service)
        self.connection.to_check = False
        self.connection.wire.later("SAVEPOINT handler" + self._becoming(role))

    def look(self, service: str, role: str) -> None:
        self._open(service)
        self._become(role)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Reads that see everything, in the middle of whatever a service does (the rows as they are now)."""
        self._become("none")
        yield

    def keep(self) -> None:
        """The handler's transaction is committed; raises what PostgreSQL would raise at COMMIT, and then it is not."""
        if self.connection.failed:
            self.take_back()
            raise QueryBroken("A failed statement was passed over; its transaction was rolled back, not committed.")
        if self.connection.to_check:
            try:
                self.connection.script(_CHECK_AND_KEEP)
            except BaseException:
                self.take_back()
                raise
        else:
            self.connection.wire.later(_KEEP)
        self.inside = None

    def take_back(self) -> None:
        self.connection.wire.later(_TAKE_BACK)
        # SET LOCAL ROLE is taken back too; what it was before is not worth remembering.
        self._role = ""
        self.inside = None

    def leave(self) -> None:
        self.inside = None

    def _open(self, service: str) -> None:
        if self.inside is not None:
            raise OutsideInTransaction(f"{service} opened a transaction inside one of {self.inside}")
        self.inside = service
        self.transactions += 1

    def _become(self, role: str) -> None:
        become = self._becoming(role)
        if become:
            self.connection.wire.later(become.removeprefix("; "))

    def _becoming(self, role: str) -> str:
        if role == self._role:
            return ""
        self._role = role
        return f"; SET LOCAL ROLE {role}"


class SimDatabase:
    """What a service gets as its database."""

    def __init__(self, session: Session, service: str, role: str, interruptions: Interruptions, dice: Dice) -> None:
        self._session = session
        self._service = service
        self._role = role
        self._interruptions = interruptions
        self._dice = dice

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """As `Database.transaction`."""
        session, interruptions = self._session, self._interruptions
        self._reach()
        session.enter(self._service, self._role)
        told = len(session.connection.told or ())
        try:
            yield session.connection
            interruptions.point("before its commit")
        except BaseException:
            self._forget(told)
            raise
        if self._unclear():
            self._forget(told)
            raise CommitUnknown("The answer to a commit was lost; whether it happened is not known.")
        try:
            session.keep()
        except BaseException:
            del (session.connection.told or [])[told:]
            raise
        interruptions.point("after its commit")
        if self._unclear():
            raise CommitUnknown("The answer to a commit was lost; whether it happened is not known.")

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """As `Database.at_once`."""
        self._session.alone += 1
        with self.transaction() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """As `Database.read`."""
        self._reach()
        self._session.look(self._service, self._role)
        try:
            yield self._session.connection
        finally:
            self._session.leave()

    def ping(self) -> bool:
        """As `Database.ping`."""
        return True

    def close(self) -> None:
        """As `Database.close`; the session belongs to the world."""

    def _reach(self) -> None:
        self._interruptions.pause("before a transaction")
        if self._happens(self._interruptions.faults.now.database_away):
            self._interruptions.told("the database cannot be reached")
            raise DatabaseUnreachable("No connection to the database.")

    def _unclear(self) -> bool:
        unclear = self._happens(self._interruptions.faults.now.commits_unclear)
        if unclear:
            self._interruptions.told("the answer to a commit is lost")
        return unclear

    def _happens(self, per_mille: int) -> bool:
        return bool(self._interruptions.running) and self._dice.happens(per_mille)

    def _forget(self, told: int) -> None:
        self._session.take_back()
        if self._session.connection.told is not None:
            del self._session.connection.told[told:]
