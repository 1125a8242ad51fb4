"""The gate before everything that moves money: a database that is older than the wallet's past does nothing new.

A restore sets next_nonce back, and whoever then goes on counting pays again what was paid before. So at every look, and
before the first pay order of a process is judged, two witnesses outside the database are asked: the finalized chain,
and the archive of signed bytes, which knows of a payment before any block does. If one of them knows more, the account
freezes and no new batch is formed until `gcpay recover-account` has rebuilt what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.archive import ArchiveBroken
from shared.lifecycle import AccountState
from shared.lifecycle.facts import ChainContradicted

from . import copies, store
from .moves import move_account

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.chain import Block

    from .executor import Executor, Task
    from .records import Account, Transfer

_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What a witness knows and the database does not, in words and as evidence."""

    reason: str
    evidence: dict[str, object]


def examine(x: Executor, account: Account, task: Task) -> None:
    """Freezes the account if the archive knows bytes that this database does not, or is not what it was.

    Raises ArchiveUnavailable (TryLater): without this witness nothing new is begun.
    """
    if account.state is AccountState.FROZEN:
        return
    found = _older_than_archive(x, account)
    if found is not None:
        freeze(x, account, found, task)


def examine_chain(x: Executor, account: Account, block: Block, nonce: int, task: Task) -> None:
    """Freezes the account if the finalized block has consumed nonces that this database did not give out.

    `account` was read after the block: next_nonce only grows, so a block that is ahead of it is ahead for certain.
    """
    if account.state is AccountState.FROZEN or nonce <= account.next_nonce:
        return
    reason = (
        f"block {block.number} is final and has consumed {nonce} nonces of the wallet; "
        f"this database gave out {account.next_nonce}"
    )
    evidence: dict[str, object] = {
        "finalized_number": block.number,
        "finalized_hash": block.hash,
        "finalized_nonce": nonce,
        "next_nonce": account.next_nonce,
    }
    freeze(x, account, Contradiction(reason, evidence), task)


def may_judge(x: Executor, transfer: Transfer, tx_hash: str, ours: Sequence[str]) -> bool:
    """Whether this transaction may be given a verdict: it is ours, or the archive does not know it either.

    A database that was set back has a nonce without the bytes that used it. To call those foreign would be wrong for
    ever; the account is frozen, and they are ours again after its recovery.
    """
    if tx_hash.lower() in {known.lower() for known in ours}:
        return True
    with x.db.read() as conn:
        known = copies.newest_place(conn, transfer.account_address, transfer.chain_id)
    try:
        newer = x.archive.after(transfer.account_address, transfer.chain_id, known)
    except ArchiveBroken:
        return False
    return all(head.tx_hash.lower() != tx_hash.lower() for head in newer)


def freeze(x: Executor, account: Account, found: Contradiction, task: Task) -> None:
    """The account stops, and with it the batcher, in one commit. A repeat changes nothing."""
    with x.db.transaction() as conn:
        locked = store.lock_account(conn, account.address, account.chain_id)
        if locked.state is AccountState.FROZEN:
            return
        move_account(x, conn, locked, ChainContradicted(found.reason), task, found.evidence)
        copies.pause_batching(conn, locked, task.now)
    task.committed()


def _older_than_archive(x: Executor, account: Account) -> Contradiction | None:
    with x.db.read() as conn:
        known = copies.newest_place(conn, account.address, account.chain_id)
    try:
        newer = x.archive.after(account.address, account.chain_id, known)
    except ArchiveBroken as broken:
        place = None if known is None else {"number": known.number, "hash": known.line_hash, "tx_hash": known.tx_hash}
        reason = f"the archive of signed bytes contradicts this database: {broken.message}"
        return Contradiction(reason, {"known_place": place})
    with x.db.read() as conn:
        # Read after the archive: bytes are committed here before their copy is kept, so what is missing is missing.
        unknown = copies.unknown_of(conn, newer)
    if not unknown:
        return None
    reason = (
        f"the archive holds {len(unknown)} signed transaction(s) that this database does not know, "
        f"from copy {unknown[0].number} on"
    )
    named = [head.tx_hash for head in unknown[:_MOST_NAMED]]
    return Contradiction(reason, {"unknown": named, "unknown_count": len(unknown), "next_nonce": account.next_nonce})
