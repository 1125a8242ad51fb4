"""T6: bytes that are out for long and that the market has left behind get a dearer attempt at the same nonce.

The same receiver, value, gas limit and nonce; tip and cap an eighth dearer at least, never above the ceiling. Older
bytes stay spendable and stay watched: whichever of them a block takes, it is the same one payment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.chain import AnswerKind, FeesTooHigh
from shared.chain.advice import ADVICE, Pace
from shared.chain.answers import gist
from shared.chain.bump import AtCeiling, bumped, is_outbid, pressure_at

from . import store
from .moves import tell
from .sign import fields_of, sign_fields, store_attempt

if TYPE_CHECKING:
    from datetime import timedelta

    from .executor import Executor, Task
    from .records import Attempt, Slot, Transfer

# A pool that says one of these has no place for the bytes at their price, whatever the last blocks cost.
_UNDERPRICED: Final = frozenset({AnswerKind.FEE_TOO_LOW, AnswerKind.POOL_FULL, AnswerKind.UNDERPRICED})


def bump_if_outbid(x: Executor, transfer: Transfer, slot: Slot, attempts: list[Attempt], task: Task) -> str | None:
    """Stores a dearer attempt if one is due and helps; None if there is nothing to bump now. Sends nothing.

    A cancel is bumped as a cancel. At the ceiling a person is told once, and the last bytes go on being repeated.
    """
    newest = attempts[-1]
    with x.db.read() as conn:
        answered = gist(store.last_answers(conn, newest))
        checked_at = store.checked_at(conn, transfer.order_id)
    if newest.first_send_started_at is None or newest.first_send_started_at + _patience(x, answered) > task.now:
        return None
    try:
        market = x.chain.fees(x.limits.max_fee_per_gas_wei)
    except FeesTooHigh as too_high:
        _tell_ceiling(x, transfer, newest, too_high.message, task)
        return None
    if answered not in _UNDERPRICED and not is_outbid(newest, market):
        return None
    pressure = pressure_at(task.now, checked_at, checked_at + x.waits.order_good)
    bid = bumped(newest, market, x.limits.max_fee_per_gas_wei, pressure)
    if isinstance(bid, AtCeiling):
        reason = f"a replacement needs {bid.least_cap_wei} wei per gas, the ceiling is {bid.ceiling_wei} wei"
        _tell_ceiling(x, transfer, newest, reason, task)
        return None
    tip_wei, cap_wei = bid
    fields = fields_of(transfer, slot, newest.kind, tip_wei, cap_wei)
    signed = sign_fields(x, transfer, fields, task)
    if not store_attempt(x, transfer, attempts, newest.kind, fields, signed, task):
        return "already_bumped"
    task.say("attempt_bumped", transfer=transfer.unique_id, tx_hash=signed.hash, tip_wei=tip_wei, cap_wei=cap_wei)
    task.committed()
    return "attempt_bumped"


def _patience(x: Executor, answered: AnswerKind) -> timedelta:
    """How long bytes are left alone, by what the nodes said of them. What they say decides no more than this."""
    match ADVICE[answered].bump:
        case Pace.SOONER:
            return x.waits.resend
        case Pace.USUAL:
            return x.waits.bump
        case Pace.LATER:
            return 2 * x.waits.bump


def _tell_ceiling(x: Executor, transfer: Transfer, newest: Attempt, reason: str, task: Task) -> None:
    message = (
        f"{transfer.value} for {transfer.unique_id} is out with {newest.tx_hash} and is not included: {reason}. "
        "Its bytes go on being repeated; it is paid when the fees fall, or when the ceiling is raised"
    )
    with x.db.transaction() as conn:
        evidence = {"tx_hash": newest.tx_hash}
        tell(conn, task, "attempt_at_ceiling", transfer.unique_id, message, evidence, (transfer.value,))
    task.say("attempt_at_ceiling", transfer=transfer.unique_id, reason=reason)
    task.committed()
