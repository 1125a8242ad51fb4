"""The executor pays each order once, from approval to the finalized block, and its story, books and evidence agree."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.books import Account, totals
from shared.chain import decode_signed
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def test_one_order_is_paid_to_the_wei_and_told_to_the_conductor(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    (paid,) = world.chain.transactions_to(DEPOSIT)
    assert (paid.value_wei, paid.nonce) == (SOME_ETH.wei, 7)
    (final,) = world.finals
    assert (final.unique_id, final.outcome, final.tx_hash) == (order.unique_id, "settled", paid.tx_hash)
    assert final.amount_wei == SOME_ETH.wei


def test_the_story_has_every_step_once(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    assert world.story(order) == [
        "transfer_created",
        "transfer_approved",
        "slot_reserved",
        "attempt_signed",
        "attempt_sent",
        "transfer_included",
        "transfer_settled",
    ]


def test_the_wallet_is_opened_from_the_finalized_nonce(world: World) -> None:
    world.pay(world.a_payable_order())
    assert world.account()["next_nonce"] == 7
    events = world.rows("select event, evidence from history where machine = 'account'")
    assert [row["event"] for row in events] == ["account_opened"]
    assert events[0]["evidence"]["next_nonce"] == 7


def test_the_books_have_value_in_transit_and_the_gas_that_was_really_spent(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    with world.owner.read() as conn:
        balances = totals(conn).eth
    gas = balances[Account.GAS]
    left = world.chain.balance_wei(HOST_WALLET.address, world.chain.agreed_finalized())
    assert balances[Account.IN_TRANSIT] == SOME_ETH
    assert balances[Account.WALLET] == -(SOME_ETH + gas)
    assert WALLET_ETH - SOME_ETH - gas == Ether(left)
    assert world.slots()[0]["gas_wei"] == gas.wei


def test_a_verdict_carries_all_that_a_stranger_needs_to_check_it(world: World) -> None:
    world.pay(world.a_payable_order())
    world.run_to_the_end()
    (slot,) = world.slots()
    evidence = slot["evidence"]
    assert slot["outcome"] == "settled"
    assert evidence["agreed_providers"] == ["fake:1", "fake:2"]
    assert evidence["attempts"] == [world.attempts()[0]["tx_hash"]] == [evidence["tx_hash"]]
    assert evidence["block_number"] <= evidence["finalized_number"]
    assert {"tx_hash", "block_hash", "finalized_hash", "receipt", "gas_used", "effective_gas_price_wei"} <= set(
        evidence
    )


def test_the_stored_bytes_are_the_transfer_and_nothing_else(world: World) -> None:
    world.pay(world.a_payable_order())
    world.run_to_the_end()
    (attempt,) = world.attempts()
    sender, fields, tx_hash = decode_signed(bytes(attempt["raw"]))
    assert (sender, fields.to, fields.value_wei, fields.nonce) == (HOST_WALLET.address, DEPOSIT, SOME_ETH.wei, 7)
    assert (fields.chain_id, tx_hash) == (CHAIN_ID, attempt["tx_hash"])


def test_bytes_hash_intent_and_scan_start_are_committed_before_anything_is_sent(world: World) -> None:
    seen = []

    def look(raw: bytes) -> None:
        # Another connection: it sees only what is committed.
        (row,) = world.rows("select raw, tx_hash, first_send_started_at, first_block from attempt")
        state = world.value("select transfer_status from transfer")
        assert bytes(row["raw"]) == raw
        assert row["tx_hash"] == decode_signed(raw)[2]
        assert row["first_send_started_at"] is not None
        assert row["first_block"] is not None
        assert state == "live"
        seen.append(state)

    world.chain.before_send = look
    world.pay(world.a_payable_order())
    world.run_to_the_end()
    assert seen == ["live"]


def test_four_orders_take_four_nonces_in_a_row(world: World) -> None:
    orders = [world.a_payable_order() for _ in range(4)]
    for order in orders:
        world.pay(order)
    world.run_to_the_end()
    assert [world.state(order) for order in orders] == ["settled"] * 4
    assert [slot["nonce"] for slot in world.slots()] == [7, 8, 9, 10]
    assert len({slot["unique_id"] for slot in world.slots()}) == 4
    assert len(world.chain.transactions_to(DEPOSIT)) == 4


def test_the_same_pay_order_again_changes_nothing_at_any_stage(world: World) -> None:
    order = world.a_payable_order()
    assert world.pay(order).repeated is False
    states = {world.pay(order).state.value}
    for _ in range(20):
        world.deliver()
        world.chain.mine()
        world.now = world.now.replace(minute=world.now.minute + 1)
        again = world.pay(order)
        assert again.repeated
        states.add(again.state.value)
    assert {"approved", "reserved", "signed", "live", "settled"} <= states
    assert len(world.chain.transactions_to(DEPOSIT)) == 1
    assert len(world.story(order)) == 7
    assert len(world.finals) == 1


def test_twelve_deliveries_at_once_make_one_transfer(world: World) -> None:
    order = world.a_payable_order()
    barrier = threading.Barrier(12)

    def deliver(_: int) -> bool:
        barrier.wait()
        return world.pay(order).repeated

    with ThreadPoolExecutor(12) as threads:
        repeated = list(threads.map(deliver, range(12)))
    assert sorted(repeated) == [False] + [True] * 11
    world.run_to_the_end()
    assert len(world.chain.transactions_to(DEPOSIT)) == 1
    assert len(world.finals) == 1


def test_concurrent_orders_and_drives_without_leases_give_each_order_one_nonce(world: World) -> None:
    orders = [world.a_payable_order() for _ in range(4)]
    for order in orders:
        world.pay(order)
    barrier = threading.Barrier(6)

    def drive(_: int) -> None:
        barrier.wait()
        for _ in range(12):
            # As if every lease had just run out: only locks and rules are left to keep the drivers apart.
            world.write("update account set drive_lease_until = null, drive_lease_by = null")
            world.drive()

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(drive, range(6)))
    world.run_to_the_end()
    assert [world.state(order) for order in orders] == ["settled"] * 4
    assert [slot["nonce"] for slot in world.slots()] == [7, 8, 9, 10]
    assert len(world.attempts()) == 4
    assert len(world.chain.transactions_to(DEPOSIT)) == 4
    assert sorted(final.unique_id for final in world.finals) == sorted(order.unique_id for order in orders)


def test_a_drive_goes_away_while_another_one_holds_the_lease(world: World) -> None:
    world.pay(world.a_payable_order())
    world.write(
        "update account set drive_lease_by = gen_random_uuid(), drive_lease_until = :until",
        until=world.now.replace(hour=13),
    )
    assert world.drive().busy
    assert world.slots() == []
    world.now = world.now.replace(hour=13, minute=1)
    assert world.drive().did == "slot_reserved"  # a killed driver is forgotten


def test_a_pay_order_that_comes_during_a_drive_is_found_at_its_end(world: World) -> None:
    first = world.a_payable_order()
    second = world.a_payable_order()
    world.pay(first)
    world.run_to_the_end()

    def while_driving(_: bytes) -> None:
        world.chain.before_send = None
        world.pay(second)
        world.deliver()  # its drive finds the lease taken and goes away

    world.chain.before_send = while_driving
    third = world.a_payable_order()
    world.pay(third)
    world.run_to_the_end()
    assert world.state(second) == world.state(third) == "settled"


def test_many_orders_do_not_start_many_chains_of_timers(world: World) -> None:
    world.with_limits(inflight_cap=10)
    for _ in range(5):
        world.pay(world.a_payable_order(amount=Ether(10**15)))
    world.chain.drop_sends = True
    world.settle_down()
    for _ in range(3):
        world.wait()
    assert len(world.sender.tasks) == 1


def test_an_instant_payout_is_paid_by_the_same_machine(world: World) -> None:
    order = world.a_payable_order(context="instant")
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"
