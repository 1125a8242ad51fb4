"""Rows of the incident list that this product cannot meet, each with its reason; and rows that are not covered yet."""

from __future__ import annotations

from typing import Final

from .rows import NOT_DESCRIBED

_PAYOUTS: Final = "Payouts of shares to clients are made by another system; the fleet ends with a share that is proven."
_UPSTREAM: Final = "The upstream webhooks do this before a payment reaches the intake."
_DEPLOY: Final = "Deploying is not part of the product yet; a test of it comes with the deployment."

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

NOT_COVERED_YET: Final = {
    "L-45": "Alerts are kept as rows so far; a test of where they go, and of no place to go, comes with sending.",
    "I-37": _DEPLOY,
    "I-40": _DEPLOY,
    "I-44": _DEPLOY,
    "I-66": _DEPLOY,
    "I-73": _DEPLOY,
    "L-73": "There is one version of every message so far; two versions side by side come with the deployment.",
}
"""What the product will meet and does not show yet."""
