"""The deploy gate, run as a command, against a gcloud that tells what a test wants and services that answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shared.ops.settings_table import SERVICES
from shared.sandbox.loopback import Answer, Call, LoopbackServer

from .terraform_files import ROOT

COMMIT = "8c1f0a2b"
_GCLOUD = """#!/bin/sh
echo "$@" >> {place}/asked
case "$1 $2" in
  "config get-value") echo {project} ;;
  "run services") cat {place}/services.json ;;
  "auth print-identity-token") echo an-identity ;;
  *) echo "no such command" >&2; exit 3 ;;
esac
"""


class Cloud:
    """Five running services; what is wrong with them is set by a test."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        self.place = place
        self.health: dict[str, tuple[int, dict[str, Any]]] = {}
        self.listed: list[dict[str, Any]] = []
        for name in SERVICES:
            self.health[name] = (200, {"service": name, "version": COMMIT, "status": "healthy", "components": {}})
            server = LoopbackServer(0, {"GET /health": partial(self._answer, name)})
            server.start()
            stack.callback(server.stop)
            self.listed.append(listed(name.lower(), server.url))

    def _answer(self, name: str, _call: Call) -> Answer:
        status, body = self.health[name]
        return Answer(body, status)

    def check(self, *more: str, project: str = "our-fleet", active: str = "our-fleet") -> tuple[int, str]:
        gcloud = self.place / "gcloud"
        gcloud.write_text(_GCLOUD.format(place=self.place, project=active))
        gcloud.chmod(0o755)
        (self.place / "services.json").write_text(json.dumps(self.listed))
        command = [sys.executable, str(ROOT / "deploy" / "check_deploy.py"), "--project", project, "--commit", COMMIT]
        path = f"{self.place}:{os.environ['PATH']}"
        done = subprocess.run(
            [*command, *more], env={"PATH": path}, capture_output=True, text=True, check=False, timeout=30
        )
        return done.returncode, done.stdout + done.stderr

    def asked(self) -> list[str]:
        return (self.place / "asked").read_text().splitlines()


def listed(name: str, url: str, region: str = "here", newest: str = "r2", serving: str = "r2") -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"cloud.googleapis.com/location": region}},
        "status": {
            "url": url,
            "latestCreatedRevisionName": newest,
            "traffic": [{"revisionName": serving, "percent": 100}],
        },
    }


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
