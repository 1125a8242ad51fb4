"""The model queue, mempool and clients by themselves: they go wrong exactly as their faults say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from shared.chain import AnswerKind
from shared.chain.answers import classify
from shared.queue import AlreadyExists, Made, TaskNotMade
from shared.sandbox.simulator.dialects import CLIENTS, refusal
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.queue import ModelQueue, ModelTask

START = datetime(2026, 3, 1, tzinfo=UTC)
URL = "https://conductor.fleet.example/"


@dataclass
class Agenda:
    """Time that a test lets pass."""

    now: datetime = START
    due: list[tuple[datetime, Callable[[], None]]] = field(default_factory=list)

    def at(self, when: datetime, what: Callable[[], None]) -> None:
        self.due.append((when, what))

    def calls(self, where: str) -> None:
        """Nothing happens before a call."""

    def called(self, where: str) -> None:
        """Nothing happens after it."""

    def wait(self, **how_long: int) -> None:
        until = self.now + timedelta(**how_long)
        while due := [entry for entry in self.due if entry[0] <= until]:
            entry = min(due, key=lambda one: one[0])
            self.due.remove(entry)
            self.now = max(self.now, entry[0])
            entry[1]()
        self.now = until


@dataclass
class Service:
    """Who the tasks are delivered to; `statuses` are its next answers, then 200."""

    statuses: list[int | None] = field(default_factory=list)
    heard: list[tuple[datetime, str]] = field(default_factory=list)


def a_queue(agenda: Agenda, service: Service, **faults: int) -> ModelQueue:
    def deliver(task: ModelTask) -> int | None:
        service.heard.append((agenda.now, task.name))
        return service.statuses.pop(0) if service.statuses else 200

    return ModelQueue(Faults(Profile(**faults)), Dice(0, "queue"), agenda, agenda.at, deliver, lambda _: None)


def make(queue: ModelQueue, name: str = "outbox-1", at: datetime | None = None) -> Made | AlreadyExists:
    return queue.create(name=name, queue="q", url=URL, body=b"", schedule_at=at, audience=URL, trace="t")


def test_a_task_is_delivered_when_it_is_due_and_once() -> None:
    agenda, service = Agenda(), Service()
    queue = a_queue(agenda, service)
    make(queue, at=START + timedelta(seconds=30))
    agenda.wait(seconds=29)
    assert service.heard == []
    agenda.wait(hours=2)
    assert service.heard == [(START + timedelta(seconds=30), "outbox-1")]


def test_a_task_comes_again_later_and_later_until_it_is_answered_2xx() -> None:
    agenda, service = Agenda(), Service([503, None, 500, 204])
    make(a_queue(agenda, service))
    agenda.wait(hours=2)
    assert [int((at - START).total_seconds()) for at, _ in service.heard] == [0, 5, 15, 35]


def test_after_a_day_of_refusals_a_task_is_given_up() -> None:
    agenda, service = Agenda(), Service([503] * 1_000)
    queue = a_queue(agenda, service)
    make(queue)
    agenda.wait(days=3)
    assert timedelta(hours=24) < service.heard[-1][0] - START < timedelta(hours=25)
    assert queue.waiting == {}


def test_a_name_stays_taken_for_an_hour_after_its_task_ran() -> None:
    agenda, service = Agenda(), Service()
    queue = a_queue(agenda, service)
    assert make(queue) == Made()
    agenda.wait(minutes=59)
    assert make(queue) == AlreadyExists()
    agenda.wait(minutes=2)
    assert make(queue) == Made()


@pytest.mark.parametrize(
    ("fault", "deliveries"), [({"tasks_lost": 1000}, 0), ({"tasks_not_made": 1000}, 0), ({"tasks_late": 1000}, 1)]
)
def test_each_fault_does_what_it_says(fault: dict[str, int], deliveries: int) -> None:
    agenda, service = Agenda(), Service()
    queue = a_queue(agenda, service, **fault)
    if "tasks_not_made" in fault:
        with pytest.raises(TaskNotMade):
            make(queue)
    else:
        make(queue)
    agenda.wait(seconds=30)
    assert service.heard == []
    agenda.wait(hours=25)
    assert len(service.heard) == deliveries


def test_a_purge_takes_every_task_and_leaves_the_names_taken() -> None:
    agenda, service = Agenda(), Service()
    queue = a_queue(agenda, service)
    make(queue, at=START + timedelta(minutes=5))
    queue.purge()
    agenda.wait(minutes=10)
    assert service.heard == []
    assert make(queue) == AlreadyExists()


@pytest.mark.parametrize("client", CLIENTS)
def test_what_each_client_says_is_understood(client: str) -> None:
    meant = {
        "known": AnswerKind.ALREADY_KNOWN,
        "old": AnswerKind.NONCE_TOO_LOW,
        "underpriced": AnswerKind.UNDERPRICED,
        "poor": AnswerKind.INSUFFICIENT_FUNDS,
        "cheap": AnswerKind.FEE_TOO_LOW,
    }
    for kind, means in meant.items():
        code, text = refusal(client, kind, next=5, nonce=4, balance=1, cost=2)
        assert classify(text, code) is means, text


def test_a_seed_gives_the_same_chance_again_and_each_concern_its_own() -> None:
    def drawn(concern: str) -> list[int]:
        dice = Dice(7, concern)
        return [dice.number(1_000) for _ in range(5)]

    assert drawn("queue") == drawn("queue") == [897, 276, 497, 389, 64]
    assert drawn("queue") != drawn("node")
    assert not Dice(0, "x").happens(0)
    assert Dice(0, "x").happens(1000)


def test_half_of_the_faults_are_off_in_a_seed_and_a_stolen_nonce_is_never_drawn() -> None:
    profiles = [Profile.of_seed(seed) for seed in range(200)]
    assert all(profile.nonce_taken == 0 for profile in profiles)
    for name in ("crashes", "reorgs", "tasks_lost", "creations_unclear"):
        on = sum(getattr(profile, name) > 0 for profile in profiles)
        assert 70 < on < 130, (name, on)
