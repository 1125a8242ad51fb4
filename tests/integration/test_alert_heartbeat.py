"""What stands still is noticed: a batch or an order in one state for too long, a job of the scheduler that stopped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from GCAccumulator.watch_scheduler import SchedulerWatch
from shared.db import Database, beat, scheduler_runs, tell_of_silent_jobs
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, INTAKE, SERVICE_ROLES
from tests.integration.batcher_world import START, BatcherWorld

DatabaseAs = Callable[[str], Database]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


def told(world: BatcherWorld, kind: str) -> list[str]:
    return world.column("select subject from alert where kind = :kind order by id", kind=kind)


@pytest.fixture
def silence(world: BatcherWorld, reused_database_as: DatabaseAs) -> Callable[[str], None]:
    """A function that lets a job run at this moment, as its service does it."""

    def runs(role: str) -> None:
        with reused_database_as(role).transaction() as conn:
            beat(conn, f"{role} job", world.now, MINUTE)

    return runs


# --- age --------------------------------------------------------------------------------------------------------------


def test_a_batch_and_its_order_are_told_once_when_they_take_too_long(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.a_request(batch, status="watching")
    world.wait(days=7)
    world.sweep()
    assert (told(world, "batch_overdue"), told(world, "order_overdue")) == ([], [])
    world.wait(minutes=12)
    for _ in range(3):
        world.sweep()
        world.wait(hours=30)
    order = world.adopted(batch)
    assert (told(world, "batch_overdue"), told(world, "order_overdue")) == ([str(batch)], [str(order["id"])])
    row = world.only("select * from alert where kind = 'batch_overdue'")
    assert row["money_at_risk"] == ["0.040000000000000000 ETH", "100.000000 USD"]
    assert row["concerned_rows"] == [f"batch {batch}"]
    assert "is swapping since 2026-03-01T12:00:00+00:00" in row["message"]
    row = world.only("select * from alert where kind = 'order_overdue'")
    assert row["concerned_rows"] == [f"order {order['id']}", f"batch {batch}"]
    assert row["money_at_risk"] == ["0.040000000000000000 ETH"]


def test_a_batch_that_goes_on_or_has_ended_is_not_told(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.report(world.is_paid(batch, "97"))
    world.wait(days=30)
    world.sweep()
    assert told(world, "batch_overdue") == []


def test_a_parked_batch_is_told_again_when_nobody_came_for_a_day(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.write(
        "update batch_conversions set conversion_status = 'parked', reason = 'a drill', updated_at = :now",
        now=world.now,
    )
    world.wait(hours=23)
    world.sweep()
    assert told(world, "batch_overdue") == []
    world.wait(hours=2)
    world.sweep()
    world.sweep()
    assert told(world, "batch_overdue") == [str(batch)]


# --- the heartbeat ----------------------------------------------------------------------------------------------------


def test_ticks_and_sweeps_mark_that_the_scheduler_runs(world: BatcherWorld) -> None:
    with world.batcher.database.read() as conn:
        assert scheduler_runs(conn, world.now) is None  # a first start: nobody can say
    world.tick()
    world.sweep()
    marks = world.rows("select job, beat_at, silent_after from heartbeat order by job")
    assert [tuple(row.values()) for row in marks] == [
        ("batcher /check-threshold", START, START + timedelta(minutes=45)),
        ("batcher /sweep", START, START + timedelta(minutes=3)),
    ]
    with world.batcher.database.read() as conn:
        assert scheduler_runs(conn, START + timedelta(minutes=3) - timedelta(seconds=1)) is True
        assert scheduler_runs(conn, START + timedelta(minutes=3)) is False


def test_the_sweep_that_still_runs_tells_of_the_tick_that_stopped_once_per_silence(world: BatcherWorld) -> None:
    world.tick()
    for _ in range(50):
        world.wait(minutes=1)
        world.sweep()
    assert told(world, "scheduler_silent") == ["batcher /check-threshold"]
    world.tick()
    world.wait(minutes=46)
    world.sweep()  # this one had stopped as well
    assert told(world, "scheduler_silent").count("batcher /check-threshold") == 2


@pytest.mark.parametrize("role", [BATCHER, CONDUCTOR, EXECUTOR])
def test_each_service_marks_its_job_and_sees_those_of_the_others(
    world: BatcherWorld, reused_database_as: DatabaseAs, silence: Callable[[str], None], role: str
) -> None:
    for each in (BATCHER, CONDUCTOR, EXECUTOR):
        silence(each)
    world.wait(minutes=3)
    silence(role)
    with reused_database_as(role).transaction() as conn:
        assert tell_of_silent_jobs(conn, "a service", world.now) == 2
    assert f"{role} job" not in told(world, "scheduler_silent")


def test_a_job_on_request_is_never_silent_and_a_mark_never_goes_back(world: BatcherWorld) -> None:
    with world.batcher.database.transaction() as conn:
        beat(conn, "on request", START, None)
        beat(conn, "late", START + MINUTE, MINUTE)
        beat(conn, "late", START, MINUTE)  # a slower instance of the same job
        assert tell_of_silent_jobs(conn, "a service", START + timedelta(minutes=3)) == 0
        assert tell_of_silent_jobs(conn, "a service", START + timedelta(minutes=4)) == 1


def test_when_every_job_has_stopped_the_next_payment_notices(
    world: BatcherWorld, reused_database_as: DatabaseAs
) -> None:
    watch = SchedulerWatch(reused_database_as(INTAKE))
    watch.look(world.now)
    world.tick()
    world.sweep()
    watch.look(world.now + timedelta(minutes=2))
    assert told(world, "scheduler_silent") == []
    watch.look(world.now + timedelta(minutes=2, seconds=59))
    assert told(world, "scheduler_silent") == []
    watch.look(world.now + timedelta(minutes=50))
    assert told(world, "scheduler_silent") == ["batcher /check-threshold", "batcher /sweep"]


def test_intake_looks_once_a_minute_and_a_database_that_is_away_does_not_fail_a_payment() -> None:
    asked = []

    class Away:
        def read(self) -> object:
            from shared.db import DatabaseUnreachable

            asked.append(1)
            raise DatabaseUnreachable("away")

    watch = SchedulerWatch(Away())  # type: ignore[arg-type]
    for seconds in (0, 1, 59, 60, 61, 120):
        watch.look(START + timedelta(seconds=seconds))
    assert len(asked) == 3


def test_every_service_may_read_the_heartbeat(reused_database_as: DatabaseAs) -> None:
    for role in SERVICE_ROLES:
        with reused_database_as(role).read() as conn:
            assert scheduler_runs(conn, START) is None
