"""HTTP in, HTTP out: what the intake's route takes and answers. Decisions are elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from shared.db import Database
from shared.http import Answer, Incoming, Route, RouteDoc

from .accept_payment import IntakeTerms, Recorded, accept_payment
from .watch_scheduler import SchedulerWatch
from .webhook_body import read_webhook_body

_NUMBER_OR_TEXT = {"oneOf": [{"type": "string"}, {"type": "number"}]}
_REQUEST = {
    "type": "object",
    "required": [
        "user_id",
        "client_id",
        "wallet_address",
        "payout_currency",
        "payout_network",
        "payment_amount_usd",
        "payment_timestamp",
    ],
    "properties": {
        "user_id": {"type": "integer", "minimum": 1},
        "client_id": {"type": "integer"},
        "wallet_address": {"type": "string", "maxLength": 200},
        "payout_currency": {"type": "string", "maxLength": 20},
        "payout_network": {"type": "string", "maxLength": 20},
        "payment_amount_usd": {**_NUMBER_OR_TEXT, "description": "USD above 0; read as decimal text"},
        "subscription_id": {"type": ["integer", "null"], "minimum": 0},
        "payment_timestamp": {"type": "string", "description": "ISO 8601"},
        "nowpayments_payment_id": {
            "oneOf": [{"type": "string", "maxLength": 64}, {"type": "integer"}, {"type": "null"}],
            "description": "makes two deliveries the same payment",
        },
        "nowpayments_pay_address": {"type": ["string", "null"], "maxLength": 255},
        "nowpayments_outcome_amount": {"oneOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]},
        "nowpayments_outcome_currency": {"type": ["string", "null"], "maxLength": 20},
    },
}
_RESPONSE = {
    "type": "object",
    "required": ["status", "message", "accumulation_id", "pending_usd_amount", "conversion_status", "duplicate"],
    "properties": {
        "status": {"const": "success"},
        "message": {"type": "string"},
        "accumulation_id": {"type": "integer"},
        "pending_usd_amount": {"type": "string", "description": "USD after the fee, 6 decimals"},
        "conversion_status": {"enum": ["pending", "swapping", "completed", "parked"]},
        "duplicate": {"type": "boolean"},
    },
}


def routes_of(
    database: Database,
    terms: IntakeTerms,
    upstream_callers: Sequence[str],
    signing_keys: tuple[str, ...],
    watch: SchedulerWatch | None = None,
) -> list[Route]:
    """The intake's one route. `watch` looks at the scheduler after a payment is recorded."""

    def on_payment(incoming: Incoming) -> Answer:
        body = read_webhook_body(
            incoming.body,
            outcome_currency=terms.outcome_currency,
            most=terms.max_payment,
            no_clients=terms.no_clients,
        )
        recorded = accept_payment(database, body, terms, incoming.now, incoming.trace)
        if watch is not None:
            watch.look(incoming.now)
        return Answer(200, _answer(recorded))

    return [
        Route(
            "/",
            on_payment,
            upstream_callers,
            body="json",
            signature_key=signing_keys or None,
            doc=RouteDoc(
                "Records one payment as pending USD; the same payment again gets the same answer.",
                request=_REQUEST,
                response=_RESPONSE,
                errors=("bad_field", "payment_conflicts", "intake_paused"),
            ),
        )
    ]


def _answer(recorded: Recorded) -> dict[str, object]:
    if recorded.parked_reason is not None:
        message = f"Payment recorded; it waits for a person: {recorded.parked_reason}"
    else:
        message = "Payment recorded; it waits for the next batch"
    return {
        "status": "success",
        "message": message,
        "accumulation_id": recorded.accumulation_id,
        "pending_usd_amount": recorded.pending.decimal_text(),
        "conversion_status": recorded.status.value,
        "duplicate": recorded.duplicate,
    }
