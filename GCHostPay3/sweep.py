"""The net under lost tasks: unsent messages, wallets that nobody drives, transfers past their deadline."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shared.db import SWEEP_EVERY, beat, tell_of_silent_jobs
from shared.lifecycle import TryLater
from shared.money import Ether

from . import store
from .asked import take_asked
from .executor import SERVICE
from .moves import drive_on, tell
from .observe import admit

if TYPE_CHECKING:
    from .executor import Executor, Task

_MOST_MESSAGES: Final = 200


@dataclass(frozen=True, slots=True)
class Swept:
    """How many wallets are driven again, and how many transfers are past their deadline."""

    driven: int
    overdue: int


def sweep(x: Executor, task: Task) -> Swept:
    """Makes the tasks that are missing. A re-drive is a new message; a drive that is not needed finds nothing to do."""
    x.outbox.sweep(task.now, older_than_s=int(x.waits.grace.total_seconds()), limit=_MOST_MESSAGES)
    due_before = task.now - x.waits.grace
    with x.db.transaction() as conn:
        accounts = store.accounts_to_drive(conn, task.now - x.waits.undriven, due_before)
        for address, chain_id in accounts:
            task.drives_on = False
            drive_on(x, conn, task, address, chain_id)
        beat(conn, "executor /sweep", task.now, x.waits.lifecycle.wait(SWEEP_EVERY))
        tell_of_silent_jobs(conn, SERVICE, task.now)
        overdue = store.overdue_transfers(conn, due_before)
        for row in overdue:
            message = (
                f"{Ether(row['value_wei'])} for {row['unique_id']} is {row['transfer_status']} since longer than it "
                f"should be: {row['reason'] or 'no reason is recorded'}"
            )
            evidence = {"dedupe": f"{row['transfer_status']} {row['due_at'].isoformat()}"}
            at_risk = (Ether(row["value_wei"]),)
            tell(conn, task, "transfer_overdue", row["unique_id"], message, evidence, at_risk)
    task.say("sweep_done", driven=len(accounts), overdue=len(overdue))
    task.committed()
    x.outbox.flush(task.messages, task.now)
    _look_at_the_witnesses(x, task)
    take_asked(x, task)
    return Swept(len(accounts), len(overdue))


def _look_at_the_witnesses(x: Executor, task: Task) -> None:
    """The gate also where nobody drives: after a restore perhaps nothing is open, and the batcher must stop soon."""
    with x.db.read() as conn:
        account = store.account(conn, x.wallet, x.chain_id)
    if account is None:
        return
    with suppress(TryLater):  # a witness that is away is asked again by the next sweep, and before anything is judged
        admit(x, account, task)
    for record in x.chain.provider_records():
        fields: dict[str, Any] = dict(record.as_fields())
        task.say("provider_seen", **fields)
    task.committed()
