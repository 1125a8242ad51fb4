"""Whatever happens, in whatever order and with whatever amounts: the books sum to zero and follow the wallet."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.books import (
    Account,
    Posting,
    batch_ordered,
    batch_released,
    check,
    clients_paid,
    discrepancy_booked,
    gateway_settled,
    instant_finished,
    opening_balance,
    payment_received,
    post,
    refund_returned,
    transfer_gas_spent,
    transfer_settled,
    usdt_arrived,
    usdt_distributed,
)
from shared.db import Database
from shared.money import Ether, Tether

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEI = st.integers(min_value=0, max_value=10**24).map(Ether)
UNITS = st.integers(min_value=0, max_value=10**15).map(Tether)


@dataclass
class World:
    """What really is in the wallet, kept apart from the books."""

    eth: Ether = field(default_factory=Ether.zero)
    usdt: Tether = field(default_factory=Tether.zero)
    postings: list[Posting] = field(default_factory=list)
    numbers: count[int] = field(default_factory=count)

    def happens(self, posting: Posting) -> None:
        self.postings.append(posting)


def opening(world: World, draw: st.DataObject) -> None:
    eth, usdt = draw.draw(WEI), draw.draw(UNITS)
    world.happens(opening_balance(f"w{next(world.numbers)}", eth, usdt))
    world.eth, world.usdt = world.eth + eth, world.usdt + usdt


def payment(world: World, draw: st.DataObject) -> None:
    fee, net = draw.draw(WEI), draw.draw(WEI)
    world.happens(payment_received(f"p{next(world.numbers)}", fee + net, fee, net))


def handed_over(world: World, draw: st.DataObject) -> None:
    received = draw.draw(WEI)
    world.happens(gateway_settled(f"0x{next(world.numbers)}", received))
    world.eth = world.eth + received


def batch(world: World, draw: st.DataObject) -> None:
    name = f"b{next(world.numbers)}"
    received, members, dust_in, dust_out = (draw.draw(WEI) for _ in range(4))
    ordered, gas = members + dust_in - dust_out, draw.draw(WEI)
    world.happens(batch_ordered(name, received=received, members=members, dust_in=dust_in, dust_out=dust_out))
    ending = draw.draw(st.sampled_from(["swapped", "refunded", "released", "reverted"]))
    if ending in ("swapped", "refunded"):
        world.happens(transfer_settled(f"batch_{name}", ordered, gas))
        world.eth = world.eth - ordered - gas
    if ending == "swapped":
        arrived = draw.draw(UNITS)
        world.happens(usdt_arrived(name, arrived))
        world.happens(usdt_distributed(name, ordered, arrived))
        world.usdt = world.usdt + arrived
    if ending == "refunded":
        returned = draw.draw(WEI)
        world.happens(refund_returned(f"batch_{name}", ordered, returned))
        world.eth = world.eth + returned
    if ending == "reverted":
        world.happens(transfer_gas_spent(f"batch_{name}", gas))
        world.eth = world.eth - gas
    if ending in ("refunded", "released"):
        world.happens(batch_released(name, received=received, members=members, dust_in=dust_in, dust_out=dust_out))


def instant(world: World, draw: st.DataObject) -> None:
    name, value, gas = f"i{next(world.numbers)}", draw.draw(WEI), draw.draw(WEI)
    world.happens(transfer_settled(name, value, gas))
    world.happens(instant_finished(name, value))
    world.eth = world.eth - value - gas


def client_paid(world: World, draw: st.DataObject) -> None:
    paid = draw.draw(UNITS)
    world.happens(clients_paid(f"0x{next(world.numbers)}", paid))
    world.usdt = world.usdt - paid


def surprise(world: World, draw: st.DataObject) -> None:
    found = draw.draw(st.integers(min_value=-(10**20), max_value=10**20).map(Ether))
    world.happens(discrepancy_booked(f"note {next(world.numbers)}", found))
    world.eth = world.eth + found


HAPPENINGS: list[Callable[[World, st.DataObject], None]] = [
    opening,
    payment,
    handed_over,
    batch,
    instant,
    client_paid,
    surprise,
]


class _TakeBack(Exception):
    """Ends an example: the next one starts from empty books."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(st.sampled_from(HAPPENINGS), max_size=12), draw=st.data())
def test_any_story_sums_to_zero_and_explains_the_wallet(
    database: Database, story: list[Callable[[World, st.DataObject], None]], draw: st.DataObject
) -> None:
    world = World()
    for happening in story:
        happening(world, draw)
    delivered = draw.draw(st.permutations(world.postings + world.postings[::2]))  # in any order, some twice
    with contextlib.suppress(_TakeBack), database.transaction() as conn:
        for posting in delivered:
            post(conn, posting, NOW, "t")
        conn.script("set constraints all immediate")
        report = check(conn, world.eth, world.usdt)
        raise _TakeBack
    assert report.everything_balances, report.as_json()
    assert (report.eth_sum, report.usdt_sum) == (Ether(0), Tether(0))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(draw=st.data())
def test_a_batch_that_was_swapped_leaves_nothing_in_between(database: Database, draw: st.DataObject) -> None:
    world = World()
    for _ in range(draw.draw(st.integers(1, 4))):
        net, arrived = draw.draw(WEI), draw.draw(UNITS)
        name = f"b{next(world.numbers)}"
        world.happens(payment_received(f"p-{name}", net, Ether(0), net))
        world.happens(batch_ordered(name, received=net, members=net, dust_in=Ether(0), dust_out=Ether(0)))
        world.happens(transfer_settled(f"batch_{name}", net, Ether(0)))
        world.happens(usdt_arrived(name, arrived))
        world.happens(usdt_distributed(name, net, arrived))
    with contextlib.suppress(_TakeBack), database.transaction() as conn:
        for posting in world.postings:
            post(conn, posting, NOW, "t")
        report = check(conn, Ether(0), Tether(0))
        raise _TakeBack
    for account in (Account.IN_TRANSIT, Account.CLIENTS_PENDING, Account.DUST, Account.EXCHANGE_COST):
        assert report.balances.eth[account] == Ether(0)
    assert report.balances.usdt[Account.IN_TRANSIT] == Tether(0)
    assert report.balances.usdt[Account.CLIENTS_OWED] == -report.balances.usdt[Account.WALLET]
