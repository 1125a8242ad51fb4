"""How a transfer or the account changes state: decided by the lifecycle, then state, history, books and messages in the
caller's one transaction. No other file of this service writes a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.books import Posting, post
from shared.db import Alert, raise_alert, record_decision
from shared.lifecycle import AccountState, Broken, Intent, Machine, TransferState, decide
from shared.lifecycle.facts import AccountOpened, BecauseOf, Fact
from shared.messages import EXECUTOR_TO_CONDUCTOR, EXECUTOR_TO_EXECUTOR, DriveAccount, TransferFinal

from . import store
from .executor import SERVICE

if TYPE_CHECKING:
    from datetime import datetime

    from shared.db import Connection
    from shared.money import Ether

    from .executor import Executor, Task
    from .records import Account, Transfer


class TransferMoved(Broken):
    """A transfer was not in the state that was decided on although its row is locked: nothing was written."""

    code = "transfer_moved_under_lock"


def move_transfer(
    x: Executor,
    conn: Connection,
    transfer: Transfer,
    fact: Fact,
    task: Task,
    evidence: Mapping[str, object],
    *,
    tx_hash: str = "",
    posting: Posting | None = None,
) -> TransferState:
    """Lets `fact` happen to a locked transfer; the state after it. A fact that the lifecycle absorbs writes nothing.

    `tx_hash` is the transaction that the conductor is told of, `posting` what a verdict does to the books.
    """
    decision = decide(Machine.TRANSFER, transfer.state, fact, task.now, x.waits.lifecycle)
    if decision.event is None:
        return transfer.state
    after = TransferState(str(decision.after))
    reason = fact.reason if isinstance(fact, BecauseOf) else None
    if not store.move_transfer(conn, transfer, after, reason, task.now, decision.due_at):
        raise TransferMoved(f"{transfer.unique_id} is not {transfer.state.value} any more.")
    record_decision(conn, decision, transfer.unique_id, task.now, task.trace, evidence)
    for intent in decision.intents:
        match intent:
            case Intent.DRIVE_ACCOUNT:
                drive_on(x, conn, task, transfer.account_address, transfer.chain_id)
            case Intent.REPORT_TRANSFER:
                _report(x, conn, task, transfer, after, tx_hash)
            case Intent.POST_BOOKS:
                assert posting is not None, f"{decision.event} moves money: its posting belongs to this commit"
                post(conn, posting, task.now, task.trace)
            case Intent.RAISE_ALERT:
                message = f"{transfer.value} for {transfer.unique_id} is {after.value}: {reason or 'see the evidence'}"
                evidence_of_it = {"amount": transfer.value.scaled()}
                tell(conn, task, decision.event, transfer.unique_id, message, evidence_of_it, (transfer.value,))
            case _:
                raise AssertionError(f"the executor does not know how to {intent.value}")
    task.say(decision.event, transfer=transfer.unique_id, amount=transfer.value, reason=reason, tx_hash=tx_hash or None)
    return after


def move_account(
    x: Executor, conn: Connection, account: Account, fact: Fact, task: Task, evidence: Mapping[str, object]
) -> AccountState:
    """Lets `fact` happen to the locked account; the state after it."""
    decision = decide(Machine.ACCOUNT, account.state, fact, task.now, x.waits.lifecycle)
    if decision.event is None:
        return account.state
    after = AccountState(str(decision.after))
    reason = fact.reason if isinstance(fact, BecauseOf) else None
    store.set_account_state(conn, account, after, reason)
    record_decision(conn, decision, account.subject, task.now, task.trace, evidence)
    if decision.wants(Intent.RAISE_ALERT):
        message = f"the wallet {account.address} is {after.value}: {reason}"
        # Told again when it happens again: the time of the move makes the alert its own.
        tell(conn, task, decision.event, account.subject, message, {"dedupe": task.now.isoformat()})
    task.say(decision.event, account=account.address, reason=reason)
    return after


def record_account_opened(
    x: Executor, conn: Connection, address: str, task: Task, evidence: Mapping[str, object]
) -> None:
    """The story of an account whose row was just made."""
    decision = decide(Machine.ACCOUNT, None, AccountOpened(), task.now, x.waits.lifecycle)
    record_decision(conn, decision, f"{x.chain_id}:{address}", task.now, task.trace, evidence)
    task.say("account_opened", account=address)


def drive_on(
    x: Executor, conn: Connection, task: Task, address: str, chain_id: int, at: datetime | None = None
) -> None:
    """A note to ourselves, now or at a later time. One per task is enough: a drive does whatever there is to do."""
    if task.drives_on:
        return
    message = DriveAccount(account=address, chain_id=chain_id)
    task.messages.append(x.outbox.put(conn, EXECUTOR_TO_EXECUTOR, message, task.now, schedule_at=at))
    task.drives_on = True


def tell(
    conn: Connection,
    task: Task,
    kind: str,
    subject: str,
    message: str,
    evidence: Mapping[str, str],
    at_risk: Sequence[Ether] = (),
) -> None:
    """An alert in this transaction, and in the log after its commit when it is new."""
    raise_alert(conn, SERVICE, Alert(kind, subject, message, evidence, at_risk), task.now)


def _report(x: Executor, conn: Connection, task: Task, transfer: Transfer, after: TransferState, tx_hash: str) -> None:
    message = TransferFinal(
        unique_id=transfer.unique_id,
        cn_api_id=transfer.cn_api_id,
        outcome=after.value,
        tx_hash=tx_hash,
        amount_wei=transfer.value.wei,
    )
    task.messages.append(x.outbox.put(conn, EXECUTOR_TO_CONDUCTOR, message, task.now))


__all__ = [
    "TransferMoved",
    "drive_on",
    "move_account",
    "move_transfer",
    "record_account_opened",
    "tell",
]
