"""The verbs of operations for a person at the command line: connect, perform or look, print, and a true exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click
from pydantic import Field

from shared.db import Database, DatabaseUnreachable, PermissionMissing
from shared.db.settings import DatabaseSettings
from shared.lifecycle import Limits
from shared.ops.exits import Exit, Leave
from shared.ops.where import settings_from
from shared.telemetry import new_trace

if TYPE_CHECKING:
    from pathlib import Path

    from shared.ops.acts import Act, Performed

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class OperatorSettings(DatabaseSettings):
    """What an operator needs: the database. No key, no chain, no exchange."""

    time_scale: int = Field(default=1, ge=1, description="as the services have it")


def operate(root: Path, act: Act, *, by: str, reason: str, yes: bool, as_json: bool) -> Exit:
    """Perform one act, or say what it would do. 1 when it is not allowed; then the reason is on standard error."""
    from shared.ops.acts import Doing, NotAllowed, perform

    with _fleet(root) as (database, limits):
        doing = Doing(database, by, reason, yes, datetime.now(UTC), new_trace(), uuid4, limits)
        try:
            performed = perform(doing, act)
        except NotAllowed as refused:
            raise Leave(refused.message, Exit.NO) from refused
    click.echo(json.dumps(_as_json(performed)) if as_json else "\n".join(map(_shown, _lines(performed))))
    return Exit.OK


def show_explanation(root: Path, name: str, *, as_json: bool) -> Exit:
    """Print all that is known about what an id names."""
    from shared.ops.views import explain

    with _fleet(root) as (database, limits), database.read() as conn:
        explained = explain(conn, name, datetime.now(UTC), limits)
    _print(explained.lines(), explained.as_json(), as_json=as_json)
    return Exit.OK


def show_parked(root: Path, *, as_json: bool) -> Exit:
    """Print every row that waits for a person."""
    from shared.ops.views import parked, parked_lines

    with _fleet(root) as (database, limits), database.read() as conn:
        rows = parked(conn, limits)
    lines = list(parked_lines(rows, datetime.now(UTC))) or ["Nothing waits for a person."]
    _print(iter(lines), [row.as_json() for row in rows], as_json=as_json)
    return Exit.OK


def show_status(root: Path, *, as_json: bool) -> Exit:
    """Print how the fleet is doing. 1 when a person should look: something is overdue, parked, frozen or tampered."""
    from shared.ops.views import status

    with _fleet(root) as (database, limits), database.read() as conn:
        now = status(conn, datetime.now(UTC), limits)
    _print(now.lines(), now.as_json(), as_json=as_json)
    return Exit.NO if now.needs_somebody else Exit.OK


def show_log(root: Path, *, as_json: bool) -> Exit:
    """Print what people did, and check every link of its chain. 1 when the log is not as it was written."""
    from shared.ops.acts.log import ChainBroken, entries, verify_chain

    with _fleet(root) as (database, _), database.read() as conn:
        rows = entries(conn)
        try:
            head, broken = verify_chain(conn), None
        except ChainBroken as trouble:
            head, broken = None, trouble.message
    verdict = broken or (f"The chain of {head.number} entries holds; its end is {head.hash}." if head else "")
    lines = [line for row in rows for line in _entry_lines(row)]
    said = [{**row, "at": row["at"].isoformat()} for row in rows]
    _print(iter([*lines, verdict]), {"ok": broken is None, "says": verdict, "entries": said}, as_json=as_json)
    return Exit.OK if broken is None else Exit.NO


def until(span: str | None) -> datetime | None:
    """The end of a pause of 30m, 2h or 1d from now; None for one without an end."""
    if span is None:
        return None
    number, unit = span[:-1], span[-1:]
    if unit not in _UNITS or not _is_a_count(number):
        raise Leave(f"--for {ascii(span[:20])[1:-1]}: say how long as 30m, 2h or 1d, at most 1000 of them.", Exit.USAGE)
    return datetime.now(UTC) + timedelta(**{_UNITS[unit]: int(number)})


def _is_a_count(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) <= 4 and 1 <= int(number) <= 1_000


@contextmanager
def _fleet(root: Path) -> Iterator[tuple[Database, Limits]]:
    settings = settings_from(root, OperatorSettings)
    database = Database.from_settings(settings, "gcpay-operator")
    try:
        yield database, Limits(settings.time_scale)
    except DatabaseUnreachable as error:
        raise Leave(f"{error.message} Is the fleet, or `gcpay up`, running?", Exit.UNAVAILABLE) from error
    except PermissionMissing as error:
        raise Leave("This database role is not an operator's: connect as gcpay_operator.", Exit.USAGE) from error
    finally:
        database.close()


def _print(lines: Iterator[str], value: Any, *, as_json: bool) -> None:
    click.echo(json.dumps(value, indent=2) if as_json else "\n".join(map(_shown, lines)))


def _shown(line: str) -> str:
    """A line as it may stand on a terminal: what came from outside cannot break it, nor give the terminal orders."""
    return line if line.isprintable() else "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def _lines(performed: Performed) -> Iterator[str]:
    meant = performed.entry is not None
    yield f"{performed.action} {performed.subject}{'' if meant else ' (a rehearsal)'}"
    yield from (f"  {sentence}" for sentence in performed.done)
    if performed.entry is None:
        yield "Nothing was changed. Say --yes to do it."
    else:
        yield f"Done, and in the operator log as entry {performed.entry.number} ({performed.entry.hash[:16]})."


def _as_json(performed: Performed) -> dict[str, Any]:
    entry = performed.entry
    return {
        "action": performed.action,
        "subject": performed.subject,
        "changed": entry is not None,
        "done": list(performed.done),
        "entry": None if entry is None else {"number": entry.number, "hash": entry.hash},
    }


def _entry_lines(row: Any) -> Iterator[str]:
    yield f"{row['number']:>4}  {row['at']:%Y-%m-%d %H:%M:%S} {row['action']} {row['subject']}"
    yield f"      by {row['by_whom']} as {row['database_role']}: {row['reason']}"
    yield from (f"      {sentence}" for sentence in row["done"].splitlines())
