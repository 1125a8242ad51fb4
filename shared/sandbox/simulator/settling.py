"""Has everything come to its end? What the exchange and the chain really did says what the rows must say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.lifecycle import FINAL, WAITING, BatchState, RequestState, TransferState
from shared.money import Ether, Tether
from shared.sandbox.simulator.exchange import ModelOrder
from shared.sandbox.simulator.fleet import BATCHER_TERMS, WALLET
from shared.sandbox.simulator.invariants import QUERIES, Violation

if TYPE_CHECKING:
    from shared.sandbox.simulator.world import World

_MAY_STAY: Final = {
    kind: [state.value for state in kind if state in FINAL or "a person" in WAITING[state].on_whom]
    for kind in (BatchState, RequestState, TransferState)
}
"""The states in which something may stay: it ended, or a person must act."""
_BEFORE_THEY_LEAVE: Final = [
    state.value
    for state in (TransferState.CREATED, TransferState.APPROVED, TransferState.RESERVED, TransferState.SIGNED)
]


def why_unsettled(world: World) -> str | None:
    """What still has to happen, in words; None when nothing has."""
    with world.session.looking():
        connection = world.session.connection
        unfinished = QUERIES.all(
            connection,
            "unfinished",
            batches=_MAY_STAY[BatchState],
            requests=_MAY_STAY[RequestState],
            transfers=_MAY_STAY[TransferState],
            nonce_less=_BEFORE_THEY_LEAVE,
        )
        ready = QUERIES.only(connection, "ready_to_batch")
        ends = {row["cn_api_id"]: row for row in QUERIES.all(connection, "ends")}
    if unfinished:
        return "; ".join(row["what"] for row in unfinished[:5])
    if ready["total_usd_micros"] >= BATCHER_TERMS.threshold.micros and not ready["paused"]:
        return f"{ready['payments']} pending payments are over the threshold"
    for order in world.exchange.orders.values():
        waits = _why_order_waits(world, order, ends.get(order.cn_api_id))
        if waits is not None:
            return f"order {order.cn_api_id}: {waits}"
    missing = world.expected_payments - world.accepted.keys()
    if missing:
        return f"payment {min(missing)} is not accepted"
    if not world.queue.only_timers():
        return "tasks are still to be delivered"
    return None


def finally_true(world: World) -> None:
    """What must hold once everything is settled. Raises Violation."""
    world.invariants.check()
    with world.session.looking():
        connection = world.session.connection
        for row in QUERIES.all(connection, "broken_story"):
            raise Violation(row["invariant"], row["detail"])
        payments = QUERIES.all(connection, "payments")
        books = QUERIES.only(connection, "wallet_balances")
        arrivals = {row["tx_hash"] for row in QUERIES.all(connection, "arrivals")}
        ends = QUERIES.all(connection, "ends")
    known = {row["payment_ref"]: row["payment_amount_usd_micros"] for row in payments}
    accepted = {ref: usd.micros for ref, usd in world.accepted.items()}
    if known != accepted or len(payments) != len(accepted):
        raise Violation("every_payment_is_counted_once", f"accepted {sorted(accepted)}, recorded {sorted(known)}")
    refunded = {row["refund_hash"] for row in ends if row["order_status"] == "refunded"}
    _check_wallet(world, books, arrivals, refunded)


def _check_wallet(world: World, books: Any, arrivals: set[str], refunded: set[str]) -> None:
    """The books' wallet is the chain's, but for what the exchange sent and a person has yet to understand."""
    finalized = world.node.finalized()
    wallet = WALLET.lower()
    unseen_wei = unseen_units = 0
    for order in world.exchange.orders.values():
        if order.refund_hash is not None and order.refunded is not None and order.refund_hash not in refunded:
            unseen_wei += order.refunded.wei
        found = None if order.payout_hash is None else world.node.canonical(order.payout_hash)
        if found is not None and found[1].status and order.payout_hash not in arrivals and order.owns_payout:
            unseen_units += sum(move.units for move in found[1].transaction.moves if move.to == wallet)
    difference_wei = (
        finalized.balances.get(wallet, 0) - unseen_wei - books["eth_wei"] + world.invariants.foreign_cost_wei()
    )
    if difference_wei:
        raise Violation("books_are_the_wallet", f"the wallet holds {Ether(difference_wei)} that nothing explains")
    difference_units = finalized.tokens.get(wallet, 0) - unseen_units - books["usdt_units"]
    if difference_units:
        raise Violation("books_are_the_wallet", f"the wallet holds {Tether(difference_units)} that nothing explains")


def _why_order_waits(world: World, order: ModelOrder, row: Any) -> str | None:
    """What a paid order must still come to; an order that nobody paid may stay as it is."""
    if order.deposit_hash is None:
        found = [world.node.canonical(one) for one in world.node.received.get(order.payin_address.lower(), ())]
        arrives = any(place is not None and place[1].status for place in found)
        return "its deposit is on its way" if arrives else None
    if row is None:
        raise Violation("only_adopted_orders_are_paid", f"order {order.cn_api_id} is paid and in no row")
    if not order.done:
        return "the exchange is not done with it"
    for tx_hash in (order.payout_hash, order.refund_hash):
        if tx_hash is not None and not world.node.is_final(tx_hash):
            return "its payout is not final"
    wanted = _wanted(order, row)
    shown = (row["conversion_status"] or row["request_status"], row["request_status"])
    return None if wanted is None or shown[0] in wanted else f"is {shown}, must be {wanted}"


def _wanted(order: ModelOrder, row: Any) -> tuple[str, ...] | None:
    """The states of its batch (instant: of its request) in which nothing more is to come."""
    if row["transfer_status"] == "foreign":
        return None
    batch = row["conversion_status"] is not None
    if order.plan.fate.pays:
        return ("completed",) if batch else ("reported",)
    if order.plan.fate.refunds:
        return ("released",) if batch else ("reported",)
    return ("parked",) if batch else ("parked", "reported")
