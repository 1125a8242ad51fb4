"""T4: where ETH leaves. Stored bytes are given to every provider, after the intent to do so is committed.

What the providers answer is written down word for word and decides nothing. The same bytes are sent again for as long
as no block has them: they can move the money once, because their nonce can be used once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.lifecycle import AccountState, TransferState
from shared.lifecycle.facts import SendStarted

from . import decisions, store
from .copies import keep_copies, note_copy
from .moves import move_transfer
from .sign import PAY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.archive import Head
    from shared.chain import Block
    from shared.db import Connection

    from .executor import Executor, Task
    from .records import Attempt, Transfer


@dataclass(frozen=True, slots=True)
class _Waits:
    reason: str


def send_slot(x: Executor, transfer: Transfer, head: Block, task: Task) -> str:
    """Sends the newest bytes of a signed or live transfer to every provider; the name of what happened.

    `head` is a finalized block: no later block search for these bytes has to begin before it. Harmless to repeat.
    """
    kept = keep_copies(x, transfer, task)
    with x.db.transaction() as conn:
        attempt = _commit_to_send(x, conn, transfer, kept, head, task)
    task.committed()
    if isinstance(attempt, _Waits):
        return attempt.reason
    # ==================================================================================================================
    # ETH LEAVES HERE, and nowhere else in the fleet. The bytes, their hash and the intent to send them are committed.
    answers = x.chain.send_raw(attempt.raw)
    # ==================================================================================================================
    with x.db.transaction() as conn:
        for answer in answers:
            store.log_answer(conn, attempt, answer, task.now)
    kinds = sorted({answer.kind.value for answer in answers})
    if attempt.first_send_started_at is not None:
        task.say("attempt_repeated", transfer=transfer.unique_id, tx_hash=attempt.tx_hash, answers=kinds)
    if not any(answer.accepted for answer in answers):
        # Not a verdict: a lost answer and a refusal look alike from here, and the chain alone tells them apart.
        task.say("attempt_not_sent", transfer=transfer.unique_id, tx_hash=attempt.tx_hash, answers=kinds)
    task.committed()
    return "attempt_sent"


def _commit_to_send(
    x: Executor, conn: Connection, transfer: Transfer, kept: Mapping[str, Head], head: Block, task: Task
) -> Attempt | _Waits:
    """From this commit on the bytes may be out. Everything that could still forbid it is asked once more before."""
    account = store.lock_account(conn, x.wallet, x.chain_id)
    locked = store.lock_transfer(conn, transfer.unique_id)
    if locked is None or locked.state not in (TransferState.SIGNED, TransferState.LIVE):
        return _Waits("already_moved")
    slot = store.lock_slot(conn, locked.unique_id)
    attempt = store.attempts(conn, locked, slot)[-1]
    obstacle = None
    if attempt.kind == PAY and decisions.is_to_be_cancelled(conn, locked, slot):
        obstacle = "cancel_is_requested"  # whoever asked for it was told that these bytes stay here from now on
    elif locked.state is TransferState.SIGNED:
        obstacle = _obstacle(x, conn, account.state, locked, attempt, task)
    if obstacle is None and not note_copy(conn, attempt, kept):
        obstacle = "not_archived"  # another worker stored them just now: the next drive keeps a copy first
    if obstacle is not None:
        task.say("attempt_not_sent", transfer=locked.unique_id, reason=obstacle)
        return _Waits(obstacle)
    store.start_send(conn, attempt, head, task.now)
    evidence = {"tx_hash": attempt.tx_hash, "first_block": head.number, "seq": attempt.seq}
    move_transfer(x, conn, locked, SendStarted(), task, evidence, tx_hash=attempt.tx_hash)
    return attempt


def _obstacle(
    x: Executor, conn: Connection, account: AccountState, transfer: Transfer, attempt: Attempt, task: Task
) -> str | None:
    """Why bytes that have never left must stay here now. Live bytes are out already and are sent again regardless."""
    if account is AccountState.FROZEN:
        return "account_is_frozen"
    if store.pause_reason(conn, task.now) is not None:
        return "sending_is_paused"
    if attempt.kind != PAY:
        return None
    # A lapsed order's nonce must be used all the same: the next drive cancels it (cancel.py).
    return store.why_lapsed(conn, transfer.order_id, task.now - x.waits.order_good)
