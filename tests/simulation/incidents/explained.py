"""Rows that this product cannot meet, with the reason; rows not covered yet; and what of a covered row is not shown."""

from __future__ import annotations

from typing import Final

from .rows import NOT_DESCRIBED

_PAYOUTS: Final = "Payouts of shares to clients are made by another system; the fleet ends with a share that is proven."
_UPSTREAM: Final = "The upstream webhooks do this before a payment reaches the intake."

EXPLAINED: Final = {
    **dict.fromkeys(sorted(NOT_DESCRIBED), "The list describes nothing under this number."),
    "I-10": _PAYOUTS,
    "L-21": _PAYOUTS,
    "L-22": _PAYOUTS,
    "L-23": _PAYOUTS,
    "L-75": _PAYOUTS,
    "I-41": "Channels are upstream's; the fleet has one threshold and looks nothing up by a channel.",
    "I-45": "The order behind a gateway's notice is upstream's row; the intake takes a payment that stands by itself.",
    "L-26": "Invitations and days are upstream's; the intake takes no field of them.",
    "L-69": _UPSTREAM + " It posts finished payments only; the fleet has no word for a partial one.",
    "L-81": "Tokens are sealed, not secret, and say so: their amounts and addresses are public on the chain anyway.",
}
"""What the design decides otherwise, or another system does."""

NOT_COVERED_YET: Final[dict[str, str]] = {}
"""What the product will meet and does not show yet."""

PARTLY: Final = {
    "I-27": "Every route and every edge is gone through; which lines that are is not measured.",
    "I-31": "Who may call whom is worked out from the declaration; no task went through a project of Google's.",
    "I-33": "Strategies are upstream's; of this row only the secret's path in the place of its value is met.",
    "I-34": "The other jobs, the next payment and /health notice; the watcher outside the fleet is declared, not run.",
    "I-37": "A service ends before it listens; that its revision then gets no traffic is Cloud Run's own promise.",
    "I-44": "The image is put together from the lines that copy; no builder has built it.",
    "I-57": "Rows, tasks, answers and settings are searched here; logs are in tests/e2e/test_faults.py.",
    "L-34": "An address is checked for its form and against our contracts; there is no list of allowed ones.",
    "L-70": "Who may read what is worked out from the declaration; Google itself was not asked.",
    "L-78": "Hundreds of calls and their connections are counted, not ten thousand and their memory.",
    "L-79": "Killed histories are L-04's, the signal is tried on the server in tests/unit/test_http_gunicorn.py.",
}
"""What of a covered row is not shown."""
