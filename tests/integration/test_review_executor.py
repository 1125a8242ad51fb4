"""Whose ETH it is after a transfer failed or came back, and orders that grew old while their transfer waited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.chain import ProvidersUnavailable
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import DEPOSIT, ONE_ETH, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def test_the_eth_of_a_batch_whose_transfer_reverted_still_belongs_to_its_clients(world: World) -> None:
    world.chain.set_balance(HOST_WALLET.address, 2 * 10**18)
    batch = world.a_payable_order(amount=Ether(18 * 10**17))
    world.pay(batch)
    world.settle_down()
    world.chain.reverting.add(DEPOSIT.lower())
    world.run_to_the_end()
    assert world.state(batch) == "reverted"
    world.chain.reverting.clear()
    instant = world.a_payable_order(amount=ONE_ETH, context="instant")
    world.pay(instant)
    world.settle_down()
    assert world.reason(instant).startswith("eth_is_earmarked")


def test_the_eth_that_came_back_belongs_to_its_clients_before_the_batcher_has_heard_of_it(world: World) -> None:
    batch = world.a_payable_order(amount=Ether(18 * 10**17))
    world.pay(batch)
    world.run_to_the_end()
    assert world.state(batch) == "settled"
    world.set_order(batch, "refunded")
    world.chain.set_balance(HOST_WALLET.address, 2 * 10**18)
    world.chain.mine()
    instant = world.a_payable_order(amount=ONE_ETH, context="instant")
    world.pay(instant)
    world.settle_down()
    assert world.reason(instant).startswith("eth_is_earmarked")


def test_an_order_that_grew_old_while_its_transfer_waited_for_funds_gets_no_nonce(world: World) -> None:
    """Nobody promises how long a deposit address is watched: what was checked a day ago is not what is paid today."""
    world.chain.set_balance(HOST_WALLET.address, 10**15)
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "approved"
    world.now += timedelta(hours=24)
    world.chain.set_balance(HOST_WALLET.address, WALLET_ETH.wei)
    world.chain.mine()
    world.drive()
    assert world.state(order) == "held"
    assert world.reason(order).startswith("order_is_old")
    assert world.slots() == []


def test_an_order_that_grew_old_behind_a_pause_is_not_sent_for_the_first_time(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    while world.slots() == [] or world.state(order) != "signed":
        world.drive()
    world.pause_sending()
    world.drive()
    world.now += timedelta(hours=24)
    world.resume_sending()
    world.drive()
    assert world.state(order) == "signed"
    assert world.chain.sent == []
    assert "order_lapsed_before_send" in world.alerts()


class _OneOfThreeIsAway(FakeChain):
    """The quorum of two answers everything; the third provider cannot say which chain it serves."""

    def check_chain_id(self) -> None:
        raise ProvidersUnavailable("chain id", {"fake:3": "does not answer"})


def test_a_provider_that_the_quorum_does_not_need_stops_nothing_when_it_is_away(
    database: Database, database_as: Callable[[str], Database]
) -> None:
    chain = _OneOfThreeIsAway(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    world = World.of(database, database_as(EXECUTOR), chain)
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"
