"""Brings alerts to the people on call: the sweep makes one task per alert, the task sends it once.

Nothing of the money path waits here: an alert is committed long before, its tasks have a queue of their own, and at
most two of a process's threads wait for the sink. Each attempt has a number that one task takes in a commit of its
own, before the call; after an accepted call the alert is marked and never sent again. A process that dies between the
two sends it once more, with the same id.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from shared.alerts import Accepted, AlertRecord, NotAccepted, Sink, body_of
from shared.db import Connection, Database, Queries
from shared.lifecycle import Limits, Refused, TryLater
from shared.messages import BATCHER_TO_BATCHER, DeliverAlert
from shared.telemetry import get_logger

if TYPE_CHECKING:
    from .batcher import Batcher

log = get_logger()

MOST_HANDED_OUT: Final = 20  # alerts per sweep; a flood of them is read by nobody any faster
_MOST_AT_ONCE: Final = 2  # threads of a process that may wait for the sink
_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(hours=1)
_MOST_DOUBLINGS: Final = 6
_LEAST_WAIT: Final = timedelta(seconds=40)  # longer than any call of the sink may take: no attempt overlaps the next
_TOO_LONG: Final = timedelta(minutes=15)  # an alert that nobody has heard for so long is a trouble of its own

_QUERIES: Final = Queries.load(Path(__file__).with_name("deliveries.sql"))


class AlertUnknown(Refused):
    """The message names an alert that is not there: it is another fleet's."""

    code: ClassVar[str] = "alert_unknown"


class SinkBusy(TryLater):
    """Enough threads wait for the sink already; nothing was sent and the queue delivers the task again."""

    code: ClassVar[str] = "sink_busy"


class Deliveries:
    """The sink, and how many of this process's threads may wait for it at once."""

    def __init__(self, sink: Sink, at_once: int = _MOST_AT_ONCE) -> None:
        self._sink = sink
        self._free = threading.BoundedSemaphore(at_once)

    def take_turn(self) -> None:
        """Raises SinkBusy at once when there is no free place; `send` gives the place back."""
        if not self._free.acquire(blocking=False):
            raise SinkBusy("The alert webhook is slow; this alert is sent later.")

    def give_back(self) -> None:
        """Ends a turn."""
        self._free.release()

    def send(self, alert: AlertRecord) -> Accepted | NotAccepted:
        """One call of the sink, within its limit."""
        return self._sink.post(body_of(alert))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one attempt: delivered, or a stable word for why not."""

    outcome: str


def hand_out_alerts(conn: Connection, batcher: Batcher, now: datetime) -> list[UUID]:
    """Keeps a task for each alert that is due; the messages to flush. None when alerts are delivered nowhere."""
    if batcher.deliveries is None:
        return []
    due = _QUERIES.all(conn, "lock_due_alerts", now=now, most=MOST_HANDED_OUT)
    if not due:
        return []
    until = now + _wait(batcher.terms.limits, 0)
    _QUERIES.run(conn, "hand_out", alert_ids=[row["id"] for row in due], until=until)
    return [
        batcher.outbox.put(conn, BATCHER_TO_BATCHER, DeliverAlert(row["id"], row["delivery_attempts"]), now)
        for row in due
    ]


def deliver_alert(batcher: Batcher, message: DeliverAlert, now: datetime) -> Delivery:
    """Sends one alert, if this task is the one that may. What is not accepted is sent again by a later sweep's task.

    Raises AlertUnknown, and SinkBusy before anything is written.
    """
    with batcher.database.read() as conn:
        if _QUERIES.one(conn, "alert_exists", alert_id=message.alert_id) is None:
            raise AlertUnknown(f"there is no alert {message.alert_id}")
    deliveries = batcher.deliveries
    if deliveries is None:
        return Delivery("no_webhook")
    deliveries.take_turn()
    try:
        alert = _take(batcher, message, now)
        if alert is None:
            return Delivery("not_due")  # delivered already, or another task makes this attempt
        answer = deliveries.send(alert)
    finally:
        deliveries.give_back()
    if isinstance(answer, NotAccepted):
        log.warning("alert_not_delivered", alert_id=alert.alert_id, kind=alert.kind, reason=answer.reason)
        return Delivery("not_accepted")
    with batcher.database.transaction() as conn:
        _QUERIES.run(conn, "mark_delivered", alert_id=alert.alert_id, now=now)
    log.info("alert_delivered", alert_id=alert.alert_id, kind=alert.kind, attempts=message.attempt + 1)
    return Delivery("delivered")


def alerts_are_heard(database: Database, limits: Limits, now: datetime) -> bool:
    """Whether no alert has waited for the sink for too long: age of work, for health."""
    before = now - max(limits.wait(_TOO_LONG), _LEAST_WAIT)
    with database.read() as conn:
        return bool(_QUERIES.only(conn, "count_undelivered", before=before)["undelivered"] == 0)


def _take(batcher: Batcher, message: DeliverAlert, now: datetime) -> AlertRecord | None:
    again_at = now + _wait(batcher.terms.limits, message.attempt)
    with batcher.database.transaction() as conn:
        row = _QUERIES.one(
            conn, "take_attempt", alert_id=message.alert_id, attempt=message.attempt, next_delivery_at=again_at
        )
    if row is None:
        return None
    return AlertRecord(
        alert_id=row["id"],
        kind=row["kind"],
        severity=row["severity"],
        service=row["service"],
        subject=row["subject"],
        message=row["message"],
        money_at_risk=row["money_at_risk"],
        concerned_rows=row["concerned_rows"],
        runbook=row["runbook"],
        next_step=row["next_step"],
        dedupe_key=row["dedupe_key"],
        at=row["at"],
    )


def _wait(limits: Limits, attempt: int) -> timedelta:
    """A minute, two, four, ... at most an hour; never so short that two attempts could overlap."""
    doubled: timedelta = _FIRST_WAIT * 2 ** min(attempt, _MOST_DOUBLINGS)
    return max(limits.wait(min(doubled, _LONGEST_WAIT)), _LEAST_WAIT)
