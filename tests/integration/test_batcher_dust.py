"""Promise 3, to the wei: what was ordered is what the members brought, plus dust carried in, less dust carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.books import Account
from shared.db import Database
from shared.db.roles import BATCHER
from shared.exchange import Limits, RefusalKind, RefusedByExchange
from shared.money import Ether, Price, Usd
from tests.integration.batcher_world import BatcherWorld

DatabaseAs = Callable[[str], Database]
STEP_WEI = 10**10  # the exchange takes eight decimals

# Above what gas would cost too much of, with every last digit possible.
weis = st.integers(min_value=10**15, max_value=5 * 10**16)


@dataclass
class Round:
    """Payments of so many wei, and whether the exchange then refuses their order."""

    weis: list[int]
    refused: bool


rounds = st.lists(
    st.builds(Round, st.lists(weis, min_size=1, max_size=5), st.booleans()),
    min_size=1,
    max_size=4,
)


@pytest.fixture
def world(database: Database, database_as: DatabaseAs) -> BatcherWorld:
    world = BatcherWorld.of(database, database_as(BATCHER))
    world.with_terms(threshold=Usd(1))
    world.exchange.limits = Limits(Ether(1), None)
    return world


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=rounds)
def test_every_wei_is_ordered_or_carried_on(world: BatcherWorld, story: list[Round]) -> None:
    """The same database goes through all stories, so the dust of one is carried into the next."""
    price = Price(2_500, 0)
    for each in story:
        for wei in each.weis:
            world.a_payment_of(price.value(Ether(wei)), Ether(wei))
        if each.refused:
            world.exchange.answer_next(RefusedByExchange(RefusalKind.PAIR_INACTIVE, "no"))
        before = world.books()
        answer = world.tick()
        assert answer.body["outcome"] == "batch_created", answer.body
        after = world.books()
        if answer.body["cn_api_id"] is None:
            assert after == before
        batch = world.only(
            "select * from batch_conversions where batch_conversion_id = :id", id=answer.body["batch_conversion_id"]
        )
        members = world.only(
            "select sum(wei) as wei, count(*) as n from batch_member where batch_conversion_id = :id",
            id=batch["batch_conversion_id"],
        )
        assert batch["ordered_wei"] == members["wei"] + batch["dust_in_wei"] - batch["dust_out_wei"]
        assert batch["ordered_wei"] % STEP_WEI == 0
        assert 0 <= batch["dust_out_wei"] < STEP_WEI
        assert batch["dust_in_wei"] == -before.eth[Account.DUST].wei
    _nothing_is_lost(world)


def _nothing_is_lost(world: BatcherWorld) -> None:
    totals = world.only(
        """select (select coalesce(sum(net_wei), 0) from payout_accumulation) as received,
                  (select coalesce(sum(ordered_wei), 0) from batch_conversions where conversion_status = 'swapping')
                      as ordered,
                  (select coalesce(sum(net_wei), 0) from payout_accumulation where conversion_status = 'pending')
                      as waiting"""
    )
    books = world.books()
    assert totals["received"] == totals["ordered"] + totals["waiting"] - books.eth[Account.DUST].wei
    assert -books.eth[Account.CLIENTS_PENDING].wei == totals["ordered"] + totals["waiting"]
    opened = world.column("select amount_wei from exchange_order where order_status = 'adopted' order by amount_wei")
    assert opened == world.column(
        "select ordered_wei from batch_conversions where conversion_status = 'swapping' order by ordered_wei"
    )
