"""Batches whose messages are lost for good, whose rows are held by somebody, or whose lock another service wants."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from GCMicroBatchProcessor import store
from GCMicroBatchProcessor.batcher import REDRIVE_AFTER
from shared.books import Account
from shared.db import Database
from shared.db.roles import BATCHER, CONDUCTOR
from shared.exchange import Unclear
from shared.messages import SwapFailed
from shared.money import Ether, Price
from tests.integration.batcher_world import BatcherWorld

DatabaseAs = Callable[[str], Database]


@pytest.fixture
def world(database: Database, database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(database, database_as(BATCHER))


def _later(world: BatcherWorld) -> None:
    world.now += REDRIVE_AFTER


@pytest.mark.parametrize("parked_before", [False, True])
def test_a_proven_refund_whose_report_was_lost_for_good_is_found_by_the_sweep(
    world: BatcherWorld, parked_before: bool
) -> None:
    batch = world.a_batch("50", "30", "20")
    cn_api_id = world.adopted(batch)["cn_api_id"]
    world.a_request(batch, status="reported", eth_tx_hash="0x" + "e1" * 32)
    if parked_before:
        world.report(SwapFailed(str(batch), cn_api_id, "the exchange says failed", ""))
    # The conductor commits the refund with the ETH found on chain; its message dies with its queue.
    world.write("update exchange_order set order_status = 'refunded' where cn_api_id = :cn", cn=cn_api_id)
    _later(world)
    assert world.sweep().status == 200
    assert world.batch(batch)["conversion_status"] == "released"
    assert world.statuses() == ["pending"] * 3
    assert world.books().eth[Account.CLIENTS_PENDING] == -Ether.parse("0.04")


def test_a_request_that_is_parked_parks_its_batch_although_the_report_was_lost(world: BatcherWorld) -> None:
    batch = world.a_batch("100")
    world.a_request(batch, status="parked")
    world.write("update hostpay_request set reason = 'not_waiting: the exchange says expired'")
    _later(world)
    assert world.sweep().status == 200
    row = world.batch(batch)
    assert (row["conversion_status"], row["reason"]) == ("parked", "not_waiting: the exchange says expired")
    assert "batch_parked" in world.alerts()


def test_a_batch_that_somebody_holds_does_not_keep_the_sweep_from_the_others(world: BatcherWorld) -> None:
    held, lost = world.a_batch("100"), world.a_batch("100")
    world.messages()
    world.write(
        "update batch_conversions set due_at = due_at - interval '1 second' where batch_conversion_id = :b", b=held
    )
    _later(world)
    with world.owner.transaction() as conn:  # an operator's forgotten session
        conn.all("select 1 as x from batch_conversions where batch_conversion_id = :b for update", b=held)
        world.sweep()
    assert [message.batch_conversion_id for message in world.messages()] == [str(lost)]


def test_the_batcher_and_the_conductor_never_wait_for_each_other(world: BatcherWorld, database_as: DatabaseAs) -> None:
    """The sweep locks batch, then order; the conductor writes its order, then an arrival that refers to the batch."""
    batch = world.a_batch("100")
    order = world.adopted(batch)
    both = threading.Barrier(2, timeout=10)

    def conductor() -> None:
        with database_as(CONDUCTOR).transaction() as conn:
            conn.run("update exchange_order set exchange_status = 'finished' where id = :id", id=order["id"])
            both.wait()
            conn.run(
                """insert into arrival (tx_hash, log_index, batch_conversion_id, cn_api_id, token_contract,
                       from_address, to_address, usdt_units, block_number, block_hash, recorded_at)
                   values ('0x', 0, :batch, :cn, '0x', '0x', '0x', 1, 1, '0x', :now)""",
                batch=batch,
                cn=order["cn_api_id"],
                now=world.now,
            )

    def batcher() -> None:
        with world.batcher.database.transaction() as conn:
            store.lock_batch(conn, batch)
            both.wait()
            store.lock_orders(conn, batch)

    with ThreadPoolExecutor(2) as threads:
        for call in [threads.submit(conductor), threads.submit(batcher)]:
            call.result(timeout=30)


def test_while_batching_is_paused_no_order_is_asked_for(world: BatcherWorld) -> None:
    world.exchange.answer_next(Unclear("no answer", maybe_created=True))
    world.payments("100")
    world.tick()
    asked = world.exchange.asked
    world.pause_batching()
    _later(world)
    world.sweep()
    assert world.exchange.asked == asked
    world.write("delete from pause")
    _later(world)
    world.sweep()
    assert world.exchange.asked == asked + 1


def test_payments_that_wait_longer_than_they_may_are_told_once_a_day(world: BatcherWorld) -> None:
    world.a_payment("1")
    world.a_payment("2")
    world.write("update payout_accumulation set due_at = created_at + interval '7 days'")
    world.wait(days=6)
    world.sweep()
    assert world.alerts() == []
    world.wait(days=1)
    world.sweep()
    world.sweep()
    world.a_payment("4")
    assert world.alerts() == ["payments_overdue"]
    (message,) = world.column("select message from alert")
    assert "2 payments worth 3.00 USD" in message
    world.wait(days=1)
    world.sweep()
    assert world.alerts() == ["payments_overdue", "payments_overdue"]


def test_a_total_over_the_threshold_without_a_batch_for_an_hour_is_told_once_however_long_it_lasts(
    world: BatcherWorld,
) -> None:
    world.exchange.unreadable.add("range")
    world.payments("60", "39.999999")
    world.wait(hours=2)
    world.sweep()
    assert world.alerts() == [], "below the threshold nothing is late"
    world.payments("0.000001")
    assert world.tick().status == 503
    world.wait(minutes=59)
    world.sweep()
    assert world.alerts() == []
    world.wait(minutes=1)
    world.sweep()
    world.wait(hours=20)
    world.payments("10")
    world.sweep()
    assert world.alerts() == ["payments_overdue"]
    alert = world.only("select message, money_at_risk from alert")
    assert "3 payments worth 100.00 USD are over the threshold 100.00 USD since 2026-03-01T14:00:00" in alert["message"]
    assert alert["money_at_risk"] == ["100.000000 USD"]


def test_neither_a_pause_nor_a_queue_of_which_batches_are_formed_is_a_missing_batch(world: BatcherWorld) -> None:
    world.with_terms(guard={"max_transfer": Ether.parse("0.04")})
    world.payments(*["100"] * 8)
    for _ in range(3):
        world.wait(minutes=30)
        assert world.tick().body["outcome"] == "batch_created"
        world.sweep()
    world.pause_batching()
    world.wait(hours=2)
    world.sweep()
    assert "payments_overdue" not in world.alerts()
    world.write("delete from pause")
    world.sweep()
    assert world.alerts().count("payments_overdue") == 1


def test_an_order_that_is_tried_again_at_another_price_is_guarded_too(world: BatcherWorld) -> None:
    """Between two attempts hours may pass: what the first one was allowed to order may be wrong money by then."""
    world.with_terms(funding="quoted")
    world.exchange.answer_next(Unclear("no answer", maybe_created=True))
    world.payments("100")
    world.tick()
    world.chain.price = Price(1_250 * 10**8, 8)
    world.exchange.price = Price(1_212, 0)
    asked = world.exchange.asked
    world.wait(hours=5)
    world.sweep()
    assert world.exchange.asked == asked


def test_a_request_that_the_conductor_never_takes_parks_the_batch_and_is_asked_for_ever_more_rarely(
    world: BatcherWorld,
) -> None:
    """It refuses (its own limit may be lower), and says so where only its operator looks."""
    batch = world.a_batch("100")
    world.messages()
    for _ in range(40):
        _later(world)
        world.sweep()
    assert world.batch(batch)["conversion_status"] == "parked"
    assert "the conductor" in world.batch(batch)["reason"]
    world.messages()
    for _ in range(60):  # two hours
        _later(world)
        world.sweep()
    assert 1 <= len(world.messages()) <= 3
    report = world.is_paid(batch, "97")  # it was taken after all
    assert world.report(report).status == 200
    assert world.statuses() == ["completed"]
