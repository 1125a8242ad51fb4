"""Gives a batch's order up before it is paid: the executor is asked for the fence, and its word ends the request."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.lifecycle import RequestState, TransferState
from shared.messages import CONDUCTOR_TO_EXECUTOR, GiveUpOrder, TransferVoided, VoidTransfer
from shared.telemetry import get_logger

from . import store
from .conductor import Conductor
from .hear_check import named_request
from .hear_transfer import TransferNotFinal, follow_transfer
from .park import report_failure
from .take_request import OrderUnknown, RequestContradicts

log = get_logger()


def give_up_order(conductor: Conductor, asked: GiveUpOrder, now: datetime) -> RequestState:
    """Asks the executor that the order is never paid, if its request is parked unpaid; the request's state.

    A request that still goes on is left alone: it ends, or parks, by itself. One that was abandoned is reported again.
    If repeated: the executor answers again. Raises OrderUnknown.
    """
    with conductor.database.transaction() as conn:
        request = store.lock_request_of_order(conn, UUID(asked.batch_conversion_id), asked.cn_api_id)
        if request is None:
            raise OrderUnknown(f"batch {asked.batch_conversion_id} has no request for order {asked.cn_api_id}")
        messages = []
        if request.status is RequestState.PARKED and request.eth_tx_hash is None:
            message = VoidTransfer(unique_id=request.unique_id, cn_api_id=request.cn_api_id)
            messages = [conductor.outbox.put(conn, CONDUCTOR_TO_EXECUTOR, message, now)]
        elif request.status is RequestState.ABANDONED:
            messages = report_failure(conn, conductor, request, request.reason or "its order is given up", "", now)
    conductor.outbox.flush(messages, now)
    log.info("void_asked", unique_id=request.unique_id, cn_api_id=request.cn_api_id, request=request.status.value)
    return request.status


def hear_void(conductor: Conductor, heard: TransferVoided, now: datetime, trace: str) -> RequestState:
    """The executor answered about the fence: its row decides, not the message. The request's state afterwards.

    If repeated, or late: nothing changes. Raises OrderUnknown, RequestContradicts.
    """
    with conductor.database.transaction() as conn:
        request = named_request(conn, heard.unique_id, heard.cn_api_id)
        transfer = store.transfer_of(conn, heard.unique_id)
        if transfer is None:
            raise RequestContradicts(f"there is no transfer for request {heard.unique_id}")
        if heard.outcome == "void" and transfer.status is not TransferState.VOID:
            raise RequestContradicts(f"the transfer of request {heard.unique_id} is {transfer.status.value}, not void")
        try:
            after, messages = follow_transfer(conn, conductor, request, transfer, now, trace)
        except TransferNotFinal:
            after, messages = request.status, []  # it has a nonce: the executor reports its end
    conductor.outbox.flush(messages, now)
    log.info("transfer_heard", unique_id=request.unique_id, outcome=heard.outcome, request=after.value)
    return after
