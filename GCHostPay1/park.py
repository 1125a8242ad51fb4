"""A request that cannot go on by itself: it waits for a person, and the batcher is told."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.db import Alert, Connection, raise_alert, record_decision
from shared.lifecycle import Decision, Intent, RequestState
from shared.messages import CONDUCTOR_TO_BATCHER_FAILED, SwapFailed, as_sentence

from . import store
from .conductor import SERVICE, Conductor
from .store import Request


def park_request(
    conn: Connection,
    conductor: Conductor,
    request: Request,
    decision: Decision,
    reason: str,
    now: datetime,
    trace: str,
) -> list[UUID]:
    """Writes what `decision` (to parked) decided; the messages to flush afterwards. The request must be locked."""
    store.set_request(conn, request.unique_id, RequestState.PARKED, reason, now, decision.due_at)
    record_decision(conn, decision, request.unique_id, now, trace, {"reason": reason})
    message = f"request {request.unique_id} over {request.amount} is parked: {reason}"
    evidence = {"dedupe": reason[:200]}
    raise_alert(conn, SERVICE, Alert("request_parked", request.unique_id, message, evidence, (request.amount,)), now)
    if not decision.wants(Intent.REPORT_SWAP_FAILED):
        return []
    return report_failure(conn, conductor, request, reason, "", now)


def tell_new_reason(conn: Connection, request: Request, reason: str, now: datetime) -> None:
    """A request that is parked already has another reason now; the batcher was told that it is parked."""
    if reason == request.reason:
        return
    store.set_reason(conn, request.unique_id, reason, now)
    message = f"request {request.unique_id} over {request.amount} is still parked: {reason}"
    evidence = {"dedupe": reason[:200]}
    raise_alert(conn, SERVICE, Alert("request_parked", request.unique_id, message, evidence, (request.amount,)), now)


def report_failure(
    conn: Connection, conductor: Conductor, request: Request, reason: str, refund_tx_hash: str, now: datetime
) -> list[UUID]:
    """Tells the batcher how its batch's swap ended otherwise; an instant payout has no batcher to tell."""
    if request.batch_conversion_id is None:
        return []
    message = SwapFailed(
        batch_conversion_id=str(request.batch_conversion_id),
        cn_api_id=request.cn_api_id,
        reason=as_sentence(reason),
        refund_tx_hash=refund_tx_hash,
    )
    return [conductor.outbox.put(conn, CONDUCTOR_TO_BATCHER_FAILED, message, now)]
