"""Once an hour the conductor compares the books with the wallet on chain, at a moment at which they must be equal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.books import opening_balance, post, treasury_added
from shared.db import Database
from shared.db.roles import CONDUCTOR
from shared.lifecycle import RequestState
from shared.money import Ether, Tether
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.conductor_world import USDT_TX, World

HELD = Ether.parse("2")
OWED = Tether.parse("97")


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain(1, {})


@pytest.fixture
def world(reused_database: Database, reused_database_as: Callable[[str], Database], chain: FakeChain) -> World:
    world = World.of(reused_database, reused_database_as(CONDUCTOR))
    with world.owner.transaction() as conn:
        post(conn, opening_balance(world.c.terms.eth_wallet, HELD, OWED), world.now, "t")
    world.c = replace(world.c, chain=chain, books_every=timedelta(hours=1))
    holds(world, chain)
    world.wait(hours=1)
    return world


def holds(world: World, chain: FakeChain, eth: Ether = HELD, usdt: Tether = OWED) -> None:
    terms = world.c.terms
    chain.set_balance(terms.eth_wallet, eth.wei)
    chain.tokens[(terms.usdt_contract.lower(), terms.usdt_wallet.lower())] = usdt.units


def test_a_wallet_that_holds_what_the_books_say_alarms_nobody(world: World) -> None:
    world.sweep()
    assert world.alerts() == []


@pytest.mark.parametrize(
    ("eth", "usdt", "told"),
    [
        (HELD - Ether(1), OWED, "-0.000000000000000001 ETH"),
        (HELD, OWED - Tether(1), "-0.000001 USDT"),
        (HELD + Ether(1), OWED, "0.000000000000000001 ETH"),
        (HELD, OWED + OWED, "97.00 USDT"),
    ],
)
def test_a_wallet_that_is_off_by_one_unit_is_told_once(
    world: World, chain: FakeChain, eth: Ether, usdt: Tether, told: str
) -> None:
    holds(world, chain, eth, usdt)
    for _ in range(3):
        world.sweep()
        world.wait(hours=1)
    (alert,) = world.alerts("books_differ")
    assert f"the wallet on chain less the books is {told} at block" in alert


def test_they_are_compared_once_an_hour_and_after_minutes_without_a_posting(world: World, chain: FakeChain) -> None:
    world.sweep()
    holds(world, chain, HELD - Ether(1))
    world.wait(minutes=59)
    world.sweep()
    assert world.alerts() == []
    with world.owner.transaction() as conn:
        post(conn, treasury_added("0x" + "77" * 32, Ether(5)), world.now, "t")
    world.wait(minutes=4)
    world.sweep()
    assert world.alerts() == []
    world.wait(minutes=1)
    world.sweep()
    (alert,) = world.alerts("books_differ")
    assert "-0.000000000000000006 ETH" in alert


def test_while_a_transfer_is_on_its_way_nothing_is_compared(world: World, chain: FakeChain) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "live")
    holds(world, chain, HELD - Ether(1))
    world.sweep()
    assert world.alerts("books_differ") == []


def test_what_the_exchange_owes_may_have_come_and_is_no_surplus_but_what_is_missing_is_told(
    world: World, chain: FakeChain
) -> None:
    world.a_watched_batch()
    world.wait(hours=1)
    eth, usdt = wallet_of_the_books(world)
    holds(world, chain, eth, usdt + OWED)
    world.sweep()
    assert world.alerts("books_differ") == []
    world.wait(hours=1)
    holds(world, chain, eth - Ether(1), usdt + OWED)
    world.sweep()
    assert len(world.alerts("books_differ")) == 1


def test_a_chain_that_cannot_be_read_is_asked_again_by_the_next_sweep(world: World, chain: FakeChain) -> None:
    holds(world, chain, HELD - Ether(1))
    chain.disagree = True
    world.sweep()
    assert world.alerts("books_differ") == []
    chain.disagree = False
    world.wait(minutes=1)
    world.sweep()
    assert len(world.alerts("books_differ")) == 1


def wallet_of_the_books(world: World) -> tuple[Ether, Tether]:
    eth, usdt = world.books()
    return Ether(eth["wallet"]), Tether(usdt["wallet"])


def test_a_further_arrival_for_a_finished_batch_is_told_and_no_arrival_or_share_is_changed(
    world: World, chain: FakeChain
) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "finished", payout_hash=USDT_TX)
    world.c = replace(world.c, chain=world.chain)
    world.pays_usdt()
    assert world.look(asked).status is RequestState.REPORTED
    arrivals = world.rows("select * from arrival")
    world.c = replace(world.c, chain=chain)
    eth, usdt = wallet_of_the_books(world)
    holds(world, chain, eth, usdt + Tether.parse("5"))
    world.wait(hours=1)
    world.sweep()
    (alert,) = world.alerts("books_differ")
    assert "the wallet on chain less the books is 5.00 USDT" in alert
    assert world.rows("select * from arrival") == arrivals
    assert len(arrivals) == 1
