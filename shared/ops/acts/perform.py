"""Performs one act: in one transaction with its entry in the operator log, or as a rehearsal that takes it all back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from shared.db import record_decision, record_decisions
from shared.lifecycle import Decision, Limits, Machine, Refused, State, decide
from shared.ops.acts import log

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Connection, Database
    from shared.lifecycle.facts import Fact


_LONGEST = {"--by": 80, "--reason": 500}


class Unsigned(Refused):
    """An operation names the person and a reason, each on one line that nobody can take for another entry's."""

    code: ClassVar[str] = "operation_unsigned"


@dataclass(frozen=True, slots=True)
class Doing:
    """One operation that a person wants. `yes`: it is meant; else it is rehearsed and nothing of it stays."""

    database: Database
    by: str
    reason: str
    yes: bool
    now: datetime
    trace: str
    new_id: Callable[[], UUID]
    limits: Limits = field(default_factory=Limits)


@dataclass(slots=True)
class Step:
    """What an act works with: its transaction, who and why, its number in the log, and what it says it did."""

    conn: Connection
    by: str
    reason: str
    now: datetime
    trace: str
    number: int
    limits: Limits
    new_id: Callable[[], UUID]
    done: list[str] = field(default_factory=list)

    def move(self, machine: Machine, state: State, fact: Fact, subjects: Sequence[str]) -> Decision:
        """Decides and tells, under the lifecycle that the services obey; the caller writes the state."""
        decision = decide(machine, state, fact, self.now, self.limits)
        evidence: Mapping[str, object] = {"by": self.by, "reason": self.reason, "operator_log": self.number}
        if len(subjects) == 1:
            record_decision(self.conn, decision, subjects[0], self.now, self.trace, evidence)
        else:
            record_decisions(self.conn, decision, subjects, self.now, self.trace, evidence)
        return decision


@dataclass(frozen=True, slots=True)
class Performed:
    """What was done, or would be. `entry` is its place in the log; None after a rehearsal."""

    action: str
    subject: str
    done: Sequence[str]
    entry: log.Head | None


Acting = tuple[str, str]
"""The action's name and its subject, as the log keeps them."""


def perform(doing: Doing, act: Callable[[Step], Acting]) -> Performed:
    """Does it, or rehearses it. Raises Unsigned, NotKnown, NotAllowed and the database's reactions: nothing was done.

    The log is locked first: of two operators at once the second one sees what the first has done, and is refused
    where that leaves nothing to do.
    """
    by, reason = doing.by.strip(), doing.reason.strip()
    _require_signature({"--by": by, "--reason": reason})
    try:
        with doing.database.transaction() as conn:
            number = log.lock(conn)
            step = Step(conn, by, reason, doing.now, doing.trace, number, doing.limits, doing.new_id)
            action, subject = act(step)
            _take_back_unless_meant(doing, Performed(action, subject, step.done, None))
            head = log.append(conn, log.Entry(doing.now, by, reason, action, subject, step.done, doing.trace))
    except _Rehearsed as rehearsed:
        return rehearsed.performed
    return Performed(action, subject, step.done, head)


def _require_signature(said: Mapping[str, str]) -> None:
    """A line break, a terminal's control or a screenful of text would let one entry of the log pass for several."""
    if not all(said.values()):
        raise Unsigned("An operation names the person (--by) and a reason (--reason).")
    for option, text in said.items():
        if not text.isprintable():
            raise Unsigned(f"{option} is one line of printable text: {text[: _LONGEST[option]]!a} is not.")
        if len(text) > _LONGEST[option]:
            raise Unsigned(f"{option} has at most {_LONGEST[option]} characters, not {len(text)}.")


def _take_back_unless_meant(doing: Doing, performed: Performed) -> None:
    if not doing.yes:
        raise _Rehearsed(performed)


class _Rehearsed(Exception):
    """Takes everything back at the end of a rehearsal."""

    def __init__(self, performed: Performed) -> None:
        super().__init__()
        self.performed = performed
