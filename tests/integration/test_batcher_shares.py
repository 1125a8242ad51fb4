"""Shares are what arrived on chain, to the unit, once; a report decides nothing but which batch is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.books import Account
from shared.db import Database
from shared.db.roles import BATCHER
from shared.messages import SwapExecuted, SwapFailed
from shared.money import Ether, Tether, Usd
from tests.integration.batcher_world import ETH_TX, REFUND_TX, USDT_TX, BatcherWorld

DatabaseAs = Callable[[str], Database]


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


def test_fifty_thirty_twenty_share_ninety_seven(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    answer = world.report(world.is_paid(batch, "97"))
    assert (answer.status, answer.body) == (
        200,
        {"status": "success", "batch_conversion_id": str(batch), "duplicate": False},
    )
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    payments = world.rows("select * from payout_accumulation order by id")
    assert {row["conversion_status"] for row in payments} == {"completed"}
    assert {(row["conversion_tx_hash"], row["usdt_tx_hash"], row["due_at"]) for row in payments} == {
        (ETH_TX, USDT_TX, None)
    }
    assert [row["pending_usd_amount_micros"] for row in payments] == [50_000_000, 30_000_000, 20_000_000]
    row = world.batch(batch)
    assert (row["conversion_status"], row["usdt_arrived_units"], row["due_at"]) == ("completed", 97_000_000, None)
    assert (row["eth_tx_hash"], row["usdt_tx_hash"]) == (ETH_TX, USDT_TX)
    assert world.column("select share_usdt_units from batch_member order by payment_id") == world.shares()
    assert world.story("batch", batch) == ["batch_claimed", "batch_swapping", "batch_completed"]


def test_seven_equal_payments_share_eight_and_a_half_the_lower_ids_get_the_units_left_over(
    world: BatcherWorld,
) -> None:
    world.with_terms(threshold=Usd.parse("5"))
    for _ in range(7):
        world.a_payment("1.2155", "0.0004862")
    world.tick()
    batch = world.batch()["batch_conversion_id"]
    assert world.report(world.is_paid(batch, "8.5")).status == 200
    assert world.shares() == [1_214_286] * 5 + [1_214_285] * 2
    assert sum(share or 0 for share in world.shares()) == 8_500_000


def test_after_the_shares_the_books_owe_exactly_what_arrived(world: BatcherWorld) -> None:
    world.a_payment("50")
    world.a_payment("50", "0.020000000000000003")
    world.tick()
    batch = world.batch()["batch_conversion_id"]
    world.report(world.is_paid(batch, "97.000001"))
    books = world.books()
    assert books.usdt[Account.CLIENTS_OWED] == Tether(-97_000_001)
    assert books.usdt[Account.WALLET] == Tether(97_000_001)
    assert books.usdt[Account.IN_TRANSIT] == Tether.zero()
    assert books.eth[Account.IN_TRANSIT] == books.eth[Account.CLIENTS_PENDING] == Ether.zero()
    assert books.eth[Account.DUST] == Ether(-3)


def test_a_repeat_is_a_no_op_and_says_so(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    world.report(report)
    before = world.snapshot()
    for as_task in (True, False):
        again = world.report(report, as_task=as_task)
        assert (again.status, again.body["duplicate"]) == (200, True)
    assert world.snapshot() == before


def test_a_report_that_contradicts_our_rows_changes_nothing_and_tells_a_person(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    before = world.snapshot()
    wrong: list[SwapExecuted] = [
        replace(report, usdt_units=97_000_001),
        replace(report, usdt_tx_hash="0x" + "00" * 31 + "01"),
        replace(report, eth_tx_hash="0x" + "00" * 31 + "01"),
        replace(report, cn_api_id="another00000001"),
    ]
    for number, message in enumerate(wrong, start=1):
        answer = world.report(message)
        assert (answer.status, answer.body["code"]) == (200, "swap_report_contradicts")
        assert world.alerts() == ["message_refused"] * number
    assert world.report(wrong[0], as_task=False).status == 400
    assert world.snapshot() == before
    assert world.report(report).body["duplicate"] is False
    assert world.report(wrong[0]).body["status"] == "refused", "also after the shares were written"


def test_a_report_without_an_arrival_credits_nothing(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = SwapExecuted(str(batch), world.adopted(batch)["cn_api_id"], ETH_TX, USDT_TX, 97_000_000)
    before = world.snapshot()
    answer = world.report(report)
    assert (answer.status, answer.body["status"], answer.body["code"]) == (200, "refused", "swap_report_contradicts")
    assert world.snapshot() == before
    assert world.column("select code from refused_message") == ["swap_report_contradicts"]


def test_a_report_about_a_batch_that_is_not_ours_is_refused_by_its_name(world: BatcherWorld) -> None:
    stranger = str(uuid4())
    for message in (
        SwapExecuted(stranger, "fake0000000001", ETH_TX, USDT_TX, 1),
        SwapFailed(stranger, "fake0000000001", "failed", ""),
    ):
        answer = world.report(message)
        assert (answer.status, answer.body["code"]) == (200, "batch_unknown")
        assert world.report(message, as_task=False).status == 400


def test_an_arrival_of_an_order_that_is_not_the_batchs_finished_one_is_not_credited(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97", order_status="failed")
    answer = world.report(report)
    assert answer.body["code"] == "swap_report_contradicts"
    world.write("update exchange_order set order_status = 'finished', cn_api_id = 'another00000001'")
    assert world.report(report).body["code"] == "swap_report_contradicts"
    assert world.shares() == [None] * 3


@pytest.mark.parametrize(
    "tampered",
    [
        "update batch_member set weight_usd_micros = weight_usd_micros + 1 where payment_id = 1",
        """update batch_member set weight_usd_micros = case payment_id when 1 then 20000000 when 3 then 50000000
               else weight_usd_micros end""",
        "update batch_member set live = false where payment_id = 3",
        "update batch_member set weight_usd_micros = 0",
        "update batch_conversions set total_pending_usd_micros = 99999999",
        "update batch_conversions set payment_count = 4",
        """update payout_accumulation set conversion_status = 'parked', parked_reason = 'x', batch_conversion_id = null
             where id = 2""",
        """update payout_accumulation set pending_usd_amount_micros = 60000000, payment_amount_usd_micros = 60000000
             where id = 1""",
    ],
)
def test_members_that_are_not_as_claimed_are_not_shared_out(world: BatcherWorld, tampered: str) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    world.write(tampered)
    answer = world.report(report)
    assert (answer.status, answer.body["code"]) == (500, "members_do_not_add_up")
    assert world.shares() == [None] * 3
    assert world.batch(batch)["conversion_status"] == "swapping"
    world.wait(minutes=3)
    assert world.sweep().status == 200
    assert world.alerts() == ["distribution_forbidden"]


def test_a_result_outside_its_band_is_credited_tells_a_person_and_pauses_batching(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    assert world.report(world.is_paid(batch, "87.299999")).status == 200
    assert sum(share or 0 for share in world.shares()) == 87_299_999
    assert world.alerts() == ["result_outside_band"]
    (pause,) = world.rows("select stage, paused_by, expires_at, reason from pause")
    assert (pause["stage"], pause["paused_by"], pause["expires_at"]) == ("batching", "GCMicroBatchProcessor", None)
    assert "87.299999 USDT arrived, 97.00 USDT was quoted" in pause["reason"]
    world.payments("60", "40")
    assert world.tick().body["outcome"] == "paused"


@pytest.mark.parametrize("arrived", ["87.3", "106.7"])
def test_a_result_at_the_edge_of_its_band_pauses_nothing(world: BatcherWorld, arrived: str) -> None:
    batch = world.a_batch("50", "30", "20")
    world.report(world.is_paid(batch, arrived))
    assert world.rows("select * from pause") == []
    assert world.alerts() == []


def test_too_much_is_as_odd_as_too_little(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.report(world.is_paid(batch, "106.700001"))
    assert world.alerts() == ["result_outside_band"]


def test_a_pause_that_ends_by_itself_does_not_swallow_the_one_that_a_person_must_end(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.pause_batching(expires_at=world.now + timedelta(hours=1))
    world.report(world.is_paid(batch, "50"))
    (pause,) = world.rows("select expires_at, reason from pause")
    assert pause["expires_at"] is None
    assert "50.00 USDT arrived" in pause["reason"]


def test_a_pause_by_a_person_without_end_keeps_its_reason(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.pause_batching()
    world.report(world.is_paid(batch, "50"))
    assert world.column("select reason from pause") == ["a drill"]


# --- trouble at the exchange ------------------------------------------------------------------------------------------


def failed(world: BatcherWorld, batch: Any, *, refund: str = "") -> SwapFailed:
    return SwapFailed(str(batch), world.adopted(batch)["cn_api_id"], "the exchange holds the deposit", refund)


def test_a_failed_swap_parks_the_batch_with_its_reason_and_a_repeat_changes_nothing(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    message = failed(world, batch)
    answer = world.report(message)
    assert (answer.status, answer.body["conversion_status"]) == (200, "parked")
    row = world.batch(batch)
    assert (row["conversion_status"], row["reason"]) == ("parked", "the exchange holds the deposit")
    assert row["due_at"] is not None
    assert world.statuses() == ["swapping"] * 3
    assert world.alerts() == ["batch_parked"]
    before = world.snapshot()
    assert world.report(message).body["conversion_status"] == "parked"
    assert world.snapshot() == before


def test_a_failure_that_is_reported_after_the_shares_were_written_changes_nothing(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    late = failed(world, batch)
    world.report(world.is_paid(batch, "97"))
    before = world.snapshot()
    assert world.report(late).body["conversion_status"] == "completed"
    assert world.report(replace(late, refund_tx_hash="0x" + "f3" * 32)).body["conversion_status"] == "completed"
    assert world.snapshot() == before


def test_a_late_arrival_completes_a_parked_batch(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.report(failed(world, batch))
    report = world.is_paid(batch, "97")
    assert world.report(report).body["duplicate"] is False
    row = world.batch(batch)
    assert (row["conversion_status"], row["reason"], row["due_at"]) == ("completed", None, None)
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    late = SwapFailed(str(batch), report.cn_api_id, "a late word", "")
    assert world.report(late).body["conversion_status"] == "completed"


def test_a_late_arrival_of_a_parked_batch_is_found_by_the_sweep_too(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.report(failed(world, batch))
    world.is_paid(batch, "97")
    world.wait(minutes=3)
    world.sweep()
    assert world.batch(batch)["conversion_status"] == "completed"


def test_a_refund_in_a_message_alone_releases_nothing(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    answer = world.report(failed(world, batch, refund=REFUND_TX))
    assert answer.body["conversion_status"] == "parked", "the order's row is not refunded"
    assert world.statuses() == ["swapping"] * 3


@pytest.mark.parametrize("parked_before", [False, True])
def test_a_proven_refund_gives_the_payments_back_with_their_wei(world: BatcherWorld, parked_before: bool) -> None:
    world.a_payment("50")
    world.a_payment("50", "0.020000000000000003")
    before = world.books()
    world.tick()
    batch = world.batch()["batch_conversion_id"]
    message = failed(world, batch, refund=REFUND_TX)
    if parked_before:
        world.report(message)
    world.write("update exchange_order set order_status = 'refunded'")
    answer = world.report(message)
    assert answer.body["conversion_status"] == "released"
    assert world.statuses() == ["pending", "pending"]
    assert world.column("select net_wei from payout_accumulation order by id") == [2 * 10**16, 2 * 10**16 + 3]
    assert world.books() == before
    snapshot = world.snapshot()
    assert world.report(message).body["conversion_status"] == "released"
    assert world.snapshot() == snapshot
    assert world.tick().body["outcome"] == "batch_created"
    assert world.column("select count(*) from batch_member where live") == [2]


def test_a_failure_of_an_order_that_is_not_the_batchs_is_refused(world: BatcherWorld) -> None:
    batch, other = world.a_batch("60", "40"), world.a_batch("70", "30")
    message = replace(failed(world, batch), cn_api_id=world.adopted(other)["cn_api_id"])
    assert world.report(message).body["code"] == "swap_report_contradicts"
    assert world.batch(batch)["conversion_status"] == world.batch(other)["conversion_status"] == "swapping"
