"""One history row per transition, written in the commit that makes it, under the same name as the log event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final
from uuid import UUID

from shared.db.connection import Connection
from shared.db.queries import Queries, Row
from shared.lifecycle.decide import Decision
from shared.lifecycle.transitions import ALL_TRANSITIONS
from shared.money import Ether, Tether, Usd

NOTHING: Final = ""
"""The state a subject comes from when the transition creates it."""

_queries = Queries.load(Path(__file__).with_name("history.sql"))


def record(
    conn: Connection,
    machine: str,
    subject: str,
    from_state: str,
    to_state: str,
    event: str,
    now: datetime,
    trace: str,
    evidence: Mapping[str, object],
) -> None:
    """Writes one transition; `from_state` is `NOTHING` for a creation, `evidence` what proves it.

    A move that the lifecycle does not list violates `history_tells_allowed_moves` (`ConstraintViolated`).
    Not idempotent: it is written once because its commit happens once.
    """
    _queries.run(
        conn,
        "record",
        machine=str(machine),
        subject=subject,
        from_state=str(from_state),
        to_state=str(to_state),
        event=event,
        at=now,
        trace=trace,
        evidence=evidence_text(evidence),
    )


def record_many(
    conn: Connection,
    machine: str,
    subjects: Sequence[str],
    from_state: str,
    to_state: str,
    event: str,
    now: datetime,
    trace: str,
    evidence: Mapping[str, object],
) -> None:
    """As `record`, for the same transition of many subjects with one evidence, in one statement."""
    _queries.run(
        conn,
        "record_many",
        machine=str(machine),
        subjects=list(subjects),
        from_state=str(from_state),
        to_state=str(to_state),
        event=event,
        at=now,
        trace=trace,
        evidence=evidence_text(evidence),
    )


def record_decision(
    conn: Connection, decision: Decision, subject: str, now: datetime, trace: str, evidence: Mapping[str, object]
) -> None:
    """Writes what `decide` decided; a fact that changed nothing (`Decision.stayed`) writes nothing."""
    if decision.event is not None:
        record(conn, decision.machine, subject, *_move(decision), decision.event, now, trace, evidence)


def record_decisions(
    conn: Connection,
    decision: Decision,
    subjects: Sequence[str],
    now: datetime,
    trace: str,
    evidence: Mapping[str, object],
) -> None:
    """As `record_decision`, for many subjects that share one decision."""
    if decision.event is not None:
        record_many(conn, decision.machine, subjects, *_move(decision), decision.event, now, trace, evidence)


def _move(decision: Decision) -> tuple[str, str]:
    assert decision.after is not None
    return (NOTHING if decision.before is None else decision.before.value), decision.after.value


def story_of(conn: Connection, machine: str, subject: str) -> list[Row]:
    """Everything that happened to one subject, oldest first: id, from_state, to_state, event, at, trace, evidence."""
    return _queries.all(conn, "story_of", machine=str(machine), subject=subject)


def sync_allowed_transitions(conn: Connection) -> int:
    """Adds what the lifecycle lists to `allowed_transition`; returns how many were new. Harmless when repeated.

    Nothing is taken away: history refers to old moves, and old code may still run beside new code during a deploy.
    """
    machines, from_states, to_states, events = (list(column) for column in zip(*ALL_TRANSITIONS, strict=True))
    return _queries.run(conn, "allow", machines=machines, from_states=from_states, to_states=to_states, events=events)


def evidence_text(evidence: Mapping[str, object]) -> str:
    """The evidence as JSON. Money keeps its asset and scale ("0.040000000000000000 ETH/18"); a float is a TypeError."""
    return json.dumps(_plain(evidence), separators=(",", ":"))


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Usd | Ether | Tether):
        return value.scaled()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no evidence: text, whole numbers, money, times and ids are")
