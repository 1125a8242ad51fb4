"""T6: bytes that the market has left behind get a dearer attempt at the same nonce, and whichever is mined, it is paid
once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from GCHostPay3 import store
from GCHostPay3.bump import bump_if_outbid
from shared.chain import AnswerKind, TransferFields, decode_signed
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


def a_live_transfer(world: World) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "live"
    return order


def outbid(world: World, times: int = 5) -> None:
    """The base fee rises far above the cap of what is out."""
    world.chain.base_fee_wei = times * 10 * GWEI


def polls(world: World, minutes: int) -> None:
    for _ in range(minutes * 5):
        world.chain.mine()
        world.wait(12)


def bytes_of(world: World) -> list[TransferFields]:
    return [decode_signed(bytes(row["raw"]))[1] for row in sorted(world.attempts(), key=lambda row: row["seq"])]


def test_bytes_that_are_outbid_get_a_dearer_attempt_and_are_paid_once(world: World) -> None:
    order = a_live_transfer(world)
    outbid(world)
    polls(world, 3)
    world.run_to_the_end()
    first, second = bytes_of(world)
    assert (first.to, first.value_wei, first.nonce, first.gas_limit) == (
        second.to,
        second.value_wei,
        second.nonce,
        second.gas_limit,
    )
    assert second.cap_wei * 8 >= first.cap_wei * 9
    assert second.tip_wei * 8 >= first.tip_wei * 9
    assert world.state(order) == "settled"
    (paid,) = world.chain.transactions_to(DEPOSIT)
    assert (paid.value_wei, paid.nonce, paid.cap_wei) == (SOME_ETH.wei, 7, second.cap_wei)
    (slot,) = world.slots()
    assert len(slot["evidence"]["attempts"]) == 2
    assert world.account()["next_nonce"] == 8


def test_bytes_are_stored_and_their_cost_is_held_before_they_are_sent(world: World) -> None:
    a_live_transfer(world)
    outbid(world)
    seen = []

    def look(raw: bytes) -> None:
        fields = decode_signed(raw)[1]
        assert raw in [bytes(row["raw"]) for row in world.attempts()]
        assert world.slots()[0]["hold_wei"] >= fields.value_wei + fields.gas_limit * fields.cap_wei
        seen.append(raw)

    world.chain.before_send = look
    polls(world, 4)
    assert {decode_signed(raw)[1].cap_wei for raw in seen} == {fields.cap_wei for fields in bytes_of(world)}
    assert len(set(seen)) == 2


def test_nothing_is_bumped_early_or_while_its_price_is_good(world: World) -> None:
    world.chain.drop_sends = True
    a_live_transfer(world)
    polls(world, 10)
    assert len(world.attempts()) == 1, "the pool forgets it, the price is good: the same bytes again"
    world.chain.drop_sends = False
    polls(world, 1)
    world.run_to_the_end()
    assert len(world.attempts()) == 1


def test_a_pool_that_calls_the_bytes_too_cheap_is_believed_sooner_and_about_the_fee_only(world: World) -> None:
    world.chain.refuse_sends = (AnswerKind.FEE_TOO_LOW, "transaction underpriced")
    order = a_live_transfer(world)
    polls(world, 1)
    assert len(world.attempts()) == 2
    world.chain.refuse_sends = None
    polls(world, 1)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert len(world.chain.transactions_to(DEPOSIT)) == 1


def test_attempts_end_at_the_ceiling_where_the_same_bytes_are_repeated_and_a_person_is_told_once(world: World) -> None:
    world.chain.refuse_sends = (AnswerKind.FEE_TOO_LOW, "transaction underpriced")
    order = a_live_transfer(world)
    polls(world, 25)
    caps = [fields.cap_wei for fields in bytes_of(world)]
    assert caps == sorted(set(caps))
    assert CEILING * 8 // 9 < caps[-1] <= CEILING
    sent = len(world.chain.sent)
    polls(world, 5)
    assert len(bytes_of(world)) == len(caps)
    assert len(world.chain.sent) > sent
    assert world.alerts() == ["attempt_at_ceiling"]
    world.chain.refuse_sends = None
    polls(world, 1)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert len(world.chain.transactions_to(DEPOSIT)) == 1


def test_a_market_above_the_ceiling_is_waited_for_and_a_person_is_told_once(world: World) -> None:
    order = a_live_transfer(world)
    outbid(world, 50)
    polls(world, 10)
    assert (world.state(order), len(world.attempts())) == ("live", 1)
    assert world.alerts() == ["attempt_at_ceiling"]
    world.chain.base_fee_wei = GWEI
    polls(world, 1)
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_an_older_attempt_that_a_builder_kept_is_the_same_payment(world: World) -> None:
    order = a_live_transfer(world)
    outbid(world)
    polls(world, 3)
    first = next(bytes(row["raw"]) for row in world.attempts() if row["seq"] == 1)
    world.chain.evict()
    world.chain.base_fee_wei = GWEI
    world.chain.send_raw(first)
    world.chain.finalize()
    world.wait(12)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    (slot,) = world.slots()
    assert slot["evidence"]["tx_hash"] == decode_signed(first)[2]
    assert world.account()["account_status"] == "active"


def test_the_nearer_the_orders_deadline_the_more_is_bid(world: World) -> None:
    a_live_transfer(world)
    outbid(world)
    polls(world, 3)
    early = bytes_of(world)[-1].cap_wei
    world.now += timedelta(hours=5, minutes=55)
    outbid(world, 15)
    polls(world, 3)
    late = bytes_of(world)[-1].cap_wei
    assert early < late
    assert late > CEILING * 9 // 10


def test_a_pause_holds_back_dearer_attempts_and_not_the_bytes_that_are_out(world: World) -> None:
    order = a_live_transfer(world)
    world.pause_sending()
    outbid(world)
    sent = len(world.chain.sent)
    polls(world, 6)
    assert len(world.attempts()) == 1
    assert len(world.chain.sent) > sent
    world.resume_sending()
    polls(world, 1)
    world.run_to_the_end()
    assert (world.state(order), len(world.attempts())) == ("settled", 2)


def test_a_frozen_wallet_signs_nothing_new(world: World) -> None:
    a_live_transfer(world)
    world.write("update account set account_status = 'frozen', reason = 'a test'")
    outbid(world)
    polls(world, 6)
    assert len(world.attempts()) == 1


def test_of_six_workers_that_bump_at_once_one_stores_his_bytes(world: World) -> None:
    order = a_live_transfer(world)
    outbid(world)
    world.now += timedelta(minutes=4)
    with world.owner.transaction() as conn:
        transfer, slot = store.lock_transfer(conn, order.unique_id), store.lock_slot(conn, order.unique_id)
        assert transfer is not None
        attempts = store.attempts(conn, transfer, slot)
    barrier = threading.Barrier(6, timeout=10)

    def bump(_: int) -> str | None:
        barrier.wait()
        return bump_if_outbid(world.x, transfer, slot, attempts, world.task())

    with ThreadPoolExecutor(6) as threads:
        outcomes = list(threads.map(bump, range(6)))
    assert sorted(str(outcome) for outcome in outcomes) == ["already_bumped"] * 5 + ["attempt_bumped"]
    assert [row["seq"] for row in world.attempts()] == [1, 2]
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert len(world.chain.transactions_to(DEPOSIT)) == 1


def test_drivers_without_leases_bump_and_pay_once(world: World) -> None:
    orders = [world.a_payable_order() for _ in range(2)]
    for order in orders:
        world.pay(order)
    world.settle_down()
    outbid(world)
    world.now += timedelta(minutes=4)
    barrier = threading.Barrier(5, timeout=30)

    def drive(_: int) -> None:
        barrier.wait()
        for _ in range(6):
            world.write("update account set drive_lease_until = null, drive_lease_by = null")
            world.drive()

    with ThreadPoolExecutor(5) as threads:
        list(threads.map(drive, range(5)))
    assert sorted((row["nonce"], row["seq"]) for row in world.attempts()) == [(7, 1), (7, 2), (8, 1), (8, 2)]
    world.run_to_the_end()
    assert [world.state(order) for order in orders] == ["settled"] * 2
    assert len(world.chain.transactions_to(DEPOSIT)) == 2


def test_a_driver_that_is_killed_between_storing_and_sending_blocks_nobody_longer_than_a_sweep(world: World) -> None:
    order = a_live_transfer(world)
    outbid(world)
    world.now += timedelta(minutes=4)
    assert world.drive().did == "attempt_bumped"
    world.sender.take()
    world.write(
        "update account set drive_lease_by = gen_random_uuid(), drive_lease_until = :until",
        until=world.now + world.x.waits.lease,
    )
    assert world.drive().busy
    world.now += world.x.waits.undriven
    assert world.sweep().driven == 1
    world.settle_down()
    assert len(set(world.chain.sent)) == 2
    world.run_to_the_end()
    assert world.state(order) == "settled"
