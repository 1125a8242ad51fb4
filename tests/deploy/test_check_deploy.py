"""The deploy gate, run as a command, against a gcloud that tells what a test wants and services that answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared.ops.settings_table import SERVICES

from .pretend_cloud import COMMIT, Cloud, listed
from .terraform_files import ROOT


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with ExitStack() as stack:
        yield Cloud(tmp_path, stack)


def test_a_fleet_that_runs_the_commit_passes(cloud: Cloud) -> None:
    assert cloud.check() == (0, f"ok  all 5 services run {COMMIT}, and nothing else runs\n")


def test_an_old_image_is_found(cloud: Cloud) -> None:
    cloud.health["GCHostPay3"][1]["version"] = "0ld"
    code, told = cloud.check()
    assert (code, "GCHostPay3 runs 0ld, not 8c1f0a2b" in told) == (1, True)


def test_traffic_that_stayed_on_an_older_revision_is_found(cloud: Cloud) -> None:
    cloud.listed[1] = listed("gcmicrobatchprocessor", cloud.listed[1]["status"]["url"], newest="r3", serving="r2")
    code, told = cloud.check()
    assert (code, "GCMicroBatchProcessor: not all traffic is on r3" in told) == (1, True)


def test_a_second_deployment_and_a_stranger_are_found(cloud: Cloud) -> None:
    cloud.listed.append(listed("gcaccumulator", cloud.listed[0]["status"]["url"], region="old-region"))
    cloud.listed.append(listed("np-webhook", "http://127.0.0.1:9"))
    code, told = cloud.check()
    assert code == 1
    assert "gcaccumulator runs in old-region and elsewhere as well" in told
    assert "np-webhook runs in here and is not declared" in told


def test_a_service_that_is_missing_ill_silent_or_another_is_found(cloud: Cloud) -> None:
    del cloud.listed[4]
    cloud.health["GCHostPay2"] = (503, cloud.health["GCHostPay2"][1] | {"components": {"exchange": "unhealthy"}})
    cloud.health["GCHostPay1"][1]["service"] = "GCHostPay9"
    cloud.listed[0]["status"]["url"] = "http://127.0.0.1:1"
    code, told = cloud.check()
    assert code == 1
    assert "GCHostPay3 is declared and does not run" in told
    assert "GCHostPay2 answers 503; not healthy: exchange" in told
    assert "answers GCHostPay9" in told
    assert "GCAccumulator does not answer" in told


def test_an_identity_is_never_sent_in_the_clear(cloud: Cloud) -> None:
    cloud.listed[0]["status"]["url"] = "http://gcaccumulator.example"
    code, told = cloud.check()
    assert (code, "over https only" in told) == (1, True)


def test_it_refuses_to_look_at_another_project_than_the_active_one(cloud: Cloud) -> None:
    code, told = cloud.check(project="our-fleet", active="somebody-elses")
    assert (code, told) == (2, "refused: gcloud's active project is somebody-elses, and our-fleet is declared\n")
    assert cloud.asked() == ["config get-value project"]


def test_a_dry_run_asks_for_nothing_but_the_active_project(cloud: Cloud) -> None:
    code, told = cloud.check("--dry-run")
    assert code == 0
    assert told.count("would ask: GET") == 5
    assert "--project=our-fleet" in told
    assert cloud.asked() == ["config get-value project"]


def test_a_gcloud_that_fails_is_no_praise(cloud: Cloud, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "deploy" / "check_deploy.py"), "--project", "p", "--commit", "c"]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "refused: gcloud cannot be run: No such file or directory\n")


def test_the_declared_services_are_the_fleets() -> None:
    told = (ROOT / "deploy" / "check_deploy.py").read_text(encoding="utf-8")
    assert f"SERVICES = {SERVICES}".replace("'", '"') in told
