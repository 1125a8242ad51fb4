"""The intake's rows: short sentences over store.sql. Decisions and the commit are the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.books import Posting
from shared.db import NOTHING, Connection, Queries, evidence_text
from shared.lifecycle import Decision, PaymentState
from shared.money import Ether, Percent, Usd

from .webhook_body import WebhookBody

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_NO_ENTRIES: Final[Mapping[str, list[int]]] = {"lines": [], "assets": [], "accounts": [], "amounts": []}


@dataclass(frozen=True, slots=True)
class Priced:
    """A payment with the platform's fee taken. The ETH parts are None when no ETH amount is known."""

    body: WebhookBody
    fee_rate: Percent
    fee: Usd
    pending: Usd
    gross_eth: Ether | None
    fee_eth: Ether | None
    net_eth: Ether | None


@dataclass(frozen=True, slots=True)
class Known:
    """A payment's row, as far as a repeat needs it."""

    accumulation_id: int
    request_hash: str
    pending: Usd
    status: PaymentState
    parked_reason: str | None


class Paused(Exception):
    """A person paused intake, for this reason: nothing was written."""


def insert_payment(
    conn: Connection,
    payment: Priced,
    decision: Decision,
    parked_reason: str | None,
    evidence: Mapping[str, object],
    posting: Posting | None,
    now: datetime,
    trace: str,
) -> int | None:
    """The new row's id, with its story and its books written too; None when this payment_ref is already there.

    Raises Paused. A posting of the same fact that is there already is ConstraintViolated (posting_is_made_once).
    """
    body = payment.body
    assert decision.after is not None
    row = QUERIES.only(
        conn,
        "insert_payment",
        payment_ref=body.payment_ref,
        request_hash=body.request_hash,
        user_id=body.user_id,
        client_id=body.client_id,
        client_wallet_address=body.wallet_address,
        client_payout_currency=body.payout_currency,
        client_payout_network=body.payout_network,
        subscription_id=body.subscription_id,
        payment_timestamp=body.payment_timestamp,
        raw_amount_text=body.amount_text,
        payment_amount_usd_micros=body.amount.micros,
        fee_rate_ppm=payment.fee_rate.ppm,
        fee_usd_micros=payment.fee.micros,
        pending_usd_amount_micros=payment.pending.micros,
        nowpayments_payment_id=body.gateway_payment_id,
        nowpayments_pay_address=body.gateway_pay_address,
        raw_outcome_text=body.outcome_text,
        outcome_currency=body.outcome_currency,
        gross_wei=_wei(payment.gross_eth),
        fee_wei=_wei(payment.fee_eth),
        net_wei=_wei(payment.net_eth),
        conversion_status=decision.after.value,
        parked_reason=parked_reason,
        now=now,
        due_at=decision.due_at,
        machine=decision.machine.value,
        from_state=NOTHING,
        event=decision.event,
        trace=trace,
        evidence=evidence_text(evidence),
        posting_event="" if posting is None else posting.event,
        **(_NO_ENTRIES if posting is None else posting.columns()),
    )
    if row["paused"] is not None:
        raise Paused(str(row["paused"]))
    return None if row["id"] is None else int(row["id"])


def payment_by_ref(conn: Connection, payment_ref: str) -> Known:
    """The payment recorded under this payment_ref; it must be there."""
    row = QUERIES.only(conn, "payment_by_ref", payment_ref=payment_ref)
    return Known(
        row["id"],
        row["request_hash"],
        Usd(row["pending_usd_amount_micros"]),
        PaymentState(row["conversion_status"]),
        row["parked_reason"],
    )


def _wei(amount: Ether | None) -> int | None:
    return None if amount is None else amount.wei
