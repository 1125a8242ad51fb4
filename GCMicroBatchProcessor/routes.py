"""HTTP in, HTTP out: what each route of the batcher takes and answers. Decisions are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shared.http import Answer, Incoming, Route, RouteDoc
from shared.messages import (
    BATCHER_TO_BATCHER,
    CONDUCTOR_TO_BATCHER_EXECUTED,
    CONDUCTOR_TO_BATCHER_FAILED,
    DeliverAlert,
    SwapExecuted,
    SwapFailed,
)

from .batcher import Batcher
from .check_threshold import Tick, check_threshold
from .deliver_alert import deliver_alert
from .distribute import distribute_reported
from .hear_of_failure import hear_of_failure
from .sweep import sweep


def routes_of(
    batcher: Batcher,
    scheduler_callers: Sequence[str],
    conductor_callers: Sequence[str],
    batcher_callers: Sequence[str],
) -> list[Route]:
    """The batcher's five routes."""

    def on_check_threshold(incoming: Incoming) -> Answer:
        return Answer(200, _tick_body(check_threshold(batcher, incoming.now, incoming.trace)))

    def on_swap_executed(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, SwapExecuted)
        fresh = distribute_reported(batcher, message, incoming.now, incoming.trace)
        return Answer(
            200,
            {"status": "success", "batch_conversion_id": message.batch_conversion_id, "duplicate": not fresh},
        )

    def on_swap_failed(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, SwapFailed)
        batch_status = hear_of_failure(batcher, message, incoming.now, incoming.trace)
        return Answer(
            200,
            {
                "status": "success",
                "batch_conversion_id": message.batch_conversion_id,
                "conversion_status": batch_status,
            },
        )

    def on_sweep(incoming: Incoming) -> Answer:
        swept = sweep(batcher, incoming.now, incoming.trace)
        return Answer(
            200, {"status": "success", "tasks_made": swept.tasks_made, "batches_redriven": swept.batches_redriven}
        )

    def on_deliver_alert(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, DeliverAlert)
        delivery = deliver_alert(batcher, message, incoming.now)
        return Answer(200, {"status": "success", "alert_id": message.alert_id, "outcome": delivery.outcome})

    return [
        Route("/check-threshold", on_check_threshold, scheduler_callers, body="ignored", doc=_CHECK_DOC),
        Route(
            "/swap-executed",
            on_swap_executed,
            conductor_callers,
            edges=(CONDUCTOR_TO_BATCHER_EXECUTED,),
            doc=RouteDoc("The USDT of a batch arrived: share it out. A repeat changes nothing.", errors=_SWAP_ERRORS),
        ),
        Route(
            "/swap-failed",
            on_swap_failed,
            conductor_callers,
            edges=(CONDUCTOR_TO_BATCHER_FAILED,),
            doc=RouteDoc("A batch's swap did not end as ordered. A repeat changes nothing.", errors=_SWAP_ERRORS),
        ),
        Route(
            "/sweep",
            on_sweep,
            scheduler_callers,
            body="ignored",
            doc=RouteDoc("Finds messages and batches that were lost, and drives them on."),
        ),
        Route(
            "/deliver-alert",
            on_deliver_alert,
            batcher_callers,
            edges=(BATCHER_TO_BATCHER,),
            doc=RouteDoc(
                "Sends one alert to the webhook. A repeat sends nothing; what is not accepted is sent again later.",
                errors=("alert_unknown", "sink_busy"),
            ),
        ),
    ]


def _tick_body(tick: Tick) -> dict[str, object]:
    body: dict[str, object] = {
        "status": "success",
        "outcome": tick.outcome,
        "message": tick.reason,
        "total_pending": tick.total.decimal_text(),
        "threshold": tick.threshold.decimal_text(),
        "batch_created": tick.batch_conversion_id is not None,
    }
    if tick.threshold_note is not None:
        body["threshold_note"] = tick.threshold_note
    if tick.batch_conversion_id is not None:
        body["batch_conversion_id"] = str(tick.batch_conversion_id)
        body["cn_api_id"] = tick.cn_api_id
        body["payment_count"] = tick.payment_count
    return body


_SWAP_ERRORS = ("batch_unknown", "swap_report_contradicts", "members_do_not_add_up")

_TICK_SCHEMA = {
    "type": "object",
    "required": ["status", "outcome", "message", "total_pending", "threshold", "batch_created"],
    "properties": {
        "status": {"const": "success"},
        "outcome": {"type": "string", "description": "a stable code: batch_created, below_threshold, paused, ..."},
        "message": {"type": "string"},
        "total_pending": {"type": "string", "description": "USD, 6 decimals"},
        "threshold": {"type": "string", "description": "USD, 6 decimals"},
        "threshold_note": {"type": "string", "description": "only when the threshold could not be read anew: why"},
        "batch_created": {"type": "boolean"},
        "batch_conversion_id": {"type": "string", "format": "uuid"},
        "cn_api_id": {"type": ["string", "null"], "description": "null while the exchange's answer is unclear"},
        "payment_count": {"type": "integer"},
    },
}
_CHECK_DOC = RouteDoc(
    "One tick: forms a batch when the pending total has reached the threshold and the price guard allows it.",
    response=_TICK_SCHEMA,
    errors=(
        "threshold_unreadable",
        "providers_unavailable",
        "providers_disagree",
        "price_unusable",
        "exchange_unreadable",
    ),
)
