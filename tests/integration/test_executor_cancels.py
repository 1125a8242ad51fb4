"""T7: a nonce is used for nothing, by a person's wish or because its order lapsed unsent; the chain says who won."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from GCHostPay3 import store
from GCHostPay3.approvals import NotApprovable, approve_cancel
from GCHostPay3.cancel import cancel_slot
from shared.books import Account, totals
from shared.chain import FeesTooHigh, decode_signed
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import GWEI, FakeChain
from tests.integration.executor_world import DEPOSIT, LIMITS, SOME_ETH, WALLET_ETH, World

CEILING = LIMITS.max_fee_per_gas_wei


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def a_transfer(world: World, state: str) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    for _ in range(6):
        if world.state(order) == state:
            return order
        world.deliver()
    raise AssertionError(f"it is {world.state(order)}, not {state}")


def cancel(world: World, order: PayOrder) -> None:
    approve_cancel(world.x, order.unique_id, "Ada", "the exchange asked for it", world.task())


def kinds(world: World) -> list[str]:
    return [row["kind"] for row in sorted(world.attempts(), key=lambda row: row["seq"])]


def outcome(world: World, order: PayOrder) -> tuple[str, str, int]:
    (final,) = world.finals
    return world.state(order), final.outcome, len(world.chain.transactions_to(DEPOSIT))


def test_a_person_cancels_what_is_out_and_the_cancel_wins(world: World) -> None:
    order = a_transfer(world, "live")
    cancel(world, order)
    world.settle_down()
    assert world.state(order) == "live", "cancelled is said at finality and not before"
    assert kinds(world) == ["pay", "cancel"]
    world.run_to_the_end()
    assert outcome(world, order) == ("cancelled", "cancelled", 0)
    (slot,) = world.slots()
    assert len(slot["evidence"]["attempts"]) == 2
    assert world.account()["next_nonce"] == 8
    assert [row["approved_by"] for row in world.rows("select approved_by from approval")] == ["Ada"]


def test_a_cancel_moves_nothing_to_ourselves_and_bids_to_replace(world: World) -> None:
    order = a_transfer(world, "live")
    cancel(world, order)
    world.settle_down()
    pay, bid = (decode_signed(bytes(row["raw"]))[1] for row in sorted(world.attempts(), key=lambda row: row["seq"]))
    assert (bid.to, bid.value_wei, bid.nonce) == (HOST_WALLET.address, 0, pay.nonce)
    assert pay.cap_wei * 9 <= bid.cap_wei * 8
    assert bid.cap_wei <= CEILING
    assert world.slots()[0]["hold_wei"] >= SOME_ETH.wei + pay.gas_limit * pay.cap_wei, "the payment can still win"


def test_only_gas_is_booked_for_a_cancel(world: World) -> None:
    order = a_transfer(world, "live")
    cancel(world, order)
    world.run_to_the_end()
    with world.owner.read() as conn:
        eth = totals(conn).eth
    assert eth[Account.IN_TRANSIT].is_zero()
    assert eth[Account.WALLET] == -eth[Account.GAS]
    assert eth[Account.GAS].is_positive()
    assert world.state(order) == "cancelled"


def test_a_payment_that_wins_over_its_cancel_is_settled(world: World) -> None:
    order = a_transfer(world, "live")
    (pay,) = (bytes(row["raw"]) for row in world.attempts())
    cancel(world, order)
    world.settle_down()
    world.chain.evict()
    world.chain.send_raw(pay)  # a builder kept the older bytes
    world.run_to_the_end()
    assert outcome(world, order) == ("settled", "settled", 1)
    assert world.account()["account_status"] == "active"


def test_the_payments_bytes_are_not_repeated_after_a_cancel_was_asked_for(world: World) -> None:
    order = a_transfer(world, "live")
    (pay,) = (bytes(row["raw"]) for row in world.attempts())
    cancel(world, order)
    world.chain.base_fee_wei = CEILING  # no cancel can be bid now
    for _ in range(10):
        world.wait()
    assert kinds(world) == ["pay"]
    assert world.chain.sent.count(pay) == 1
    world.chain.base_fee_wei = GWEI
    world.chain.evict()
    world.run_to_the_end()
    assert world.chain.sent.count(pay) == 1
    assert outcome(world, order)[0] == "cancelled"


@pytest.mark.parametrize("state", ["reserved", "signed"])
def test_an_order_that_lapsed_before_the_first_send_is_cancelled_without_a_person(world: World, state: str) -> None:
    order = a_transfer(world, state)
    world.set_order(order, "expired")
    world.run_to_the_end()
    assert outcome(world, order) == ("cancelled", "cancelled", 0)
    assert kinds(world) == (["cancel"] if state == "reserved" else ["pay", "cancel"])
    sent = {decode_signed(raw)[1].value_wei for raw in world.chain.sent}
    assert sent == {0}, "no byte that pays has left"
    assert world.alerts() == ["order_lapsed_before_send", "transfer_cancelled"]
    (wish,) = world.rows("select requested_by, reason from cancel_request")
    assert (wish["requested_by"], wish["reason"]) == ("GCHostPay3", "order_is_expired")


def test_the_next_transfer_is_paid_behind_a_cancel(world: World) -> None:
    order = a_transfer(world, "signed")
    world.set_order(order, "expired")
    behind = world.a_payable_order()
    world.pay(behind)
    world.run_to_the_end()
    assert (world.state(order), world.state(behind)) == ("cancelled", "settled")
    assert [slot["nonce"] for slot in world.slots()] == [7, 8]


def test_a_deadline_that_passes_behind_a_pause_cancels_when_sending_goes_on(world: World) -> None:
    order = a_transfer(world, "signed")
    world.pause_sending()
    world.now += timedelta(hours=7)
    world.drive()
    assert world.rows("select * from cancel_request") == []
    world.resume_sending()
    world.sweep()
    world.run_to_the_end()
    assert outcome(world, order) == ("cancelled", "cancelled", 0)


def test_bytes_that_are_out_are_not_cancelled_by_a_deadline(world: World) -> None:
    order = a_transfer(world, "live")
    world.set_order(order, "expired")
    world.now += timedelta(hours=7)
    world.sweep()
    world.run_to_the_end()
    assert outcome(world, order) == ("settled", "settled", 1)


@pytest.mark.parametrize("state", ["approved", "settled"])
def test_what_has_no_open_nonce_cannot_be_cancelled(world: World, state: str) -> None:
    order = world.a_payable_order()
    world.pay(order)
    if state == "settled":
        world.run_to_the_end()
    with pytest.raises(NotApprovable, match="open nonce"):
        cancel(world, order)
    assert world.rows("select * from approval") == world.rows("select * from cancel_request") == []


def test_a_cancel_is_asked_for_once_and_by_somebody(world: World) -> None:
    order = a_transfer(world, "live")
    with pytest.raises(NotApprovable, match="names the person"):
        approve_cancel(world.x, order.unique_id, " ", "why", world.task())
    assert world.rows("select * from cancel_request") == []
    cancel(world, order)
    with pytest.raises(NotApprovable, match="before"):
        cancel(world, order)
    with pytest.raises(NotApprovable, match="no transfer"):
        approve_cancel(world.x, "batch_none", "Ada", "why", world.task())


def test_a_person_may_cancel_while_sending_is_paused_and_not_while_the_wallet_is_frozen(world: World) -> None:
    order = a_transfer(world, "live")
    world.write("update account set account_status = 'frozen', reason = 'a test'")
    cancel(world, order)
    world.settle_down()
    assert kinds(world) == ["pay"]
    world.write("update account set account_status = 'active', reason = null")
    world.pause_sending()
    world.wait()
    world.run_to_the_end()
    assert outcome(world, order)[0] == "cancelled"


def test_a_cancel_that_is_outbid_is_bumped_as_a_cancel(world: World) -> None:
    order = a_transfer(world, "signed")
    world.set_order(order, "expired")
    world.settle_down()
    assert kinds(world) == ["pay", "cancel"]
    world.chain.base_fee_wei = 150 * GWEI
    world.write("update attempt set cap_wei = cap_wei where kind = 'cancel'")
    for _ in range(30):
        world.chain.mine()
        world.wait()
    world.run_to_the_end()
    assert set(kinds(world)[1:]) == {"cancel"}
    assert outcome(world, order) == ("cancelled", "cancelled", 0)


def test_fees_above_the_ceiling_delay_a_cancel_and_change_nothing(world: World) -> None:
    order = a_transfer(world, "reserved")
    world.set_order(order, "expired")
    world.chain.base_fee_wei = CEILING
    with world.owner.transaction() as conn:
        transfer, slot = store.lock_transfer(conn, order.unique_id), store.lock_slot(conn, order.unique_id)
    assert transfer is not None
    with pytest.raises(FeesTooHigh):
        cancel_slot(world.x, transfer, slot, [], world.task())
    world.wait()
    assert (world.state(order), world.attempts()) == ("reserved", [])
    world.chain.base_fee_wei = GWEI
    world.run_to_the_end()
    assert outcome(world, order)[0] == "cancelled"


def test_of_six_workers_that_cancel_at_once_one_stores_his_bytes(world: World) -> None:
    order = a_transfer(world, "live")
    cancel(world, order)
    with world.owner.transaction() as conn:
        transfer, slot = store.lock_transfer(conn, order.unique_id), store.lock_slot(conn, order.unique_id)
        assert transfer is not None
        attempts = store.attempts(conn, transfer, slot)
    barrier = threading.Barrier(6, timeout=10)

    def sign(_: int) -> str:
        barrier.wait()
        return cancel_slot(world.x, transfer, slot, attempts, world.task())

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(sign, range(6)))
    assert sorted(outcomes) == ["already_signed"] * 5 + ["cancel_signed"]
    assert kinds(world) == ["pay", "cancel"]
    world.run_to_the_end()
    assert world.state(order) == "cancelled"


def test_drivers_that_race_with_an_order_that_lapses_send_the_payment_or_the_cancel_and_settle_once(
    world: World,
) -> None:
    order = a_transfer(world, "signed")
    barrier = threading.Barrier(5, timeout=30)

    def drive(number: int) -> None:
        barrier.wait()
        if number == 0:
            world.set_order(order, "expired")
            return
        for _ in range(6):
            world.write("update account set drive_lease_until = null, drive_lease_by = null")
            world.drive()

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(drive, range(5)))
    world.run_to_the_end()
    paid = len(world.chain.transactions_to(DEPOSIT))
    assert (world.state(order), paid) in (("settled", 1), ("cancelled", 0))
    if world.rows("select * from cancel_request"):
        assert {decode_signed(raw)[1].value_wei for raw in world.chain.sent} == {0}
