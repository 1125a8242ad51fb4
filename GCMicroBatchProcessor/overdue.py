"""Batches and orders that are in one state for longer than it may take: a person is told, once per row and stay."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.db import Alert, Connection, Queries, raise_alert
from shared.lifecycle import WAITING, BatchState, Limits, OrderState
from shared.money import Ether, Usd

from .batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER, SERVICE

_MOST: Final = 1_000
_REDRIVES: Final = MOST_ORDER_ATTEMPTS + 1  # a state may be driven anew so often before a person is told
_LEAST_PATIENCE: Final = timedelta(minutes=1)  # of people, whatever the sandbox's clock does

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


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
