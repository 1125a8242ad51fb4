"""The genuine Cloud Tasks client on the sandbox's task service: what it promises, and every fault on command."""

import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.protobuf.field_mask_pb2 import FieldMask

from shared.sandbox.identity import IdentityClient, IdentityService
from shared.sandbox.processes import Process
from shared.sandbox.recording import RecordingTarget, Seen, Told
from shared.sandbox.tasks import Fault, FaultKind, TaskControl, command
from shared.sandbox.tasks.backoff import RetryPolicy
from shared.sandbox.tasks.control_client import ControlRefused
from shared.sandbox.tasks.service import TaskService

PARENT = "projects/demo/locations/here"
QUEUE = f"{PARENT}/queues/gchostpay1-response-queue"
EMAIL = "conductor@sandbox.iam.gserviceaccount.com"
SCALE = 20


class Bench:
    """A task service, the genuine client on a real channel, and one queue with short back-offs."""

    def __init__(self, service: TaskService, client: tasks_v2.CloudTasksClient) -> None:
        self.service, self.client = service, client
        self.control = TaskControl(service.control.url)
        client.create_queue(parent=PARENT, queue=a_queue())

    def create(self, url: str, name: str | None = None, timeout: float = 5.0, **fields: Any) -> tasks_v2.Task:
        task = a_task(url, name, **fields)
        return self.client.create_task(parent=QUEUE, task=task, timeout=timeout)

    def idle(self, timeout_s: float = 5.0) -> dict[str, int | str]:
        assert self.control.wait_idle(timeout_s)
        return self.control.queues()["gchostpay1-response-queue"]


def a_queue(name: str = QUEUE, max_attempts: int = 5, **rate: Any) -> tasks_v2.Queue:
    return tasks_v2.Queue(
        name=name,
        retry_config={
            "max_attempts": max_attempts,
            "min_backoff": timedelta(seconds=1),
            "max_backoff": timedelta(seconds=2),
            "max_doublings": 1,
        },
        rate_limits=rate,
    )


def a_task(url: str, name: str | None = None, **fields: Any) -> tasks_v2.Task:
    http = {"url": url, "body": b'{"token": "x"}', "headers": {"Content-Type": "application/json"}}
    http |= fields.pop("http", {})
    return tasks_v2.Task(name=f"{QUEUE}/tasks/{name}" if name else "", http_request=http, **fields)


@pytest.fixture(scope="module")
def identity() -> Iterator[IdentityService]:
    with IdentityService() as running:
        yield running


@pytest.fixture
def bench(identity: IdentityService) -> Iterator[Bench]:
    yield from a_bench(identity)


@pytest.fixture(scope="module")
def idle_bench(identity: IdentityService) -> Iterator[Bench]:
    """For the tests after which nothing has changed, because everything was refused."""
    yield from a_bench(identity)


def a_bench(identity: IdentityService) -> Iterator[Bench]:
    with (
        TaskService(tokens=IdentityClient(identity.url), time_scale=SCALE, deadline_scale=50) as service,
        grpc.insecure_channel(service.endpoint) as channel,
    ):
        client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
        yield Bench(service, client)


@pytest.fixture(name="target")
def a_target() -> Iterator[RecordingTarget]:
    with RecordingTarget() as running:
        yield running


def about(wanted_s: float, measured_s: float) -> bool:
    """Never early, and late only by what a busy machine adds."""
    return wanted_s - 0.02 <= measured_s <= wanted_s + 0.6


def failing_first(times: int, status: int = 503) -> RecordingTarget:
    return RecordingTarget(lambda seen: Told(status if seen.number <= times else 200))


# ---- delivery


def test_a_task_arrives_as_it_was_made_with_the_headers_of_cloud_tasks(bench: Bench, target: RecordingTarget) -> None:
    headers = {"Content-Type": "application/json", "X-Trace": "abc", "User-Agent": "me", "X-CloudTasks-TaskName": "no"}
    bench.create(f"{target.url}/status-verified?a=b%20c", "outbox-1", http={"headers": headers})
    (seen,) = target.wait_for(1)
    assert (seen.method, seen.path, seen.body) == ("POST", "/status-verified?a=b%20c", b'{"token": "x"}')
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-trace"] == "abc"
    assert seen.headers["user-agent"] == "Google-Cloud-Tasks"
    assert seen.headers["x-cloudtasks-queuename"] == "gchostpay1-response-queue"
    assert seen.headers["x-cloudtasks-taskname"] == "outbox-1"
    assert seen.headers["x-cloudtasks-taskretrycount"] == "0"
    assert seen.headers["x-cloudtasks-taskexecutioncount"] == "0"
    assert abs(float(seen.headers["x-cloudtasks-tasketa"]) - time.time()) < 5
    assert "x-cloudtasks-taskretryreason" not in seen.headers
    assert "authorization" not in seen.headers
    counts = bench.idle()
    assert (counts["done"], counts["pending"], counts["running"]) == (1, 0, 0)


def test_the_identity_token_verifies_at_the_issuer_for_the_audience_asked_for(
    bench: Bench, target: RecordingTarget, identity: IdentityService
) -> None:
    bench.create(target.url, http={"oidc_token": {"service_account_email": EMAIL, "audience": target.url}})
    bench.create(f"{target.url}/drive?x=1", http={"oidc_token": {"service_account_email": EMAIL}})
    keys = jwt.PyJWKClient(identity.jwks_url, timeout=5)
    audiences = set()
    for seen in target.wait_for(2):
        scheme, token = seen.headers["authorization"].split(" ")
        key = keys.get_signing_key_from_jwt(token)
        audience = [target.url, f"{target.url}/drive?x=1"]
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=audience, issuer=[identity.url])
        assert (scheme, claims["email"], claims["email_verified"]) == ("Bearer", EMAIL, True)
        audiences.add(claims["aud"])
    assert audiences == {target.url, f"{target.url}/drive?x=1"}


def test_a_schedule_time_is_kept_and_one_in_the_past_means_now(bench: Bench, target: RecordingTarget) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.6)
    bench.create(f"{target.url}/later", "later", schedule_time=due)
    bench.create(f"{target.url}/now", "now", schedule_time=datetime.now(UTC) - timedelta(days=1))
    first, second = target.wait_for(2)
    arrived = datetime.now(UTC)
    assert (first.path, second.path) == ("/now", "/later")
    assert about(0, (arrived - due).total_seconds())
    assert float(second.headers["x-cloudtasks-tasketa"]) == pytest.approx(due.timestamp(), abs=1e-5)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_ends_a_task(bench: Bench, status: int) -> None:
    with RecordingTarget(lambda _seen: Told(status, b"")) as target:
        bench.create(target.url)
        assert bench.idle()["done"] == 1
        assert len(target.calls) == 1


def test_unnamed_tasks_get_names_of_their_own(bench: Bench, target: RecordingTarget) -> None:
    names = {bench.create(target.url).name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith(f"{QUEUE}/tasks/") for name in names)
    target.wait_for(20)
    assert bench.idle()["done"] == 20


# ---- retries


def test_a_failed_task_comes_again_after_the_queues_back_off_and_says_why(bench: Bench) -> None:
    with failing_first(3) as target:
        bench.create(target.url, "again")
        seen = target.wait_for(4)
        waits = [later.at_s - earlier.at_s for earlier, later in itertools.pairwise(seen)]
        assert all(map(about, [0.05, 0.1, 0.1], waits)), waits
        assert [s.headers["x-cloudtasks-taskretrycount"] for s in seen] == ["0", "1", "2", "3"]
        assert seen[3].headers["x-cloudtasks-taskpreviousresponse"] == "503"
        assert "503" in seen[3].headers["x-cloudtasks-taskretryreason"]
        assert bench.idle()["attempts"] == 4


@pytest.mark.parametrize(("status", "counted"), [(500, "0"), (503, "0"), (409, "2"), (302, "2")])
def test_the_execution_count_leaves_out_5xx_answers(bench: Bench, status: int, counted: str) -> None:
    with failing_first(2, status) as target:
        bench.create(target.url)
        assert target.wait_for(3)[2].headers["x-cloudtasks-taskexecutioncount"] == counted
        bench.idle()


def test_a_task_is_given_up_after_max_attempts(bench: Bench) -> None:
    bench.client.update_queue(queue=a_queue(max_attempts=2))
    with failing_first(100) as target:
        bench.create(target.url, "hopeless")
        counts = bench.idle()
        assert (counts["exhausted"], counts["attempts"], len(target.calls)) == (1, 2, 2)
        with pytest.raises(exceptions.NotFound):
            bench.client.get_task(name=f"{QUEUE}/tasks/hopeless")


def test_a_target_that_is_not_there_is_tried_again(bench: Bench) -> None:
    bench.create("http://127.0.0.1:1/", "nobody")
    counts = bench.idle()
    assert (counts["exhausted"], counts["attempts"]) == (1, 5)


def test_a_target_may_ask_for_a_longer_wait(bench: Bench) -> None:
    with RecordingTarget(lambda s: Told(503 if s.number == 1 else 200, headers={"Retry-After": "4"})) as target:
        bench.create(target.url)
        first, second = target.wait_for(2)
        assert about(0.2, second.at_s - first.at_s)


def test_back_off_doubles_then_grows_evenly_then_stays_as_the_api_documents() -> None:
    policy = RetryPolicy(-1, 0, 10, 300, 3)
    assert [policy.delay_s(n) for n in range(1, 9)] == [10, 20, 40, 80, 160, 240, 300, 300]
    fixed = RetryPolicy(-1, 86400, 60, 60, 0)
    assert {fixed.delay_s(n) for n in (1, 2, 50, 10_000)} == {60}
    assert RetryPolicy(-1, 0, 1, 3600, 16).delay_s(100_000) == 3600


@pytest.mark.parametrize(
    ("max_attempts", "max_duration_s", "tries", "since_s", "given_up"),
    [
        (3, 0, 2, 1e9, False),
        (3, 0, 3, 0, True),
        (3, 60, 3, 59, False),
        (3, 60, 2, 61, False),
        (3, 60, 3, 60, True),
        (-1, 60, 10**6, 59, False),
        (-1, 60, 1, 60, True),
        (-1, 0, 10**6, 1e9, False),
    ],
)
def test_both_retry_limits_must_be_reached_and_a_limit_that_is_not_set_does_not_count(
    max_attempts: int, max_duration_s: float, tries: int, since_s: float, given_up: bool
) -> None:
    assert RetryPolicy(max_attempts, max_duration_s, 1, 1, 0).exhausted(tries, since_s) is given_up


def test_a_target_over_its_deadline_is_cut_off_and_tried_again() -> None:
    def slow_once(seen: Seen) -> int:
        if seen.number == 1:
            target.released.wait(5)
        return 200

    with (
        RecordingTarget(slow_once) as target,
        TaskService(time_scale=SCALE, deadline_scale=50) as service,
        grpc.insecure_channel(service.endpoint) as channel,
    ):
        bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
        task = bench.create(target.url, dispatch_deadline=timedelta(seconds=20))
        assert task.dispatch_deadline == timedelta(seconds=20)
        first, second = target.wait_for(2)
        # 20 s / 50, then the first back-off (1 s / 20).
        assert about(0.45, second.at_s - first.at_s)
        assert second.headers["x-cloudtasks-taskretryreason"] == "DEADLINE_EXCEEDED"
        assert "x-cloudtasks-taskpreviousresponse" not in second.headers
        assert bench.idle()["done"] == 1


def test_a_target_that_drips_is_cut_off_too(bench: Bench) -> None:
    """Each byte comes in time, the whole answer does not: a socket time-out alone would wait for ever."""
    listener = _Dripping()
    try:
        bench.create(listener.url, dispatch_deadline=timedelta(seconds=15))
        assert listener.came_twice.wait(5)
    finally:
        bench.client.purge_queue(name=QUEUE)
        listener.stop()


# ---- names


def test_a_name_in_use_is_refused_and_a_used_one_stays_blocked_for_an_hour(
    bench: Bench, target: RecordingTarget
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    bench.create(target.url, "waiting", schedule_time=later)
    with pytest.raises(exceptions.AlreadyExists):
        bench.create(target.url, "waiting")
    bench.create(target.url, "done")
    target.wait_for(1)
    with pytest.raises(exceptions.AlreadyExists):
        bench.create(target.url, "done")
    bench.client.delete_task(name=f"{QUEUE}/tasks/waiting")
    with pytest.raises(exceptions.AlreadyExists):
        bench.create(target.url, "waiting")
    assert bench.idle()["attempts"] == 1


def test_a_name_is_free_again_after_the_scaled_hour(target: RecordingTarget) -> None:
    with TaskService(time_scale=7200) as service, grpc.insecure_channel(service.endpoint) as channel:
        bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
        bench.create(target.url, "again")
        bench.idle()
        with pytest.raises(exceptions.AlreadyExists):
            bench.create(target.url, "again")
        time.sleep(0.55)
        bench.create(target.url, "again")
        assert bench.idle()["done"] == 2


def test_the_same_name_created_by_many_at_once_runs_once(bench: Bench, target: RecordingTarget) -> None:
    answers: list[str] = []
    together = threading.Barrier(8)

    def create() -> None:
        together.wait()
        try:
            answers.append(bench.create(target.url, "one").name)
        except exceptions.AlreadyExists:
            answers.append("exists")

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["exists"] * 7 + [f"{QUEUE}/tasks/one"]
    bench.idle()
    assert len(target.calls) == 1


# ---- refusals


@pytest.mark.parametrize(
    "task",
    [
        tasks_v2.Task(),
        a_task("ftp://127.0.0.1/"),
        a_task(""),
        a_task("http://"),
        a_task("http://127.0.0.1:99999/"),
        a_task("http://127.0.0.1/a b"),
        a_task("http://127.0.0.1/" + "a" * 2083),
        a_task("http://127.0.0.1/", http={"http_method": tasks_v2.HttpMethod.GET}),
        a_task("http://127.0.0.1/", http={"body": b"x" * 102_400}),
        a_task("http://127.0.0.1/", http={"headers": {"X-A": "b\r\nX-C: d"}}),
        a_task("http://127.0.0.1/", http={"oidc_token": {"service_account_email": "nobody"}}),
        a_task("http://127.0.0.1/", http={"oauth_token": {"service_account_email": EMAIL}}),
        a_task("http://127.0.0.1/", "bad.name"),
        a_task("http://127.0.0.1/", "n" * 501),
        a_task("http://127.0.0.1/", dispatch_deadline=timedelta(seconds=14)),
        a_task("http://127.0.0.1/", dispatch_deadline=timedelta(seconds=1801)),
        a_task("http://127.0.0.1/", schedule_time=datetime.now(UTC) + timedelta(days=31)),
        tasks_v2.Task(name=f"{PARENT}/queues/other/tasks/a", http_request={"url": "http://127.0.0.1/"}),
    ],
)
def test_a_task_that_cloud_tasks_would_refuse_is_an_invalid_argument(idle_bench: Bench, task: tasks_v2.Task) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        idle_bench.client.create_task(parent=QUEUE, task=task)
    assert idle_bench.idle()["attempts"] == 0


def test_a_body_just_under_the_limit_arrives_whole(bench: Bench, target: RecordingTarget) -> None:
    bench.create(target.url, http={"body": b"x" * 102_000})
    assert len(target.wait_for(1)[0].body) == 102_000


def test_an_unknown_queue_or_task_is_not_found_and_a_bad_name_is_invalid(bench: Bench) -> None:
    client, nowhere = bench.client, f"{PARENT}/queues/nowhere"
    for call in (
        lambda: client.create_task(parent=nowhere, task=tasks_v2.Task(http_request={"url": "http://127.0.0.1/"})),
        lambda: client.get_queue(name=nowhere),
        lambda: client.purge_queue(name=nowhere),
        lambda: client.pause_queue(name=nowhere),
        lambda: list(client.list_tasks(parent=nowhere)),
        lambda: client.get_task(name=f"{QUEUE}/tasks/nothing"),
        lambda: client.delete_task(name=f"{QUEUE}/tasks/nothing"),
        lambda: client.run_task(name=f"{QUEUE}/tasks/nothing"),
    ):
        with pytest.raises(exceptions.NotFound):
            call()
    with pytest.raises(exceptions.InvalidArgument):
        client.get_queue(name="queues/x")


def test_without_an_issuer_a_task_with_identity_is_refused_and_not_sent_bare(target: RecordingTarget) -> None:
    with TaskService() as service, grpc.insecure_channel(service.endpoint) as channel:
        bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
        with pytest.raises(exceptions.FailedPrecondition):
            bench.create(target.url, http={"oidc_token": {"service_account_email": EMAIL}})
        assert not target.calls


def test_an_issuer_that_is_away_fails_the_attempt_and_nothing_is_sent_bare(target: RecordingTarget) -> None:
    gone = IdentityClient("http://127.0.0.1:1")
    with (
        TaskService(tokens=gone, time_scale=SCALE) as service,
        grpc.insecure_channel(service.endpoint) as channel,
    ):
        bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
        bench.create(target.url, http={"oidc_token": {"service_account_email": EMAIL}})
        assert bench.idle()["exhausted"] == 1
        assert not target.calls


# ---- queues


def test_queues_can_be_made_read_listed_changed_and_removed(bench: Bench) -> None:
    client = bench.client
    plain = client.create_queue(parent=PARENT, queue=tasks_v2.Queue(name=f"{PARENT}/queues/plain"))
    assert plain.retry_config.max_attempts == 100
    assert plain.retry_config.min_backoff == timedelta(milliseconds=100)
    assert plain.retry_config.max_backoff == timedelta(hours=1)
    assert plain.retry_config.max_doublings == 16
    assert plain.rate_limits.max_dispatches_per_second == 500
    assert plain.rate_limits.max_concurrent_dispatches == 1000
    with pytest.raises(exceptions.AlreadyExists):
        client.create_queue(parent=PARENT, queue=tasks_v2.Queue(name=plain.name))
    assert [queue.name for queue in client.list_queues(parent=PARENT)] == [QUEUE, plain.name]
    changed = tasks_v2.Queue(name=QUEUE, rate_limits={"max_concurrent_dispatches": 7})
    client.update_queue(queue=changed, update_mask=FieldMask(paths=["rate_limits"]))
    read = client.get_queue(name=QUEUE)
    assert (read.rate_limits.max_concurrent_dispatches, read.retry_config.max_attempts) == (7, 5)
    client.delete_queue(name=plain.name)
    with pytest.raises(exceptions.NotFound):
        client.get_queue(name=plain.name)
    with pytest.raises(exceptions.InvalidArgument):
        client.create_queue(
            parent=PARENT, queue=tasks_v2.Queue(name=QUEUE + "x", rate_limits={"max_dispatches_per_second": 501})
        )


def test_tasks_can_be_read_listed_by_page_and_deleted(bench: Bench, target: RecordingTarget) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    for number in range(5):
        bench.create(target.url, f"t{number}", schedule_time=later)
    pages = list(bench.client.list_tasks(request={"parent": QUEUE, "page_size": 2}).pages)
    assert [len(page.tasks) for page in pages] == [2, 2, 1]
    plain = bench.client.get_task(name=f"{QUEUE}/tasks/t0")
    full = bench.client.get_task(request={"name": plain.name, "response_view": tasks_v2.Task.View.FULL})
    assert (plain.http_request.body, full.http_request.body) == (b"", b'{"token": "x"}')
    assert full.dispatch_deadline == timedelta(minutes=10)
    bench.client.delete_task(name=plain.name)
    assert len(list(bench.client.list_tasks(parent=QUEUE))) == 4


def test_a_paused_queue_holds_its_tasks_and_a_resumed_one_sends_them(bench: Bench, target: RecordingTarget) -> None:
    assert bench.client.pause_queue(name=QUEUE).state == tasks_v2.Queue.State.PAUSED
    bench.create(target.url)
    assert not bench.control.wait_idle(0.3)
    assert not target.calls
    bench.client.resume_queue(name=QUEUE)
    target.wait_for(1)
    assert bench.idle()["done"] == 1


def test_run_task_ignores_the_schedule_and_a_pause(bench: Bench, target: RecordingTarget) -> None:
    bench.client.pause_queue(name=QUEUE)
    task = bench.create(target.url, "now", schedule_time=datetime.now(UTC) + timedelta(hours=1))
    bench.client.run_task(name=task.name)
    target.wait_for(1)
    assert bench.idle()["done"] == 1


def test_purge_removes_what_waits_and_an_attempt_under_way_is_not_repeated(bench: Bench) -> None:
    def fail_when_released(_seen: Seen) -> int:
        target.released.wait(5)
        return 500

    with RecordingTarget(fail_when_released) as target:
        bench.create(target.url, "running")
        target.wait_for(1)
        bench.create(target.url, "waiting", schedule_time=datetime.now(UTC) + timedelta(hours=1))
        bench.client.purge_queue(name=QUEUE)
        assert not list(bench.client.list_tasks(parent=QUEUE))
        target.released.set()
        counts = bench.idle()
        assert (counts["purged"], counts["attempts"], len(target.calls)) == (2, 1, 1)


def test_no_more_run_at_once_than_the_queue_allows(bench: Bench) -> None:
    bench.client.update_queue(queue=a_queue(max_concurrent_dispatches=2))

    def take_a_while(_seen: Seen) -> int:
        time.sleep(0.05)
        return 200

    with RecordingTarget(take_a_while) as target:
        for _ in range(8):
            bench.create(target.url)
        assert bench.idle()["done"] == 8
        assert target.most_at_once == 2


def test_no_more_start_per_second_than_the_queue_allows(bench: Bench, target: RecordingTarget) -> None:
    bench.client.update_queue(queue=a_queue(max_dispatches_per_second=5))
    for _ in range(8):
        bench.create(target.url)
    seen = target.wait_for(8)
    assert seen[4].at_s - seen[0].at_s < 0.5, "the burst goes at once"
    assert about(0.55, seen[7].at_s - seen[0].at_s)


def test_slow_targets_of_one_queue_do_not_hold_up_another(target: RecordingTarget) -> None:
    def hang(_seen: Seen) -> int:
        slow.released.wait(5)
        return 200

    with (
        RecordingTarget(hang) as slow,
        TaskService(time_scale=SCALE, workers=4) as service,
        grpc.insecure_channel(service.endpoint) as channel,
    ):
        bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
        bench.client.update_queue(queue=a_queue(max_concurrent_dispatches=3))
        other = f"{PARENT}/queues/other"
        bench.client.create_queue(parent=PARENT, queue=a_queue(other))
        for _ in range(6):
            bench.create(slow.url)
        slow.wait_for(3)
        bench.client.create_task(parent=other, task=tasks_v2.Task(http_request={"url": target.url}))
        target.wait_for(1, timeout_s=1)


# ---- faults


def test_duplicate_delivers_the_same_request_twice_at_the_same_time(bench: Bench) -> None:
    meet = threading.Barrier(2)

    def together(_seen: Seen) -> int:
        meet.wait(3)
        return 200

    bench.service.faults.add(Fault(FaultKind.DUPLICATE))
    with RecordingTarget(together) as target:
        bench.create(target.url, "twice")
        assert bench.idle()["done"] == 1
        first, second = target.calls
        assert (first.headers, first.body) == (second.headers, second.body)


def test_duplicate_can_also_come_after_the_answer(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.DUPLICATE, concurrent=False, copies=2, delay_s=0.1))
    bench.create(target.url)
    assert bench.idle()["done"] == 1
    first, second, third = target.calls
    assert second.at_s - first.at_s >= 0.1 <= third.at_s - second.at_s


def test_delay_makes_the_first_delivery_late(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.DELAY, delay_s=0.4))
    began = time.monotonic()
    bench.create(target.url)
    assert target.wait_for(1)[0].at_s - began >= 0.4


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("UNAVAILABLE", exceptions.ServiceUnavailable),
        ("DEADLINE_EXCEEDED", exceptions.DeadlineExceeded),
        ("SILENCE", exceptions.DeadlineExceeded),
    ],
)
def test_a_lost_create_answer_hides_that_the_task_was_made(
    bench: Bench, target: RecordingTarget, answer: str, error: type[Exception]
) -> None:
    bench.control.add_fault(Fault(FaultKind.LOSE_CREATE_ANSWER, answer=answer))
    with pytest.raises(error):
        bench.create(target.url, "made", timeout=0.5)
    target.wait_for(1)
    with pytest.raises(exceptions.AlreadyExists):
        bench.create(target.url, "made")
    assert bench.idle()["done"] == 1


def test_a_refused_create_looks_the_same_but_nothing_was_made(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.REFUSE_CREATE))
    with pytest.raises(exceptions.ServiceUnavailable):
        bench.create(target.url, "not-made")
    bench.create(target.url, "not-made")
    bench.idle()
    assert len(target.calls) == 1


def test_a_lost_dispatch_answer_repeats_what_the_target_has_done(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.LOSE_DISPATCH_ANSWER, count=2))
    bench.create(target.url)
    counts = bench.idle()
    assert (counts["done"], counts["attempts"], len(target.calls)) == (1, 3, 3)
    assert target.calls[1].headers["x-cloudtasks-taskretryreason"] == "ANSWER_LOST"


def test_a_lost_task_is_never_delivered_and_keeps_its_name(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.LOSE_TASK))
    bench.create(target.url, "lost")
    counts = bench.idle()
    assert (counts["lost"], counts["attempts"], counts["pending"]) == (1, 0, 0)
    with pytest.raises(exceptions.AlreadyExists):
        bench.create(target.url, "lost")
    time.sleep(0.2)
    assert not target.calls


def test_a_fault_strikes_only_where_it_is_meant_to(bench: Bench, target: RecordingTarget) -> None:
    bench.control.add_fault(Fault(FaultKind.LOSE_TASK, queue="other-*", count=None))
    bench.control.add_fault(Fault(FaultKind.LOSE_TASK, url="*/payment-completed", count=None))
    bench.control.add_fault(Fault(FaultKind.LOSE_TASK, task="outbox-7*", count=None))
    for path, name in (("/status-verified", "outbox-1"), ("/payment-completed", "outbox-2"), ("/", "outbox-70")):
        bench.create(target.url + path, name)
    assert bench.idle()["lost"] == 2
    assert [seen.path for seen in target.calls] == ["/status-verified"]
    assert [fault["fired"] for fault in bench.control.faults()] == [0, 1, 1]


def test_a_seeded_probability_hits_the_same_tasks_every_time() -> None:
    fault = Fault(FaultKind.LOSE_TASK, probability=0.3, seed=7)
    hit = [fault.strikes("q", "http://t", f"task-{n}", 1) for n in range(1000)]
    assert hit == [fault.strikes("q", "http://t", f"task-{n}", 1) for n in range(1000)]
    assert 250 < sum(hit) < 350
    other = Fault(FaultKind.LOSE_TASK, probability=0.3, seed=8)
    assert hit != [other.strikes("q", "http://t", f"task-{n}", 1) for n in range(1000)]


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "delay", "delay_s": "1"}, "delay_s"),
        ({"kind": "delay", "delay_s": -1}, "delay_s"),
        ({"kind": "duplicate", "copies": 0}, "copies"),
        ({"kind": "duplicate", "count": True}, "count"),
        ({"kind": "duplicate", "when": "now"}, "when"),
        ({"kind": "lose_create_answer", "answer": "OK"}, "answer"),
        ({"kind": "lose_task", "probability": 2}, "probability"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_with_its_field(
    idle_bench: Bench, fault: dict[str, object], field: str
) -> None:
    with pytest.raises(ControlRefused, match=field):
        idle_bench.control._call("POST", "/faults", fault)
    assert not idle_bench.control.faults()


# ---- control and process


def test_the_control_port_lists_purges_pauses_and_waits(bench: Bench, target: RecordingTarget) -> None:
    bench.create(target.url, "late", schedule_time=datetime.now(UTC) + timedelta(hours=1))
    bench.create(target.url, "soon")
    assert bench.control.wait_idle(5, horizon_s=60)
    assert not bench.control.wait_idle(0.1)
    listed = bench.control.tasks("gchostpay1-response-queue")
    assert [task["name"] for task in listed["tasks"]] == [f"{QUEUE}/tasks/late"]
    assert [(task["name"], task["end"]) for task in listed["finished"]] == [(f"{QUEUE}/tasks/soon", "done")]
    bench.control.pause("gchostpay1-response-queue")
    assert bench.control.queues()["gchostpay1-response-queue"]["state"] == "PAUSED"
    bench.control.resume()
    bench.control.purge()
    assert bench.idle()["purged"] == 1
    with pytest.raises(ControlRefused, match="queue"):
        bench.control.purge("nowhere")
    fault_id = bench.control.add_fault(Fault(FaultKind.DELAY))
    bench.control.remove_fault(fault_id)
    bench.control.clear_faults()
    assert bench.control.faults() == []


def test_a_stop_takes_under_a_second_while_targets_and_clients_hang_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())

    def hang(_seen: Seen) -> int:
        target.released.wait(10)
        return 200

    with RecordingTarget(hang) as target:
        service = TaskService(time_scale=SCALE)
        service.start()
        with grpc.insecure_channel(service.endpoint) as channel:
            bench = Bench(service, tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel)))
            for _ in range(4):
                bench.create(target.url)
            target.wait_for(4)
            waiter = threading.Thread(target=lambda: bench.control.wait_idle(20))
            waiter.start()
            time.sleep(0.1)
            began = time.monotonic()
            service.stop()
            assert time.monotonic() - began < 1
            waiter.join(1)
            left = {t.name for t in set(threading.enumerate()) - before}
            assert not [name for name in left if name.startswith(("task-", "loopback-"))]


def test_as_a_process_it_makes_its_queues_writes_a_log_and_stops_at_once(
    tmp_path: Path, identity: IdentityService, target: RecordingTarget
) -> None:
    queues = tmp_path / "queues.json"
    queues.write_text(
        json.dumps([{"name": "slow", "retryConfig": {"maxAttempts": -1, "minBackoff": "60s", "maxBackoff": "60s"}}])
    )
    log = tmp_path / "tasks.jsonl"
    argv = command(identity.url, PARENT, ["gchostpay2-status-check-queue"], queues, log=log, time_scale=20)
    process = Process.start("tasks", argv, log_path=tmp_path / "process.log")
    try:
        with grpc.insecure_channel(str(process.ready["endpoint"])) as channel:
            client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))
            slow = client.get_queue(name=f"{PARENT}/queues/slow")
            assert slow.retry_config.min_backoff == timedelta(seconds=60)
            assert slow.retry_config.max_doublings == 0
            http = {"url": target.url, "oidc_token": {"service_account_email": EMAIL}, "body": b"secret"}
            client.create_task(parent=slow.name, task=tasks_v2.Task(http_request=http))
            target.wait_for(1)
            control = TaskControl(str(process.ready["control_url"]))
            assert control.wait_idle(5)
            assert set(control.queues()) == {"slow", "gchostpay2-status-check-queue"}
    finally:
        began = time.monotonic()
        assert process.stop() == 0, process.log_tail()
    assert time.monotonic() - began < 1
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["task_created", "task_attempted"]
    assert "secret" not in log.read_text()
    assert "ey" not in log.read_text().replace("keys", ""), "no token in the log"


def test_two_services_cannot_share_a_port(bench: Bench) -> None:
    with pytest.raises(OSError, match="already in use"):
        TaskService(port=bench.service.port)


class _Dripping:
    """A target that sends one byte every 50 ms for as long as anyone listens."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        self.came_twice = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        came = 0
        while not self._stopping.is_set():
            connection, _ = self._listener.accept()
            came += 1
            if came == 2:
                self.came_twice.set()
            with connection:
                self._drip(connection)

    def _drip(self, connection: Any) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not self._stopping.wait(0.05):
                connection.sendall(b".")
        except OSError:
            return

    def stop(self) -> None:
        self._stopping.set()
        with socket.create_connection(self._listener.getsockname()):
            self._thread.join()
        self._listener.close()
