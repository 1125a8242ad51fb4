"""T0 and T1: a pay order becomes a transfer, and policy decides whether it may leave. One commit, nothing outside.

The amount and the address are those of our own rows; the message is only compared with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.db import record_decision
from shared.lifecycle import AccountState, Machine, Refused, TransferState, decide
from shared.lifecycle.facts import PolicyAllowed, PolicyForbade, TransferAsked
from shared.money import Ether

from . import store
from .moves import move_transfer, record_account_opened, tell
from .observe import admit, require_our_chain
from .policy import ETHER, contradiction, forbidden_by, not_payable, over_velocity

if TYPE_CHECKING:
    from shared.db import Connection
    from shared.messages import PayOrder

    from .executor import Executor, Task
    from .records import Account, OurRows, Transfer

DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)


class PayOrderContradicts(Refused):
    """The pay order, or our own rows among themselves, say different things: nothing is paid, a person is told."""

    code = "pay_order_contradicts"

    def __init__(self, unique_id: str, rule: str) -> None:
        super().__init__(f"The pay order for {unique_id} contradicts our rows: {rule}.", field="token", rule=rule)
        self.unique_id = unique_id


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The transfer's state; `repeated` means it was there before and nothing was changed."""

    state: TransferState
    reason: str | None
    repeated: bool


@dataclass(frozen=True, slots=True)
class _Contradicts:
    rule: str


def take_in(x: Executor, order: PayOrder, task: Task) -> TakenIn:
    """The transfer for this pay order, made and judged once. The same order again finds it and changes nothing.

    Raises PayOrderContradicts, after its alert is committed.
    """
    account = admit(x, account_of(x, task), task)
    try:
        with x.db.transaction() as conn:
            outcome = _take_in(x, conn, account, order, task)
    except store.AnotherTransfer:
        task.taken_back()
        outcome = _Contradicts("order_has_another_transfer")
        with x.db.transaction() as conn:
            _tell_contradiction(conn, task, order, outcome.rule, None)
    task.committed()
    x.outbox.flush(task.messages, task.now)
    if isinstance(outcome, _Contradicts):
        raise PayOrderContradicts(order.unique_id, outcome.rule)
    return outcome


def _take_in(x: Executor, conn: Connection, account: Account, order: PayOrder, task: Task) -> TakenIn | _Contradicts:
    rows = store.our_rows(conn, order.unique_id)
    transfer = store.lock_transfer(conn, order.unique_id)
    if transfer is not None:
        return _again(x, conn, transfer, order, task)
    rule = contradiction(order, rows) or (not_payable(rows) if rows is not None else None)
    if rule is not None or rows is None:
        _tell_contradiction(conn, task, order, rule or "request_unknown", rows)
        return _Contradicts(rule or "request_unknown")
    asked = decide(Machine.TRANSFER, None, TransferAsked(), task.now, x.waits.lifecycle)
    hashed = store.request_hash(rows.amount, rows.payin_address, rows.cn_api_id, rows.order_id)
    supersedes = _supersede(conn, rows, task)
    transfer = store.insert_transfer(
        conn, rows, account, hashed, TransferState.CREATED, supersedes, task.now, asked.due_at
    )
    if transfer is None:
        # Another delivery of this message was faster and has committed: its row is the answer.
        transfer = store.lock_transfer(conn, order.unique_id)
        assert transfer is not None, "its row refused ours"
        return _again(x, conn, transfer, order, task)
    evidence = {"amount": rows.amount, "to": rows.payin_address, "order": rows.cn_api_id, "request_hash": hashed}
    if supersedes is not None:
        evidence["supersedes"] = supersedes
    record_decision(conn, asked, transfer.unique_id, task.now, task.trace, evidence)
    task.say("transfer_created", transfer=transfer.unique_id, amount=transfer.value, to=transfer.to_address)
    return judge(x, conn, account, transfer, task)


def judge(x: Executor, conn: Connection, account: Account, transfer: Transfer, task: Task) -> TakenIn:
    """T1 for a locked, created transfer: approved, held with a reason, or left waiting while sending is paused."""
    frozen = account.reason if account.state is AccountState.FROZEN else None
    paused = frozen or store.pause_reason(conn, task.now)
    if paused is not None:
        task.say("sending_paused", transfer=transfer.unique_id, reason=paused)
        return TakenIn(transfer.state, paused, repeated=False)
    spent = store.spent_since(conn, account, task.now - DAY)
    begun = store.begun_since(conn, account, task.now - HOUR)
    reason = forbidden_by(transfer.to_address, transfer.value, x.wallet, spent, x.limits)
    reason = reason or over_velocity(begun, x.limits)
    fact = PolicyAllowed() if reason is None else PolicyForbade(reason)
    evidence = {
        "spent_within_24_h": spent,
        "begun_within_1_h": begun,
        "max_daily": x.limits.max_daily,
        "max_transfer": x.limits.max_transfer,
    }
    state = move_transfer(x, conn, transfer, fact, task, evidence)
    return TakenIn(state, reason, repeated=False)


def judge_waiting(x: Executor, account: Account, task: Task) -> bool:
    """T1 for transfers that were created while sending was paused. Whether one of them moved."""
    with x.db.transaction() as conn:
        moved = False
        for waiting in store.transfers_in(conn, account, TransferState.CREATED):
            transfer = store.lock_transfer(conn, waiting.unique_id)
            if transfer is not None and transfer.state is TransferState.CREATED:
                moved |= judge(x, conn, account, transfer, task).state is not TransferState.CREATED
    task.committed()
    return moved


def _again(x: Executor, conn: Connection, transfer: Transfer, order: PayOrder, task: Task) -> TakenIn | _Contradicts:
    """A pay order for a transfer that exists: the same one changes nothing, another one stops what can be stopped."""
    hashed = store.request_hash(Ether(order.amount_wei), order.payin_address, order.cn_api_id, transfer.order_id)
    same_asset = order.from_currency == order.from_network == ETHER
    if hashed == transfer.request_hash and order.context == transfer.context and same_asset:
        task.say("transfer_repeated", transfer=transfer.unique_id, state=transfer.state.value)
        return TakenIn(transfer.state, transfer.reason, repeated=True)
    rule = "repeats_differently"
    _tell_contradiction(conn, task, order, rule, None)
    if transfer.state in (TransferState.CREATED, TransferState.APPROVED):
        # It has no nonce yet, so a person can still look before anything leaves (promise 9).
        reason = f"{rule}: a second pay order with other contents came for it"
        move_transfer(x, conn, transfer, PolicyForbade(reason), task, _said(order))
    return _Contradicts(rule)


def _supersede(conn: Connection, rows: OurRows, task: Task) -> str | None:
    """The batch's earlier transfer that this one replaces: it ended without effect, and a person approved it.

    The old row is locked and marked in the commit that makes the new one, so it is replaced once. Without an approval
    it keeps its place, and `batch_has_one_transfer` refuses the new row.
    """
    if rows.batch_conversion_id is None:
        return None
    replaced = store.lock_repayable(conn, rows.batch_conversion_id)
    if replaced is None:
        return None
    store.mark_superseded(conn, replaced, rows.unique_id, task.now)
    return replaced


def _tell_contradiction(conn: Connection, task: Task, order: PayOrder, rule: str, rows: OurRows | None) -> None:
    message = f"a pay order for {order.unique_id} was refused ({rule}); nothing was paid for it"
    known = {} if rows is None else {"our_amount": rows.amount.scaled(), "our_address": rows.payin_address}
    evidence = {"dedupe": rule} | _said(order) | known
    tell(conn, task, "pay_order_contradicts", order.unique_id, message, evidence, (Ether(order.amount_wei),))
    task.say("transfer_conflicted", transfer=order.unique_id, rule=rule)


def _said(order: PayOrder) -> dict[str, str]:
    return {
        "said_amount": Ether(order.amount_wei).scaled(),
        "said_address": order.payin_address,
        "said_order": order.cn_api_id,
        "said_context": order.context,
    }


def account_of(x: Executor, task: Task) -> Account:
    """The wallet's row; at first use it is made from the nonce that the providers agree is final."""
    with x.db.read() as conn:
        known = store.account(conn, x.wallet, x.chain_id)
    if known is not None:
        return known
    require_our_chain(x)
    block = x.chain.agreed_finalized()
    nonce = x.chain.nonce_at(x.wallet, block)
    with x.db.transaction() as conn:
        if store.open_account(conn, x.wallet, x.chain_id, nonce, task.now):
            evidence = {"next_nonce": nonce, "finalized_number": block.number, "finalized_hash": block.hash}
            record_account_opened(x, conn, x.wallet, task, evidence)
        opened = store.account(conn, x.wallet, x.chain_id)
    task.committed()
    assert opened is not None, "it was made just now, by us or by another"
    return opened


__all__ = ["PayOrderContradicts", "TakenIn", "account_of", "judge_waiting", "take_in"]
