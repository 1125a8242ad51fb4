"""Looks for what was lost: messages that never became tasks, and requests in which nothing happened in time.

Every step is one that a handler could have taken; taking it again is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.db import Alert, Connection, raise_alert
from shared.lifecycle import Broken, Refused, RequestState
from shared.telemetry import get_logger

from . import store
from .conductor import REDRIVE_AFTER, SERVICE, Conductor
from .hear_check import put_pay_order
from .hear_transfer import TransferNotFinal, follow_transfer, put_check_arrival
from .store import Request
from .take_request import put_check_order

log = get_logger()

_MOST_REQUESTS: Final = 100
_MOST_MESSAGES: Final = 500
_OUTBOX_GRACE_S: Final = 30  # the handler itself makes its tasks at once; later than this, it died


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    tasks_made: int
    requests_redriven: int


def sweep(conductor: Conductor, now: datetime, trace: str) -> Swept:
    """One sweep. Nothing it does depends on a task having been delivered."""
    grace_s = _OUTBOX_GRACE_S // conductor.terms.limits.time_scale
    tasks_made = conductor.outbox.sweep(now, grace_s, _MOST_MESSAGES).made
    with conductor.database.read() as conn:
        late = store.requests_past_due(conn, now, _MOST_REQUESTS)
    for unique_id, _ in late:
        try:
            messages = _drive_on(conductor, unique_id, now, trace)
        except (Refused, Broken) as forbidden:
            messages = []
            _tell(conductor, unique_id, forbidden, now)
        conductor.outbox.flush(messages, now)
    log.info("sweep_done", tasks_made=tasks_made, requests=len(late))
    return Swept(tasks_made, len(late))


def _drive_on(conductor: Conductor, unique_id: str, now: datetime, trace: str) -> list[UUID]:
    """Does again what the request's state waits for; the messages to flush."""
    with conductor.database.transaction() as conn:
        request = store.lock_request(conn, unique_id)
        if request is None:
            return []
        store.postpone_request(conn, unique_id, now + conductor.terms.limits.wait(REDRIVE_AFTER))
        match request.status:
            case RequestState.RECEIVED | RequestState.CHECKING:
                order = store.lock_order(conn, request.order_id)
                return [put_check_order(conn, conductor, unique_id, order, now)]
            case RequestState.PAYING:
                return _follow_or_ask(conn, conductor, request, now, trace)
            case RequestState.WATCHING | RequestState.PARKED if request.eth_tx_hash is not None:
                return [put_check_arrival(conn, conductor, request, now, now)]
            case RequestState.PARKED:
                return _follow_if_made(conn, conductor, request, now, trace)
            case _:
                return []


def _follow_or_ask(conn: Connection, conductor: Conductor, request: Request, now: datetime, trace: str) -> list[UUID]:
    """The executor's row is the truth about payment: follow it when it has ended, ask anew when there is none."""
    if store.transfer_of(conn, request.unique_id) is None:
        return [put_pay_order(conn, conductor, request, now)]
    return _follow_if_made(conn, conductor, request, now, trace)


def _follow_if_made(conn: Connection, conductor: Conductor, request: Request, now: datetime, trace: str) -> list[UUID]:
    transfer = store.transfer_of(conn, request.unique_id)
    if transfer is None:
        return []
    try:
        return follow_transfer(conn, conductor, request, transfer, now, trace)[1]
    except TransferNotFinal:
        return []  # the executor's own sweep drives its transfers


def _tell(conductor: Conductor, unique_id: str, forbidden: Refused | Broken, now: datetime) -> None:
    """One request that cannot go on must not stop the sweep of the others."""
    alert = Alert("request_stuck", unique_id, f"request {unique_id}: {forbidden}", {"dedupe": forbidden.code})
    with conductor.database.transaction() as conn:
        raise_alert(conn, SERVICE, alert, now)
        store.postpone_request(conn, unique_id, now + conductor.terms.limits.wait(REDRIVE_AFTER))
