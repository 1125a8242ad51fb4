"""What the fleet holds at one moment: every row of every table, and every task that was ever made.

Two standings are equal only if nothing was written, changed or deleted in between.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from shared.db import Connection
from shared.sandbox.fleet import Fleet
from shared.sandbox.scheduler import SchedulerControl
from shared.sandbox.tasks import TaskControl
from tests.e2e.waiting import until

_OUT_OF_SIGHT_S = 600.0
_TABLES = "select tablename::text as name from pg_tables where schemaname = 'public' order by 1"
_WHOLE = (
    "select '{name}' as name, count(*) as n, md5(coalesce(string_agg(t::text, '' order by t::text), '')) as digest"
    " from {name} as t"
)


@dataclass(frozen=True)
class Standing:
    """Per table the number of rows and a digest over all of them; per queue what became of its tasks."""

    rows: dict[str, tuple[int, str]]
    queues: dict[str, dict[str, int | str]]

    def changed_tables(self, later: Standing) -> dict[str, int]:
        """The tables that differ, with how many rows came."""
        return {
            name: later.rows[name][0] - count
            for name, (count, digest) in self.rows.items()
            if later.rows[name][1] != digest
        }


def standing(fleet: Fleet) -> Standing:
    """Look at everything, in one statement."""
    with fleet.database.read() as conn:
        rows = {str(row["name"]): (int(row["n"]), str(row["digest"])) for row in conn.all(_everything(conn))}
    return Standing(rows, tasks_of(fleet).queues())


def _everything(conn: Connection) -> str:
    tables = [str(row["name"]) for row in conn.all(_TABLES)]
    assert len(tables) > 15, tables
    return " union all ".join(_WHOLE.format(name=name) for name in tables)


def tasks_of(fleet: Fleet) -> TaskControl:
    """The control port of the fleet's task service."""
    return TaskControl(fleet.urls["tasks_control"])


@contextmanager
def quiet(fleet: Fleet) -> Iterator[None]:
    """A time in which the fleet does nothing by itself: no task is left, no job of the scheduler ticks."""
    scheduler = SchedulerControl(fleet.urls["scheduler"])
    jobs = [str(job["name"]) for job in scheduler.jobs()]
    for job in jobs:
        scheduler.pause(job)
    try:
        assert tasks_of(fleet).wait_idle(timeout_s=60, horizon_s=_OUT_OF_SIGHT_S)
        # A job that was under way when it was paused may still be writing.
        until("two equal looks", lambda: _nothing_moves(fleet))
        yield
    finally:
        for job in jobs:
            scheduler.resume(job)


def _nothing_moves(fleet: Fleet) -> bool:
    before = standing(fleet)
    time.sleep(0.3)
    return standing(fleet) == before


@contextmanager
def nothing_changes(fleet: Fleet) -> Iterator[None]:
    """What happens inside leaves no row and no task, and every service healthy."""
    before = standing(fleet)
    yield
    after = standing(fleet)
    assert before.changed_tables(after) == {}
    assert before.queues == after.queues
