"""The fence: before a batch opens a second order, the first one's transfer is void, committed, for ever.

A transfer that has no nonce becomes void; one that does not exist yet is made as void, so that every later pay order
finds it and pays nothing. What has a nonce is ended by the chain alone, and the answer says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.db import record_decision
from shared.lifecycle import Machine, Refused, TransferState, decide
from shared.lifecycle.facts import VoidAsked
from shared.messages import EXECUTOR_TO_CONDUCTOR, TransferVoided

from . import store
from .approve import account_of
from .moves import move_transfer
from .observe import require_known_past

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.messages import VoidTransfer

    from .executor import Executor, Task
    from .records import Account, Transfer

VOID: Final = "void"
REPAYABLE: Final = "repayable"
NOT_VOID: Final = "not_void"


class FenceContradicts(Refused):
    """The fence is asked for a request or an order that our rows do not know like this: nothing was changed."""

    code = "fence_contradicts"


def make_void(x: Executor, asked: VoidTransfer, task: Task) -> TransferState:
    """The transfer's state afterwards; the conductor gets the same answer by message. A repeat answers again.

    Raises FenceContradicts, or PastUnknown while the account is frozen: its bytes may be out all the same.
    """
    account = account_of(x, task)
    require_known_past(x, task)
    with x.db.transaction() as conn:
        after = _make_void(x, conn, account, asked, task)
        answer(x, conn, task, asked.unique_id, asked.cn_api_id, VOID if after is TransferState.VOID else NOT_VOID)
    task.committed()
    x.outbox.flush(task.messages, task.now)
    return after


def answer(x: Executor, conn: Connection, task: Task, unique_id: str, cn_api_id: str, outcome: str) -> None:
    """Tells the conductor, in this transaction, what became of the fence."""
    message = TransferVoided(unique_id=unique_id, cn_api_id=cn_api_id, outcome=outcome)
    task.messages.append(x.outbox.put(conn, EXECUTOR_TO_CONDUCTOR, message, task.now))
    task.say("void_answered", transfer=unique_id, outcome=outcome)


def _make_void(x: Executor, conn: Connection, account: Account, asked: VoidTransfer, task: Task) -> TransferState:
    transfer = store.lock_transfer(conn, asked.unique_id)
    if transfer is None:
        transfer = _insert_void(x, conn, account, asked, task)
        if transfer is None:
            return TransferState.VOID
    if transfer.cn_api_id != asked.cn_api_id:
        raise FenceContradicts(f"The transfer {asked.unique_id} pays order {transfer.cn_api_id}.", field="cn_api_id")
    return move_transfer(x, conn, transfer, VoidAsked(), task, {"asked_by": "the conductor"})


def _insert_void(x: Executor, conn: Connection, account: Account, asked: VoidTransfer, task: Task) -> Transfer | None:
    """Makes the transfer as void. The row of a pay order that was faster, locked; None if ours was made."""
    rows = store.our_rows(conn, asked.unique_id)
    if rows is None or rows.cn_api_id != asked.cn_api_id:
        raise FenceContradicts(f"No request {asked.unique_id} has order {asked.cn_api_id}.", field="unique_id")
    fenced = decide(Machine.TRANSFER, None, VoidAsked(), task.now, x.waits.lifecycle)
    hashed = store.request_hash(rows.amount, rows.payin_address, rows.cn_api_id, rows.order_id)
    made = store.insert_transfer(conn, rows, account, hashed, TransferState.VOID, None, task.now, fenced.due_at)
    if made is None:
        return store.lock_transfer(conn, asked.unique_id)
    evidence = {"amount": rows.amount, "order": rows.cn_api_id, "asked_by": "the conductor"}
    record_decision(conn, fenced, made.unique_id, task.now, task.trace, evidence)
    task.say("transfer_voided", transfer=made.unique_id, amount=made.value)
    return None
