"""T5: what the chain shows. Inclusion is progress and only tunes timers; a verdict needs a finalized block."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.chain import ProvidersUnavailable
from shared.lifecycle import AccountState, TransferState, TryLater
from shared.lifecycle.facts import InclusionLost, InclusionSeen

from . import gate, store
from .moves import move_transfer
from .settle import settle

if TYPE_CHECKING:
    from shared.chain import Block, Included

    from .executor import Executor, Task
    from .records import Account, Attempt, Slot, Transfer


class PastUnknown(TryLater):
    """The account is frozen, so this database may not know what was sent; nothing was changed."""

    code = "account_is_frozen"


@dataclass(frozen=True, slots=True)
class View:
    """The finalized block that the quorum agrees on, and how many of the wallet's nonces it has consumed."""

    block: Block
    nonce: int


def look(x: Executor) -> View:
    """Heads first: everything else in this task is judged against this one block.

    Raises WrongChain (Broken) if a provider serves another chain: its nonces and balances mean nothing to us.
    """
    require_our_chain(x)
    block = x.chain.agreed_finalized()
    return View(block, x.chain.nonce_at(x.wallet, block))


def require_our_chain(x: Executor) -> None:
    """Raises WrongChain if a provider that answers serves another chain.

    One that is away says nothing here: whether enough are left is for each question's quorum.
    """
    with suppress(ProvidersUnavailable):
        x.chain.check_chain_id()


def admit(x: Executor, account: Account, task: Task) -> Account:
    """The account as it stands after the gate: nothing is judged for a database that is older than the wallet's past.

    The archive is asked every time; the chain is, if this process has not looked at it yet. Raises TryLater if a
    witness cannot be asked.
    """
    if not x.first_look.taken:
        view = look(x)
        with x.db.read() as conn:
            account = store.account(conn, x.wallet, x.chain_id) or account
        gate.examine_chain(x, account, view.block, view.nonce, task)
    gate.examine(x, account, task)
    x.first_look.taken = True
    with x.db.read() as conn:
        return store.account(conn, x.wallet, x.chain_id) or account


def require_known_past(x: Executor, task: Task) -> None:
    """Raises PastUnknown while the account is frozen: whoever promises now that nothing was sent may be wrong."""
    with x.db.read() as conn:
        account = store.account(conn, x.wallet, x.chain_id)
    if account is not None and admit(x, account, task).state is AccountState.FROZEN:
        raise PastUnknown(f"The wallet {account.address} is frozen: it is recovered first.")


def resolve(x: Executor, view: View, task: Task) -> None:
    """Looks for a verdict or for progress on every open slot, and freezes the account if the chain knows more than we.

    Not finding something changes nothing, with one exception that moves no money: a transaction that was in a block
    and is in none now is sent again.
    """
    with x.db.read() as conn:
        # Read after the view: next_nonce only grows, so a view that is ahead of it is ahead for certain.
        account = store.account(conn, x.wallet, x.chain_id)
        slots = [] if account is None else store.open_slots(conn, account)
    if account is None:
        return
    gate.examine_chain(x, account, view.block, view.nonce, task)
    gate.examine(x, account, task)
    x.first_look.taken = True
    for slot, transfer in slots:
        _resolve_slot(x, slot, transfer, view, task)


def _resolve_slot(x: Executor, slot: Slot, transfer: Transfer, view: View, task: Task) -> None:
    with x.db.read() as conn:
        attempts = store.attempts(conn, transfer, slot)
        first_block = store.reserved_under(conn, transfer.unique_id)
    if slot.nonce < view.nonce:
        hashes = [attempt.tx_hash for attempt in attempts]
        consumer = x.chain.final_consumer(transfer.account_address, slot.nonce, hashes, first_block)
        if consumer is not None and gate.may_judge(x, transfer, consumer.tx_hash, hashes):
            settle(x, transfer, consumer, task)
            return
    if transfer.state in (TransferState.LIVE, TransferState.INCLUDED):
        _follow(x, transfer, attempts, task)


def _follow(x: Executor, transfer: Transfer, attempts: list[Attempt], task: Task) -> None:
    """All stored bytes are looked for: the older ones may be what a block took."""
    for attempt in attempts:
        seen = x.chain.find_included(attempt.tx_hash)
        if seen is not None:
            if seen.block_hash != attempt.included_block_hash or transfer.state is TransferState.LIVE:
                _included(x, transfer, attempt, seen, task)
            return
    if transfer.state is TransferState.INCLUDED:
        _lost(x, transfer, attempts, task)


def _included(x: Executor, transfer: Transfer, attempt: Attempt, seen: Included, task: Task) -> None:
    with x.db.transaction() as conn:
        locked = store.lock_transfer(conn, transfer.unique_id)
        if locked is None or locked.state not in (TransferState.LIVE, TransferState.INCLUDED):
            return
        store.mark_included(conn, attempt, seen)
        evidence = {"tx_hash": attempt.tx_hash, "block_number": seen.block_number, "block_hash": seen.block_hash}
        move_transfer(x, conn, locked, InclusionSeen(), task, evidence, tx_hash=attempt.tx_hash)
    task.committed()


def _lost(x: Executor, transfer: Transfer, attempts: list[Attempt], task: Task) -> None:
    with x.db.transaction() as conn:
        locked = store.lock_transfer(conn, transfer.unique_id)
        if locked is None or locked.state is not TransferState.INCLUDED:
            return
        for attempt in attempts:
            store.mark_included(conn, attempt, None)
        was = [attempt.included_block_hash for attempt in attempts if attempt.included_block_hash]
        move_transfer(x, conn, locked, InclusionLost(), task, {"was_in": was})
    task.committed()
