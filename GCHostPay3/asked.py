"""Takes what operators asked about transfers (`gcpay approve`): decided here, where the wallet is, and answered once.

An operator cannot touch a transfer; the row only asks. It is judged by the rules of approvals.py at the moment of the
sweep, under the locks of the machine, so a question that came too late is refused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from shared.lifecycle import TryLater

from . import approvals, decisions
from .moves import tell

if TYPE_CHECKING:
    from shared.lifecycle import TransferState

    from .executor import Executor, Task

_ACTS: Final[Mapping[decisions.Action, Callable[..., TransferState]]] = {
    decisions.HELD: approvals.approve_held,
    decisions.VOID: approvals.approve_void,
    decisions.CANCEL: approvals.approve_cancel,
    decisions.REPAY: approvals.approve_repay,
}


def take_asked(x: Executor, task: Task) -> int:
    """Answers what is open; how many were. What cannot be judged now (a frozen wallet) stays for the next sweep."""
    with x.db.read() as conn:
        asks = decisions.open_asks(conn)
    answered = 0
    for asked in asks:
        task.drives_on = False
        try:
            _ACTS[asked.action](x, asked.unique_id, asked.asked_by, asked.reason, task, asked)
        except approvals.NotApprovable as refused:
            task.taken_back()
            answered += _refuse(x, asked, refused.message, task)
        except TryLater:
            task.taken_back()
        else:
            answered += 1
    return answered


def _refuse(x: Executor, asked: decisions.Asked, why: str, task: Task) -> bool:
    with x.db.transaction() as conn:
        first = decisions.answer_ask(conn, asked.ask_id, "refused", why, task.now)
        if first:
            message = f"{asked.asked_by} asked for {asked.action} of {asked.unique_id}, which is refused: {why}"
            evidence = {"dedupe": str(asked.ask_id), "asked_by": asked.asked_by, "reason": asked.reason}
            tell(conn, task, "approval_refused", asked.unique_id, message, evidence)
    task.committed()
    return first
