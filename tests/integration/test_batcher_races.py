"""Many ticks, sweeps and reports at the same moment, each on a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from GCMicroBatchProcessor.batcher import REDRIVE_AFTER
from shared.db import Database
from shared.db.roles import BATCHER
from shared.exchange import Unclear
from shared.money import Usd
from tests.integration.batcher_world import Answered, BatcherWorld

DatabaseAs = Callable[[str], Database]


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


def at_once(count: int, act: Callable[[], Answered]) -> list[Answered]:
    """The answers of `count` calls that start together."""
    started = threading.Barrier(count)

    def run() -> Answered:
        started.wait(timeout=20)
        return act()

    with ThreadPoolExecutor(count) as threads:
        return [call.result(timeout=60) for call in [threads.submit(run) for _ in range(count)]]


@contextmanager
def _row_locked(world: BatcherWorld, sql: str) -> Iterator[None]:
    """Holds the rows of the query, so that whoever needs them stands still at that line."""
    with world.owner.transaction() as conn:
        conn.all(f"{sql} for update")
        yield


def _wait_for_waiting(world: BatcherWorld, count: int, calls: list[Future[Any]]) -> None:
    def all_wait() -> bool:
        waiting = world.only("select count(*) as n from pg_locks where not granted")["n"]
        return bool(waiting >= count) or any(call.done() for call in calls)

    _until(all_wait)


def _until(happened: Callable[[], bool]) -> None:
    for _ in range(600):
        if happened():
            return
        time.sleep(0.005)
    raise AssertionError("it does not happen")


def test_two_ticks_at_once_never_claim_a_payment_twice(world: BatcherWorld) -> None:
    both_have_read = threading.Barrier(2, timeout=20)
    # Both ticks have planned the same payments, and nothing is claimed yet.
    world.exchange.before_quoted = lambda: _meet(both_have_read)
    world.payments("50", "30", "20")
    answers = at_once(2, world.tick)
    assert sorted(answer.body["outcome"] for answer in answers) == ["batch_created", "changed_meanwhile"]
    assert {answer.status for answer in answers} == {200}
    assert world.exchange.asked == 1
    assert world.batch()["payment_count"] == 3
    assert world.column("select count(*) from batch_member") == [3]
    assert sorted(world.outcomes()) == ["batch_created", "changed_meanwhile"]
    world.books()


def test_ticks_that_planned_different_prefixes_do_not_share_a_payment_or_the_dust(world: BatcherWorld) -> None:
    world.with_terms(threshold=Usd.parse("10"))
    world.a_payment("10", "0.004000000000000009")
    world.tick()
    both_have_read = threading.Barrier(2, timeout=20)

    def one_more_comes() -> None:
        if both_have_read.wait() == 0:
            world.a_payment("60")

    world.exchange.before_quoted = one_more_comes
    world.payments("50", "30")
    at_once(2, world.tick)
    assert world.column("select dust_in_wei from batch_conversions order by created_at, dust_in_wei") == [0, 9]
    assert world.statuses() == ["swapping", "swapping", "swapping", "pending"]


def test_twenty_ticks_at_once_make_one_batch(world: BatcherWorld) -> None:
    world.payments(*["5"] * 30)
    answers = at_once(20, world.tick)
    assert {answer.status for answer in answers} <= {200, 503}, "busy is an honest answer"
    created = [answer for answer in answers if answer.body.get("outcome") == "batch_created"]
    assert len(created) == 1
    assert {answer.body.get("outcome", answer.body.get("code")) for answer in answers} <= {
        "batch_created",
        "below_threshold",
        "changed_meanwhile",
        "database_busy",
        "database_contended",
    }
    assert world.exchange.asked == 1
    assert world.batch()["payment_count"] == 30
    assert world.column("select count(distinct payment_id) from batch_member where live") == [30]


def test_a_payment_that_arrives_during_a_tick_is_left_for_the_next(world: BatcherWorld) -> None:
    def arrive() -> None:
        world.exchange.before_asked = None
        world.a_payment("100")

    world.exchange.before_asked = arrive
    world.payments("60", "40")
    assert world.tick().body["payment_count"] == 2
    assert world.tick().body["payment_count"] == 1


def test_sweeps_that_found_the_same_late_batch_do_not_give_up_each_others_attempts(world: BatcherWorld) -> None:
    world.exchange.answer_next(Unclear("time-out", maybe_created=True))
    world.payments("60", "40")
    world.tick()
    world.wait(seconds=int(REDRIVE_AFTER.total_seconds()) + 1)
    exchange_thinks = threading.Event()
    world.exchange.before_asked = lambda: _hold(exchange_thinks)
    with ThreadPoolExecutor(3) as threads:
        with _row_locked(world, "select * from batch_conversions"):
            sweeps = [threads.submit(world.sweep) for _ in range(3)]
            _wait_for_waiting(world, 3, sweeps)
        _until(lambda: sum(sweep.done() for sweep in sweeps) == 2)  # the third asks the exchange
        exchange_thinks.set()
        assert [sweep.result(timeout=20).status for sweep in sweeps] == [200] * 3
    assert world.order_statuses() == ["unknown", "adopted"]
    assert len(world.messages()) == 1


def _meet(barrier: threading.Barrier) -> None:
    barrier.wait()


def _hold(until: threading.Event) -> None:
    until.wait(timeout=3)


def test_twelve_reports_at_once_share_out_once(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    answers = at_once(8, lambda: world.report(report))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.body["duplicate"] for answer in answers) == [False] + [True] * 7
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    assert world.column("select count(*) from posting where event = 'usdt_distributed'") == [1]
    assert world.story("payment", 1) == ["payment_claimed", "share_credited"]
    world.books()


def test_a_report_and_a_sweep_at_the_same_moment_share_out_once(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    world.wait(minutes=3)
    with ThreadPoolExecutor(2) as threads:
        with _row_locked(world, "select * from batch_conversions"):
            calls = [threads.submit(world.report, report), threads.submit(world.sweep)]
            _wait_for_waiting(world, 2, calls)
        assert [call.result(timeout=20).status for call in calls] == [200, 200]
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    assert world.column("select count(*) from posting where event = 'usdt_distributed'") == [1]
    assert world.alerts() == []
