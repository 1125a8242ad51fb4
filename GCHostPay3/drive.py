"""One step of one wallet: look at the chain and give verdicts, then do at most one thing. Single-flight by a lease.

The lease saves work; safety rests on the locked rows and the schema's rules, so a lease that ran out costs nothing.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.chain import FeesTooHigh, ProvidersDisagree, ProvidersUnavailable, same_address
from shared.lifecycle import AccountState, Reaction, Refused, TransferState
from shared.telemetry import bind

from . import store
from .approve import judge_waiting
from .bump import bump_if_outbid
from .cancel import cancel_is_wanted, cancel_slot, give_up_if_lapsed
from .moves import drive_on, tell
from .observe import View, look, resolve
from .reserve import reserve_next
from .send import send_slot
from .sign import CANCEL, sign_slot

if TYPE_CHECKING:
    from uuid import UUID

    from shared.chain import Block
    from shared.messages import DriveAccount

    from .executor import Executor, Task
    from .records import Account, Attempt, Open, Slot, Transfer

# The chain cannot be asked, or is too dear, now: nothing happened, and the next look is a timer's business.
_NOT_NOW: Final = (ProvidersUnavailable, ProvidersDisagree, FeesTooHigh)
# After these there is something to do at once; anything else that a step says keeps the slot where it is.
_MOVED: Final = frozenset(
    {
        "attempt_sent",
        "attempt_signed",
        "attempt_bumped",
        "cancel_signed",
        "already_signed",
        "already_bumped",
        "already_moved",
    }
)
# Nothing is to be gained by looking again before the next block.
_WAIT: Final = frozenset({"balance_too_old"})


class ForeignAccount(Refused):
    """This executor holds the key of another wallet, or serves another chain."""

    code = "account_is_not_ours"


@dataclass(frozen=True, slots=True)
class Driven:
    """What one drive did (None: nothing was to be done), why it could not go on, and what still waits."""

    did: str | None
    waits_for: str | None
    open: int
    busy: bool = False


def drive(x: Executor, message: DriveAccount, task: Task, message_id: UUID | None = None) -> Driven:
    """Drives the account one step further and leaves a note for the next one while something is open.

    Harmless to repeat and to run twice at once: who finds the lease taken goes away, the holder looks again at his end.
    """
    if not same_address(message.account, x.wallet) or message.chain_id != x.chain_id:
        raise ForeignAccount("This executor drives another account.", field="account")
    bind(account=x.wallet)
    lease = x.new_id()
    if not _take_lease(x, lease, task, message_id):
        task.say("account_busy", account=x.wallet)
        task.committed()
        return Driven(None, None, 0, busy=True)
    try:
        did, waits_for = _step(x, task)
    except Reaction:
        with suppress(Reaction), x.db.transaction() as conn:
            store.give_lease_back(conn, x.wallet, x.chain_id, lease, task.now)
        x.outbox.flush(task.messages, task.now)
        raise
    left = _leave(x, lease, did, task)
    x.outbox.flush(task.messages, task.now)
    return Driven(did, waits_for, left)


def _take_lease(x: Executor, lease: UUID, task: Task, message_id: UUID | None) -> bool:
    with x.db.transaction() as conn:
        account = store.account(conn, x.wallet, x.chain_id)
        if account is not None and message_id is not None and store.is_stale_timer(conn, account, message_id):
            return False
        return store.take_lease(conn, x.wallet, x.chain_id, lease, task.now, x.waits.lease)


def _step(x: Executor, task: Task) -> tuple[str | None, str | None]:
    try:
        view = look(x)
        resolve(x, view, task)
        return _act(x, view, task), None
    except _NOT_NOW as trouble:
        if isinstance(trouble, ProvidersDisagree):
            with x.db.transaction() as conn:
                evidence = {"dedupe": task.now.date().isoformat()} | trouble.answers
                tell(conn, task, "providers_disagreed", x.wallet, trouble.message, evidence)
        event = "attempt_not_sent" if isinstance(trouble, FeesTooHigh) else "providers_lagged"
        task.say(event, reason=trouble.code, told=trouble.message)
        task.committed()
        return None, trouble.code


def _act(x: Executor, view: View, task: Task) -> str | None:
    """The one thing that is to be done now, lowest nonce first; None when everything waits."""
    with x.db.read() as conn:
        account = store.account(conn, x.wallet, x.chain_id)
        if account is None:
            return None
        slots = [
            (slot, transfer, store.attempts(conn, transfer, slot)) for slot, transfer in store.open_slots(conn, account)
        ]
        frozen = account.state is AccountState.FROZEN
        stopped = frozen or store.pause_reason(conn, task.now) is not None
    for slot, transfer, attempts in slots:
        match transfer.state:
            case TransferState.LIVE:
                did = None if frozen else _replace(x, transfer, slot, attempts, task, stopped=stopped)
                if did is None and _unheard_of(x, attempts, task):
                    did = send_slot(x, transfer, view.block, task)
                if did in _MOVED:
                    return did
            case TransferState.RESERVED | TransferState.SIGNED if not stopped:
                did = _first_send(x, transfer, slot, attempts, view.block, task)
                # Bytes that may not leave block every later nonce: nothing new is begun behind them.
                return did if did in _MOVED else None
    if stopped:
        return None
    if judge_waiting(x, account, task):
        return "transfer_approved"
    return reserve_next(x, account, view.block, task)


def _replace(
    x: Executor, transfer: Transfer, slot: Slot, attempts: list[Attempt], task: Task, *, stopped: bool
) -> str | None:
    """New bytes for a nonce that is out: the cancel that a person asked for, or a dearer attempt; None if neither.

    A pause of sending holds back dearer payments; what a person wants cancelled may be cancelled all the same.
    """
    if attempts[-1].first_send_started_at is None:
        return None  # stored by the last drive: sent first, judged later
    if cancel_is_wanted(x, transfer, slot, attempts):
        return cancel_slot(x, transfer, slot, attempts, task)
    if stopped and attempts[-1].kind != CANCEL:
        return None
    return bump_if_outbid(x, transfer, slot, attempts, task)


def _first_send(
    x: Executor, transfer: Transfer, slot: Slot, attempts: list[Attempt], head: Block, task: Task
) -> str | None:
    """The next step of a nonce that was never out. If its order lapsed, the nonce is used for nothing."""
    lapsed = give_up_if_lapsed(x, transfer, attempts, task)
    if lapsed or cancel_is_wanted(x, transfer, slot, attempts):
        return cancel_slot(x, transfer, slot, attempts, task)
    if transfer.state is TransferState.RESERVED:
        return sign_slot(x, transfer, slot, task)
    return send_slot(x, transfer, head, task)


def _unheard_of(x: Executor, attempts: list[Attempt], task: Task) -> bool:
    """Whether the newest bytes were never sent, or so long ago that they may have been dropped."""
    last = attempts[-1].last_send_started_at
    return last is None or last + x.waits.resend <= task.now


def _leave(x: Executor, lease: UUID, did: str | None, task: Task) -> int:
    """Ends the drive and makes sure of the next one, in one commit.

    The lease is given back before open transfers are counted: a pay order that was committed while we held it, and
    whose drive went away because of us, is counted here.
    """
    with x.db.transaction() as conn:
        store.give_lease_back(conn, x.wallet, x.chain_id, lease, task.now)
        account = store.account(conn, x.wallet, x.chain_id)
        left = 0 if account is None else _left(account, store.count_open(conn, account))
        if left:
            at_once = did is not None and did not in _WAIT
            drive_on(x, conn, task, x.wallet, x.chain_id, None if at_once else task.now + x.waits.poll)
    task.committed()
    return left


def _left(account: Account, opened: Open) -> int:
    """What still needs driving. On a frozen account only what has a nonce: nothing new begins there."""
    return opened.with_nonce if account.state is AccountState.FROZEN else opened.with_nonce + opened.without_nonce
