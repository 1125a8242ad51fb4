"""Forms a batch: plans it from what is pending, then claims payments, batch, members and order intent in one commit.

Everything outside is read before the claim, so nothing is locked while another machine thinks. The claim then locks
the very payments that were planned; if one of them is gone meanwhile, nothing is claimed and the next tick plans anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.books import batch_ordered, post
from shared.db import Connection, record_decision, record_decisions
from shared.lifecycle import Machine, PaymentState, decide
from shared.lifecycle import facts as f
from shared.money import Ether, Price, Usd, apportion_wei, cut_to_decimals

from . import store
from .batcher import REDRIVE_AFTER, Batcher, Terms
from .price_guard import Market
from .rows import NewBatch, NewOrder, PendingPayment


@dataclass(frozen=True, slots=True)
class Amounts:
    """What would be ordered for which payments. members_wei + dust_in = ordered + dust_out.

    `too_large` are payments that no order can ever carry: each alone is above the transfer limit.
    """

    payments: Sequence[PendingPayment]
    member_wei: Sequence[Ether]
    dust_in: Ether
    ordered: Ether
    dust_out: Ether
    too_large: Sequence[PendingPayment] = ()

    @property
    def worth(self) -> Usd:
        """What the payments are worth together: their weights."""
        return Usd.total(payment.weight for payment in self.payments)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A committed claim: the batch exists, its payments are taken, and its order attempt is written down."""

    batch_conversion_id: UUID
    order_id: int
    ordered: Ether
    payment_count: int


def amounts_received(pending: Sequence[PendingPayment], dust_in: Ether, terms: Terms) -> Amounts:
    """Funding `received`: the ETH that came with the payments, by id up to the transfer limit.

    The payments must all say what arrived (`park_without_wei` saw to it).
    """
    taken: list[PendingPayment] = []
    weis: list[Ether] = []
    too_large: list[PendingPayment] = []
    total, ordered = dust_in, cut_to_decimals(dust_in, terms.exchange_decimals)
    for payment in pending:
        if payment.net is None:
            break
        if cut_to_decimals(payment.net, terms.exchange_decimals) > terms.guard.max_transfer:
            too_large.append(payment)
            continue
        more = cut_to_decimals(total + payment.net, terms.exchange_decimals)
        if more > terms.guard.max_transfer:
            break
        taken.append(payment)
        weis.append(payment.net)
        total, ordered = total + payment.net, more
    return Amounts(taken, weis, dust_in, ordered, total - ordered, too_large)


def amounts_quoted(pending: Sequence[PendingPayment], quoted: Price, terms: Terms) -> Amounts:
    """Funding `quoted`: what the payments are worth, in ETH at the exchange's quote, by id up to the transfer limit.

    Each member's wei is its part of the order by weight, so the order is their sum and no dust arises.
    """
    most = quoted.value(terms.guard.max_transfer)
    taken: list[PendingPayment] = []
    too_large: list[PendingPayment] = []
    worth = Usd.zero()
    for payment in pending:
        if payment.weight > most:
            too_large.append(payment)
            continue
        if worth + payment.weight > most:
            break
        taken.append(payment)
        worth = worth + payment.weight
    ordered = cut_to_decimals(quoted.ether_for(worth), terms.exchange_decimals)
    weis = apportion_wei(ordered, [payment.weight for payment in taken]) if taken else []
    return Amounts(taken, weis, Ether.zero(), ordered, Ether.zero(), too_large)


def claim(batcher: Batcher, amounts: Amounts, market: Market, now: datetime, trace: str) -> Claimed | None:
    """Commits the batch, its members, its payments' new state and the intent to open its order, all or nothing.

    None when another tick took one of the payments or the carried dust meanwhile, or somebody paused batching: then
    nothing is claimed.
    """
    with batcher.database.transaction() as conn:
        store.lock_forming(conn)
        if store.why_paused(conn, "batching", now) is not None:
            return None
        payment_ids = [payment.payment_id for payment in amounts.payments]
        if store.lock_pending(conn, payment_ids) != list(amounts.payments):
            return None
        if batcher.terms.funding == "received" and store.carried_dust(conn) != amounts.dust_in:
            return None
        batch = _new_batch(batcher, amounts, market)
        _write_claim(conn, batcher, batch, payment_ids, now, trace)
        order_id = intend_order(conn, batcher, batch.batch_conversion_id, 1, batch.ordered, now, trace)
    return Claimed(batch.batch_conversion_id, order_id, batch.ordered, len(payment_ids))


def intend_order(
    conn: Connection, batcher: Batcher, batch_id: UUID, attempt_no: int, amount: Ether, now: datetime, trace: str
) -> int:
    """Writes down that the exchange will be asked for an order; the attempt's id. Commit before asking."""
    decision = decide(Machine.ORDER, None, f.OrderIntended(), now, batcher.terms.limits)
    order = NewOrder(
        batch_conversion_id=batch_id,
        attempt_no=attempt_no,
        amount=amount,
        payout_address=batcher.terms.payout_address,
        refund_address=batcher.terms.refund_address,
        key_alias=batcher.terms.key_alias,
    )
    order_id = store.insert_order(conn, order, now, decision.due_at)
    record_decision(
        conn,
        decision,
        str(order_id),
        now,
        trace,
        {"batch_conversion_id": str(batch_id), "attempt_no": attempt_no, "amount": amount.scaled()},
    )
    return order_id


def _new_batch(batcher: Batcher, amounts: Amounts, market: Market) -> NewBatch:
    return NewBatch(
        batch_conversion_id=batcher.new_id(),
        funding=batcher.terms.funding,
        payments=amounts.payments,
        member_wei=amounts.member_wei,
        dust_in=amounts.dust_in,
        ordered=amounts.ordered,
        dust_out=amounts.dust_out,
        total=amounts.worth,
        threshold=batcher.terms.threshold,
        expected=market.quoted,
        feed=market.feed,
    )


def _write_claim(
    conn: Connection, batcher: Batcher, batch: NewBatch, payment_ids: list[int], now: datetime, trace: str
) -> None:
    limits = batcher.terms.limits
    formed = decide(Machine.BATCH, None, f.PaymentsClaimed(), now, limits)
    taken = decide(Machine.PAYMENT, PaymentState.PENDING, f.PaymentClaimed(), now, limits)
    store.insert_batch(conn, batch, now, now + limits.wait(REDRIVE_AFTER))
    store.claim_payments(conn, batch.batch_conversion_id, payment_ids, now, taken.due_at)
    record_decision(
        conn,
        formed,
        str(batch.batch_conversion_id),
        now,
        trace,
        {
            "payments": len(payment_ids),
            "total": batch.total.scaled(),
            "ordered": batch.ordered.scaled(),
            "expected": batch.expected.scaled(),
        },
    )
    record_decisions(
        conn,
        taken,
        [str(payment_id) for payment_id in payment_ids],
        now,
        trace,
        {"batch_conversion_id": str(batch.batch_conversion_id)},
    )
    post(
        conn,
        batch_ordered(
            str(batch.batch_conversion_id),
            received=Ether.total(payment.net for payment in batch.payments if payment.net is not None),
            members=batch.members_total,
            dust_in=batch.dust_in,
            dust_out=batch.dust_out,
        ),
        now,
        trace,
    )
