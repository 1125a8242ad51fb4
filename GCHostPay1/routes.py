"""HTTP in, HTTP out: what each route of the conductor takes and answers. Decisions are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.http import Answer, Incoming, Route, RouteDoc
from shared.lifecycle import RequestState
from shared.messages import (
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_CONDUCTOR,
    EXECUTOR_TO_CONDUCTOR,
    UPSTREAM_TO_CONDUCTOR,
    WATCHER_TO_CONDUCTOR,
    CheckArrival,
    GiveUpOrder,
    InstantPayout,
    OrderChecked,
    PayBatch,
    TransferFinal,
    TransferVoided,
    V1Door,
)

from .conductor import Conductor
from .find_result import find_result
from .give_up_order import give_up_order, hear_void
from .hear_check import hear_check
from .hear_transfer import hear_transfer
from .sweep import sweep
from .take_request import Taken, take_batch, take_instant


@dataclass(frozen=True, slots=True)
class Callers:
    """Whose identity each edge needs."""

    upstream: Sequence[str]
    batcher: Sequence[str]
    watcher: Sequence[str]
    executor: Sequence[str]
    conductor: Sequence[str]
    scheduler: Sequence[str]


def routes_of(conductor: Conductor, callers: Callers, v1: V1Door | None = None) -> list[Route]:
    """The conductor's five routes. `v1` is shut unless the predecessor's upstream may still speak."""

    def on_request(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        if isinstance(message, PayBatch):
            return _taken(take_batch(conductor, message, incoming.now, incoming.trace))
        if isinstance(message, GiveUpOrder):
            status = give_up_order(conductor, message, incoming.now)
            batch, order = message.batch_conversion_id, message.cn_api_id
            return Answer(
                200,
                {
                    "status": "success",
                    "batch_conversion_id": batch,
                    "cn_api_id": order,
                    "request_status": status.value,
                },
            )
        assert isinstance(message, InstantPayout)
        return _taken(take_instant(conductor, message, incoming.now, incoming.trace))

    def on_status_verified(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, OrderChecked)
        # The watcher seals its answer in the moment of its reading.
        status = hear_check(conductor, message, incoming.opened.issued_at, incoming.now, incoming.trace)
        return _progress(message.unique_id, message.cn_api_id, status)

    def on_payment_completed(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        if isinstance(message, TransferVoided):
            voided = hear_void(conductor, message, incoming.now, incoming.trace)
            return _progress(message.unique_id, message.cn_api_id, voided)
        assert isinstance(message, TransferFinal)
        status = hear_transfer(conductor, message, incoming.now, incoming.trace)
        return _progress(message.unique_id, message.cn_api_id, status)

    def on_retry_callback_check(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, CheckArrival)
        look = find_result(conductor, message, incoming.now, incoming.trace)
        answer = _progress(message.unique_id, message.cn_api_id, look.status)
        next_look = None if look.next_look is None else look.next_look.isoformat()
        return Answer(200, {**answer.body, "changenow_status": look.exchange_status, "next_look": next_look})

    def on_sweep(incoming: Incoming) -> Answer:
        swept = sweep(conductor, incoming.now, incoming.trace)
        return Answer(
            200,
            {
                "status": "success",
                "tasks_made": swept.tasks_made,
                "requests_redriven": swept.requests_redriven,
                "requests_late": swept.requests_late,
            },
        )

    return [
        Route(
            "/",
            on_request,
            [*callers.upstream, *callers.batcher],
            edges=(UPSTREAM_TO_CONDUCTOR, BATCHER_TO_CONDUCTOR),
            callers_of_edge={UPSTREAM_TO_CONDUCTOR: callers.upstream, BATCHER_TO_CONDUCTOR: callers.batcher},
            v1=v1 or V1Door(),
            doc=RouteDoc(
                "Takes a request to have one order paid, or to give one up unpaid. A repeat changes nothing.",
                errors=_REQUEST_ERRORS,
            ),
        ),
        Route(
            "/status-verified",
            on_status_verified,
            callers.watcher,
            edges=(WATCHER_TO_CONDUCTOR,),
            doc=RouteDoc("The watcher read the order. A repeat changes nothing.", errors=_ROW_ERRORS),
        ),
        Route(
            "/payment-completed",
            on_payment_completed,
            callers.executor,
            edges=(EXECUTOR_TO_CONDUCTOR,),
            doc=RouteDoc("The executor's transfer ended. A repeat changes nothing.", errors=_ROW_ERRORS),
        ),
        Route(
            "/retry-callback-check",
            on_retry_callback_check,
            callers.conductor,
            edges=(CONDUCTOR_TO_CONDUCTOR,),
            doc=RouteDoc("Looks at a paid order once more. A repeat changes nothing.", errors=_ROW_ERRORS),
        ),
        Route(
            "/sweep",
            on_sweep,
            callers.scheduler,
            body="ignored",
            doc=RouteDoc("Finds messages and requests that were lost, and drives them on."),
        ),
    ]


def _taken(taken: Taken) -> Answer:
    answer = _progress(taken.unique_id, taken.cn_api_id, taken.status)
    return Answer(200, {**answer.body, "duplicate": taken.duplicate})


def _progress(unique_id: str, cn_api_id: str, status: RequestState) -> Answer:
    return Answer(
        200, {"status": "success", "unique_id": unique_id, "cn_api_id": cn_api_id, "request_status": status.value}
    )


_ROW_ERRORS = ("order_unknown", "request_contradicts")
_REQUEST_ERRORS = (
    *_ROW_ERRORS,
    "source_not_eth",
    "above_limit",
    "order_not_adopted",
    "order_not_readable",
    "request_busy",
)
