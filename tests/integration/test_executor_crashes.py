"""The process may die at any line: before a commit, after it, between the intent to send and the sending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from shared.db import Connection, Database
from shared.db.roles import EXECUTOR
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World

# More transactions than the whole way of one transfer has; the last points are past its end.
CRASH_POINTS = 38


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this."""


@dataclass
class MortalDatabase:
    """A database whose client dies at its n-th write transaction, with that transaction committed or not."""

    real: Database
    dies_at: int
    committed: bool
    begun: int = 0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        self.begun += 1
        dies = self.begun == self.dies_at
        with self.real.transaction() as conn:
            yield conn
            if dies and not self.committed:
                raise Killed
        if dies:
            raise Killed

    def read(self) -> object:
        return self.real.read()


def a_world(database: Database, role: object) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, role, chain)  # type: ignore[arg-type]


@pytest.mark.parametrize("committed", [False, True], ids=["before_the_commit", "after_the_commit"])
@pytest.mark.parametrize("dies_at", range(1, CRASH_POINTS))
def test_whoever_dies_where_the_order_is_paid_once_with_one_nonce_and_the_same_bytes(
    database: Database, database_as: Callable[[str], Database], dies_at: int, committed: bool
) -> None:
    mortal = MortalDatabase(database_as(EXECUTOR), dies_at, committed)
    world = a_world(database, mortal)
    order = world.a_payable_order()
    first_bytes: list[bytes] = []
    for _ in range(40):
        try:
            world.pay(order)  # the queue delivers again what was not answered
            world.deliver()
            world.sweep()
        except Killed:
            # A new process: it has only the database, and the sweep that comes every minute.
            first_bytes = [bytes(row["raw"]) for row in world.attempts()]
            world.now += timedelta(minutes=3)
        world.chain.mine()
        world.now += timedelta(seconds=12)
        if world.finals:
            break
    assert world.state(order) == "settled"
    (paid,) = world.chain.transactions_to(DEPOSIT)
    assert (paid.nonce, paid.value_wei) == (7, SOME_ETH.wei)
    assert world.account()["next_nonce"] == 8
    (attempt,) = world.attempts()
    assert set(world.chain.sent) == {bytes(attempt["raw"])}
    assert first_bytes in ([], [bytes(attempt["raw"])])
    assert {final.outcome for final in world.finals} == {"settled"}
    assert len(world.story(order)) == len(set(world.story(order)))


def test_the_crash_points_cover_the_whole_way(database: Database, database_as: Callable[[str], Database]) -> None:
    mortal = MortalDatabase(database_as(EXECUTOR), 0, committed=False)
    world = a_world(database, mortal)
    world.pay(world.a_payable_order())
    world.run_to_the_end()
    assert 30 < mortal.begun < CRASH_POINTS


def test_a_process_that_dies_between_intent_and_sending_sends_the_same_bytes_later(
    database: Database, database_as: Callable[[str], Database]
) -> None:
    world = a_world(database, database_as(EXECUTOR))
    order = world.a_payable_order()
    world.pay(order)

    def die(_: bytes) -> None:
        world.chain.before_send = None
        raise Killed

    world.chain.before_send = die
    with pytest.raises(Killed):
        world.settle_down()
    assert world.state(order) == "live"
    assert world.chain.sent == []
    world.now += timedelta(minutes=3)
    world.sweep()
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert len(set(world.chain.sent)) == 1
