"""T2: the oldest approved transfer gets its nonce, for ever.

Nonce, slot and hold are one commit under the account's lock. Fees, gas and balance are read before the lock; nothing
outside is asked while it is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.chain import TransferWouldFail
from shared.lifecycle import AccountState, TransferState
from shared.lifecycle.facts import FundsShort, FundsSufficient, PolicyForbade, SlotReserved
from shared.money import Ether

from . import decisions, store
from .approve import DAY, HOUR
from .decisions import HELD
from .moves import move_account, move_transfer
from .policy import Funds, over_daily_limit, over_velocity

if TYPE_CHECKING:
    from shared.chain import Block
    from shared.db import Connection

    from .executor import Executor, Task
    from .records import Account, Holds, Transfer

_PLAIN_TRANSFER_GAS = 21_000


@dataclass(frozen=True, slots=True)
class Costs:
    """What was read before the lock: the balance at one finalized block, and what the gas may cost at most.

    `cap_wei` is the ceiling, not today's price: every later bump is paid for from the hold, and needs no new look.
    """

    block: Block
    balance: Ether
    gas_limit: int
    cap_wei: int

    @property
    def gas(self) -> Ether:
        return Ether(self.gas_limit * self.cap_wei)


def reserve_next(x: Executor, account: Account, block: Block, task: Task) -> str | None:
    """Gives the oldest approved transfer its nonce. The name of what moved, or None: nothing can be reserved now.

    Raises the chain's TryLater reactions (too few providers, fees above the ceiling); then nothing happened.
    """
    with x.db.read() as conn:
        waiting = store.transfers_in(conn, account, TransferState.APPROVED)
        paused = store.pause_reason(conn, task.now)
    if not waiting:
        return None
    if paused is not None:
        task.say("sending_paused", transfer=waiting[0].unique_id, reason=paused)
        task.committed()
        return None
    transfer = waiting[0]
    costs = _costs(x, transfer, block)
    if isinstance(costs, str):
        return _hold(x, transfer, costs, task)
    with x.db.transaction() as conn:
        moved = _reserve(x, conn, transfer.unique_id, costs, task)
    task.committed()
    return moved


def _costs(x: Executor, transfer: Transfer, block: Block) -> Costs | str:
    """The costs of this transfer, or why a person must look at it."""
    balance = Ether(x.chain.balance_wei(x.wallet, block))
    x.chain.fees(x.limits.max_fee_per_gas_wei)  # raises while the market is above the ceiling
    try:
        gas_limit = x.chain.estimate_gas(x.wallet, transfer.to_address, transfer.value.wei)
    except TransferWouldFail as failure:
        if failure.reason != "funds":
            return f"would_fail: the deposit address does not take it ({failure.reason})"
        # The node sees too little ETH, maybe in a newer block than ours: judged below, by what is final.
        gas_limit = _PLAIN_TRANSFER_GAS
        balance = min(balance, transfer.value)
    return Costs(block, balance, gas_limit, x.limits.max_fee_per_gas_wei)


def _hold(x: Executor, transfer: Transfer, reason: str, task: Task) -> str | None:
    with x.db.transaction() as conn:
        locked = store.lock_transfer(conn, transfer.unique_id)
        if locked is None or locked.state is not TransferState.APPROVED:
            return None
        move_transfer(x, conn, locked, PolicyForbade(reason), task, {})
    task.committed()
    return "transfer_held"


def _reserve(x: Executor, conn: Connection, unique_id: str, costs: Costs, task: Task) -> str | None:
    account = store.lock_account(conn, x.wallet, x.chain_id)
    transfer = store.lock_transfer(conn, unique_id)
    if transfer is None or transfer.state is not TransferState.APPROVED:
        return "already_reserved"  # another driver was here; look again at what there is to do
    if account.state is AccountState.FROZEN or store.pause_reason(conn, task.now) is not None:
        return None
    holds = store.holds(conn, account)
    if holds.open_slots >= x.limits.inflight_cap:
        return None
    if costs.block.number < holds.final_block:
        # A verdict from a newer block released its hold, but our balance is older than its cost: read it again.
        return "balance_too_old"
    forbidden = _forbidden(x, conn, account, transfer, costs, holds, task)
    if forbidden is not None:
        move_transfer(x, conn, transfer, PolicyForbade(forbidden), task, _figures(costs, holds))
        return "transfer_held"
    missing = Funds(costs.balance, holds.held, Ether.zero()).short_of(transfer.value, costs.gas, x.limits)
    if missing is not None:
        reason = f"{missing} are missing for {transfer.unique_id}, its gas and the reserve"
        move_account(x, conn, account, FundsShort(reason), task, _figures(costs, holds))
        return None
    move_account(x, conn, account, FundsSufficient(), task, _figures(costs, holds))
    nonce = store.take_nonce(conn, account)
    store.insert_slot(conn, transfer, nonce, costs.gas_limit, transfer.value + costs.gas, task.now)
    move_transfer(x, conn, transfer, SlotReserved(), task, {"nonce": nonce} | _figures(costs, holds))
    return "slot_reserved"


def _forbidden(
    x: Executor, conn: Connection, account: Account, transfer: Transfer, costs: Costs, holds: Holds, task: Task
) -> str | None:
    """What may have changed since the transfer was approved."""
    lapsed = store.why_lapsed(conn, transfer.order_id, task.now - x.waits.order_good)
    if lapsed is not None:
        return f"{lapsed}: it was adopted and waiting when the transfer was approved"
    if decisions.is_approved(conn, HELD, transfer.unique_id):
        return None  # a person looked at the rule that held it, and at these figures
    over = over_daily_limit(transfer.value, store.spent_since(conn, account, task.now - DAY), x.limits)
    over = over or over_velocity(store.begun_since(conn, account, task.now - HOUR), x.limits)
    if over is not None or transfer.context != "instant":
        return over
    funds = Funds(costs.balance, holds.held, store.earmarked(conn))
    enough_at_all = funds.short_of(transfer.value, costs.gas, x.limits) is None
    if enough_at_all and funds.would_spend_earmarked(transfer.value, costs.gas, x.limits):
        return f"eth_is_earmarked: {funds.earmarked} in the wallet belong to pending payments"
    return None


def _figures(costs: Costs, holds: Holds) -> dict[str, object]:
    return {
        "finalized_number": costs.block.number,
        "finalized_hash": costs.block.hash,
        "balance": costs.balance,
        "held": holds.held,
        "gas_limit": costs.gas_limit,
        "cap_wei": str(costs.cap_wei),
    }
