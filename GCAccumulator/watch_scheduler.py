"""A payment is what still arrives when the scheduler is dead: then it is the one that notices."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from shared.db import Database, scheduler_runs, tell_of_silent_jobs
from shared.lifecycle import Reaction
from shared.telemetry import get_logger

from .accept_payment import SERVICE

log = get_logger()

_LOOK_EVERY: Final = timedelta(minutes=1)


class SchedulerWatch:
    """Looks at the scheduler's heartbeat, at most once a minute per process, however many payments come."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looked_at: datetime | None = None

    def look(self, now: datetime) -> None:
        """After a payment was recorded. Never fails for the payment: what cannot be read is looked at later."""
        if self._looked_at is not None and now - self._looked_at < _LOOK_EVERY:
            return
        self._looked_at = now
        try:
            with self._database.read() as conn:
                runs = scheduler_runs(conn, now)
            if runs is False:
                with self._database.transaction() as conn:
                    tell_of_silent_jobs(conn, SERVICE, now)
        except Reaction as reaction:
            log.warning("scheduler_not_looked_at", code=reaction.code)
