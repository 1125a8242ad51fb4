"""A stop that comes between two steps: each step asks again under the lock, whatever the step before it saw."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from GCHostPay3 import store
from GCHostPay3.records import Account, Transfer
from GCHostPay3.reserve import reserve_next
from GCHostPay3.send import send_slot
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import WALLET_ETH, World


class InterruptedChain(FakeChain):
    """Something happens while the chain is being asked for a gas estimate."""

    meanwhile: Callable[[], None] | None = None

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        if self.meanwhile is not None:
            self.meanwhile()
        return super().estimate_gas(sender, to, value_wei)


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = InterruptedChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def freeze(world: World) -> None:
    world.write("update account set account_status = 'frozen', reason = 'a test'")


def account_of(world: World) -> Account:
    with world.owner.read() as conn:
        account = store.account(conn, HOST_WALLET.address, CHAIN_ID)
    assert account is not None
    return account


def transfer_of(world: World, order: PayOrder) -> Transfer:
    with world.owner.transaction() as conn:
        transfer = store.lock_transfer(conn, order.unique_id)
    assert transfer is not None
    return transfer


def a_transfer(world: World, steps: int) -> PayOrder:
    """A transfer after so many steps: 0 approved, 1 reserved, 2 signed."""
    order = world.a_payable_order()
    world.pay(order)
    for _ in range(steps):
        world.deliver()
    return order


STOPS = {"frozen": freeze, "paused": World.pause_sending}


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_stop_while_the_chain_is_asked_keeps_the_nonce(world: World, stop: Callable[[World], None]) -> None:
    order = a_transfer(world, 0)
    assert isinstance(world.chain, InterruptedChain)
    world.chain.meanwhile = lambda: stop(world)
    assert reserve_next(world.x, account_of(world), world.chain.agreed_finalized(), world.task()) is None
    assert world.slots() == []
    assert world.account()["next_nonce"] == 7
    assert world.state(order) == "approved"


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_stop_after_the_reservation_keeps_the_slot_unsigned(world: World, stop: Callable[[World], None]) -> None:
    order = a_transfer(world, 1)
    stop(world)
    assert world.drive().did is None
    assert world.state(order) == "reserved"
    assert world.attempts() == []


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_stop_just_before_the_send_keeps_the_bytes_here(world: World, stop: Callable[[World], None]) -> None:
    order = a_transfer(world, 2)
    transfer = transfer_of(world, order)
    stop(world)
    assert send_slot(world.x, transfer, world.chain.agreed_finalized(), world.task()) != "attempt_sent"
    assert world.chain.sent == []
    assert world.state(order) == "signed"
    assert world.attempts()[0]["first_send_started_at"] is None


@pytest.mark.parametrize("stop", STOPS.values(), ids=STOPS)
def test_a_stop_does_not_take_back_what_is_out(world: World, stop: Callable[[World], None]) -> None:
    order = a_transfer(world, 3)
    world.chain.evict()
    stop(world)
    world.wait(40)
    assert len(world.chain.sent) == 2  # the same bytes again: they are spendable wherever they are
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_bytes_that_a_block_has_are_not_sent_again(world: World) -> None:
    order = a_transfer(world, 3)
    transfer = transfer_of(world, order)
    world.chain.mine()
    world.wait()
    assert world.state(order) == "included"
    assert send_slot(world.x, transfer, world.chain.agreed_finalized(), world.task()) == "already_moved"
    assert len(world.chain.sent) == 1


def test_a_driver_that_comes_late_finds_the_transfer_reserved_and_takes_no_second_nonce(world: World) -> None:
    a_transfer(world, 0)
    assert isinstance(world.chain, InterruptedChain)

    def another_driver() -> None:
        assert isinstance(world.chain, InterruptedChain)
        world.chain.meanwhile = None
        reserve_next(world.x, account_of(world), world.chain.agreed_finalized(), world.task())

    world.chain.meanwhile = another_driver
    found = reserve_next(world.x, account_of(world), world.chain.agreed_finalized(), world.task())
    assert found == "already_reserved"
    assert len(world.slots()) == 1
    assert world.account()["next_nonce"] == 8
