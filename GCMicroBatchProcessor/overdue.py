"""What waits for longer than it may: payments without a batch, and batches and orders in one state. People are told.

Once per row and stay; of payments that wait for a week, once a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.db import Alert, Connection, Queries, raise_alert
from shared.lifecycle import WAITING, BatchState, Limits, OrderState
from shared.money import Ether, Usd

from . import store
from .batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER, SERVICE, Batcher

_MOST: Final = 1_000
_REDRIVES: Final = MOST_ORDER_ATTEMPTS + 1  # a state may be driven anew so often before a person is told
_LEAST_PATIENCE: Final = timedelta(minutes=1)  # of people, whatever the sandbox's clock does

_BATCH_WITHIN: Final = timedelta(hours=1)  # of the total reaching the threshold, or of two ticks if they are rarer
_TICKS: Final = 2

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def tell_overdue_payments(conn: Connection, batcher: Batcher, now: datetime) -> None:
    """Payments that are pending for longer than they may be, and a total over the threshold of which no batch came."""
    worth, count, oldest = store.overdue_payments(conn, now)
    if count > 0:
        message = f"{count} payments worth {worth} are pending for longer than they may be; the oldest is {oldest}"
        alert = Alert("payments_overdue", "pending", message, {"dedupe": now.date().isoformat()}, (worth,))
        raise_alert(conn, SERVICE, alert, now)
    _tell_of_no_batch(conn, batcher, now)


def _tell_of_no_batch(conn: Connection, batcher: Batcher, now: datetime) -> None:
    """A tick that cannot read the exchange or the chain leaves nothing but a 503 to the scheduler: people hear of it.

    Once, however long it lasts. A pause is somebody's decision and no news.
    """
    threshold, limits = batcher.terms.threshold, batcher.terms.limits
    total, payments = store.pending_total(conn)
    if total < threshold or payments == 0 or store.why_paused(conn, "batching", now) is not None:
        return
    patience = max(_BATCH_WITHIN, _TICKS * (batcher.tick_every or timedelta(0)))
    before = now - max(limits.wait(patience), _LEAST_PATIENCE)
    row = _QUERIES.only(conn, "over_threshold", threshold_usd_micros=threshold.micros, before=before)
    if row["since"] is None or row["since"] > before or row["batch_formed"]:
        return
    since = row["since"].isoformat()
    message = (
        f"{payments} payments worth {total} are over the threshold {threshold} since {since} and no batch was formed: "
        "the last threshold check says why; if there is none, the exchange or the chain cannot be read"
    )
    raise_alert(conn, SERVICE, Alert("payments_overdue", "no batch", message, {"dedupe": since}, (total,)), now)


def tell_overdue_batches_and_orders(conn: Connection, limits: Limits, now: datetime) -> None:
    """Raises an alert for each of them, in this transaction. A repeat changes nothing."""
    for row in _QUERIES.all(conn, "batches_in_state_since", **_late(BatchState, limits, now), most=_MOST):
        batch_id, ordered = str(row["batch_conversion_id"]), Ether(row["ordered_wei"])
        waiting = WAITING[BatchState(row["conversion_status"])]
        since = row["since"].isoformat()
        message = (
            f"batch {batch_id} over {ordered} is {row['conversion_status']} since {since}, which is too long: "
            f"{row['reason'] or waiting.why}; it waits for {waiting.on_whom}"
        )
        evidence = {"dedupe": f"{row['conversion_status']} {since}"}
        at_risk = (ordered, Usd(row["total_pending_usd_micros"]))
        raise_alert(conn, SERVICE, Alert("batch_overdue", batch_id, message, evidence, at_risk), now)
    for row in _QUERIES.all(conn, "orders_in_state_since", **_late(OrderState, limits, now), most=_MOST):
        waiting = WAITING[OrderState(row["order_status"])]
        amount, since = Ether(row["amount_wei"]), row["since"].isoformat()
        message = (
            f"order {row['id']} ({row['cn_api_id'] or 'no id yet'}) over {amount} is {row['order_status']} since "
            f"{since}, which is too long: {row['reason'] or waiting.why}; it waits for {waiting.on_whom}"
        )
        rows = [f"order {row['id']}"]
        if row["batch_conversion_id"] is not None:
            rows.append(f"batch {row['batch_conversion_id']}")
        evidence = {"dedupe": f"{row['order_status']} {since}"}
        raise_alert(conn, SERVICE, Alert("order_overdue", str(row["id"]), message, evidence, (amount,), rows), now)


def _late(
    states: Iterable[BatchState] | Iterable[OrderState], limits: Limits, now: datetime
) -> dict[str, list[object]]:
    """For each state that waits for something: before which time a row must have come into it to be late."""
    waiting = [state for state in states if state in WAITING]
    patience = [
        max(limits.wait(WAITING[state].at_most + _REDRIVES * REDRIVE_AFTER), _LEAST_PATIENCE) for state in waiting
    ]
    return {"states": [state.value for state in waiting], "befores": [now - each for each in patience]}
