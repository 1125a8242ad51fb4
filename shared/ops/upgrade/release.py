"""Lets the payments of one of the predecessor's batches go on: a person has found out that its order was never paid.

Nothing here can see that: the order was opened, and perhaps paid, by another system. The person looks at the order at
the exchange (no deposit, and it takes none any more) and at everything the wallet sent to its address (nothing), and
puts what was seen into the reason, which stands in the operator log.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.db import Queries
from shared.lifecycle import Machine, PaymentState
from shared.lifecycle import facts as f
from shared.money import Usd
from shared.ops.acts.rules import NotAllowed

if TYPE_CHECKING:
    from shared.ops.acts.perform import Acting, Step

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def release_v1(name: str) -> Callable[[Step], Acting]:
    """The act: all payments of this batch of the predecessor's are pending. Refused when there are none (any more)."""

    def act(step: Step) -> Acting:
        parked = _QUERIES.all(step.conn, "of_v1_batch", v1_batch_conversion_id=_batch(name))
        rows = [row for row in parked if row["outcome_currency"] in (None, "eth")]
        if not rows:
            what = "for which ETH arrived" if parked else "that the predecessor was swapping in it"
            raise NotAllowed(f"Batch {name} is not released: no payment waits {what}.")
        subjects = [str(row["id"]) for row in rows]
        moved = step.move(Machine.PAYMENT, PaymentState.PARKED, f.RetryAsked(step.reason), subjects)
        ids = [row["id"] for row in rows]
        _QUERIES.run(step.conn, "release_of_v1_batch", ids=ids, now=step.now, due_at=moved.due_at)
        worth = Usd.total(Usd(row["pending_usd_amount_micros"]) for row in rows)
        step.done.append(f"{len(rows)} payment(s) of the predecessor's batch {name} worth {worth} are pending again")
        if len(rows) < len(parked):
            step.done.append(f"{len(parked) - len(rows)} stay parked: what arrived for them was not ETH")
        step.done.append("the next tick over the threshold swaps them: if the old order was paid, they are paid twice")
        return "release-v1", name

    return act


def _batch(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError as error:
        raise NotAllowed(f"{name} is no batch of the predecessor's: its id is a UUID.") from error
