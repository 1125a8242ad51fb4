"""Mutants of signing, sending and bumping: what is stored before what leaves, and what may leave at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from GCHostPay3 import sign
from shared.sandbox.simulator.fleet import the_signer
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.signing import ModelSigner

_OUTBID: Final = Profile(fee_spikes=60, blocks_pass_over=850)


def _send_then_store(_world: Any, _real: Any) -> Any:
    def sign_slot(x: Any, transfer: Any, slot: Any, task: Any) -> str:
        fees = x.chain.fees(x.limits.max_fee_per_gas_wei)
        fields = sign.fields_of(transfer, slot, sign.PAY, fees.tip_wei, fees.cap_wei)
        signed = sign.sign_fields(x, transfer, fields, task)
        x.chain.send_raw(signed.raw)
        sign.store_attempt(x, transfer, [], sign.PAY, fields, signed, task)
        return "attempt_signed"

    return sign_slot


def _bump_then_store(_world: Any, real: Any) -> Any:
    def store_attempt(x: Any, transfer: Any, before: Any, kind: Any, fields: Any, signed: Any, task: Any) -> bool:
        x.chain.send_raw(signed.raw)
        return bool(real(x, transfer, before, kind, fields, signed, task))

    return store_attempt


def _only_what_was_never_sent(_world: Any, _real: Any) -> Any:
    return lambda _x, attempts, _task: attempts[-1].last_send_started_at is None


def _never(_world: Any, _real: Any) -> Any:
    return lambda *_: None


def _one_wei_less(_world: Any, real: Any) -> Any:
    def fields_of(transfer: Any, slot: Any, kind: Any, tip_wei: int, cap_wei: int) -> Any:
        fields = real(transfer, slot, kind, tip_wei, cap_wei)
        return replace(fields, value_wei=fields.value_wei - 1)  # "the amount includes the fee"

    return fields_of


def _to_another_address(world: Any, real: Any) -> Any:
    def fields_of(transfer: Any, slot: Any, kind: Any, tip_wei: int, cap_wei: int) -> Any:
        fields = real(transfer, slot, kind, tip_wei, cap_wei)
        return replace(fields, to=list(world.exchange.orders.values())[-1].request.refund_address.lower()[:-1] + "0")

    return fields_of


def _careless(world: Any, _made: Any) -> Any:
    """A signer that remembers nothing: it signs whatever it is asked to."""
    return ModelSigner(the_signer(), world)


# A signer that remembers nothing, and no archive that compares bytes with their order: so the bytes really leave.
_NOBODY_COMPARES: Final = {
    "executor.signer": _careless,
    "GCHostPay3.send:keep_copies": lambda _world, _real: lambda *_: {},
    "GCHostPay3.send:note_copy": lambda _world, _real: lambda *_: True,
}


def _cancel_without_asking(_world: Any, _real: Any) -> Any:
    """A cancel as soon as bytes are out, which nobody asked for and nothing has registered."""

    def cancel_is_wanted(_x: Any, _transfer: Any, _slot: Any, attempts: Any) -> bool:
        return bool(attempts) and attempts[-1].kind == sign.PAY

    return cancel_is_wanted


MUTANTS: Final = (
    Mutant(
        "bytes_stored_after_send",
        "bytes are stored before they are first sent",
        {"GCHostPay3.drive:sign_slot": _send_then_store},
    ),
    Mutant(
        "bump_stored_after_send",
        "dearer bytes are stored before they are sent (OZ)",
        {"GCHostPay3.bump:store_attempt": _bump_then_store},
        _OUTBID,
    ),
    Mutant(
        "sent_once_only",
        "bytes are sent again as long as no block has them, and bid up",
        {"GCHostPay3.drive:_unheard_of": _only_what_was_never_sent, "GCHostPay3.drive:bump_if_outbid": _never},
        Profile(sends_dropped=500, sends_lost=300, evictions=300),
    ),
    Mutant(
        "bump_with_another_value",
        "every attempt of a nonce has the same value; the signer that remembers refuses another (CarefulSigner)",
        {"GCHostPay3.bump:fields_of": _one_wei_less},
        _OUTBID,
    ),
    Mutant(
        "bump_with_another_value_that_nobody_compares",
        "every attempt of a nonce has the same value; neither signer nor archive compares",
        {"GCHostPay3.bump:fields_of": _one_wei_less, **_NOBODY_COMPARES},
        _OUTBID,
    ),
    Mutant(
        "bump_to_another_address_that_nobody_compares",
        "every attempt of a nonce has the same receiver; neither signer nor archive compares",
        {"GCHostPay3.bump:fields_of": _to_another_address, **_NOBODY_COMPARES},
        _OUTBID,
    ),
    Mutant(
        "cancel_without_registering",
        "a cancel is signed only for a nonce that somebody has asked to cancel",
        {"GCHostPay3.drive:cancel_is_wanted": _cancel_without_asking},
    ),
)
