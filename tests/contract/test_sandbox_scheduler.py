"""The sandbox's scheduler calls on time, with its identity, and never twice at once for one job."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from shared.sandbox.identity import IdentityClient, IdentityService
from shared.sandbox.journal import Journal
from shared.sandbox.processes import Process
from shared.sandbox.recording import RecordingTarget, Seen, Told
from shared.sandbox.scheduler import BadJob, Job, Scheduler, SchedulerControl, command
from shared.sandbox.scheduler.control_client import SchedulerRefused

EMAIL = "scheduler@sandbox.iam.gserviceaccount.com"
JOB = "micro-batch-conversion-job"


@pytest.fixture(scope="module")
def identity() -> Iterator[IdentityService]:
    with IdentityService() as running:
        yield running


def a_scheduler(identity: IdentityService, *jobs: Job, **more: object) -> Scheduler:
    return Scheduler(jobs, IdentityClient(identity.url), EMAIL, **more)  # type: ignore[arg-type]


def test_a_tick_carries_the_headers_and_the_identity_of_cloud_scheduler(identity: IdentityService) -> None:
    with (
        RecordingTarget() as target,
        a_scheduler(identity, Job(JOB, f"{target.url}/check-threshold", 900), first_delay_s=0),
    ):
        (seen,) = target.wait_for(1)
        assert (seen.method, seen.path) == ("POST", "/check-threshold")
        assert seen.headers["x-cloudscheduler"] == "true"
        assert seen.headers["x-cloudscheduler-jobname"] == JOB
        assert seen.headers["user-agent"] == "Google-Cloud-Scheduler"
        token = seen.headers["authorization"].removeprefix("Bearer ")
        key = jwt.PyJWKClient(identity.jwks_url, timeout=5).get_signing_key_from_jwt(token)
        claims = jwt.decode(token, key, algorithms=["RS256"], audience=target.url, issuer=[identity.url])
        assert (claims["email"], claims["email_verified"]) == (EMAIL, True)


def test_ticks_come_at_the_scaled_interval_after_the_first_delay(identity: IdentityService) -> None:
    began = time.monotonic()
    with (
        RecordingTarget() as target,
        a_scheduler(identity, Job(JOB, target.url, 2), first_delay_s=0.3, time_scale=10),
    ):
        seen = target.wait_for(4)
    assert seen[0].at_s - began >= 0.3
    assert 0.5 <= seen[3].at_s - seen[0].at_s <= 1.2


def test_ticks_of_one_job_never_overlap_and_missed_ones_are_left_out(identity: IdentityService) -> None:
    def slow(_seen: Seen) -> int:
        time.sleep(0.25)
        return 200

    with (
        RecordingTarget(slow) as target,
        a_scheduler(identity, Job(JOB, target.url, 0.1), first_delay_s=0) as scheduler,
    ):
        control = SchedulerControl(scheduler.url)
        target.wait_for(1)
        asked = [threading.Thread(target=control.run, args=(JOB,)) for _ in range(2)]
        for thread in asked:
            thread.start()
        for thread in asked:
            thread.join()
        target.wait_for(5)
        assert target.most_at_once == 1
        assert target.calls[4].at_s - target.calls[0].at_s >= 0.95


def test_slow_jobs_do_not_hold_up_others(identity: IdentityService) -> None:
    def hang(_seen: Seen) -> int:
        slow.released.wait(10)
        return 200

    with (
        RecordingTarget(hang) as slow,
        RecordingTarget() as quick,
        a_scheduler(identity, Job("slow", slow.url, 1), Job("quick", quick.url, 0.1), first_delay_s=0),
    ):
        slow.wait_for(1)
        quick.wait_for(3)


def test_a_job_can_be_run_at_once_and_its_answer_is_given_back(identity: IdentityService) -> None:
    answer = b'{"status": "success", "batch_created": false}'
    with (
        RecordingTarget(lambda seen: Told(200, answer) if seen.number == 1 else Told(503, b"busy")) as target,
        a_scheduler(identity, Job(JOB, target.url, 0)) as scheduler,
    ):
        control = SchedulerControl(scheduler.url)
        tick = control.run(JOB)
        assert (tick.job, tick.status, tick.reason) == (JOB, 200, "")
        assert tick.body == {"status": "success", "batch_created": False}
        tick = control.run(JOB)
        assert (tick.status, tick.body) == (503, "busy")
        (job,) = control.jobs()
        assert job["last"]["status"] == 503  # type: ignore[index]
        assert len(target.calls) == 2, "every_s 0 never ticks by itself"
        with pytest.raises(SchedulerRefused, match="no job 'other'"):
            control.run("other")


def test_a_run_that_finds_the_job_busy_is_refused_after_its_wait(identity: IdentityService) -> None:
    def hang(_seen: Seen) -> int:
        target.released.wait(10)
        return 200

    with (
        RecordingTarget(hang) as target,
        a_scheduler(identity, Job(JOB, target.url, 60), first_delay_s=0) as scheduler,
    ):
        target.wait_for(1)
        with pytest.raises(SchedulerRefused, match="still under way"):
            SchedulerControl(scheduler.url).run(JOB, wait_s=0.1)


def test_a_paused_job_does_not_tick_but_still_runs_on_request(identity: IdentityService) -> None:
    with (
        RecordingTarget() as target,
        a_scheduler(identity, Job(JOB, target.url, 0.1), first_delay_s=0.3) as scheduler,
    ):
        control = SchedulerControl(scheduler.url)
        control.pause(JOB)
        time.sleep(0.6)
        assert not target.calls
        control.run(JOB)
        assert len(target.calls) == 1
        control.resume(JOB)
        target.wait_for(2)


def test_a_target_that_is_away_or_too_slow_is_reported_and_the_next_tick_comes(
    identity: IdentityService, tmp_path: Path
) -> None:
    def hang(_seen: Seen) -> int:
        target.released.wait(10)
        return 200

    log = tmp_path / "log"
    journal = Journal(log)
    with (
        RecordingTarget(hang) as target,
        a_scheduler(
            identity,
            Job("away", "http://127.0.0.1:1/", 0.1),
            Job("slow", target.url, 0.1),
            first_delay_s=0,
            deadline_s=0.2,
            journal=journal,
        ),
    ):
        target.wait_for(2)
        time.sleep(0.3)
    journal.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    reasons = {(line["job"], line["reason"].split(":")[0]) for line in lines if line["event"] == "tick_done"}
    assert {("away", "UNREACHABLE"), ("slow", "DEADLINE_EXCEEDED")} <= reasons
    assert all(line["status"] is None for line in lines if line["event"] == "tick_done")


def test_without_an_issuer_nothing_is_sent_bare() -> None:
    with (
        RecordingTarget() as target,
        Scheduler([Job(JOB, target.url, 0)], IdentityClient("http://127.0.0.1:1"), EMAIL) as scheduler,
    ):
        tick = SchedulerControl(scheduler.url).run(JOB)
        assert tick.status is None
        assert tick.reason.startswith("UNAUTHENTICATED")
        assert not target.calls


@pytest.mark.parametrize(
    "text", ["", "a,b", "a,http://x,soon", "a,ftp://x,1", "a b,http://x,1", "a,http://x,-1", "a,http://x,inf"]
)
def test_a_job_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadJob):
        Job.parse(text)


def test_a_job_reads_back_what_it_prints_and_names_the_base_url_as_audience() -> None:
    job = Job(JOB, "http://127.0.0.1:8080/check-threshold?a=1,2", 900)
    assert Job.parse(str(job)) == job
    assert job.audience == "http://127.0.0.1:8080"


def test_two_jobs_of_one_name_are_refused(identity: IdentityService) -> None:
    job = Job(JOB, "http://127.0.0.1:1", 1)
    with pytest.raises(BadJob):
        a_scheduler(identity, job, job)


def test_as_a_process_it_ticks_logs_and_stops_at_once_even_in_the_middle_of_a_call(
    identity: IdentityService, tmp_path: Path
) -> None:
    def hang_on_the_second(seen: Seen) -> int:
        if seen.number > 1:
            target.released.wait(10)
        return 200

    with RecordingTarget(hang_on_the_second) as target:
        jobs = [Job(JOB, f"{target.url}/check-threshold", 2), Job("sweep-batcher", f"{target.url}/sweep", 0)]
        log = tmp_path / "ticks.jsonl"
        argv = command(jobs, identity.url, EMAIL, time_scale=10, first_delay_s=0.1, log=log)
        process = Process.start("scheduler", argv, log_path=tmp_path / "log")
        try:
            names = [job["name"] for job in SchedulerControl(str(process.ready["control_url"])).jobs()]
            assert names == [JOB, "sweep-batcher"]
            target.wait_for(2)
        finally:
            began = time.monotonic()
            assert process.stop() == 0, process.log_tail()
        assert time.monotonic() - began < 1
    ticks = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(tick["event"], tick["status"]) for tick in ticks] == [("tick_done", 200), ("tick_done", None)]
    assert "Bearer" not in log.read_text()
