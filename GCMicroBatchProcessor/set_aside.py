"""Payments that no batch can take as they stand: each is parked with its reason and a person is told, nobody waits.

One bad row must not hold the others back: what is found here is out of the pending total before a batch is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared.chain.address import ZERO_ADDRESS
from shared.db import Alert, Connection, raise_alert, record_decisions
from shared.lifecycle import Machine, PaymentState, decide
from shared.lifecycle import facts as f
from shared.money import Price, Usd
from shared.telemetry import get_logger

from . import store
from .batcher import SERVICE, Batcher, Terms
from .price_guard import payment_outside_band
from .rows import PendingPayment

log = get_logger()

_MOST_NAMED: Final = 20  # payments that an alert names one by one


def park_without_wei(batcher: Batcher, now: datetime, trace: str, most: int) -> int:
    """Parks pending payments that do not say how much ETH arrived; how many. Repeats find none."""
    reason = "BATCH_FUNDING is received, and the webhook did not say how much ETH arrived"
    with batcher.database.transaction() as conn:
        payments = store.lock_pending_without_wei(conn, most)
        _park(conn, batcher, payments, reason, now, trace)
    return len(payments)


def park_too_large(batcher: Batcher, too_large: Sequence[PendingPayment], now: datetime, trace: str) -> None:
    """Parks the payments that no order can carry. Repeats find none."""
    if not too_large:
        return
    reason = f"alone it is above the transfer limit {batcher.terms.guard.max_transfer}"
    with batcher.database.transaction() as conn:
        still_pending = store.lock_pending(conn, [payment.payment_id for payment in too_large])
        _park(conn, batcher, still_pending, reason, now, trace)


def park_odd(batcher: Batcher, pending: Sequence[PendingPayment], feed: Price, now: datetime, trace: str) -> int:
    """Parks each payment that is odd by itself, alone and with its own reason; how many. Repeats find none."""
    odd = why_odd(pending, feed, batcher.terms)
    if not odd:
        return 0
    with batcher.database.transaction() as conn:
        still_pending = store.lock_pending(conn, [payment.payment_id for payment in odd])
        for payment in (payment for payment in still_pending if payment in odd):
            _park(conn, batcher, [payment], odd[payment], now, trace)
    return len(odd)


def why_odd(pending: Sequence[PendingPayment], feed: Price, terms: Terms) -> dict[PendingPayment, str]:
    """Those of the payments that no batch may take, each with its reason: the wallet is ours, or its ETH is far off.

    When more than half of them are far off, it is not the payments that are odd but the price or a unit: then none of
    these is named, and the guard on the whole order holds the batch back until a person has looked.
    """
    names = _no_clients(terms)
    ours = {
        payment: f"the client's wallet is {names[payment.wallet.lower()]}: nobody can be paid there"
        for payment in pending
        if payment.wallet.lower() in names
    }
    if terms.funding != "received":
        return ours  # what came with the payment is not what is ordered for it
    far_off = {
        payment: reason
        for payment in pending
        if payment.net is not None
        and (reason := payment_outside_band(payment.net, payment.weight, feed, terms.guard.payment_value_band))
    }
    return ours if 2 * len(far_off) > len(pending) else far_off | ours


def _no_clients(terms: Terms) -> dict[str, str]:
    """Addresses that are no client's, in lower case, by what they are. The intake refuses them; a row may be older."""
    return {
        ZERO_ADDRESS: "the zero address",
        terms.usdt_contract_address.lower(): "the USDT contract",
        terms.payout_address.lower(): "our own",
        terms.refund_address.lower(): "our own",
    }


def _park(
    conn: Connection, batcher: Batcher, payments: Sequence[PendingPayment], reason: str, now: datetime, trace: str
) -> None:
    """The payments wait for a person, who is told once. They must be locked."""
    if not payments:
        return
    payment_ids = [payment.payment_id for payment in payments]
    decision = decide(Machine.PAYMENT, PaymentState.PENDING, f.PaymentUnusable(reason), now, batcher.terms.limits)
    store.park_payments(conn, payment_ids, reason, now, decision.due_at)
    record_decisions(conn, decision, [str(payment_id) for payment_id in payment_ids], now, trace, {"reason": reason})
    worth = Usd.total(payment.weight for payment in payments)
    named = ", ".join(map(str, payment_ids[:_MOST_NAMED])) + (", ..." if len(payment_ids) > _MOST_NAMED else "")
    message = f"{len(payment_ids)} payment(s) worth {worth} are parked: {reason} ({named})"
    rows = [f"payment {payment_id}" for payment_id in payment_ids]
    alert = Alert("payment_parked", str(payment_ids[0]), message, {"payments": named}, (worth,), rows)
    raise_alert(conn, SERVICE, alert, now)
    log.warning("payment_parked", payments=len(payment_ids), pending=worth, reason=reason)
