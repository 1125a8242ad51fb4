"""Pausing and resuming a stage: intake, batching or sending."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.db import Queries
from shared.ops.acts import rules
from shared.ops.acts.act import Act, require
from shared.ops.acts.standing import accounts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Connection, Row
    from shared.ops.acts.perform import Acting, Step

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
STAGES: Final = ("intake", "batching", "sending")


def pause(stage: str, until: datetime | None) -> Act:
    """Halts a stage and nothing else; with `until` it goes on by itself then."""

    def act(step: Step) -> Acting:
        before = _QUERIES.one(step.conn, "pause_of", stage=stage, now=step.now)
        require(f"{stage} is not paused", _against_pause(step, before, until))
        if before is not None:
            step.done.append(f"{stage} was paused by {before['paused_by']}: {before['reason']}")
        by = step.by
        _QUERIES.run(step.conn, "pause", stage=stage, reason=step.reason, paused_by=by, now=step.now, expires_at=until)
        end = "somebody resumes it" if until is None else f"{until:%Y-%m-%d %H:%M:%S} UTC"
        step.done.append(f"{stage} is paused until {end}")
        return "pause", stage

    return act


def resume(stage: str) -> Act:
    """A paused stage goes on; batching and sending not while the wallet's past is unknown."""

    def act(step: Step) -> Acting:
        before = _QUERIES.one(step.conn, "pause_of", stage=stage, now=step.now)
        require(f"{stage} is not resumed", rules.against_resume(stage, before, accounts(step.conn)))
        assert before is not None
        _QUERIES.run(step.conn, "resume", stage=stage, now=step.now)
        step.done.append(f"{stage} goes on; it was paused by {before['paused_by']}: {before['reason']}")
        return "resume", stage

    return act


def pauses(conn: Connection, now: datetime) -> Sequence[Row]:
    """The stages that are paused at this moment."""
    return _QUERIES.all(conn, "pauses", now=now)


def _against_pause(step: Step, before: Row | None, until: datetime | None) -> str | None:
    if until is not None and until <= step.now:
        return "the end that is asked for is over already"
    if before is None or until is None:
        return None
    by, end = before["paused_by"], before["expires_at"]
    if end is None:
        return f"{by} paused it without an end ({before['reason']}): resume it first"
    if until < end:
        return f"{by} paused it until {end:%Y-%m-%d %H:%M:%S} UTC, which is later ({before['reason']}): resume it first"
    return None
