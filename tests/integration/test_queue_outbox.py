"""The outbox on a real database: a message is kept with its decision, its task is made once, whatever is lost."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from shared.db import Connection, Database, DatabaseUnreachable
from shared.messages import (
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_CONDUCTOR,
    CONDUCTOR_TO_WATCHER,
    CheckArrival,
    CheckOrder,
    Edge,
    Keyring,
    Message,
    open_sealed,
)
from shared.queue import Destination, Outbox, Sealer, task_name
from shared.sandbox.fakes import FakeTaskSender
from shared.telemetry import task_context

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYRING = Keyring(internal=["an internal secret of the fleet"])
DESTINATIONS = {
    CONDUCTOR_TO_CONDUCTOR: Destination("gchostpay1-response-queue", "https://conductor.example"),
    CONDUCTOR_TO_WATCHER: Destination("gchostpay2-status-check-queue", "https://watcher.example"),
}
ARRIVAL = CheckArrival(unique_id="batch_11111111-2222-3333-4444-555555555555", cn_api_id="613c822e844358", poll=3)
CHECK = CheckOrder(
    unique_id="batch_11111111-2222-3333-4444-555555555555",
    cn_api_id="613c822e844358",
    from_currency="eth",
    from_network="eth",
    to_currency="usdt",
    to_network="eth",
    amount_wei=40_000_000_000_000_000,
    payin_address="0x52908400098527886E0F7030069857D2E4169EE7",
    payout_address="0x8617E340B3D01FA5F11F306F4090FD50E238070D",
)
TRACE = "ab" * 16


class Conductor:
    """The conductor's outbox, on the rights of its role."""

    def __init__(self, db: Any, sender: FakeTaskSender | None = None) -> None:
        self.db = db
        self.sender = sender or FakeTaskSender()
        self.outbox = Outbox(db, self.sender, Sealer(KEYRING, DESTINATIONS), uuid4)

    def keep(
        self,
        message: Message = ARRIVAL,
        edge: Edge = CONDUCTOR_TO_CONDUCTOR,
        at: datetime | None = None,
        now: datetime = NOW,
    ) -> UUID:
        with self.db.transaction() as conn:
            return self.outbox.put(conn, edge, message, now, at)

    def row(self, outbox_id: UUID) -> Any:
        with self.db.read() as conn:
            return conn.one("select * from outbox where id = :id", id=outbox_id)


@pytest.fixture
def conductor(database_as: Callable[[str], Database]) -> Conductor:
    return Conductor(database_as("gcpay_conductor"))


def opened(body: bytes, edge: Edge, now: datetime) -> Any:
    return open_sealed(edge, json.loads(body)["token"], KEYRING, now)


def test_a_message_kept_and_flushed_becomes_one_task(conductor: Conductor) -> None:
    with task_context(trace=TRACE):
        outbox_id = conductor.keep()
    assert conductor.outbox.flush([outbox_id], NOW) == 1
    (task,) = conductor.sender.tasks
    assert (task.name, task.queue) == (task_name(outbox_id), "gchostpay1-response-queue")
    assert (task.url, task.audience) == ("https://conductor.example/retry-callback-check", "https://conductor.example")
    assert (task.schedule_at, task.trace) == (None, TRACE)
    told = opened(task.body, CONDUCTOR_TO_CONDUCTOR, NOW)
    assert (told.message, told.message_id) == (ARRIVAL, outbox_id.bytes)
    row = conductor.row(outbox_id)
    assert (row["service"], row["edge"], row["sent_at"]) == ("conductor", CONDUCTOR_TO_CONDUCTOR.name, NOW)
    assert (row["task_name"], row["trace"]) == (task_name(outbox_id), TRACE)


def test_a_message_of_a_transaction_that_was_taken_back_was_never_kept(conductor: Conductor) -> None:
    with pytest.raises(ZeroDivisionError), conductor.db.transaction() as conn:
        outbox_id = conductor.outbox.put(conn, CONDUCTOR_TO_CONDUCTOR, ARRIVAL, NOW)
        _ = 1 // 0
    assert conductor.outbox.flush([outbox_id], NOW) == 0
    assert conductor.sender.tasks == []


def test_a_flush_repeated_makes_nothing_more(conductor: Conductor) -> None:
    outbox_id = conductor.keep()
    assert [conductor.outbox.flush([outbox_id], NOW) for _ in range(3)] == [1, 0, 0]
    assert conductor.sender.calls == 1


def test_a_flush_of_nothing_asks_nobody() -> None:
    class Nobody:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    assert Outbox(Nobody(), FakeTaskSender(), Sealer(KEYRING, DESTINATIONS), uuid4).flush([], NOW) == 0


def test_tasks_are_made_in_the_order_their_messages_were_kept(conductor: Conductor) -> None:
    first = conductor.keep()
    second = conductor.keep(CHECK, CONDUCTOR_TO_WATCHER, now=NOW + timedelta(milliseconds=1))
    assert conductor.outbox.flush([second, first], NOW) == 2
    assert [task.name for task in conductor.sender.tasks] == [task_name(first), task_name(second)]


def test_a_later_task_is_fresh_when_it_runs(conductor: Conductor) -> None:
    runs_at = NOW + timedelta(days=2)
    outbox_id = conductor.keep(at=runs_at)
    conductor.outbox.flush([outbox_id], NOW)
    (task,) = conductor.sender.tasks
    assert task.schedule_at == runs_at
    assert opened(task.body, CONDUCTOR_TO_CONDUCTOR, runs_at).issued_at == runs_at


def test_a_task_made_again_after_days_is_as_fresh_as_a_new_one(conductor: Conductor) -> None:
    conductor.sender.be_away()
    outbox_id = conductor.keep(at=NOW + timedelta(minutes=5))
    assert conductor.outbox.flush([outbox_id], NOW) == 0
    days_later = NOW + timedelta(days=4)
    assert conductor.outbox.sweep(days_later, older_than_s=60, limit=10).made == 1
    (task,) = conductor.sender.tasks
    assert task.schedule_at is None
    assert opened(task.body, CONDUCTOR_TO_CONDUCTOR, days_later).issued_at == days_later


def test_a_task_service_that_is_away_costs_one_call_and_no_error(conductor: Conductor) -> None:
    ids = [conductor.keep() for _ in range(3)]
    conductor.sender.be_away(3)
    with capture_logs() as lines:
        assert conductor.outbox.flush(ids, NOW) == 0
    assert conductor.sender.calls == 1
    assert [(line["event"], line["code"]) for line in lines] == [("task_not_made", "task_unclear")]
    assert all(conductor.row(each)["sent_at"] is None for each in ids)


def test_what_a_flush_could_not_make_the_sweep_makes(conductor: Conductor) -> None:
    ids = [conductor.keep() for _ in range(3)]
    conductor.sender.be_busy()
    conductor.outbox.flush(ids, NOW)
    later = NOW + timedelta(seconds=61)
    swept = conductor.outbox.sweep(later, older_than_s=60, limit=10)
    assert (swept.made, swept.left) == (3, 0)
    assert {task.name for task in conductor.sender.tasks} == {task_name(each) for each in ids}
    assert conductor.outbox.sweep(later, older_than_s=60, limit=10).made == 0


def test_a_lost_answer_makes_no_second_task(conductor: Conductor) -> None:
    outbox_id = conductor.keep()
    conductor.sender.lose_answers()
    assert conductor.outbox.flush([outbox_id], NOW) == 0
    assert conductor.row(outbox_id)["sent_at"] is None
    assert conductor.outbox.sweep(NOW + timedelta(minutes=2), older_than_s=60, limit=10).made == 1
    assert len(conductor.sender.tasks) == 1
    assert conductor.row(outbox_id)["sent_at"] == NOW + timedelta(minutes=2)


def test_a_sweep_leaves_young_messages_to_their_flush(conductor: Conductor) -> None:
    conductor.keep()
    assert conductor.outbox.sweep(NOW + timedelta(seconds=59), older_than_s=60, limit=10).made == 0
    assert conductor.outbox.unsent(NOW + timedelta(seconds=59), older_than_s=60) == 0
    assert conductor.outbox.unsent(NOW + timedelta(seconds=60), older_than_s=60) == 1


def test_a_sweep_takes_the_oldest_up_to_its_limit(conductor: Conductor) -> None:
    ids = [conductor.keep(now=NOW + timedelta(seconds=number)) for number in range(5)]
    later = NOW + timedelta(hours=1)
    assert conductor.outbox.sweep(later, older_than_s=60, limit=2).made == 2
    assert [task.name for task in conductor.sender.tasks] == [task_name(each) for each in ids[:2]]
    assert conductor.outbox.unsent(later, older_than_s=60) == 3


def test_a_sweep_does_not_touch_another_services_messages(
    conductor: Conductor, database_as: Callable[[str], Database]
) -> None:
    conductor.keep()
    batcher_sender = FakeTaskSender()
    sealer = Sealer(KEYRING, {BATCHER_TO_CONDUCTOR: Destination("gchostpay1-batch-queue", "https://conductor.example")})
    batcher = Outbox(database_as("gcpay_batcher"), batcher_sender, sealer, uuid4)
    assert batcher.sweep(NOW + timedelta(hours=1), older_than_s=60, limit=10).made == 0
    assert batcher_sender.tasks == []


def test_a_message_that_can_never_be_sent_does_not_hold_up_the_others(conductor: Conductor) -> None:
    conductor.sender.remove_queue("gchostpay2-status-check-queue")
    stuck = conductor.keep(CHECK, CONDUCTOR_TO_WATCHER)
    good = conductor.keep(now=NOW + timedelta(seconds=1))
    with capture_logs() as lines:
        assert conductor.outbox.flush([stuck, good], NOW) == 1
    (alert,) = [line for line in lines if line["event"] == "task_unmakeable"]
    assert (alert["log_level"], alert["outbox_id"], alert["code"]) == ("critical", stuck, "queue_unusable")
    assert conductor.row(stuck)["sent_at"] is None
    assert conductor.row(good)["sent_at"] == NOW


def test_a_row_that_was_tampered_with_is_not_sent(conductor: Conductor, database: Database) -> None:
    outbox_id = conductor.keep()
    with database.transaction() as conn:
        conn.run("update outbox set body = :body where id = :id", body=b"\x00\x01", id=outbox_id)
    with capture_logs() as lines:
        assert conductor.outbox.flush([outbox_id], NOW) == 0
    assert [(line["event"], line["code"]) for line in lines] == [("task_unmakeable", "message_invalid")]
    assert conductor.sender.tasks == []


def test_flush_and_sweep_at_once_make_one_task(database_as: Callable[[str], Database]) -> None:
    conductor = Conductor(database_as("gcpay_conductor"))
    ids = [conductor.keep() for _ in range(5)]
    later = NOW + timedelta(hours=1)
    barrier = threading.Barrier(4)

    def race(act: Callable[[], object]) -> None:
        barrier.wait()
        act()

    acts: list[Callable[[], object]] = [
        lambda: conductor.outbox.flush(ids, later),
        lambda: conductor.outbox.flush(ids, later),
        lambda: conductor.outbox.sweep(later, older_than_s=60, limit=10),
        lambda: conductor.outbox.sweep(later, older_than_s=60, limit=10),
    ]
    racers = [threading.Thread(target=race, args=(act,)) for act in acts]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert sorted(task.name for task in conductor.sender.tasks) == sorted(task_name(each) for each in ids)
    assert all(conductor.row(each)["sent_at"] == later for each in ids)


def test_a_database_that_goes_away_after_the_commit_is_no_error_of_the_handler(conductor: Conductor) -> None:
    outbox_id = conductor.keep()

    class Away:
        @contextmanager
        def transaction(self) -> Iterator[Connection]:
            raise DatabaseUnreachable("The database is away.")
            yield  # the type of a context manager

        read = transaction

    outbox = Outbox(Away(), conductor.sender, Sealer(KEYRING, DESTINATIONS), uuid4)
    assert outbox.flush([outbox_id], NOW) == 0
    assert conductor.sender.calls == 0
    with pytest.raises(DatabaseUnreachable):
        outbox.sweep(NOW, older_than_s=60, limit=10)


def test_a_mark_that_is_lost_is_made_up_by_the_sweep(conductor: Conductor) -> None:
    outbox_id = conductor.keep()

    class WritesAreLost:
        read = conductor.db.read

        @contextmanager
        def transaction(self) -> Iterator[Connection]:
            raise DatabaseUnreachable("The database is away.")
            yield  # the type of a context manager

    broken = Outbox(WritesAreLost(), conductor.sender, Sealer(KEYRING, DESTINATIONS), uuid4)
    assert broken.flush([outbox_id], NOW) == 0
    assert conductor.row(outbox_id)["sent_at"] is None
    assert conductor.outbox.sweep(NOW + timedelta(minutes=2), older_than_s=60, limit=10).made == 1
    assert len(conductor.sender.tasks) == 1


@pytest.mark.parametrize("days", [29.1, 365])
def test_a_task_cannot_be_kept_for_longer_than_the_queue_allows(conductor: Conductor, days: float) -> None:
    with pytest.raises(ValueError, match="at most 29 days"):
        conductor.keep(at=NOW + timedelta(days=days))


def test_an_edge_carries_only_its_own_messages(conductor: Conductor) -> None:
    with pytest.raises(ValueError, match="does not carry CheckArrival"):
        conductor.keep(ARRIVAL, CONDUCTOR_TO_WATCHER)


def test_a_redrive_is_a_new_message_with_a_new_name(conductor: Conductor) -> None:
    ids = [conductor.keep(), conductor.keep()]
    conductor.outbox.flush(ids, NOW)
    assert len({task.name for task in conductor.sender.tasks}) == 2
