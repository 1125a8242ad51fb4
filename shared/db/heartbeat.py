"""The scheduler's heartbeat: its jobs mark that they ran, and whoever still runs notices those that stopped.

A scheduler that is dead altogether runs none of the jobs that could notice it: then the batcher's /health says so, and
the next payment at intake raises the alert.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.db.alerts import Alert, raise_alert
from shared.db.connection import Connection
from shared.db.queries import Queries

SWEEP_EVERY: Final = timedelta(minutes=1)
MISSED_BEATS: Final = 3  # so many periods without a run are a trouble
_LEAST_PATIENCE: Final = timedelta(minutes=1)  # of people, whatever the sandbox's clock does

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def beat(conn: Connection, job: str, now: datetime, every: timedelta | None) -> None:
    """Marks in this transaction that the job ran. `every`: how often it runs; None: on request only, nobody waits."""
    silent_after = None if every is None else now + max(MISSED_BEATS * every, _LEAST_PATIENCE)
    _QUERIES.run(conn, "beat", job=job, at=now, silent_after=silent_after)


def tell_of_silent_jobs(conn: Connection, service: str, now: datetime) -> int:
    """Raises an alert for each job that should have run again by now; how many there are. Told once per silence."""
    silent = _QUERIES.all(conn, "silent_jobs", now=now)
    for row in silent:
        last = row["beat_at"].isoformat()
        message = f"the scheduler's job {row['job']} ran last at {last}; nothing that waits for it goes on"
        raise_alert(conn, service, Alert("scheduler_silent", row["job"], message, {"dedupe": last}), now)
    return len(silent)


def scheduler_runs(conn: Connection, now: datetime) -> bool | None:
    """Whether every job ran in time; None when none has ever run, as after a first start."""
    row = _QUERIES.only(conn, "count_jobs", now=now)
    return None if row["watched"] == 0 else bool(row["silent"] == 0)
