"""T8: the verdict. The only way out of a nonce is a transaction with it in a finalized block that the quorum agrees on.

One commit: the slot is final with its evidence, the transfer has its end, the books have what really moved, and the
conductor's message is in the outbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.books import Posting, transfer_gas_spent, transfer_settled
from shared.lifecycle import TransferState
from shared.lifecycle.facts import (
    CancelledFinally,
    ChainContradicted,
    Fact,
    ForeignFinally,
    RevertedFinally,
    SettledFinally,
)
from shared.money import Ether

from . import store
from .moves import move_account, move_transfer

if TYPE_CHECKING:
    from shared.chain import FinalConsumer
    from shared.db import Connection

    from .executor import Executor, Task
    from .records import Account, Attempt, Slot, Transfer

_SUCCESS = 1
_NEVER_SENT = (TransferState.RESERVED, TransferState.SIGNED)


def settle(x: Executor, transfer: Transfer, consumer: FinalConsumer, task: Task) -> None:
    """Gives the slot its verdict. The same one again changes nothing, one that differs freezes the account."""
    with x.db.transaction() as conn:
        account = store.lock_account(conn, transfer.account_address, transfer.chain_id)
        locked = store.lock_transfer(conn, transfer.unique_id)
        assert locked is not None, "transfers are never deleted"
        slot = store.lock_slot(conn, transfer.unique_id)
        attempts = store.attempts(conn, locked, slot)
        if slot.outcome is not None:
            _compare(x, conn, account, slot, consumer, task)
        else:
            _judge(x, conn, account, locked, attempts, consumer, task)
    task.committed()


def _judge(
    x: Executor,
    conn: Connection,
    account: Account,
    transfer: Transfer,
    attempts: list[Attempt],
    consumer: FinalConsumer,
    task: Task,
) -> None:
    ours = next((attempt for attempt in attempts if attempt.tx_hash.lower() == consumer.tx_hash.lower()), None)
    if ours is None:
        _foreign(x, conn, account, transfer, attempts, consumer, task)
        return
    if transfer.state in _NEVER_SENT:
        # Bytes leave after `live` is committed, so this database is older than the truth (a restore): touch nothing.
        reason = f"{consumer.tx_hash} is ours and final, and by this database it was never sent"
        move_account(x, conn, account, ChainContradicted(reason), task, consumer.evidence())
        return
    gas = Ether(consumer.gas_wei)
    evidence = _evidence(consumer, attempts)
    fact, outcome, posting = _end_of(transfer, ours, consumer, gas)
    store.close_slot(conn, transfer, outcome, evidence, gas, task.now)
    move_transfer(x, conn, transfer, fact, task, evidence, tx_hash=consumer.tx_hash, posting=posting)
    task.say("gas_booked", transfer=transfer.unique_id, gas=gas)


def _end_of(
    transfer: Transfer, ours: Attempt, consumer: FinalConsumer, gas: Ether
) -> tuple[Fact, TransferState, Posting]:
    """What a final transaction of ours means: for the transfer, for the slot and for the books."""
    if ours.kind == "cancel":
        return CancelledFinally(), TransferState.CANCELLED, transfer_gas_spent(transfer.unique_id, gas)
    if consumer.status == _SUCCESS:
        return SettledFinally(), TransferState.SETTLED, transfer_settled(transfer.unique_id, transfer.value, gas)
    return RevertedFinally(), TransferState.REVERTED, transfer_gas_spent(transfer.unique_id, gas)


def _foreign(
    x: Executor,
    conn: Connection,
    account: Account,
    transfer: Transfer,
    attempts: list[Attempt],
    consumer: FinalConsumer,
    task: Task,
) -> None:
    """Somebody else used our key, or another copy of this service did: nothing more is reserved.

    Nothing is posted, because nobody knows what that transaction paid for; the books show it as unexplained.
    """
    evidence = _evidence(consumer, attempts)
    store.close_slot(conn, transfer, TransferState.FOREIGN, evidence, None, task.now)
    move_transfer(x, conn, transfer, ForeignFinally(), task, evidence, tx_hash=consumer.tx_hash)
    reason = f"nonce {consumer.nonce} was used by {consumer.tx_hash}, which is not ours"
    move_account(x, conn, account, ChainContradicted(reason), task, evidence)


def _evidence(consumer: FinalConsumer, attempts: list[Attempt]) -> dict[str, object]:
    """What the chain showed, and the hashes of all bytes of ours that could have been there."""
    return consumer.evidence() | {"attempts": [attempt.tx_hash for attempt in attempts]}


def _compare(x: Executor, conn: Connection, account: Account, slot: Slot, consumer: FinalConsumer, task: Task) -> None:
    """Another driver was faster. Finality that changed its mind is a fault of the providers or of consensus."""
    stored = slot.evidence or {}
    if (stored.get("tx_hash"), stored.get("block_hash")) == (consumer.tx_hash, consumer.block_hash):
        return
    reason = f"nonce {slot.nonce} was final with {stored.get('tx_hash')} and is now with {consumer.tx_hash}"
    move_account(x, conn, account, ChainContradicted(reason), task, consumer.evidence())
