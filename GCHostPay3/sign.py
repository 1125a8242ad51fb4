"""T3: a reserved slot gets its bytes. They are checked against slot and transfer and stored; nothing leaves here.

Every attempt of a slot is made by the functions below, the first one as well as dearer ones (bump.py) and cancels
(cancel.py): the same nonce, and but for a cancel the same receiver and value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.chain import SignedBytesDiffer, TransferFields, check_signed, decode_signed
from shared.chain.trouble import Equivocation
from shared.lifecycle import TransferState
from shared.lifecycle.facts import AttemptSigned, SigningRefused
from shared.money import Ether

from . import decisions, store
from .moves import move_account, move_transfer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.chain import Signed

    from .executor import Executor, Task
    from .records import Attempt, Slot, Transfer

FIRST: Final = 1
PAY: Final = "pay"
CANCEL: Final = "cancel"


def sign_slot(x: Executor, transfer: Transfer, slot: Slot, task: Task) -> str:
    """Stores the slot's first bytes. If another worker stored his, ours are discarded: they were never sent.

    Raises FeesTooHigh and the like (TryLater), SignedBytesDiffer (Broken) if the signer gave other bytes, or
    Equivocation (Broken) if it refused; then the account is frozen.
    """
    fees = x.chain.fees(x.limits.max_fee_per_gas_wei)
    fields = fields_of(transfer, slot, PAY, fees.tip_wei, fees.cap_wei)
    signed = sign_fields(x, transfer, fields, task)
    stored = store_attempt(x, transfer, [], PAY, fields, signed, task)
    return "attempt_signed" if stored else "already_signed"


def fields_of(transfer: Transfer, slot: Slot, kind: str, tip_wei: int, cap_wei: int) -> TransferFields:
    """A payment is the transfer's; a cancel moves nothing, to ourselves. Nothing else is ever signed."""
    cancels = kind == CANCEL
    return TransferFields(
        chain_id=transfer.chain_id,
        nonce=slot.nonce,
        to=transfer.account_address if cancels else transfer.to_address,
        value_wei=0 if cancels else transfer.value.wei,
        gas_limit=slot.gas_limit,
        tip_wei=tip_wei,
        cap_wei=cap_wei,
    )


def sign_fields(x: Executor, transfer: Transfer, fields: TransferFields, task: Task) -> Signed:
    """Bytes of exactly these fields, checked but not stored: until `store_attempt` has committed they do not exist."""
    try:
        signed = x.signer.sign(fields)
    except Equivocation as refused:
        _freeze(x, transfer, refused, task)
        raise
    _check(signed, transfer, fields)
    return signed


def store_attempt(
    x: Executor,
    transfer: Transfer,
    before: Sequence[Attempt],
    kind: str,
    fields: TransferFields,
    signed: Signed,
    task: Task,
) -> bool:
    """Stores the bytes that follow the attempts `before`, in one commit with the hold that they need.

    False, and the bytes must be discarded unsent, when another worker was faster or the slot went on meanwhile.
    """
    with x.db.transaction() as conn:
        store.lock_account(conn, transfer.account_address, transfer.chain_id)
        locked = store.lock_transfer(conn, transfer.unique_id)
        slot = store.lock_slot(conn, transfer.unique_id)
        if locked is None or locked.state is not transfer.state:
            return False
        if [attempt.seq for attempt in store.attempts(conn, locked, slot)] != [attempt.seq for attempt in before]:
            return False
        if kind == PAY and decisions.is_to_be_cancelled(conn, locked, slot):
            return False
        if not store.insert_attempt(conn, transfer, fields, len(before) + FIRST, kind, signed, task.now):
            return False
        # The hold covers the dearest bytes that are out; what it rises by is what the gas reserve is for.
        store.raise_hold(conn, transfer, Ether(fields.value_wei + slot.gas_limit * fields.cap_wei))
        if locked.state is TransferState.RESERVED:
            evidence = {
                "nonce": slot.nonce,
                "tx_hash": signed.hash,
                "tip_wei": fields.tip_wei,
                "cap_wei": fields.cap_wei,
                "kind": kind,
            }
            move_transfer(x, conn, locked, AttemptSigned(), task, evidence, tx_hash=signed.hash)
    task.committed()
    return True


def _check(signed: Signed, transfer: Transfer, fields: TransferFields) -> None:
    """Whatever the signer is, its bytes must be these fields from this account, under the hash it names."""
    check_signed(signed.raw, transfer.account_address, fields)
    _, _, tx_hash = decode_signed(signed.raw)
    if tx_hash != signed.hash:
        raise SignedBytesDiffer(("hash",))


def _freeze(x: Executor, transfer: Transfer, refused: Equivocation, task: Task) -> None:
    """A second payment with a nonce was asked for: whatever asked, nothing new leaves until a person has looked."""
    with x.db.transaction() as conn:
        account = store.lock_account(conn, transfer.account_address, transfer.chain_id)
        evidence = {"transfer": transfer.unique_id, "nonce": refused.nonce}
        move_account(x, conn, account, SigningRefused(refused.message), task, evidence)
    task.say("signing_refused", transfer=transfer.unique_id, nonce=refused.nonce)
    task.committed()
