"""A threshold that people change while the fleet runs: read live, kept for a minute, never guessed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from GCMicroBatchProcessor.threshold import LiveThreshold
from shared.db import Database
from shared.db.roles import BATCHER
from shared.money import Usd
from shared.settings import Secret, Unreadable
from tests.integration.batcher_world import START, BatcherWorld

DatabaseAs = Callable[[str], Database]


class Manager:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.answer: Secret | Unreadable | None = Secret("50", 1)
        self.asked = 0

    def read(self) -> Secret | Unreadable | None:
        self.asked += 1
        return self.answer


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


def live(world: BatcherWorld, first: str | None = "100") -> Manager:
    manager = Manager()
    threshold = LiveThreshold(manager.read, None if first is None else Usd.parse(first), START)
    world.with_batcher(replace(world.batcher, live_threshold=threshold))
    return manager


def test_a_changed_threshold_holds_within_a_minute_and_stands_on_the_batch(world: BatcherWorld) -> None:
    manager = live(world)
    world.payments("60")
    assert world.tick().body["threshold"] == "100.000000"
    world.wait(seconds=59)
    assert world.tick().body["outcome"] == "below_threshold"
    assert manager.asked == 0, "what the start read is a minute old at most"
    world.wait(seconds=1)
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["threshold"]) == ("batch_created", "50.000000")
    assert "threshold_note" not in answer.body
    assert world.only("select threshold_usd_micros as micros from batch_conversions") == {"micros": 50_000_000}
    world.tick()
    assert manager.asked == 1, "it is asked once a minute"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Unreadable("could not be read from Secret Manager now (RetryError)"), "could not be read"),
        (None, "is not in Secret Manager any more"),
        (Secret("20 USD", 2), "is no amount of US dollars"),
        (Secret("0", 2), "is not above 0"),
        (Secret("1e400", 2), "is no amount of US dollars"),
    ],
)
def test_a_threshold_that_cannot_be_read_leaves_the_last_one_and_everybody_hears_of_it(
    answer: Secret | Unreadable | None, told: str, world: BatcherWorld
) -> None:
    manager = live(world)
    manager.answer = answer
    world.payments("60")
    world.wait(minutes=1)
    heard = world.tick()
    assert (heard.status, heard.body["outcome"], heard.body["threshold"]) == (200, "below_threshold", "100.000000")
    assert told in str(heard.body["threshold_note"])
    assert START.isoformat(timespec="seconds") in str(heard.body["threshold_note"])
    assert world.batcher.live_threshold is not None
    assert world.batcher.live_threshold.trouble is not None
    world.wait(seconds=5)
    world.tick()
    assert manager.asked == 1, "a dead Secret Manager is not asked at every tick"
    manager.answer = Secret("55", 3)
    world.wait(seconds=5)
    assert world.tick().body["outcome"] == "batch_created"
    assert world.batcher.live_threshold.trouble is None


def test_without_any_threshold_nothing_is_claimed_and_the_scheduler_repeats(world: BatcherWorld) -> None:
    manager = live(world, first=None)
    manager.answer = Unreadable("could not be read from Secret Manager now (RetryError)")
    world.payments("600")
    heard = world.tick()
    assert (heard.status, heard.body["code"]) == (503, "threshold_unreadable")
    assert world.statuses() == ["pending"]
    assert world.only("select count(*) as ticks from threshold_check") == {"ticks": 0}
    manager.answer = Secret("50", 1)
    world.wait(seconds=10)
    assert world.tick().body["outcome"] == "batch_created"


def test_a_threshold_of_the_environment_is_fixed(world: BatcherWorld) -> None:
    assert world.batcher.live_threshold is None
    world.now += timedelta(days=1)
    assert world.tick().body["threshold"] == "100.000000"
