"""A gcloud on the path that tells what a test wants, and five services that answer: for the deploy gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

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
