"""What the database may answer, sorted by what the caller may do next. SQLSTATEs are read here and nowhere else.

pg8000 has one class for all errors of the server, so the SQLSTATE decides; a lost connection is told apart from a lost
*commit*, because after the first nothing happened and after the second nobody knows.
"""

from __future__ import annotations

from typing import Any, ClassVar

from shared.lifecycle.reactions import Broken, Reaction, TryLater, Unknown


class DatabaseUnreachable(TryLater):
    """The database cannot be reached, or the connection broke before the commit was sent: nothing was committed."""

    code: ClassVar[str] = "database_unreachable"


class PoolExhausted(TryLater):
    """All connections of this process stayed busy for the whole waiting time: nothing was started."""

    code: ClassVar[str] = "database_busy"


class Contended(TryLater):
    """Another transaction holds or changed the same rows (lock time-out, deadlock, serialization): rolled back."""

    code: ClassVar[str] = "database_contended"


class StatementTimedOut(TryLater):
    """A statement ran past its time limit and was cancelled: rolled back."""

    code: ClassVar[str] = "database_statement_timed_out"


class PlanStale(TryLater):
    """A migration changed a table under a prepared statement: rolled back, and the connection is replaced."""

    code: ClassVar[str] = "database_plan_stale"


class CommitUnknown(Unknown):
    """COMMIT was sent and its answer was lost. The rows may be there: look before doing anything anew."""

    code: ClassVar[str] = "commit_unknown"


class ConstraintViolated(Broken):
    """A named rule of the schema refused a row. A store that expects it translates it by `constraint`, its name.

    The transaction is aborted: catch it outside `transaction()`, or around a `connection.savepoint()`.
    """

    code: ClassVar[str] = "constraint_violated"

    def __init__(self, constraint: str, table: str, sqlstate: str) -> None:
        super().__init__(f"The rule {constraint} of {table} refused a row.")
        self.constraint = constraint
        self.table = table
        self.sqlstate = sqlstate


class PermissionMissing(Broken):
    """This service's database role may not do this: the grant file and the code disagree."""

    code: ClassVar[str] = "database_permission_missing"


class QueryBroken(Broken):
    """The database refused a statement for a reason that no repeat will cure: code and schema disagree.

    `sqlstate` and `server_message` are for the log, never for a caller.
    """

    code: ClassVar[str] = "database_query_broken"

    def __init__(self, message: str, *, sqlstate: str = "", server_message: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.server_message = server_message


_CONTENDED = {
    "40001": "The rows were changed by another transaction at the same time.",
    "40P01": "Two transactions waited for each other and this one was rolled back.",
    "55P03": "Another transaction holds the rows and did not let go in time.",
}
# Class 08 connection, 53 resources, 57P server going down or starting up, 58 system: the server's trouble, not ours.
_SERVER_TROUBLE = ("08", "53", "57P", "58")
# The plan of a prepared statement no longer fits its table, or the statement is gone from the session.
_PLAN_STALE = {"0A000": "cached plan", "26000": ""}
# A COMMIT refused with one of these was rolled back for certain; after any other failure the outcome is unknown.
_COMMIT_ROLLED_BACK = ("23", "40001", "40P01", "55P03", "57014", "P0001", "25P02", "42501")


def sqlstate_of(answer: dict[str, Any]) -> str:
    """The five characters of the server's error answer; empty when it gave none."""
    return str(answer.get("C", ""))


def reaction_to(answer: dict[str, Any]) -> Reaction:
    """The reaction to an error that the server answered to a statement (not to COMMIT)."""
    sqlstate = sqlstate_of(answer)
    text = str(answer.get("M", ""))
    if sqlstate.startswith("23"):
        return ConstraintViolated(constraint_of(answer), str(answer.get("t", "")), sqlstate)
    if sqlstate in _CONTENDED:
        return Contended(_CONTENDED[sqlstate])
    if sqlstate == "57014":
        return StatementTimedOut("A statement ran past its time limit and was cancelled.")
    if sqlstate.startswith(_SERVER_TROUBLE):
        return DatabaseUnreachable("The database is not able to work at the moment.")
    if sqlstate in _PLAN_STALE and _PLAN_STALE[sqlstate] in text:
        return PlanStale("The schema changed under a prepared statement; the next try prepares it anew.")
    if sqlstate == "42501":
        return PermissionMissing("The database role of this service may not do this.")
    return QueryBroken(
        "The database refused a statement; code and schema disagree.", sqlstate=sqlstate, server_message=text
    )


def reaction_to_commit(answer: dict[str, Any]) -> Reaction:
    """The reaction to an error that the server answered to COMMIT: a known rollback, or `CommitUnknown`."""
    if sqlstate_of(answer).startswith(_COMMIT_ROLLED_BACK):
        return reaction_to(answer)
    return _lost_commit()


def reaction_to_lone_statement(answer: dict[str, Any]) -> Reaction:
    """The reaction to an error of a statement that is its own transaction: rolled back, unless the server itself is in
    trouble, which it may be after the commit was written."""
    reaction = reaction_to(answer)
    in_doubt = isinstance(reaction, DatabaseUnreachable) or sqlstate_of(answer).startswith("XX")
    return _lost_commit() if in_doubt else reaction


def _lost_commit() -> CommitUnknown:
    return CommitUnknown("The database failed while committing; whether it did is not known.")


def constraint_of(answer: dict[str, Any]) -> str:
    """The name of the violated constraint; for NOT NULL, which has none, `table.column`."""
    name = answer.get("n")
    return str(name) if name else f"{answer.get('t', '')}.{answer.get('c', '')}"
