"""Sealing for a destination, the settings of queues, and sending without a database."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from shared.lifecycle.reactions import Unknown
from shared.messages import (
    ALL_EDGES,
    BATCHER_TO_CONDUCTOR,
    CONDUCTOR_TO_WATCHER,
    WATCHER_TO_CONDUCTOR,
    Edge,
    Keyring,
    OrderChecked,
    open_sealed,
)
from shared.queue import (
    AlreadyExists,
    Destination,
    Made,
    Sealer,
    TasksSettings,
    UpstreamKeySettings,
    destinations_from,
    keyring_from,
    send_directly,
)
from shared.queue.settings import (
    BatcherAlertTarget,
    BatcherTarget,
    ConductorBatchTarget,
    ConductorResponseTarget,
    ExecutorRetryTarget,
    ExecutorTarget,
    WatcherTarget,
)
from shared.sandbox.fakes import FakeTaskSender
from shared.telemetry import task_context

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEYRING = Keyring(internal=["an internal secret of the fleet"])
CONDUCTOR = Destination("gchostpay1-response-queue", "https://conductor.example")
CHECKED = OrderChecked(
    unique_id="batch_11111111-2222-3333-4444-555555555555",
    cn_api_id="613c822e844358",
    verdict="payable",
    exchange_status="waiting",
    detail="",
)
INCOMING = bytes(range(16))


def a_sealer() -> Sealer:
    return Sealer(KEYRING, {WATCHER_TO_CONDUCTOR: CONDUCTOR})


class Everything(
    TasksSettings,
    UpstreamKeySettings,
    ConductorBatchTarget,
    ConductorResponseTarget,
    WatcherTarget,
    ExecutorTarget,
    ExecutorRetryTarget,
    BatcherTarget,
    BatcherAlertTarget,
):
    """All targets at once."""

    service_url: str = "https://batcher.example"


def everything(**changes: object) -> Everything:
    values: dict[str, object] = {
        "cloud_tasks_project_id": "project-one",
        "cloud_tasks_location": "us-central1",
        "success_url_signing_key": "an internal secret of the fleet",
        "tps_hostpay_signing_key": "a secret shared with upstream",
        "gchostpay1_url": "https://conductor.example/",
        "gchostpay2_url": "https://watcher.example",
        "gchostpay3_url": "https://executor.example",
        "microbatch_url": "https://batcher.example",
    }
    return Everything.model_validate(values | changes)


# --- sealing ---------------------------------------------------------------------------------------------------------


def test_a_parcel_is_addressed_as_its_edge_names_it() -> None:
    parcel = a_sealer().parcel(WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW)
    assert (parcel.queue, parcel.url) == (CONDUCTOR.queue, "https://conductor.example/status-verified")
    assert parcel.audience == "https://conductor.example"


def test_a_parcel_opens_at_its_consumer_at_the_time_it_runs() -> None:
    runs_at = NOW + timedelta(days=3)
    parcel = a_sealer().parcel(WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, runs_at)
    opened = open_sealed(WATCHER_TO_CONDUCTOR, json.loads(parcel.body)["token"], KEYRING, runs_at)
    assert (opened.message, opened.message_id, opened.issued_at) == (CHECKED, INCOMING, runs_at)


def test_a_sealer_seals_only_for_its_own_edges() -> None:
    with pytest.raises(KeyError):
        a_sealer().parcel(CONDUCTOR_TO_WATCHER, CHECKED, INCOMING, NOW)


@pytest.mark.parametrize(
    "edge", [edge for edge in ALL_EDGES if edge.producer != "upstream"], ids=lambda edge: edge.name
)
def test_every_edge_of_the_fleet_has_its_queue_and_target_in_the_settings(edge: Edge) -> None:
    destination = destinations_from(everything(), [edge])[edge]
    assert destination.queue == edge.queue
    assert destination.base_url == f"https://{edge.consumer}.example"


def test_a_queue_can_be_renamed_by_its_setting() -> None:
    settings = everything(gchostpay1_batch_queue="another-queue")
    assert destinations_from(settings, [BATCHER_TO_CONDUCTOR])[BATCHER_TO_CONDUCTOR].queue == "another-queue"


def test_a_missing_mixin_is_a_mistake_found_at_start() -> None:
    class Lonely(BaseSettings):
        gchostpay2_url: str = "https://watcher.example"

    with pytest.raises(AttributeError):
        destinations_from(Lonely(), [CONDUCTOR_TO_WATCHER])


def test_a_keyring_seals_with_the_present_key_and_opens_with_the_previous_one() -> None:
    before = keyring_from(everything(success_url_signing_key="the former secret of ours"))
    after = keyring_from(everything(success_url_signing_key_previous="the former secret of ours"))
    destinations = {WATCHER_TO_CONDUCTOR: CONDUCTOR}
    old = json.loads(Sealer(before, destinations).parcel(WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW).body)["token"]
    new = json.loads(Sealer(after, destinations).parcel(WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW).body)["token"]
    assert open_sealed(WATCHER_TO_CONDUCTOR, old, after, NOW).message == CHECKED
    assert open_sealed(WATCHER_TO_CONDUCTOR, new, KEYRING, NOW).message == CHECKED


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cloud_tasks_project_id", "Project One"),
        ("cloud_tasks_location", "the moon"),
        ("cloud_tasks_endpoint", "https://tasks.example"),
        ("cloud_tasks_endpoint", "127.0.0.1"),
        ("success_url_signing_key", "fifteen letters"),
        ("success_url_signing_key_previous", "short"),
        ("tps_hostpay_signing_key", "short"),
        ("gchostpay1_url", "conductor.example"),
        ("gchostpay1_url", "https://conductor.example?x=1"),
        ("gchostpay2_url", "https://user:password@watcher.example"),
        ("gchostpay2_queue", "projects/p/locations/l/queues/q"),
    ],
)
def test_a_setting_that_cannot_work_is_refused(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=name):
        everything(**{name: value})


def test_signing_keys_do_not_show() -> None:
    assert "an internal secret" not in repr(everything())
    assert isinstance(everything().success_url_signing_key, SecretStr)


# --- without a database ----------------------------------------------------------------------------------------------


def test_one_incoming_message_is_answered_once_however_often_it_is_delivered() -> None:
    sender = FakeTaskSender()
    assert send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW) == Made()
    assert send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW) == AlreadyExists()
    (task,) = sender.tasks
    opened = open_sealed(WATCHER_TO_CONDUCTOR, json.loads(task.body)["token"], KEYRING, NOW)
    assert opened.message == CHECKED
    assert task.schedule_at is None


def test_another_incoming_message_is_answered_by_another_task() -> None:
    sender = FakeTaskSender()
    for first_byte in range(3):
        send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, bytes([first_byte]) * 16, NOW)
    assert len({task.name for task in sender.tasks}) == 3


def test_a_lost_answer_is_the_callers_and_the_repeat_makes_no_second_task() -> None:
    sender = FakeTaskSender()
    sender.lose_answers()
    with pytest.raises(Unknown):
        send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW)
    assert send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW) == AlreadyExists()
    assert len(sender.tasks) == 1


def test_a_direct_task_follows_the_trace_of_the_call() -> None:
    sender = FakeTaskSender()
    with task_context(trace="ab" * 16):
        send_directly(sender, a_sealer(), WATCHER_TO_CONDUCTOR, CHECKED, INCOMING, NOW)
    assert sender.tasks[0].trace == "ab" * 16


def test_a_service_starts_without_the_slow_libraries() -> None:
    check = "import sys, shared.queue; print([m for m in ('grpc', 'google.cloud.tasks_v2') if m in sys.modules])"
    root = Path(__file__).parents[2]
    told = subprocess.run(
        [sys.executable, "-c", check], cwd=root, capture_output=True, text=True, check=True, timeout=30
    )
    assert told.stdout.strip() == "[]"
