"""HTTP in, HTTP out: what the watcher's route takes and answers."""

from __future__ import annotations

from collections.abc import Sequence

from shared.exchange import Exchange
from shared.http import Answer, Incoming, Route, RouteDoc
from shared.messages import CONDUCTOR_TO_WATCHER, WATCHER_TO_CONDUCTOR, CheckOrder
from shared.queue import Sealer, TaskSender, send_directly
from shared.telemetry import get_logger

from .look_at_order import look_at_order

log = get_logger()


def routes_of(exchange: Exchange, sender: TaskSender, sealer: Sealer, conductor_callers: Sequence[str]) -> list[Route]:
    """The watcher's one route. It answers 200 only when its message to the conductor is a task."""

    def on_check_order(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        asked = incoming.opened.message
        assert isinstance(asked, CheckOrder)
        checked = look_at_order(exchange, asked)
        # No database, no outbox: the task's name comes from the incoming message, so a repeat makes the same task.
        send_directly(sender, sealer, WATCHER_TO_CONDUCTOR, checked, incoming.opened.message_id, incoming.now)
        log.info("order_checked", unique_id=checked.unique_id, verdict=checked.verdict, status=checked.exchange_status)
        return Answer(
            200,
            {
                "status": "success",
                "unique_id": checked.unique_id,
                "cn_api_id": checked.cn_api_id,
                "verdict": checked.verdict,
                "changenow_status": checked.exchange_status,
            },
        )

    return [
        Route(
            "/",
            on_check_order,
            conductor_callers,
            edges=(CONDUCTOR_TO_WATCHER,),
            doc=RouteDoc(
                "Reads an order at the exchange and tells the conductor what it shows.", errors=("order_unreadable",)
            ),
        )
    ]
