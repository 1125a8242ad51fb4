"""Records one payment exactly once, however often and however concurrently it is delivered.

The unique payment_ref decides: the first delivery inserts the row, its history and its book entry in one commit; every
other one finds the row and gives the same answer. The same payment_ref with another amount, client or wallet is a
conflict: the first stands, nothing is changed, a person is told.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from shared.books import Posting, payment_received, post
from shared.db import Alert, ConstraintViolated, Database, raise_alert
from shared.lifecycle import Decision, Limits, Machine, PaymentState, Refused, TryLater, decide
from shared.lifecycle import facts as f
from shared.money import Percent, Usd, take_fee
from shared.telemetry import get_logger

from . import store
from .store import Known, Priced
from .webhook_body import WebhookBody, read_outcome

log = get_logger()

SERVICE: Final = "GCAccumulator"


@dataclass(frozen=True, slots=True)
class IntakeTerms:
    """The settings that decide, as typed values. `no_clients`: addresses of ours, in their EIP-55 spelling."""

    fee_rate: Percent
    outcome_currency: str
    max_payment: Usd
    no_clients: frozenset[str]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the webhook is told; the same for every delivery but for `duplicate`."""

    accumulation_id: int
    pending: Usd
    status: PaymentState
    parked_reason: str | None
    duplicate: bool


class PaymentConflicts(Refused):
    """The same payment was recorded with another amount, client or wallet; the first stands."""

    code: ClassVar[str] = "payment_conflicts"
    http_status: ClassVar[int] = 409
    runbook: ClassVar[str | None] = "payment-conflicts"


class IntakePaused(TryLater):
    """Intake is paused by a person: nothing was recorded, deliver again."""

    code: ClassVar[str] = "intake_paused"


def accept_payment(database: Database, body: WebhookBody, terms: IntakeTerms, now: datetime, trace: str) -> Recorded:
    """Records the payment, or finds it recorded. Raises PaymentConflicts, IntakePaused, BadField (for the outcome).

    If repeated: the same answer with `duplicate`; nothing is written twice.
    """
    payment = price(body, terms)
    unusable = why_unusable(body)
    fact = f.PaymentAccepted() if unusable is None else f.PaymentUnusable(unusable)
    decision = decide(Machine.PAYMENT, None, fact, now, terms.limits)
    status = PaymentState.PENDING if unusable is None else PaymentState.PARKED
    try:
        accumulation_id = _record(database, payment, decision, unusable, now, trace)
    except store.Paused as paused:
        raise IntakePaused(f"Intake is paused: {paused}") from paused
    if accumulation_id is None:
        return _repeated(database, body, now)
    if unusable is None:
        log.info("payment_recorded", accumulation_id=accumulation_id, pending=payment.pending)
    else:
        log.warning("payment_parked", accumulation_id=accumulation_id, reason=unusable)
    return Recorded(accumulation_id, payment.pending, status, unusable, duplicate=False)


def price(body: WebhookBody, terms: IntakeTerms) -> Priced:
    """Takes the platform's fee, in USD and in the ETH that arrived; both rounded in the client's favour."""
    fee, pending = take_fee(body.amount, terms.fee_rate)
    if body.outcome_text is None or body.outcome_currency != "eth":
        return Priced(body, terms.fee_rate, fee, pending, None, None, None)
    gross_eth = read_outcome(body.outcome_text)
    fee_eth, net_eth = take_fee(gross_eth, terms.fee_rate)
    return Priced(body, terms.fee_rate, fee, pending, gross_eth, fee_eth, net_eth)


def why_unusable(body: WebhookBody) -> str | None:
    """Why the payment can be recorded but not batched; None when it can."""
    if body.outcome_currency in (None, "eth"):
        return None
    return f"nowpayments_outcome_currency is {body.outcome_currency}: only ETH that arrived can be swapped; pay it back"


def _record(
    database: Database, payment: Priced, decision: Decision, unusable: str | None, now: datetime, trace: str
) -> int | None:
    """The new row's id, or None when the payment was recorded before. Row, story, books and alert are one commit."""
    evidence, posting = _evidence(payment, unusable), _posting(payment)
    if unusable is None:
        try:
            with database.at_once() as conn:
                return store.insert_payment(conn, payment, decision, None, evidence, posting, now, trace)
        except ConstraintViolated as violated:
            if violated.constraint != "posting_is_made_once":
                raise
            # The books have this payment and its row is gone; below they tell a repeat from a contradiction.
    with database.transaction() as conn:
        accumulation_id = store.insert_payment(conn, payment, decision, unusable, evidence, None, now, trace)
        if accumulation_id is not None:
            if posting is not None:
                post(conn, posting, now, trace)
            if unusable is not None:
                raise_alert(conn, SERVICE, _parked(accumulation_id, payment.body, unusable), now)
    return accumulation_id


def _posting(payment: Priced) -> Posting | None:
    """What the payment does to the books; None when no ETH amount is known."""
    if payment.gross_eth is None or payment.fee_eth is None or payment.net_eth is None:
        return None
    return payment_received(payment.body.payment_ref, payment.gross_eth, payment.fee_eth, payment.net_eth)


def _repeated(database: Database, body: WebhookBody, now: datetime) -> Recorded:
    with database.read() as conn:
        known = store.payment_by_ref(conn, body.payment_ref)
    if known.request_hash != body.request_hash:
        _tell_conflict(database, body, known, now)
        raise PaymentConflicts(
            f"payment {body.payment_ref} was recorded before with another amount, client or wallet; the first stands",
            field="nowpayments_payment_id",
            rule="names one payment for ever",
        )
    log.info("payment_repeated", accumulation_id=known.accumulation_id)
    return Recorded(known.accumulation_id, known.pending, known.status, known.parked_reason, duplicate=True)


def _tell_conflict(database: Database, body: WebhookBody, known: Known, now: datetime) -> None:
    ids = f"{known.accumulation_id} ({body.payment_ref})"
    message = f"payment {ids} was delivered again with another amount, client or wallet"
    evidence = {"dedupe": body.request_hash, "amount": body.amount.scaled(), "client_id": body.client_id}
    with database.transaction() as conn:
        at_risk = (known.pending, body.amount)
        alert = Alert("payment_conflicted", str(known.accumulation_id), message, evidence, at_risk)
        raise_alert(conn, SERVICE, alert, now)
    log.warning("payment_conflicted", accumulation_id=known.accumulation_id)


def _parked(accumulation_id: int, body: WebhookBody, reason: str) -> Alert:
    message = f"payment {accumulation_id} ({body.payment_ref}, {body.amount}) is parked: {reason}"
    evidence = {"outcome": body.outcome_text or ""}
    return Alert("payment_parked", str(accumulation_id), message, evidence, (body.amount,))


def _evidence(payment: Priced, unusable: str | None) -> dict[str, object]:
    return {
        "payment_ref": payment.body.payment_ref,
        "amount": payment.body.amount,
        "fee": payment.fee,
        "pending": payment.pending,
        "net_eth": payment.net_eth,
        "reason": unusable,
    }
