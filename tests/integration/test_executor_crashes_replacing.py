"""The process may die at any commit of a bump, a cancel or a fence as well: one payment, or provably none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest

from GCHostPay3.approvals import NotApprovable, approve_cancel
from GCHostPay3.void import make_void
from shared.chain import decode_signed
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder, VoidTransfer
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import GWEI, FakeChain
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World
from tests.integration.test_executor_crashes import Killed, MortalDatabase

NEVER = 10**9
WAYS = [(dies_in, committed) for dies_in in range(1, 14) for committed in (False, True)]


@pytest.fixture
def mortal(database_as: Callable[[str], Database]) -> MortalDatabase:
    return MortalDatabase(database_as(EXECUTOR), NEVER, committed=False)


@pytest.fixture
def world(database: Database, mortal: MortalDatabase) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, mortal, chain)  # type: ignore[arg-type]


def a_transfer(world: World, state: str) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    while world.state(order) != state:
        assert world.deliver()
    return order


def dies(mortal: MortalDatabase, dies_in: int, committed: bool) -> None:
    mortal.dies_at = mortal.begun + dies_in
    mortal.committed = committed


def go_on(world: World, at_each: Callable[[], object] = lambda: None) -> None:
    """Deliveries, sweeps and blocks; after a death a new process, which has only the database."""
    for _ in range(60):
        try:
            at_each()
            world.deliver()
            world.sweep()
        except Killed:
            world.now += timedelta(minutes=2)
        world.chain.mine()
        world.now += timedelta(seconds=12)
        if world.finals:
            return
    raise AssertionError("it does not come to an end")


def all_sent_bytes_were_stored(world: World) -> bool:
    return set(world.chain.sent) <= {bytes(row["raw"]) for row in world.attempts()}


@pytest.mark.parametrize(("dies_in", "committed"), WAYS)
def test_whoever_dies_while_bumping_the_order_is_paid_once(
    world: World, mortal: MortalDatabase, dies_in: int, committed: bool
) -> None:
    order = a_transfer(world, "live")
    world.chain.base_fee_wei = 60 * GWEI
    world.now += timedelta(minutes=4)
    dies(mortal, dies_in, committed)
    go_on(world)
    assert world.state(order) == "settled"
    (paid,) = world.chain.transactions_to(DEPOSIT)
    assert (paid.nonce, paid.value_wei) == (7, SOME_ETH.wei)
    assert all_sent_bytes_were_stored(world)
    assert len(world.attempts()) == 2
    assert world.account()["next_nonce"] == 8


@pytest.mark.parametrize(("dies_in", "committed"), WAYS)
def test_whoever_dies_while_a_lapsed_order_is_cancelled_nothing_of_it_is_paid(
    world: World, mortal: MortalDatabase, dies_in: int, committed: bool
) -> None:
    order = a_transfer(world, "signed")
    world.set_order(order, "expired")
    dies(mortal, dies_in, committed)
    go_on(world)
    assert world.state(order) == "cancelled"
    assert world.chain.transactions_to(DEPOSIT) == []
    assert {decode_signed(raw)[1].value_wei for raw in world.chain.sent} == {0}
    assert all_sent_bytes_were_stored(world)
    assert sorted(row["kind"] for row in world.attempts()) == ["cancel", "pay"]


@pytest.mark.parametrize(("dies_in", "committed"), WAYS)
def test_whoever_dies_while_a_person_cancels_the_chain_decides_once(
    world: World, mortal: MortalDatabase, dies_in: int, committed: bool
) -> None:
    order = a_transfer(world, "live")
    dies(mortal, dies_in, committed)

    def insist() -> None:
        with suppress(NotApprovable):  # asked for before, or over
            approve_cancel(world.x, order.unique_id, "Ada", "a drill", world.task())

    go_on(world, insist)
    paid = len(world.chain.transactions_to(DEPOSIT))
    assert (world.state(order), paid) in (("cancelled", 0), ("settled", 1))
    assert all_sent_bytes_were_stored(world)
    assert world.account()["next_nonce"] == 8


@pytest.mark.parametrize(("dies_in", "committed"), [(1, False), (1, True), (2, False), (2, True)])
def test_whoever_dies_while_fencing_an_order_it_is_never_paid(
    world: World, mortal: MortalDatabase, dies_in: int, committed: bool
) -> None:
    first = world.a_payable_order()
    world.pay(first)
    world.run_to_the_end()
    order = world.a_payable_order()
    dies(mortal, dies_in, committed)
    for _ in range(4):
        try:
            make_void(world.x, VoidTransfer(order.unique_id, order.cn_api_id), world.task())
            world.pay(order)
        except Killed:
            continue
    world.run_to_the_end()
    assert world.state(order) == "void"
    assert len(world.slots()) == 1
    assert {voided.outcome for voided in world.voided} == {"void"}
