"""For every kind of alert a fleet in which it really stands: the services' own code raised it, on the real tables.

A scene leaves the world as a person on call finds it, and tells the names that the alert gave him.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from GCHostPay3.approve import PayOrderContradicts
from shared.books import opening_balance, post
from shared.chain import AnswerKind
from shared.exchange import Mismatch, OrderMismatch, RefusalKind, RefusedByExchange
from shared.messages import PayBatch, PayOrder, SwapExecuted, VoidTransfer
from shared.money import Ether, Tether
from shared.ops.acts import approve
from shared.ops.recovery import Recovery, recover
from shared.sandbox.chain import HOST_WALLET
from tests.integration.executor_world import DEPOSIT, SOME_ETH
from tests.integration.intake_world import FIFTY, IntakeWorld, changed
from tests.integration.operations_world import Operations

Names = Mapping[str, str]
WEEK = 7


# --- intake and payments ----------------------------------------------------------------------------------------------


def payment_parked(world: Operations, intake: IntakeWorld) -> Names:
    assert intake.post(changed(FIFTY, nowpayments_outcome_amount=None)).status == 200
    world.fleet.batcher.tick()
    return {"PAYMENT": "4479119533"}


def payment_conflicted(world: Operations, intake: IntakeWorld) -> Names:
    assert intake.post(FIFTY).status == 200
    assert intake.post(FIFTY.replace('"50"', '"51"')).status == 409
    return {"PAYMENT": "4479119533"}


def payments_overdue(world: Operations, intake: IntakeWorld) -> Names:
    batcher = world.fleet.batcher
    batcher.payments("60")
    batcher.tick()
    batcher.write("update payout_accumulation set due_at = created_at + interval '7 days'")
    batcher.wait(days=WEEK)
    batcher.sweep()
    return {"PAYMENT": "payment-1"}


# --- batch and order --------------------------------------------------------------------------------------------------


def batch_held_back(world: Operations, intake: IntakeWorld) -> Names:
    batcher = world.fleet.batcher
    batcher.payments("60", "40")
    batcher.exchange.pays = Tether.parse("94.999999")
    assert batcher.tick().body["outcome"] == "quote_outside_band"
    return {"PAYMENT": "payment-1"}


def batch_released(world: Operations, intake: IntakeWorld) -> Names:
    batcher = world.fleet.batcher
    batcher.exchange.answer_next(RefusedByExchange(RefusalKind.PAIR_INACTIVE, "not now"))
    batcher.payments("60", "40")
    batcher.tick()
    return {"BATCH": str(batcher.batch()["batch_conversion_id"]), "PAYMENT": "payment-1"}


def batch_parked(world: Operations, intake: IntakeWorld) -> Names:
    return {"BATCH": str(world.a_batch_with_spent_attempts())}


def batch_overdue(world: Operations, intake: IntakeWorld) -> Names:
    batch = world.a_batch()
    world.fleet.batcher.wait(days=WEEK, minutes=20)
    world.fleet.batcher.sweep()
    return {"BATCH": str(batch), "ORDER": world.fleet.batcher.column("select cn_api_id from exchange_order")[0]}


def result_outside_band(world: Operations, intake: IntakeWorld) -> Names:
    batch = world.a_batch()
    report = _paid(world, batch, "60")
    assert world.fleet.batcher.report(report).status == 200
    return {"BATCH": str(batch)}


def distribution_forbidden(world: Operations, intake: IntakeWorld) -> Names:
    batcher = world.fleet.batcher
    batch = world.a_batch()
    _paid(world, batch, "97")
    batcher.write("update batch_member set live = false where payment_id = 2")
    batcher.wait(minutes=3)
    batcher.sweep()
    return {"BATCH": str(batch)}


def order_abandoned(world: Operations, intake: IntakeWorld) -> Names:
    batcher = world.fleet.batcher
    batcher.exchange.answer_next(OrderMismatch("wrong0000000001", (Mismatch("payoutAddress", "0xours", "0xtheirs"),)))
    batcher.payments("60", "40")
    batcher.tick()
    return {"ORDER": "wrong0000000001", "BATCH": str(batcher.batch()["batch_conversion_id"])}


order_overdue = batch_overdue


# --- request ----------------------------------------------------------------------------------------------------------


def request_parked(world: Operations, intake: IntakeWorld) -> Names:
    batch = world.a_batch()
    world.fleet.verdict = "mismatch"
    world.fleet.lost.add(VoidTransfer)
    world.fleet.rest()
    return {"BATCH": str(batch), "REQUEST": f"batch_{batch}"}


def request_overdue(world: Operations, intake: IntakeWorld) -> Names:
    conductor = world.fleet.conductor
    asked = conductor.a_batch()
    conductor.take(asked)
    conductor.wait(minutes=7)
    conductor.sweep()
    return {"REQUEST": f"batch_{asked.batch_conversion_id}"}


def request_stuck(world: Operations, intake: IntakeWorld) -> Names:
    conductor = world.fleet.conductor
    asked = conductor.a_paying_batch()
    conductor.a_transfer(asked, "settled", value_wei=1)
    conductor.wait(minutes=3)
    conductor.sweep()
    return {"REQUEST": f"batch_{asked.batch_conversion_id}"}


def deposit_is_not_ours(world: Operations, intake: IntakeWorld) -> Names:
    conductor = world.fleet.conductor
    asked = conductor.a_watched_batch()
    conductor.says(asked, "confirming", payin_hash="0x" + "fe" * 32)
    conductor.look(asked)
    return {"REQUEST": f"batch_{asked.batch_conversion_id}", "ORDER": asked.cn_api_id}


# --- transfer and wallet ----------------------------------------------------------------------------------------------


def transfer_held(world: Operations, intake: IntakeWorld) -> Names:
    batch, request = world.a_held_transfer()
    return {"BATCH": str(batch), "REQUEST": request}


def transfer_overdue(world: Operations, intake: IntakeWorld) -> Names:
    world.fleet.executor.chain.drop_sends = True
    order = _live(world)
    world.fleet.executor.now += timedelta(hours=2)
    world.fleet.executor.sweep()
    return _of(order)


def transfer_reverted(world: Operations, intake: IntakeWorld) -> Names:
    order = _live(world)
    world.fleet.executor.chain.reverting.add(DEPOSIT.lower())
    world.fleet.executor.run_to_the_end()
    return _of(order)


def transfer_cancelled(world: Operations, intake: IntakeWorld) -> Names:
    executor = world.fleet.executor
    order = executor.a_payable_order()
    executor.pay(order)
    executor.drive()
    assert executor.state(order) == "reserved"
    executor.set_order(order, "expired")
    executor.run_to_the_end()
    return _of(order)


order_lapsed_before_send = transfer_cancelled


def transfer_foreign(world: Operations, intake: IntakeWorld) -> Names:
    executor = world.fleet.executor
    executor.chain.drop_sends = True
    order = _live(world)
    tx_hash = executor.chain.send_foreign(HOST_WALLET.address, 7)
    executor.chain.finalize()
    executor.wait(60)
    return _of(order) | {"TX_HASH": tx_hash}


account_frozen = transfer_foreign


def attempt_at_ceiling(world: Operations, intake: IntakeWorld) -> Names:
    executor = world.fleet.executor
    executor.chain.refuse_sends = (AnswerKind.FEE_TOO_LOW, "transaction underpriced")
    order = _live(world)
    for _ in range(25):
        executor.wait(60)
    return _of(order)


def pay_order_contradicts(world: Operations, intake: IntakeWorld) -> Names:
    executor = world.fleet.executor
    order = executor.a_payable_order()
    try:
        executor.pay(replace(order, amount_wei=SOME_ETH.wei + 1))
    except PayOrderContradicts:
        return _of(order)
    raise AssertionError("it was taken")


def approval_refused(world: Operations, intake: IntakeWorld) -> Names:
    batch, request = world.a_held_transfer()
    world.do(approve("held", request))
    world.fleet.executor.write("update transfer set reason = 'over_daily_limit: another rule'")
    world.fleet.sweep()
    return {"BATCH": str(batch), "REQUEST": request}


def account_low_on_funds(world: Operations, intake: IntakeWorld) -> Names:
    executor = world.fleet.executor
    executor.chain.set_balance(HOST_WALLET.address, SOME_ETH.wei)
    order = executor.a_payable_order()
    executor.pay(order)
    executor.settle_down()
    return _of(order)


def books_differ(world: Operations, intake: IntakeWorld) -> Names:
    chain, conductor = world.fleet.executor.chain, world.fleet.conductor
    held = Ether(chain.balance_wei(HOST_WALLET.address, chain.agreed_finalized()))
    with world.owner.transaction() as conn:
        post(conn, opening_balance(HOST_WALLET.address, held + Ether(1), Tether.zero()), conductor.now, "t")
    conductor.c = replace(conductor.c, chain=chain, books_every=timedelta(hours=1))
    conductor.wait(hours=1)
    conductor.sweep()
    return {}


def account_recovered(world: Operations, intake: IntakeWorld) -> Names:
    names = transfer_foreign(world, intake)
    _recover(world, accept_foreign=[names["TX_HASH"]])
    return names


def recovery_incomplete(world: Operations, intake: IntakeWorld) -> Names:
    names = transfer_foreign(world, intake)
    _recover(world)
    return names


def providers_disagreed(world: Operations, intake: IntakeWorld) -> Names:
    order = _live(world)
    world.fleet.executor.chain.disagree = True
    world.fleet.executor.wait(60)
    return _of(order)


# --- messages and the scheduler ---------------------------------------------------------------------------------------


def message_refused(world: Operations, intake: IntakeWorld) -> Names:
    batch = world.a_batch()
    report = _paid(world, batch, "97")
    answer = world.fleet.batcher.report(replace(report, usdt_units=report.usdt_units + 1))
    assert answer.body["status"] == "refused"
    return {"BATCH": str(batch)}


def scheduler_silent(world: Operations, intake: IntakeWorld) -> Names:
    world.fleet.batcher.tick()
    world.fleet.batcher.wait(minutes=50)
    world.fleet.batcher.sweep()
    return {}


SCENES: Final[Mapping[str, Callable[[Operations, IntakeWorld], Names]]] = {
    scene: globals()[scene]
    for scene in (
        "payment_parked", "payment_conflicted", "payments_overdue", "batch_held_back", "batch_released", "batch_parked",
        "batch_overdue", "result_outside_band", "distribution_forbidden", "order_abandoned", "order_overdue",
        "request_parked", "request_overdue", "request_stuck", "deposit_is_not_ours", "transfer_held",
        "transfer_overdue",
        "transfer_reverted", "transfer_cancelled", "transfer_foreign", "attempt_at_ceiling", "order_lapsed_before_send",
        "pay_order_contradicts", "approval_refused", "account_low_on_funds", "books_differ", "account_frozen",
        "account_recovered",
        "recovery_incomplete", "providers_disagreed", "message_refused", "scheduler_silent",
    )
}  # fmt: skip
"""A scene for each kind; a test compares it with the table of kinds."""


def _live(world: Operations) -> PayOrder:
    executor = world.fleet.executor
    order = executor.a_payable_order()
    executor.pay(order)
    executor.settle_down()
    assert executor.state(order) == "live"
    return order


def _paid(world: Operations, batch: UUID, usdt: str) -> SwapExecuted:
    """The order was paid and its USDT arrived, with the rows of all three services; the report about it."""
    batcher, conductor = world.fleet.batcher, world.fleet.conductor
    order = batcher.adopted(batch)
    report = batcher.is_paid(batch, usdt)
    asked = PayBatch(str(batch), order["cn_api_id"], "eth", "eth", int(order["amount_wei"]), order["payin_address"])
    conductor.a_transfer(asked, "settled", report.eth_tx_hash)
    conductor.write("update slot set gas_wei = 1")  # what the books say
    return report


def _of(order: PayOrder) -> dict[str, str]:
    return {"REQUEST": order.unique_id, "ORDER": order.cn_api_id, "BATCH": order.unique_id.removeprefix("batch_")}


def _recover(world: Operations, **options: object) -> None:
    executor = world.fleet.executor
    recover(
        Recovery(
            database=executor.owner,
            chain=executor.chain,
            archive=executor.x.archive,
            by="Ada",
            reason="a restore",
            now=executor.now,
            trace="r" * 32,
            on_step=lambda _: None,
            **options,  # type: ignore[arg-type]
        )
    )
