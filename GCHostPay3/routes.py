"""HTTP in, HTTP out: what each route of the executor takes and answers. Decisions are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shared.http import Answer, Incoming, Route, RouteDoc
from shared.messages import CONDUCTOR_TO_EXECUTOR, EXECUTOR_TO_EXECUTOR, DriveAccount, PayOrder, VoidTransfer

from .approve import take_in
from .drive import drive
from .executor import Executor, Task
from .observe import PastUnknown
from .sweep import sweep
from .void import make_void


def routes_of(
    executor: Executor,
    conductor_callers: Sequence[str],
    executor_callers: Sequence[str],
    scheduler_callers: Sequence[str],
) -> list[Route]:
    """The executor's three routes."""

    def on_order(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        if isinstance(message, VoidTransfer):
            return _fence(executor, message, Task(incoming.now, incoming.trace))
        assert isinstance(message, PayOrder)
        taken = take_in(executor, message, Task(incoming.now, incoming.trace))
        return Answer(
            200,
            {
                "status": "success",
                "unique_id": message.unique_id,
                "transfer_status": taken.state.value,
                "reason": taken.reason,
                "duplicate": taken.repeated,
            },
        )

    def on_drive(incoming: Incoming) -> Answer:
        assert incoming.opened is not None
        message = incoming.opened.message
        assert isinstance(message, DriveAccount)
        driven = drive(executor, message, Task(incoming.now, incoming.trace), incoming.opened.message_uuid)
        return Answer(
            200,
            {
                "status": "busy" if driven.busy else "success",
                "did": driven.did,
                "waits_for": driven.waits_for,
                "open": driven.open,
            },
        )

    def on_sweep(incoming: Incoming) -> Answer:
        swept = sweep(executor, Task(incoming.now, incoming.trace))
        return Answer(200, {"status": "success", "accounts_redriven": swept.driven, "transfers_overdue": swept.overdue})

    return [
        Route("/", on_order, conductor_callers, edges=(CONDUCTOR_TO_EXECUTOR,), doc=_PAY_DOC),
        Route("/drive", on_drive, executor_callers, edges=(EXECUTOR_TO_EXECUTOR,), doc=_DRIVE_DOC),
        Route("/sweep", on_sweep, scheduler_callers, body="ignored", doc=_SWEEP_DOC),
    ]


def _fence(executor: Executor, message: VoidTransfer, task: Task) -> Answer:
    """While the wallet is frozen nothing is promised, and the queue is told so with a 200: the batcher asks again every

    few minutes for as long as it takes, and each of these messages would else be repeated by the queue for a day.
    """
    status, after, reason = "success", None, None
    try:
        after = make_void(executor, message, task).value
    except PastUnknown as frozen:
        status, reason = "waiting", frozen.message
    return Answer(
        200,
        {
            "status": status,
            "unique_id": message.unique_id,
            "transfer_status": after,
            "reason": reason,
            "duplicate": False,
        },
    )


_TEXT_OR_NULL = {"type": ["string", "null"]}
_PAY_DOC = RouteDoc(
    "An order is to be paid: its transfer is made and judged once. A repeat answers the present state. Or it is never "
    "to be paid: a transfer without a nonce becomes void, and the conductor is answered by message.",
    response={
        "type": "object",
        "required": ["status", "unique_id", "transfer_status", "reason", "duplicate"],
        "properties": {
            "status": {"enum": ["success", "waiting"]},
            "unique_id": {"type": "string"},
            "transfer_status": {
                **_TEXT_OR_NULL,
                "description": "a state of the transfer machine; null while a frozen wallet keeps it from being told",
            },
            "reason": {**_TEXT_OR_NULL, "description": "why it waits or is held"},
            "duplicate": {"type": "boolean"},
        },
    },
    errors=(
        "pay_order_contradicts",
        "fence_contradicts",
        "providers_unavailable",
        "providers_disagree",
        "archive_unavailable",
    ),
)
_DRIVE_DOC = RouteDoc(
    "The wallet's transfers are driven one step further: verdicts first, then at most one thing is done.",
    response={
        "type": "object",
        "required": ["status", "did", "waits_for", "open"],
        "properties": {
            "status": {"enum": ["success", "busy"]},
            "did": {**_TEXT_OR_NULL, "description": "the event, null when nothing was to be done"},
            "waits_for": {**_TEXT_OR_NULL, "description": "the code of what keeps it from going on now"},
            "open": {"type": "integer", "description": "transfers that still need driving"},
        },
    },
    errors=("account_is_not_ours", "illegal_transition", "signed_bytes_differ", "equivocation", "archive_unavailable"),
)
_SWEEP_DOC = RouteDoc("Finds messages, wallets and transfers that were left behind, and drives them on.")
