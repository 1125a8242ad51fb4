"""Mutants of the books and shares: payments counted, dust carried, arrivals credited, shares distributed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from GCMicroBatchProcessor import store as batcher_store
from shared.messages import SwapExecuted
from shared.money import Ether, Tether
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.profile import Profile


def _weight_becomes_share(world: Any, real: Any) -> Any:
    """One column for both, as the predecessor had it: the share is written where the weight stood."""

    def credit_shares(conn: Any, batch_id: Any, *rest: Any) -> int:
        credited: int = real(conn, batch_id, *rest)
        with world.session.looking():
            world.session.connection.run(
                "update batch_member set weight_usd_micros = share_usdt_units where batch_conversion_id = :batch",
                batch=batch_id,
            )
        return credited

    return credit_shares


def _tell_the_estimate(_world: Any, _real: Any) -> Any:
    """The conductor reports what it expected; it is one unit off, as estimates are."""

    def swap_executed(**fields: Any) -> SwapExecuted:
        return SwapExecuted(**(fields | {"usdt_units": fields["usdt_units"] + 1}))

    return swap_executed


def _hear_the_number(world: Any, _real: Any) -> Any:
    def require_no_contradiction(message: Any, _arrival: Any, _eth_tx_hash: Any) -> None:
        world.reported_units = message.usdt_units

    return require_no_contradiction


def _the_number_heard(world: Any, real: Any) -> Any:
    def share_out(amount: Any, weights: Any) -> Any:
        return real(Tether(getattr(world, "reported_units", amount.units)), weights)

    return share_out


def _count_again(_world: Any, real: Any) -> Any:
    def insert_arrival(*arguments: Any) -> bool:
        real(*arguments)
        return True

    return insert_arrival


class _Stale:
    """What a distribution read before its transaction, while it still matters."""

    def __init__(self) -> None:
        self.batches: list[tuple[Any, Any]] = []


def _read_first(world: Any, real: Any) -> Any:
    """Batch and members are read before the transaction that shares out, and not again in it."""
    world.stale = getattr(world, "stale", _Stale())
    lock_batch, lock_members = batcher_store.lock_batch, batcher_store.lock_members  # not replaced yet: see MUTANTS

    def distribute(batcher: Any, batch_id: Any, now: Any, trace: str, report: Any = None) -> Any:
        with batcher.database.read() as conn:
            stale = (lock_batch(conn, batch_id), lock_members(conn, batch_id))
        world.stale.batches.append(stale)
        try:
            return real(batcher, batch_id, now, trace, report)
        finally:
            world.stale.batches.remove(stale)

    return distribute


def _as_read(place: int) -> Any:
    def replacement(world: Any, real: Any) -> Any:
        def read(conn: Any, batch_id: Any) -> Any:
            known = [stale[place] for stale in world.stale.batches if stale[0].batch_conversion_id == batch_id]
            return known[-1] if known else real(conn, batch_id)

        return read

    return replacement


def _no_dust(_world: Any, real: Any) -> Any:
    """What the exchange does not take is forgotten."""

    def amounts_received(pending: Any, _dust_in: Any, terms: Any) -> Any:
        return replace(real(pending, Ether.zero(), terms), dust_out=Ether.zero())

    return amounts_received


def _again_under_another_name(differs: Any) -> Any:
    """A payment that is there already is recorded once more, if `differs` says that it is another one."""

    def replacement(world: Any, real: Any) -> Any:
        seen: dict[str, Any] = {}

        def insert_payment(conn: Any, payment: Any, *rest: Any) -> int | None:
            body = payment.body
            number: int | None = real(conn, payment, *rest)
            if number is None and differs(seen.get(body.payment_ref, body), body):
                again = replace(payment, body=replace(body, gateway_payment_id=f"{body.payment_ref}#{world.steps}"))
                number = real(conn, again, *rest)
            seen.setdefault(body.payment_ref, body)
            return number

        return insert_payment

    return replacement


def _every_delivery(_before: Any, _body: Any) -> bool:
    return True


def _another_text(before: Any, body: Any) -> bool:
    return bool((before.amount_text, before.payment_timestamp) != (body.amount_text, body.payment_timestamp))


MUTANTS: Final = (
    Mutant(
        "weight_overwritten_by_share",
        "weight and share are two columns",
        {"GCMicroBatchProcessor.store:credit_shares": _weight_becomes_share},
    ),
    Mutant(
        "share_from_the_token",
        "what is shared out is the arrival's row, never a number in a message",
        {
            "GCHostPay1.end_request:SwapExecuted": _tell_the_estimate,
            "GCMicroBatchProcessor.distribute:_require_no_contradiction": _hear_the_number,
            "GCMicroBatchProcessor.distribute:share_out": _the_number_heard,
        },
    ),
    Mutant(
        "same_log_counted_twice",
        "a Transfer log is counted once",
        {
            "GCHostPay1.store:logs_claimed": lambda _world, _real: lambda *_: set(),
            "GCHostPay1.store:insert_arrival": _count_again,
            "GCHostPay1.find_result:_not_before_payment": lambda _world, _real: lambda _c, _r, _w, found: found,
        },
        history="one_payout_named_by_two_orders",
        masked_by="the exchange seldom names another order's payout",
    ),
    Mutant(
        "distributed_without_locking_members",
        "batch and members are read under their locks, in the transaction that shares out",
        {
            "GCMicroBatchProcessor.distribute:distribute": _read_first,
            "GCMicroBatchProcessor.sweep:distribute": _read_first,
            "GCMicroBatchProcessor.store:lock_batch": _as_read(0),
            "GCMicroBatchProcessor.store:lock_members": _as_read(1),
        },
        history="two_distributions_at_once",
        masked_by="a report and a sweep seldom share out one batch in the same moment",
    ),
    Mutant(
        "dust_is_dropped",
        "what the exchange does not take is booked and carried on",
        {"GCMicroBatchProcessor.check_threshold:amounts_received": _no_dust},
    ),
    Mutant(
        "payment_counted_by_delivery",
        "a payment's reference counts it once, however often it is delivered",
        {"GCAccumulator.store:insert_payment": _again_under_another_name(_every_delivery)},
        Profile(webhooks_twice=800),
    ),
    Mutant(
        "payment_counted_by_body",
        "a payment is its reference, not the words of its body",
        {"GCAccumulator.store:insert_payment": _again_under_another_name(_another_text)},
        history="a_payment_told_again_in_other_words",
        masked_by="the model's upstream repeats itself word for word",
    ),
)
