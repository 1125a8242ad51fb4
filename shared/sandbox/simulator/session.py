"""One PostgreSQL connection for the whole fleet: a history is one transaction, a handler's transaction a savepoint in it.

`SimDatabase` is `shared.db.Database` to its service: the same three methods, the same errors, the rights of the
service's own role. Rules that are checked at commit are checked at the end of each handler's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

from pg8000.core import CoreConnection

from shared.db import CommitUnknown, Connection, DatabaseUnreachable, QueryBroken
from shared.db.queries import Query, Row
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.interruptions import Interruptions, OutsideInTransaction

_CHECK_AND_KEEP: Final = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RELEASE SAVEPOINT handler"
_TAKE_BACK: Final = "ROLLBACK TO SAVEPOINT handler; RELEASE SAVEPOINT handler"
_FAILED: Final = b"E"
_WRITES: Final = re.compile(r"\b(?:insert\s+into|update|delete\s+from)\s+([a-z_]+)", re.IGNORECASE)
# What moves money or a state; a poll that was counted or a message that was sent is no reason to check everything.
_MONEY_TABLES: Final = frozenset(
    {"payout_accumulation", "batch_conversions", "batch_member", "transfer", "slot", "attempt", "arrival", "posting"}
)


@lru_cache(maxsize=None)
def _moves_money(text: str) -> bool:
    return not _MONEY_TABLES.isdisjoint(table.lower() for table in _WRITES.findall(text))


class SimConnection(Connection):
    """A connection that remembers whether money moved, and, when somebody listens, what the history was told."""

    def __init__(self, raw: CoreConnection) -> None:
        super().__init__(raw)
        self.moved = False
        self.statements = 0
        self.told: list[tuple[str, tuple[str, ...], str, str]] | None = None  # machine, subjects, event, evidence

    def fetch_one(self, query: Query, params: Mapping[str, object]) -> Row | None:
        self._notice(query, params)
        return super().fetch_one(query, params)

    def fetch_all(self, query: Query, params: Mapping[str, object]) -> list[Row]:
        self.statements += 1
        return super().fetch_all(query, params)

    def execute(self, query: Query, params: Mapping[str, object]) -> int:
        self._notice(query, params)
        return super().execute(query, params)

    @property
    def failed(self) -> bool:
        """Whether a statement failed and was passed over: PostgreSQL would roll back at COMMIT."""
        return bool(self._raw._transaction_status == _FAILED)  # noqa: SLF001 - the driver has no public word for it

    def _notice(self, query: Query, params: Mapping[str, object]) -> None:
        self.statements += 1
        if _moves_money(query.text):
            self.moved = True
        if self.told is not None and query.source.endswith("history.sql"):
            subjects = (params["subject"],) if "subject" in params else params["subjects"]
            self._tell(params, tuple(str(one) for one in subjects))  # type: ignore[attr-defined]

    def _tell(self, params: Mapping[str, Any], subjects: tuple[str, ...]) -> None:
        assert self.told is not None
        self.told.append((params["machine"], subjects, params["event"], params["evidence"]))


class Session:
    """The connection of a world. `inside` is the service whose transaction is open, None between transactions."""

    def __init__(self, connection: SimConnection) -> None:
        self.connection = connection
        self.inside: str | None = None
        self.transactions = 0
        self._role = ""

    @classmethod
    def over(cls, raw: CoreConnection) -> Session:
        """A session over a superuser's connection (it takes the services' roles one after the other)."""
        session = cls(SimConnection(raw))
        session.connection.begin("")
        session.connection.script("SET SESSION statement_timeout = 0; SET SESSION lock_timeout = 0")
        session.connection.script("SET SESSION idle_in_transaction_session_timeout = 0")
        session.connection.script("COMMIT")
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
        """Takes the whole history back."""
        self.inside = None
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
        self.connection.script("SAVEPOINT handler" + self._becoming(role))

    def look(self, service: str, role: str) -> None:
        self._open(service)
        become = self._becoming(role)
        if become:
            self.connection.script(become.removeprefix("; "))

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Reads that see everything, in the middle of whatever a service does (the rows as they are now)."""
        become = self._becoming("none")
        if become:
            self.connection.script(become.removeprefix("; "))
        yield

    def keep(self) -> None:
        """The handler's transaction is committed; raises what PostgreSQL would raise at COMMIT, and then it is not."""
        if self.connection.failed:
            self.take_back()
            raise QueryBroken("A failed statement was passed over; its transaction was rolled back, not committed.")
        try:
            self.connection.script(_CHECK_AND_KEEP)
        except BaseException:
            self.take_back()
            raise
        self.inside = None

    def take_back(self) -> None:
        self.connection.script(_TAKE_BACK)
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
