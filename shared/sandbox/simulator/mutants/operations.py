"""Mutants of what operators may do: a rule that stands between a person and a mistake is not asked."""

from __future__ import annotations

from typing import Any, Final

from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile

_BUSY: Final = Profile(operators=900, orders_unusual=900, deposits_refused=300, creations_unclear=300)


def _never_against(_world: Any, _real: Any) -> Any:
    return lambda *_: None


MUTANTS: Final = (
    Mutant(
        "retried_while_an_order_can_be_funded",
        "a batch gets another order only when none of its orders can be funded any more",
        {"shared.ops.acts.rules:_can_still_be_funded": _never_against},
        profile=_BUSY,
    ),
    Mutant(
        "batch_retried_in_any_state",
        "only a parked batch is tried again",
        {"shared.ops.acts.rules:against_retry_of_batch": _never_against},
        profile=_BUSY,
    ),
    Mutant(
        "released_after_a_nonce_was_used",
        "a batch gives its payments back only if no nonce was ever used for it",
        {"shared.ops.acts.rules:against_release": _never_against},
        profile=_BUSY,
    ),
    Mutant(
        "paid_order_given_up",
        "only an unpaid order is given up",
        {"shared.ops.acts.rules:against_abandon_order": _never_against},
        profile=_BUSY,
    ),
    Mutant(
        "request_retried_in_any_state",
        "only a parked request is checked again",
        {"shared.ops.acts.rules:against_retry_of_request": _never_against},
        profile=_BUSY,
    ),
    Mutant(
        "payment_retried_in_any_state",
        "only a parked payment is pending again",
        {"shared.ops.acts.rules:against_retry_of_payment": _never_against},
        profile=_BUSY,
    ),
)
