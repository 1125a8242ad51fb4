"""Mutants of what bounds the executor: fees, funds, limits and the switch that stops it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from shared.money import Ether
from shared.sandbox.simulator.blocks import GWEI
from shared.sandbox.simulator.mutants.mutant import Mutant


def _a_twentieth_dearer(_world: Any, _real: Any) -> Any:
    """Dearer, but by less than any pool asks for."""
    return lambda newest, *_: (newest.tip_wei * 105 // 100, newest.cap_wei * 105 // 100)


def _any_fee(_world: Any, limits: Any) -> Any:
    return replace(limits, max_fee_per_gas_wei=100_000 * GWEI)


def _any_amount(_world: Any, limits: Any) -> Any:
    return replace(limits, max_transfer=Ether.parse("1000"), max_daily=Ether.parse("1000"))


def _nothing_held(_world: Any, real: Any) -> Any:
    return lambda conn, account: replace(real(conn, account), held=Ether.zero())


def _never_paused(_world: Any, _real: Any) -> Any:
    return lambda *_: None


MUTANTS: Final = (
    Mutant(
        "bumped_below_the_bar",
        "a dearer attempt is an eighth dearer, tip and cap",
        {"GCHostPay3.bump:bumped": _a_twentieth_dearer},
        history="L-36",
        masked_by="a spike ends, and small steps add up to what pools ask for",
    ),
    Mutant(
        "no_fee_ceiling",
        "no fee is above the ceiling",
        {"executor.terms": _any_fee},
        history="L-36, at the ceiling",
        masked_by="no promise of the rows says what gas may cost",
    ),
    Mutant(
        "holds_ignored",
        "a nonce is given out only for ETH that no other open nonce holds",
        {"GCHostPay3.store:holds": _nothing_held},
        history="a_wallet_for_one",
        masked_by="nodes refuse what the wallet cannot pay, and the bytes wait until it can",
    ),
    Mutant(
        "limits_ignored",
        "no day carries more than its limit",
        {"executor.terms": _any_amount},
        history="more_than_a_day_may_carry",
        masked_by="the model's people never pay out so much",
    ),
    Mutant(
        "pause_ignored",
        "while sending is paused nothing new leaves",
        {"GCHostPay3.store:pause_reason": _never_paused},
        history="sending_is_paused",
        masked_by="no promise of the rows says what a person wanted",
    ),
)
