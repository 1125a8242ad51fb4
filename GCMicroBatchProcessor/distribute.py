"""Shares out the USDT that arrived: one transaction from the arrival row, and a repeat changes nothing.

What is credited is the arrival that the conductor saw on chain and committed. The message only says which batch; a
number in it that differs from our rows changes nothing and calls a person.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from shared.books import post, usdt_distributed
from shared.db import Alert, Connection, raise_alert, record_decision, record_decisions
from shared.lifecycle import Broken, Machine, OrderState, PaymentState, Refused, decide
from shared.lifecycle import facts as f
from shared.messages import SwapExecuted
from shared.money import Tether, Usd, share_out
from shared.telemetry import get_logger

from . import store
from .batcher import SERVICE, Batcher
from .price_guard import result_outside_band
from .rows import Arrived, Batch, Member

log = get_logger()


class BatchUnknown(Refused):
    """No such batch."""

    code: ClassVar[str] = "batch_unknown"


class SwapReportContradicts(Refused):
    """The report differs from what our rows know; nothing was changed."""

    code: ClassVar[str] = "swap_report_contradicts"
    runbook: ClassVar[str | None] = "swap-report-contradicts"


class MembersDoNotAddUp(Broken):
    """The batch's members are not what was claimed: nothing is shared out until a person has looked."""

    code: ClassVar[str] = "members_do_not_add_up"
    runbook: ClassVar[str | None] = "members-do-not-add-up"


def distribute_reported(batcher: Batcher, message: SwapExecuted, now: datetime, trace: str) -> bool:
    """Distributes the batch that the message names, after comparing the message with our rows.

    True when the shares were written now, False when they were already there. Raises BatchUnknown,
    SwapReportContradicts (nothing changed, an alert is told), MembersDoNotAddUp.
    """
    return distribute(batcher, UUID(message.batch_conversion_id), now, trace, report=message)


def distribute(batcher: Batcher, batch_id: UUID, now: datetime, trace: str, report: SwapExecuted | None = None) -> bool:
    """Shares out the batch's arrival in one commit. False when it was shared out before; then nothing is written."""
    with batcher.database.transaction() as conn:
        batch = store.lock_batch(conn, batch_id)
        if batch is None:
            raise BatchUnknown(f"there is no batch {batch_id}")
        arrival = store.arrival_of(conn, batch_id)
        request = store.request_of(conn, batch_id)
        if report is not None:
            _require_no_contradiction(report, arrival, None if request is None else request.eth_tx_hash)
        decision = decide(Machine.BATCH, batch.status, f.UsdtDistributed(), now, batcher.terms.limits)
        if not decision.moved:
            return False
        if arrival is None or request is None or request.eth_tx_hash is None:
            raise SwapReportContradicts(f"no USDT was seen arriving for batch {batch_id}")
        _require_its_order(conn, batch, arrival)
        members = store.lock_members(conn, batch_id)
        _require_as_claimed(batch, members)
        shares = share_out(arrival.amount, [member.weight for member in members])
        credited = store.credit_shares(conn, batch_id, members, shares, request.eth_tx_hash, arrival.tx_hash, now)
        if credited != len(members):
            raise MembersDoNotAddUp(f"{credited} of {len(members)} payments of batch {batch_id} could be credited")
        store.complete_batch(conn, batch_id, arrival.amount, request.eth_tx_hash, arrival.tx_hash, now)
        credit = decide(Machine.PAYMENT, PaymentState.SWAPPING, f.ShareCredited(), now, batcher.terms.limits)
        evidence = {"usdt_tx_hash": arrival.tx_hash, "arrived": arrival.amount.scaled()}
        subjects = [str(member.payment_id) for member in members]
        record_decisions(conn, credit, subjects, now, trace, {"batch_conversion_id": str(batch_id), **evidence})
        record_decision(conn, decision, str(batch_id), now, trace, evidence)
        post(conn, usdt_distributed(str(batch_id), batch.ordered, arrival.amount), now, trace)
        _judge_result(conn, batcher, batch, arrival.amount, now)
    log.info("shares_distributed", batch=str(batch_id), arrived=arrival.amount, payments=len(members))
    return True


def _require_its_order(conn: Connection, batch: Batch, arrival: Arrived) -> None:
    paid = [order for order in store.lock_orders(conn, batch.batch_conversion_id) if order.cn_api_id is not None]
    if not any(order.cn_api_id == arrival.cn_api_id and order.status is OrderState.FINISHED for order in paid):
        raise SwapReportContradicts(
            f"the arrival of batch {batch.batch_conversion_id} names order {arrival.cn_api_id}, "
            "which is not this batch's finished order"
        )


def _require_as_claimed(batch: Batch, members: list[Member]) -> None:
    """Distribution refuses impossible totals: the members must be exactly those that were claimed."""
    total = Usd.total(member.weight for member in members)
    if len(members) != batch.payment_count or total != batch.total or not total.is_positive():
        raise MembersDoNotAddUp(
            f"batch {batch.batch_conversion_id} claimed {batch.payment_count} payments worth {batch.total}, "
            f"its members are {len(members)} worth {total}"
        )
    for member in members:
        if member.status is not PaymentState.SWAPPING or member.weight != member.pending:
            raise MembersDoNotAddUp(
                f"payment {member.payment_id} of batch {batch.batch_conversion_id} is {member.status.value} and worth "
                f"{member.pending}, it was claimed with {member.weight}"
            )


def _judge_result(conn: Connection, batcher: Batcher, batch: Batch, arrived: Tether, now: datetime) -> None:
    """A result outside its band is credited as it arrived; it tells a person and pauses new batches."""
    outside = result_outside_band(arrived, batch.expected, batcher.terms.result_band)
    if outside is None:
        return
    batch_id = str(batch.batch_conversion_id)
    store.pause_stage(conn, "batching", f"batch {batch_id}: {outside}", SERVICE, now)
    message = f"batch {batch_id}: {outside}"
    raise_alert(conn, SERVICE, Alert("result_outside_band", batch_id, message, {}, (arrived, batch.expected)), now)


def _require_no_contradiction(message: SwapExecuted, arrival: Arrived | None, eth_tx_hash: str | None) -> None:
    if arrival is None:
        raise SwapReportContradicts(f"no USDT was seen arriving for batch {message.batch_conversion_id}")
    claims = (
        ("cn_api_id", message.cn_api_id, arrival.cn_api_id),
        ("usdt_tx_hash", message.usdt_tx_hash, arrival.tx_hash),
        ("usdt_units", message.usdt_units, arrival.amount.units),
        ("eth_tx_hash", message.eth_tx_hash, eth_tx_hash),
    )
    wrong = [f"{field} is {said}, not {known}" for field, said, known in claims if said != known]
    if wrong:
        raise SwapReportContradicts(
            f"the report on batch {message.batch_conversion_id} contradicts our rows: {', '.join(wrong)}"
        )
