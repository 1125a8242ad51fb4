"""Looks for what was lost: messages that never became tasks, and requests in which nothing happened in time.

Every step is one that a handler could have taken; taking it again is harmless.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.db import SWEEP_EVERY, Alert, Connection, beat, raise_alert, tell_of_silent_jobs
from shared.lifecycle import WAITING, Broken, Limits, Refused, RequestState
from shared.telemetry import get_logger

from . import store
from .conductor import REDRIVE_AFTER, SERVICE, Conductor
from .hear_check import put_pay_order
from .hear_transfer import TransferNotFinal, follow_transfer, put_check_arrival
from .store import Request
from .take_request import put_check_order
from .watch_books import watch_books

log = get_logger()

_MOST_REQUESTS: Final = 100
_MOST_MESSAGES: Final = 500
_MOST_OVERDUE: Final = 1_000
_REDRIVES: Final = 2  # a state may be driven anew so often before a person is told
_SLOW_SWAP: Final = timedelta(hours=6)  # a swap takes minutes; whoever waits hears of it long before it may be lost
_LEAST_PATIENCE: Final = timedelta(minutes=1)  # of people, whatever the sandbox's clock does
_OUTBOX_GRACE_S: Final = 30  # the handler itself makes its tasks at once; later than this, it died


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did."""

    tasks_made: int
    requests_redriven: int
    requests_late: int


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
    overdue = _tell_overdue(conductor, now)
    watch_books(conductor, now)
    log.info("sweep_done", tasks_made=tasks_made, requests=len(late), overdue=overdue)
    return Swept(tasks_made, len(late), overdue)


def _drive_on(conductor: Conductor, unique_id: str, now: datetime, trace: str) -> list[UUID]:
    """Does again what the request's state waits for; the messages to flush."""
    with conductor.database.transaction() as conn:
        request = store.lock_request_unless_busy(conn, unique_id)
        if request is None:
            return []  # somebody drives it at this moment; waiting for him would keep the others waiting
        store.postpone_request(conn, unique_id, now + conductor.terms.limits.wait(REDRIVE_AFTER))
        match request.status:
            case RequestState.RECEIVED | RequestState.CHECKING:
                order = store.order_by_cn_api_id(conn, request.cn_api_id)
                assert order is not None, "a request names its order by foreign key"
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


def _tell_overdue(conductor: Conductor, now: datetime) -> int:
    """Requests that are in one state for longer than it may take: a person is told, and reminded daily."""
    limits = conductor.terms.limits
    since_before = {
        state: now - max(limits.wait(WAITING[state].at_most + _REDRIVES * REDRIVE_AFTER), _LEAST_PATIENCE)
        for state in RequestState
        if state in WAITING
    }
    with conductor.database.transaction() as conn:
        beat(conn, "conductor /sweep", now, limits.wait(SWEEP_EVERY))
        tell_of_silent_jobs(conn, SERVICE, now)
        overdue = store.requests_in_state_since(conn, since_before, _MOST_OVERDUE)
        for one in overdue:
            waiting = WAITING[one.status]
            message = (
                f"request {one.unique_id} over {one.amount} is {one.status.value} since {one.since.isoformat()}, which "
                f"is too long: {one.reason or waiting.why}; it waits for {waiting.on_whom}"
            )
            dedupe = f"{one.status.value} {one.since.isoformat()} day {(now - one.since).days}"
            alert = Alert("request_overdue", one.unique_id, message, {"dedupe": dedupe}, (one.amount,))
            raise_alert(conn, SERVICE, alert, now)
        _tell_slow_swaps(conn, limits, now)
    return len(overdue)


def _tell_slow_swaps(conn: Connection, limits: Limits, now: datetime) -> None:
    """Paid orders of which nothing arrived for hours: a person is told, once each. Their state stays, looks go on."""
    before = now - max(limits.wait(_SLOW_SWAP), _LEAST_PATIENCE)
    for one in store.requests_in_state_since(conn, {RequestState.WATCHING: before}, _MOST_OVERDUE):
        since = one.since.isoformat()
        message = (
            f"request {one.unique_id} over {one.amount} is paid, and nothing has arrived since {since}: ask the "
            "exchange's support; looks go on, and what arrives is shared out"
        )
        alert = Alert("request_overdue", one.unique_id, message, {"dedupe": f"slow since {since}"}, (one.amount,))
        raise_alert(conn, SERVICE, alert, now)


def _tell(conductor: Conductor, unique_id: str, forbidden: Refused | Broken, now: datetime) -> None:
    """One request that cannot go on must not stop the sweep of the others."""
    with conductor.database.transaction() as conn:
        request = store.lock_request(conn, unique_id)
        at_risk = () if request is None else (request.amount,)
        message = f"request {unique_id}: {forbidden}"
        alert = Alert("request_stuck", unique_id, message, {"dedupe": forbidden.code}, at_risk)
        raise_alert(conn, SERVICE, alert, now)
        store.postpone_request(conn, unique_id, now + conductor.terms.limits.wait(REDRIVE_AFTER))
