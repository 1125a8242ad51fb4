"""The port that makes tasks: one suite on the fake, on the simulator's model, and on Google's own client."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from google.cloud.tasks_v2.types import Queue
from google.protobuf.timestamp_pb2 import Timestamp

from shared.lifecycle.reactions import Broken, Unknown
from shared.queue import AlreadyExists, CloudTasksSender, Made, QueueUnusable, TaskSender, TaskUnclear
from shared.queue.cloud_tasks import DISPATCH_DEADLINE
from shared.sandbox.fakes import FakeTask, FakeTaskSender
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.queue import ModelQueue
from shared.sandbox.tasks.faults import Fault, FaultKind
from shared.sandbox.tasks.service import TaskService
from shared.telemetry import trace_of

PROJECT, LOCATION = "project-one", "us-central1"
QUEUE = "gchostpay1-response-queue"
IDENTITY = "watcher@project.example"
URL = "https://conductor.example"
TRACE = "ab" * 16
NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(days=1)


class World(Protocol):
    """A task service and a sender to it."""

    @property
    def sender(self) -> TaskSender: ...
    def made(self) -> list[FakeTask]: ...
    def be_away(self) -> None: ...
    def lose_answers(self) -> None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.sender = fake = FakeTaskSender()
        self._fake = fake
        fake.remove_queue("no-such-queue")

    def made(self) -> list[FakeTask]:
        return self._fake.tasks

    def be_away(self) -> None:
        self._fake.be_away()

    def lose_answers(self) -> None:
        self._fake.lose_answers()


class NothingAround:
    """The world around the model queue: time stands still, nobody is interrupted."""

    now = NOW

    def calls(self, where: str) -> None:
        """Nothing happens before a call."""

    def called(self, where: str) -> None:
        """Nothing happens after it."""


class ModelWorld:
    def __init__(self) -> None:
        self.sender = model = ModelQueue(
            Faults(Profile()), Dice(0, "queue"), NothingAround(), lambda *_: None, lambda _: 200, lambda _: None
        )
        self._model = model
        model.missing.add("no-such-queue")

    def made(self) -> list[FakeTask]:
        return [
            FakeTask(
                task.name,
                task.queue,
                task.url,
                task.body,
                task.due if task.timer else None,
                task.audience,
                task.trace,
            )
            for task in self._model.waiting.values()
        ]

    def be_away(self) -> None:
        self._model.lost_answers.append(False)

    def lose_answers(self) -> None:
        self._model.lost_answers.append(True)


class NoTokens:
    """The issuer is not part of this suite: the queue is paused and delivers nothing."""

    def token(self, email: str, audience: str) -> str:
        raise AssertionError((email, audience))


class RealWorld:
    def __init__(self, service: TaskService, sender: CloudTasksSender) -> None:
        self.sender = sender
        self.service = service
        self.queue = f"projects/{PROJECT}/locations/{LOCATION}/queues/{QUEUE}"
        service.create_queue(Queue(name=self.queue), time.time())
        service.store.set_running(self.queue, False)

    def made(self) -> list[FakeTask]:
        return [
            FakeTask(
                name=task.name.rpartition("/")[2],
                queue=QUEUE,
                url=task.http_request.url,
                body=task.http_request.body,
                schedule_at=moment(task.schedule_time) if moment(task.schedule_time) >= LATER else None,
                audience=task.http_request.oidc_token.audience,
                trace=trace_of(task.http_request.headers["traceparent"]),
            )
            for task in self.service.store.tasks(self.queue)
        ]

    def be_away(self) -> None:
        self.service.faults.add(Fault(FaultKind.REFUSE_CREATE))

    def lose_answers(self) -> None:
        self.service.faults.add(Fault(FaultKind.LOSE_CREATE_ANSWER))


def moment(stamp: Timestamp | datetime) -> datetime:
    return stamp if isinstance(stamp, datetime) else stamp.ToDatetime(tzinfo=UTC)


@pytest.fixture
def real() -> Iterator[RealWorld]:
    with TaskService(tokens=NoTokens()) as service:
        sender = CloudTasksSender(PROJECT, LOCATION, IDENTITY, service.endpoint)
        yield RealWorld(service, sender)
        sender.close()


@pytest.fixture(params=["the fake", "the model", "the genuine client"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "the fake":
        return FakeWorld()
    if request.param == "the model":
        return ModelWorld()
    real: RealWorld = request.getfixturevalue("real")
    return real


def make(world: World, name: str = "outbox-1", queue: str = QUEUE, at: datetime | None = None) -> Made | AlreadyExists:
    return world.sender.create(
        name=name,
        queue=queue,
        url=f"{URL}/status-verified",
        body=b'{"token": "sealed"}',
        schedule_at=at,
        audience=URL,
        trace=TRACE,
    )


def test_a_task_is_made_as_it_was_asked_for(world: World) -> None:
    assert make(world) == Made()
    assert make(world, "outbox-2", at=LATER) == Made()
    assert sorted(world.made(), key=lambda task: task.name) == [
        FakeTask("outbox-1", QUEUE, f"{URL}/status-verified", b'{"token": "sealed"}', None, URL, TRACE),
        FakeTask("outbox-2", QUEUE, f"{URL}/status-verified", b'{"token": "sealed"}', LATER, URL, TRACE),
    ]


def test_a_name_is_used_once(world: World) -> None:
    assert make(world) == Made()
    assert make(world) == AlreadyExists()
    assert len(world.made()) == 1


def test_a_task_that_was_not_made_may_be_made_again(world: World) -> None:
    world.be_away()
    with pytest.raises(TaskUnclear) as unclear:
        make(world)
    assert isinstance(unclear.value, Unknown)
    assert world.made() == []
    assert make(world) == Made()


def test_after_a_lost_answer_the_same_name_makes_no_second_task(world: World) -> None:
    world.lose_answers()
    with pytest.raises(TaskUnclear):
        make(world)
    assert make(world) == AlreadyExists()
    assert len(world.made()) == 1


def test_a_missing_queue_needs_a_person(world: World) -> None:
    with pytest.raises(QueueUnusable) as unusable:
        make(world, queue="no-such-queue")
    assert isinstance(unusable.value, Broken)
    assert "no-such-queue" in str(unusable.value)


# --- what only the genuine client can show ---------------------------------------------------------------------------


def test_a_task_carries_our_identity_a_deadline_and_json(real: RealWorld) -> None:
    make(real)
    (task,) = real.service.store.tasks(real.queue)
    assert task.http_request.oidc_token.service_account_email == IDENTITY
    assert task.http_request.headers["Content-Type"] == "application/json"
    assert json.loads(task.http_request.body) == {"token": "sealed"}
    assert task.dispatch_deadline == DISPATCH_DEADLINE


def test_a_service_that_keeps_silent_is_waited_for_two_seconds_once(real: RealWorld) -> None:
    silence = real.service.faults.add(Fault(FaultKind.REFUSE_CREATE, answer="SILENCE", count=None))
    make_began = time.monotonic()
    with pytest.raises(TaskUnclear):
        make(real)
    assert 1.5 < time.monotonic() - make_began < 6
    assert real.service.faults.fired(silence) == 1


def test_a_service_that_is_down_is_told_at_once_and_used_again_when_it_is_back() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    sender = CloudTasksSender(PROJECT, LOCATION, IDENTITY, f"127.0.0.1:{port}")
    began = time.monotonic()
    with pytest.raises(TaskUnclear):
        make_with(sender)
    assert time.monotonic() - began < 6
    sender.close()
    with TaskService(port=port, tokens=NoTokens()) as service:
        RealWorld(service, sender)
        assert make_with(sender) == Made()
        sender.close()


def make_with(sender: TaskSender) -> Made | AlreadyExists:
    return sender.create(name="outbox-1", queue=QUEUE, url=URL, body=b"{}", schedule_at=None, audience=URL, trace=TRACE)


def test_a_schedule_too_far_ahead_needs_a_person(real: RealWorld) -> None:
    with pytest.raises(QueueUnusable):
        make(real, at=datetime.now(UTC) + timedelta(days=31))
