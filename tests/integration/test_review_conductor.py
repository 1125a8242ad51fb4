"""Requests that somebody holds do not hold up the others; money that came before the payment is not its result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.db import Database
from shared.messages import CheckOrder, PayBatch
from tests.conftest import Postgres
from tests.integration.conductor_world import REFUND_TX, SOME_ETH, USDT_TX, World, conductor_databases, unique_id_of


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def test_a_request_that_somebody_holds_does_not_keep_the_sweep_from_the_others(world: World) -> None:
    held = world.a_batch()
    world.take(held)
    world.wait(seconds=1)
    lost = world.a_batch()
    world.take(lost)
    world.tasks()
    world.wait(minutes=3)
    with world.owner.transaction() as conn:  # an operator's forgotten session
        conn.all("select 1 as x from hostpay_request where unique_id = :id for update", id=unique_id_of(held))
        world.sweep()
    again = [message for message, _ in world.tasks() if isinstance(message, CheckOrder)]
    assert [message.unique_id for message in again] == [unique_id_of(lost)]


def _paid_in_block(world: World, asked: PayBatch, number: int) -> None:
    world.write(
        "update slot set evidence = evidence || jsonb_build_object('block_number', :n::bigint) where unique_id = :id",
        n=number,
        id=unique_id_of(asked),
    )


def test_usdt_that_came_before_the_order_was_paid_is_not_its_payout(world: World) -> None:
    """The exchange names a transaction: one that is older than our deposit brought somebody else's money."""
    asked = world.a_watched_batch()
    world.pays_usdt()  # in block 120
    world.says(asked, "finished", payout_hash=USDT_TX)
    _paid_in_block(world, asked, 121)
    world.look(asked)
    assert world.state(asked) == "parked"
    assert world.count("arrival") == 0
    _paid_in_block(world, asked, 119)
    world.look(asked)
    assert world.state(asked) == "reported"


def test_ether_that_came_before_the_order_was_paid_is_not_its_refund(world: World) -> None:
    asked = world.a_watched_batch()
    world.sends_back(SOME_ETH)  # in block 130
    world.says(asked, "refunded", refund_hash=REFUND_TX)
    _paid_in_block(world, asked, 131)
    world.look(asked)
    assert world.state(asked) == "parked"
    assert world.order(asked)["order_status"] != "refunded"
    _paid_in_block(world, asked, 129)
    world.look(asked)
    assert world.order(asked)["order_status"] == "refunded"
