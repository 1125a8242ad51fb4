"""T7: a nonce is used for nothing: 0 wei to ourselves. The chain decides whether the payment or its cancel wins.

Asked for by a person (approvals.py), or here by an order that lapsed before the payment's first send. The wish is
committed first: from then on the payment's bytes are not sent (again), and only then the signer signs a cancel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.chain.bump import LAST_MOMENT, AtCeiling, bumped
from shared.lifecycle import AccountState, TransferState

from . import decisions, store
from .executor import SERVICE
from .moves import tell
from .sign import CANCEL, PAY, fields_of, sign_fields, store_attempt

if TYPE_CHECKING:
    from .executor import Executor, Task
    from .records import Attempt, Slot, Transfer

_NEVER_SENT: Final = (TransferState.RESERVED, TransferState.SIGNED)


def cancel_is_wanted(x: Executor, transfer: Transfer, slot: Slot, attempts: list[Attempt]) -> bool:
    """Whether somebody has asked for the cancel of this open slot and no bytes of it are stored yet."""
    if any(attempt.kind == CANCEL for attempt in attempts):
        return False
    with x.db.read() as conn:
        return decisions.is_to_be_cancelled(conn, transfer, slot)


def give_up_if_lapsed(x: Executor, transfer: Transfer, attempts: list[Attempt], task: Task) -> bool:
    """Asks for the cancel of a slot whose order lapsed before its bytes were ever sent. Whether the cancel stands."""
    if attempts and attempts[-1].kind != PAY:
        return False
    with x.db.read() as conn:
        if store.why_lapsed(conn, transfer.order_id, task.now - x.waits.order_good) is None:
            return False
    with x.db.transaction() as conn:
        account = store.lock_account(conn, transfer.account_address, transfer.chain_id)
        locked = store.lock_transfer(conn, transfer.unique_id)
        if locked is None or locked.state not in _NEVER_SENT or account.state is AccountState.FROZEN:
            return False  # its bytes are out: only a person may ask for a cancel now
        lapsed = store.why_lapsed(conn, transfer.order_id, task.now - x.waits.order_good)
        if lapsed is None:
            return False
        slot = store.lock_slot(conn, transfer.unique_id)
        if decisions.request_cancel(conn, locked, slot, SERVICE, lapsed, task.now):
            message = (
                f"{locked.value} for {locked.unique_id} is {locked.state.value} and is not sent: {lapsed} now. "
                f"Its nonce {slot.nonce} is used for nothing"
            )
            evidence = {"order": locked.cn_api_id}
            tell(conn, task, "order_lapsed_before_send", locked.unique_id, message, evidence, (locked.value,))
            task.say("cancel_requested", transfer=locked.unique_id, nonce=slot.nonce, reason=lapsed)
    task.committed()
    return True


def cancel_slot(x: Executor, transfer: Transfer, slot: Slot, attempts: list[Attempt], task: Task) -> str:
    """Stores the bytes of the cancel, bid to win over the payment's if those are out. Sends nothing.

    Raises FeesTooHigh: above the ceiling neither of them would be taken, so nothing is lost by waiting.
    """
    market = x.chain.fees(x.limits.max_fee_per_gas_wei)
    tip_wei, cap_wei = market.tip_wei, market.cap_wei
    if attempts:
        bid = bumped(attempts[-1], market, x.limits.max_fee_per_gas_wei, LAST_MOMENT)
        # At the ceiling it replaces nothing where the payment is pooled, and all the same wins where it was dropped.
        tip_wei, cap_wei = (market.tip_wei, bid.ceiling_wei) if isinstance(bid, AtCeiling) else bid
    fields = fields_of(transfer, slot, CANCEL, tip_wei, cap_wei)
    signed = sign_fields(x, transfer, fields, task)
    if not store_attempt(x, transfer, attempts, CANCEL, fields, signed, task):
        return "already_signed"
    task.say("cancel_signed", transfer=transfer.unique_id, tx_hash=signed.hash, tip_wei=tip_wei, cap_wei=cap_wei)
    task.committed()
    return "cancel_signed"
