"""docker-compose.yml: read, looked through for faults, and run as plain processes on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import compose_spec
import yaml  # type: ignore[import-untyped]

from shared.http.settings import settings_class_of
from shared.ops.settings_table import SERVICES
from shared.sandbox.chain.install import ensure_anvil
from shared.sandbox.compose.secrets import secrets_of_the_fleet
from shared.sandbox.fleet import Ports
from shared.sandbox.processes import Process, ProcessGroup
from shared.settings import SettingsWrong, names_of, read_settings
from shared.settings.source import names_to_ask

from .image import DOCKERFILE, put_together, stages
from .terraform_files import ROOT

FILE = ROOT / "docker-compose.yml"
# Gunicorn's, read before the settings are.
OF_THE_SERVER = {"PORT", "LISTEN_ADDRESS", "WEB_CONCURRENCY"}
_PORT = re.compile(r"\b86(\d\d)\b")


def read(text: str | None = None) -> dict[str, Any]:
    """The file with its anchors and merges worked out."""
    read = yaml.safe_load(FILE.read_text(encoding="utf-8") if text is None else text)
    assert isinstance(read, dict)
    return read


def faults(compose: dict[str, Any]) -> Iterator[str]:
    """A sentence for everything that docker compose, or a service that it starts, would refuse."""
    try:
        compose_spec.PyCompose.from_json(json.dumps(compose)).validate()
    except ValueError as error:
        yield f"schema: {error}"
    services, targets = compose["services"], stages(DOCKERFILE.read_text(encoding="utf-8"))
    for name, service in services.items():
        yield from (f"{name} waits for {other}, which is not there" for other in service.get("depends_on", {})
                    if other not in services)  # fmt: skip
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy" and "healthcheck" not in services.get(other, {"healthcheck": 1}):
                yield f"{name} waits until {other} is healthy, and it never says so"
        kind, _, other = service.get("network_mode", "").partition(":")
        if kind == "service" and other not in services:
            yield f"{name} is in the network of {other}, which is not there"
        if kind and "ports" in service:
            yield f"{name} publishes ports and has no network of its own"
        for network in service.get("networks", []):
            if network not in compose.get("networks", {}):
                yield f"{name} is in the network {network}, which is not declared"
        for volume in service.get("volumes", []):
            if volume.partition(":")[0] not in compose.get("volumes", {}):
                yield f"{name} mounts {volume}, which is not declared"
        if service["build"]["target"] not in targets or service["build"]["dockerfile"] != "deploy/Dockerfile":
            yield f"{name} is built from something that is not there"
        if service["image"] == "gcpay" and not (service.get("read_only") and service.get("cap_drop") == ["ALL"]):
            yield f"{name} may write to its root, or has rights"
        yield from _blank_values(name, service.get("environment", {}))
    yield from _ports(services)
    for package in SERVICES:
        yield from _settings(package, services.get(package.lower(), {}))


def _blank_values(name: str, environment: dict[str, Any]) -> Iterator[str]:
    for variable, value in environment.items():
        if not isinstance(value, str) or not value.strip():
            yield f"{name}: {variable} must be a text with something in it, not {value!r}"


def _ports(services: dict[str, Any]) -> Iterator[str]:
    """Nothing listens twice; what is published is listened on, and on this machine only."""
    listening: dict[str, str] = {}
    for name, service in services.items():
        ports = re.findall(r"--(?:control-)?port[= ](\d+)", " ".join(service.get("command", [])))
        ports += [value for key, value in service.get("environment", {}).items() if key == "PORT"]
        for port in ports:
            if port in listening:
                yield f"{name} and {listening[port]} both listen on {port}"
            listening[port] = name
    for name, service in services.items():
        for published in service.get("ports", []):
            where, outside, inside = published.split(":")
            if where != "127.0.0.1" or outside != inside or inside not in listening:
                yield f"{name} publishes {published}: not on loopback, or nobody listens there"
    used = {match[0] for match in _PORT.finditer(json.dumps({**services, "place": {}}))}
    yield from (f"somebody speaks to port {port}, where nobody listens" for port in sorted(used - set(listening)))


def _settings(package: str, service: dict[str, Any]) -> Iterator[str]:
    """The service starts with what it is given and what the Secret Manager holds; nothing is given in vain."""
    kind, environment = settings_class_of(package), service.get("environment", {})
    names = set(names_of(kind).values())
    callers = {name for name in environment if name.endswith("_CALLERS")}  # one list for all services
    for name in sorted(set(environment) - names - callers - OF_THE_SERVER):
        if name not in ("MICROBATCH_URL", "GCHOSTPAY1_URL", "GCHOSTPAY2_URL", "GCHOSTPAY3_URL"):  # likewise
            yield f"{package}: {name} is given and not read"
    there = secrets_of_the_fleet(["http://127.0.0.1:8610", "http://127.0.0.1:8611"])
    wanted = names_to_ask(kind, names_of(kind), environment)
    given = {name: value for name, value in environment.items() if not name.startswith("SECRETS_")}
    try:
        read_settings(kind, given | {name: there[name] for name in wanted if name in there})
    except SettingsWrong as wrong:
        yield from (f"{package}: {sentence}" for sentence in wrong.sentences)
    words = service.get("command", [])
    if words[-1:] != [f"{package}.app:create_app()"]:
        yield f"{package} is started by {words}"


@dataclass
class Pod:
    """The containers of the file as processes. A context manager through its group."""

    compose: dict[str, Any]
    place: Path
    group: ProcessGroup
    first_port: int = field(default_factory=lambda: Ports.free().GCAccumulator)
    processes: dict[str, Process] = field(default_factory=dict)
    healthy: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for target, stage in stages(DOCKERFILE.read_text(encoding="utf-8")).items():
            if target in ("fleet", "sandbox"):
                put_together(stage, self.place / target)
        # What the image's builder fetches.
        (self.place / "sandbox" / ".sandbox").symlink_to(ensure_anvil().parents[1])

    def port(self, number: int) -> int:
        """The port here that stands for one in the file."""
        return self.first_port + number - 8600

    def url(self, number: int) -> str:
        return f"http://127.0.0.1:{self.port(number)}"

    def start(self, patience_s: float) -> None:
        """Start every service after those that it waits for, until all are healthy."""
        give_up_at = time.monotonic() + patience_s
        waiting = {name: each for name, each in self.compose["services"].items() if "profiles" not in each}
        while waiting or set(self.processes) != self.healthy:
            for name in [name for name, each in waiting.items() if set(each.get("depends_on", {})) <= self.healthy]:
                self.processes[name] = self._spawn(name, waiting.pop(name))
            for name in sorted(set(self.processes) - self.healthy):
                process = self.processes[name]
                assert process.running, f"{name} ended:\n{process.log_tail()}"
                if self._run(name, self.compose["services"][name]["healthcheck"]["test"][1:]).returncode == 0:
                    self.healthy.add(name)
            ill = sorted(set(self.processes) - self.healthy)
            assert time.monotonic() < give_up_at, f"not healthy: {ill}\n{self.processes[ill[0]].log_tail()}"
            time.sleep(0.25)  # a look costs a process

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm NAME ARGUMENTS`."""
        return self._run(name, [*self.compose["services"][name]["entrypoint"], *arguments])

    def execute(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """`docker compose exec NAME WORDS`."""
        return self._run(name, list(words))

    def _spawn(self, name: str, service: dict[str, Any]) -> Process:
        return self.group.spawn(
            name,
            [self._here(name, word) for word in service["command"]],
            self._environment(name),
            self.place / f"{name}.log",
            ready_when=lambda: True,  # the file's own health checks say when
            cwd=self._root(name),
        )

    def _run(self, name: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._here(name, word) for word in words],
            env=self._environment(name),
            cwd=self._root(name),
            capture_output=True,
            text=True,
            check=False,
        )

    def _root(self, name: str) -> Path:
        return self.place / str(self.compose["services"][name]["build"]["target"])

    def _environment(self, name: str) -> dict[str, str]:
        (self.place / f"tmp-{name}").mkdir(exist_ok=True)
        given = self.compose["services"][name].get("environment", {})
        of_the_image = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(self._root(name)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "BUILD_ID": "compose",
            **{key: os.environ[key] for key in ("TMPDIR",) if key in os.environ},
        }
        return of_the_image | {key: self._here(name, value) for key, value in given.items()}

    def _here(self, name: str, text: str) -> str:
        text = _PORT.sub(lambda match: str(self.first_port + int(match[1])), text)
        return text.replace("0.0.0.0", "127.0.0.1").replace("/tmp/", f"{self.place}/tmp-{name}/")
