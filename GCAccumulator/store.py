"""The intake's rows: short sentences over store.sql. Decisions and the commit are the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from shared.db import Connection, Queries
from shared.lifecycle import PaymentState
from shared.money import Ether, Percent, Usd

from .webhook_body import WebhookBody

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


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


def why_paused(conn: Connection, now: datetime) -> str | None:
    row = QUERIES.one(conn, "intake_paused", now=now)
    return None if row is None else str(row["reason"])


def insert_payment(
    conn: Connection,
    payment: Priced,
    status: PaymentState,
    parked_reason: str | None,
    now: datetime,
    due_at: datetime | None,
) -> int | None:
    """The new row's id, or None when this payment_ref is already there."""
    body = payment.body
    row = QUERIES.one(
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
        conversion_status=status.value,
        parked_reason=parked_reason,
        now=now,
        due_at=due_at,
    )
    return None if row is None else int(row["id"])


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
