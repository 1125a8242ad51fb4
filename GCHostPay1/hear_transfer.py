"""Hears from the executor how the transfer ended: settled is watched to its result, everything else waits for a person.

The message only says which transfer. How it ended, and its transaction, are read from the executor's rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from shared.chain.address import same_address
from shared.db import Connection, record_decision
from shared.lifecycle import Machine, RequestState, TransferState, TryLater, decide, next_poll
from shared.lifecycle import facts as f
from shared.messages import CONDUCTOR_TO_CONDUCTOR, CheckArrival, TransferFinal
from shared.money import Ether
from shared.telemetry import get_logger

from . import store
from .conductor import POLL_GRACE, Conductor
from .hear_check import named_request
from .park import park_request, report_failure
from .store import Request, TransferSeen
from .take_request import RequestContradicts

log = get_logger()

_ENDED_OTHERWISE: Final = frozenset(
    {TransferState.REVERTED, TransferState.CANCELLED, TransferState.FOREIGN, TransferState.HELD}
)


class TransferNotFinal(TryLater):
    """The executor's row does not show an end yet; nothing was changed."""

    code = "transfer_not_final"


def hear_transfer(conductor: Conductor, heard: TransferFinal, now: datetime, trace: str) -> RequestState:
    """The request's state afterwards. If repeated, or late: nothing changes.

    Raises OrderUnknown, RequestContradicts (nothing changed), TransferNotFinal.
    """
    with conductor.database.transaction() as conn:
        request = named_request(conn, heard.unique_id, heard.cn_api_id)
        transfer = store.transfer_of(conn, heard.unique_id)
        if transfer is None:
            raise RequestContradicts(f"there is no transfer for request {heard.unique_id}")
        _require_true_report(request, transfer, heard)
        after, messages = follow_transfer(conn, conductor, request, transfer, now, trace)
    conductor.outbox.flush(messages, now)
    log.info("transfer_heard", unique_id=request.unique_id, outcome=heard.outcome, request=after.value)
    return after


def follow_transfer(
    conn: Connection, conductor: Conductor, request: Request, transfer: TransferSeen, now: datetime, trace: str
) -> tuple[RequestState, list[UUID]]:
    """What the executor's row means for the request: its state afterwards and the messages to flush."""
    limits = conductor.terms.limits
    _require_this_request(request, transfer)
    if transfer.status is TransferState.SETTLED:
        if transfer.tx_hash is None:
            raise RequestContradicts(f"the settled transfer of request {request.unique_id} has no proof")
        if request.eth_tx_hash is not None:
            return request.status, []  # followed before: a late repeat must not take a parked order for a new one
        decision = decide(Machine.REQUEST, request.status, f.TransferSettledForRequest(), now, limits)
        if not decision.moved:
            return request.status, []
        first_look = next_poll(now, now, limits)
        store.start_watching(conn, request.unique_id, transfer.tx_hash, now, first_look + limits.wait(POLL_GRACE))
        record_decision(conn, decision, request.unique_id, now, trace, {"eth_tx_hash": transfer.tx_hash})
        return RequestState.WATCHING, [put_check_arrival(conn, conductor, request, now, first_look)]
    if transfer.moves_nothing:
        return _abandon(conn, conductor, request, transfer, now, trace)
    if transfer.status in _ENDED_OTHERWISE:
        reason = f"its transfer is {transfer.status.value}: {transfer.reason or 'see its evidence'}"
        decision = decide(Machine.REQUEST, request.status, f.TransferStuckForRequest(reason), now, limits)
        if not decision.moved:
            return request.status, []
        return RequestState.PARKED, park_request(conn, conductor, request, decision, reason, now, trace)
    raise TransferNotFinal(f"the transfer of request {request.unique_id} is {transfer.status.value}")


def _abandon(
    conn: Connection, conductor: Conductor, request: Request, transfer: TransferSeen, now: datetime, trace: str
) -> tuple[RequestState, list[UUID]]:
    """The executor has committed that this order is never paid: the request ends, and the batch may open another."""
    reason = f"its order is given up: the transfer is {transfer.status.value} and moves nothing"
    decision = decide(Machine.REQUEST, request.status, f.OrderFenced(reason), now, conductor.terms.limits)
    if not decision.moved:
        return request.status, []
    store.set_request(conn, request.unique_id, RequestState.ABANDONED, reason, now, None)
    record_decision(conn, decision, request.unique_id, now, trace, {"transfer": transfer.status.value})
    return RequestState.ABANDONED, report_failure(conn, conductor, request, reason, "", now)


def put_check_arrival(
    conn: Connection, conductor: Conductor, request: Request, now: datetime, look_at: datetime
) -> UUID:
    """Writes the conductor's note to look at the order again. Its number makes a repeated note do nothing."""
    message = CheckArrival(unique_id=request.unique_id, cn_api_id=request.cn_api_id, poll=request.polls + 1)
    return conductor.outbox.put(conn, CONDUCTOR_TO_CONDUCTOR, message, now, look_at)


def _require_this_request(request: Request, transfer: TransferSeen) -> None:
    """The executor's row must be about this request's order, amount and address, or nothing follows from it."""
    wrong = []
    if transfer.value != request.amount:
        wrong.append(f"amount is {transfer.value}, not {request.amount}")
    if not same_address(transfer.to_address, request.payin_address):
        wrong.append(f"address is {transfer.to_address}, not {request.payin_address}")
    if transfer.cn_api_id != request.cn_api_id:
        wrong.append(f"order is {transfer.cn_api_id}, not {request.cn_api_id}")
    if wrong:
        raise RequestContradicts(f"the transfer of request {request.unique_id} contradicts it: {'; '.join(wrong)}")


def _require_true_report(request: Request, transfer: TransferSeen, heard: TransferFinal) -> None:
    """What the message repeats must be what the rows say."""
    wrong = []
    if heard.amount_wei != request.amount.wei:
        wrong.append(f"amount is {Ether(heard.amount_wei)}, not {request.amount}")
    if transfer.status is TransferState.SETTLED and heard.outcome == "settled" and heard.tx_hash != transfer.tx_hash:
        wrong.append(f"transaction is {heard.tx_hash}, not {transfer.tx_hash}")
    if wrong:
        raise RequestContradicts(f"the report on {request.unique_id} contradicts our rows: {'; '.join(wrong)}")
