"""What a person may decide about a transfer. Each decision is checked under the locks that the machine itself takes,
and is committed together with what follows from it; a decision that does not fit the present state changes nothing.

`asked`: the operator's row that is answered in the same commit (asked.py)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.chain import same_address
from shared.lifecycle import Refused, TransferState
from shared.lifecycle.facts import HoldApproved, VoidAsked

from . import decisions, store
from .moves import drive_on, move_transfer
from .observe import require_known_past
from .void import REPAYABLE, VOID, answer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.db import Connection

    from .executor import Executor, Task
    from .records import Transfer

_WITHOUT_A_NONCE: Final = (TransferState.CREATED, TransferState.APPROVED, TransferState.HELD)
_WITHOUT_AN_END: Final = (TransferState.RESERVED, TransferState.SIGNED, TransferState.LIVE, TransferState.INCLUDED)
_WITHOUT_EFFECT: Final = (TransferState.REVERTED, TransferState.CANCELLED, TransferState.FOREIGN)
_SUCCESS: Final = 1


class NotApprovable(Refused):
    """The decision does not fit what is so now; nothing was changed. The message says what would have to be so."""

    code = "not_approvable"
    http_status = 409


def approve_held(
    x: Executor, unique_id: str, by: str, reason: str, task: Task, asked: decisions.Asked | None = None
) -> TransferState:
    """A transfer that a rule holds may leave: limits and earmarks are overruled once, its order's deadline never is.

    Raises NotApprovable.
    """
    with x.db.transaction() as conn:
        transfer = _locked(conn, unique_id, (TransferState.HELD,), "only a held transfer is approved")
        if asked is not None and asked.seen_reason != transfer.reason:
            raise NotApprovable(f"{unique_id} is held for another reason than when this was asked: {transfer.reason}.")
        lapsed = store.why_lapsed(conn, transfer.order_id, task.now - x.waits.order_good)
        if lapsed is not None:
            raise NotApprovable(f"{unique_id} cannot be paid any more ({lapsed}): make it void instead.")
        _record(conn, decisions.HELD, unique_id, by, reason, task, asked)
        held_for = {"approved_by": by, "because": reason, "held_for": transfer.reason}
        after = move_transfer(x, conn, transfer, HoldApproved(), task, held_for)
    return _done(x, task, after)


def approve_void(
    x: Executor, unique_id: str, by: str, reason: str, task: Task, asked: decisions.Asked | None = None
) -> TransferState:
    """A transfer without a nonce never gets one, and its batch may open another order.

    Raises NotApprovable, or PastUnknown while the account is frozen.
    """
    require_known_past(x, task)
    with x.db.transaction() as conn:
        transfer = _locked(conn, unique_id, _WITHOUT_A_NONCE, "only a transfer without a nonce is made void")
        _record(conn, decisions.VOID, unique_id, by, reason, task, asked)
        after = move_transfer(x, conn, transfer, VoidAsked(), task, {"asked_by": by, "because": reason})
        answer(x, conn, task, unique_id, transfer.cn_api_id, VOID)
    return _done(x, task, after)


def approve_cancel(
    x: Executor, unique_id: str, by: str, reason: str, task: Task, asked: decisions.Asked | None = None
) -> TransferState:
    """The transfer's nonce is to be used for nothing; the chain decides whether the cancel or the payment wins.

    From this commit on the payment's bytes are not repeated, and the next drive signs the cancel. It is cancelled when
    a finalized block says so and not before. Raises NotApprovable.
    """
    with x.db.transaction() as conn:
        store.lock_account(conn, x.wallet, x.chain_id)
        transfer = _locked(conn, unique_id, _WITHOUT_AN_END, "only a transfer with an open nonce is cancelled")
        slot = store.lock_slot(conn, unique_id)
        if not decisions.request_cancel(conn, transfer, slot, by, reason, task.now):
            raise NotApprovable(f"The cancel of {unique_id} was asked for before.")
        _record(conn, decisions.CANCEL, unique_id, by, reason, task, asked)
        drive_on(x, conn, task, transfer.account_address, transfer.chain_id)
        task.say("cancel_requested", transfer=unique_id, nonce=slot.nonce, reason=reason)
    return _done(x, task, transfer.state)


def approve_repay(
    x: Executor, unique_id: str, by: str, reason: str, task: Task, asked: decisions.Asked | None = None
) -> TransferState:
    """A batch whose transfer ended without effect may be paid by a new transfer, for a new order.

    The final evidence decides that nothing was paid; the person decides that it is to be paid now. The next pay order
    of the batch makes the transfer that supersedes this one. An instant payout is asked for anew by its upstream.
    Raises NotApprovable.
    """
    with x.db.transaction() as conn:
        transfer = _locked(conn, unique_id, _WITHOUT_EFFECT, "only a transfer that ended without effect is repaid")
        if transfer.batch_conversion_id is None:
            raise NotApprovable(f"{unique_id} is an instant payout: its upstream asks for another order.")
        if store.is_superseded(conn, unique_id):
            raise NotApprovable(f"{unique_id} was replaced already.")
        if decisions.is_approved(conn, decisions.REPAY, unique_id):
            raise NotApprovable(f"{unique_id} was approved to be repaid before.")
        slot = store.lock_slot(conn, unique_id)
        paid = _why_paid_all_the_same(transfer, slot.evidence)
        if paid is not None:
            raise NotApprovable(f"{unique_id} cannot be repaid: {paid}.")
        _record(conn, decisions.REPAY, unique_id, by, reason, task, asked)
        answer(x, conn, task, unique_id, transfer.cn_api_id, REPAYABLE)
    return _done(x, task, transfer.state)


def _locked(conn: Connection, unique_id: str, states: tuple[TransferState, ...], otherwise: str) -> Transfer:
    transfer = store.lock_transfer(conn, unique_id)
    if transfer is None:
        raise NotApprovable(f"There is no transfer {unique_id}.")
    if transfer.state not in states:
        raise NotApprovable(f"{unique_id} is {transfer.state.value}: {otherwise}.")
    return transfer


def _why_paid_all_the_same(transfer: Transfer, evidence: Mapping[str, object] | None) -> str | None:
    """What final evidence would have to show before ETH is sent for this a second time; None if it shows that."""
    if not evidence or not evidence.get("block_hash"):
        return "its slot has no evidence of a finalized block"
    reached = same_address(str(evidence.get("to") or ""), transfer.to_address)
    if reached and evidence.get("status") == _SUCCESS and int(str(evidence.get("value_wei") or 0)) > 0:
        return f"{evidence.get('tx_hash')} has paid its deposit address, whoever sent it"
    return None


def _record(
    conn: Connection,
    action: decisions.Action,
    unique_id: str,
    by: str,
    reason: str,
    task: Task,
    asked: decisions.Asked | None,
) -> None:
    """The decision on record, and with it the answer to whoever asked for it."""
    if not by.strip() or not reason.strip():
        raise NotApprovable("An approval names the person and the reason.")
    if asked is not None and not decisions.answer_ask(conn, asked.ask_id, "done", f"{action} is approved", task.now):
        raise NotApprovable("This was answered before.")
    decisions.approve(conn, action, unique_id, by.strip(), reason.strip(), task.now)
    task.say("approval_given", transfer=unique_id, action=action, approved_by=by.strip(), reason=reason.strip())


def _done(x: Executor, task: Task, after: TransferState) -> TransferState:
    task.committed()
    x.outbox.flush(task.messages, task.now)
    return after
