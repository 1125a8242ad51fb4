"""What can go wrong at the exchange on command: `POST /_sim/faults` (`fault_board` explains `times` and `route`)."""

from __future__ import annotations

from typing import Any

ROUTES = frozenset(
    {
        "currencies",
        "available-pairs",
        "min-amount",
        "range",
        "estimated-amount",
        "network-fee",
        "create",
        "by-id",
        "validate",
        "list",
        "actions",
        "continue",
        "refund",
    }
)

TRANSPORT: dict[str, dict[str, Any]] = {
    # before anything is done
    "drop_before_commit": {},  # no answer, nothing happened
    "rate_limited": {},  # 429
    "html_502": {},  # a proxy's page
    "pair_inactive": {},  # 400 pair_is_inactive
    # after it was done
    "drop_after_commit": {},  # no answer, but it happened
    "delay": {"seconds": 30},  # the answer comes late
    "error_after_commit": {},  # 500, but it happened
    "truncated_json": {},  # half of the JSON, complete as HTTP
    "cut_short": {},  # the connection ends in the middle of the body
    "duplicate_keys": {"field": "status", "value": "finished"},  # a second, different value of one field
    "error_envelope_200": {"error": "unknown", "message": "Something went wrong"},
    "missing_fields": {"fields": []},  # left out of the answer
}
"""Strike one answer of any route."""

READING: dict[str, dict[str, Any]] = {
    "unknown_status": {"status": "hold"},  # a word nobody documented
    "null_amount_to": {},  # finished, and amountTo is null
    "stale_read": {},  # the answer of before the last change
    "forgotten_order": {},  # 404 although the order is there
    "clock_skew": {"seconds": 300},  # all times of the answer are so much later; negative: earlier
}
"""Strike one answer of by-id."""

ORDER: dict[str, dict[str, Any]] = {
    "not_found_after_create": {"seconds": 3},  # by-id says 404 so long, in real seconds
    "changed_payout_address": {"address": "0x000000000000000000000000000000000000dEaD"},  # shown, and paid to
    "malformed_payin_address": {"address": "0x1234"},
    "wrong_amount": {"amount": "1"},  # another fromAmount than was asked for
    "payout_short": {"units": 1},  # less on chain than amountTo says
    "foreign_payout": {"address": "0x000000000000000000000000000000000000dEaD"},  # the hash pays somebody else
    "reverted_payout": {},  # the hash is of a transaction that reverted
    "stuck_verifying": {"seconds": None, "then": "exchange"},  # for ever, or virtual seconds; then exchange | refund
    "failed": {},
    "refunded": {},  # sent back on chain, less the refund fee
}
"""Belong to one order: the next one created, or with `"id"` one that exists. They strike when its time comes."""

KNOWN = TRANSPORT | READING | {name: {**fields, "id": None} for name, fields in ORDER.items()}
