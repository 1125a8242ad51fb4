"""T3: a reserved slot gets its bytes. They are checked against slot and transfer and stored; nothing leaves here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.chain import SignedBytesDiffer, TransferFields, check_signed, decode_signed
from shared.lifecycle import TransferState
from shared.lifecycle.facts import AttemptSigned
from shared.money import Ether

from . import store
from .moves import move_transfer

if TYPE_CHECKING:
    from shared.chain import Signed

    from .executor import Executor, Task
    from .records import Slot, Transfer

FIRST: Final = 1
PAY: Final = "pay"


def sign_slot(x: Executor, transfer: Transfer, slot: Slot, task: Task) -> str:
    """Stores the slot's first bytes. If another worker stored his, ours are discarded: they were never sent.

    Raises FeesTooHigh and the like (TryLater), or SignedBytesDiffer (Broken) if the signer gave other bytes.
    """
    fees = x.chain.fees(x.limits.max_fee_per_gas_wei)
    fields = TransferFields(
        chain_id=transfer.chain_id,
        nonce=slot.nonce,
        to=transfer.to_address,
        value_wei=transfer.value.wei,
        gas_limit=slot.gas_limit,
        tip_wei=fees.tip_wei,
        cap_wei=fees.cap_wei,
    )
    signed = x.signer.sign(fields)
    _check(signed, transfer, fields)
    with x.db.transaction() as conn:
        locked = store.lock_transfer(conn, transfer.unique_id)
        if locked is None or locked.state is not TransferState.RESERVED:
            return "already_signed"
        if not store.insert_attempt(conn, transfer, fields, FIRST, PAY, signed, task.now):
            return "already_signed"
        # The fee may have risen since the reservation; what it rose by is what the gas reserve is for.
        store.raise_hold(conn, transfer, transfer.value + Ether(slot.gas_limit * fees.cap_wei))
        evidence = {"nonce": slot.nonce, "tx_hash": signed.hash, "tip_wei": fees.tip_wei, "cap_wei": fees.cap_wei}
        move_transfer(x, conn, locked, AttemptSigned(), task, evidence, tx_hash=signed.hash)
    task.committed()
    return "attempt_signed"


def _check(signed: Signed, transfer: Transfer, fields: TransferFields) -> None:
    """Whatever the signer is, its bytes must be this payment from this account, under the hash it names."""
    check_signed(signed.raw, transfer.account_address, fields)
    _, _, tx_hash = decode_signed(signed.raw)
    if tx_hash != signed.hash:
        raise SignedBytesDiffer(("hash",))
