"""The commands of deploy/README.md, and what can be wrong with one: looked at, never run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click

from shared.ops.cli import gcpay

from .compose import read as read_compose
from .image import DOCKERFILE, stages
from .terraform_files import ROOT, read_folder

# Verb to its own options, as `gcloud VERB --help` shows them; the last two are everybody's.
_EVERYBODYS = {"--project", "--quiet", "--format"}
GCLOUD = {
    "auth login": set[str](),
    "auth application-default login": set[str](),
    "auth configure-docker": set[str](),
    "auth print-identity-token": set[str](),
    "config set": set[str](),
    "config get-value": set[str](),
    "services enable": set[str](),
    "storage buckets create": {"--location", "--uniform-bucket-level-access"},
    "storage buckets update": {"--versioning"},
    "storage buckets add-iam-policy-binding": {"--member", "--role"},
    "storage cp": set[str](),
    "storage rm": {"--recursive"},
    "artifacts docker images describe": set[str](),
    "kms keys versions get-public-key": {"--key", "--keyring", "--location", "--output-file"},
    "secrets versions add": {"--data-file"},
    "sql instances describe": set[str](),
    "sql import sql": {"--database", "--user"},
    "run jobs execute": {"--region", "--wait", "--args"},
    "run services list": set[str](),
}
TERRAFORM = {"init": {"-backend-config"}, "apply": {"-var-file", "-target"}}
DOCKER = {
    "build": {"-f", "--target", "--build-arg", "-t"},
    "push": set[str](),
    "compose up": {"--build", "--wait"},
    "compose run": {"--rm"},
    "compose exec": set[str](),
    "compose down": set[str](),
}
OTHERS = {
    "export",
    "cp",
    "openssl",
    "printf",
    "tr",
    "curl",
    "sed",
    "git",
    "head",
    "token",
    "python3",
    ".venv/bin/python",
}


def blocks(text: str) -> list[str]:
    """The shell blocks of a page."""
    return re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[list[str]]:
    """Every command of a block as words, those of pipes and of $(...) too."""
    for line in block.splitlines():
        inner = re.findall(r"\$\(([^()]*)\)", line)
        for text in (line, *inner):
            cleaned = re.sub(r"\$\([^()]*\)", "INNER", text)
            if re.match(r"\w+\(\) \{", cleaned):
                continue  # a function; bash -n has read it
            words = shlex.split(cleaned)
            while words:
                end = words.index("|") if "|" in words else len(words)
                yield words[:end]
                words = words[end + 1 :]


def faults(text: str) -> Iterator[str]:
    """A sentence per command that could not work as it is written."""
    for block in blocks(text):
        told = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True, check=False)
        if told.returncode != 0:
            yield f"bash cannot read it: {told.stderr.strip()}"
            continue
        for words in commands(block):
            yield from _faults_of(words)


def _faults_of(words: list[str]) -> Iterator[str]:
    match words[0]:
        case "gcloud":
            yield from _verb(words, GCLOUD, _EVERYBODYS)
            yield from _jobs(words)
        case "terraform":
            yield from _terraform(words)
        case "docker":
            yield from _verb(words, DOCKER, set())
            yield from _docker(words)
        case "./gcpay":
            yield from faults_of_gcpay(words[1:])
        case "python3" | ".venv/bin/python":
            yield from _python(words[1:])
        case other if other not in OTHERS:
            yield f"{other} is not a command that this page may use"


def _verb(words: list[str], known: dict[str, set[str]], more: set[str]) -> Iterator[str]:
    verb = next((verb for verb in known if words[1 : 1 + len(verb.split())] == verb.split()), None)
    if verb is None:
        yield f"{words[0]} has no verb {' '.join(words[1:4])}"
        return
    for word in words[1 + len(verb.split()) :]:
        option = word.partition("=")[0]
        if word.startswith("-") and option not in known[verb] | more and verb not in ("compose run", "compose exec"):
            yield f"{words[0]} {verb} has no option {option}"


def _jobs(words: list[str]) -> Iterator[str]:
    """Jobs and secrets that a command names are declared."""
    text = (ROOT / "deploy" / "terraform" / "services.tf").read_text(encoding="utf-8")
    roles = re.findall(r'role\s+= "(\w+)"', text)
    if words[1:4] == ["run", "jobs", "execute"]:
        if words[4] not in {"gcpay-migrate", *(f"gcpay-check-{role}" for role in roles)}:
            yield f"there is no job {words[4]}"
        for word in words:
            if word.startswith("--args=") and not (ROOT / word[7:].partition(",")[0]).is_file():
                yield f"there is no {word[7:]}"
    if words[1:4] == ["secrets", "versions", "add"] and f'"{words[4]}"' not in text:
        yield f"there is no secret {words[4]}"


def _terraform(words: list[str]) -> Iterator[str]:
    if words[1] != "-chdir=deploy/terraform" or words[2] not in TERRAFORM:
        yield f"terraform has no verb {words[2]}, or works in another folder"
        return
    addresses = {block.address for block in read_folder().blocks}
    for word in words[3:]:
        option, _, value = word.partition("=")
        if option not in TERRAFORM[words[2]]:
            yield f"terraform {words[2]} has no option {option}"
        if option == "-target" and value not in addresses:
            yield f"there is no {value}"


def _docker(words: list[str]) -> Iterator[str]:
    if words[1] == "build":
        if words[words.index("--target") + 1] not in stages(DOCKERFILE.read_text(encoding="utf-8")):
            yield "there is no such target"
        if not (ROOT / words[words.index("-f") + 1]).is_file():
            yield "there is no such Dockerfile"
    if words[1:3] in (["compose", "run"], ["compose", "exec"]):
        name, *inner = words[4:] if words[2] == "run" else words[3:]
        cli = ["python", "-m", "shared.ops.cli"]
        if name not in read_compose()["services"]:
            yield f"there is no {name} in docker-compose.yml"
        elif words[2] == "exec" and inner[:3] != cli:
            yield f"{inner} is not a command of the image"
        else:
            yield from faults_of_gcpay(inner[3:] if words[2] == "exec" else inner)


def faults_of_gcpay(words: list[str]) -> Iterator[str]:
    """The verb exists and takes these words; it is not started."""
    try:
        _resolve(gcpay, list(words), click.Context(gcpay, info_name="gcpay"))
    except click.ClickException as refusal:
        yield f"gcpay {' '.join(words)}: {refusal.format_message()}"


def _resolve(command: click.Command, words: list[str], context: click.Context) -> None:
    command.parse_args(context, words)
    if isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if rest:
            _, found, rest = command.resolve_command(context, rest)
            assert found is not None
            _resolve(found, rest, click.Context(found, info_name=found.name, parent=context))


def _python(words: list[str]) -> Iterator[str]:
    if words[0] == "-c":
        compile(words[1], "<a command of the page>", "exec")
        for module, name in re.findall(r"from ([\w.]+) import (\w+)", words[1]):
            file = ROOT / Path(*module.split("."))
            if f"def {name}(" not in file.with_suffix(".py").read_text(encoding="utf-8"):
                yield f"there is no {module}.{name}"
        return
    script = ROOT / words[0]
    if not script.is_file():
        yield f"there is no {words[0]}"
        return
    options = set(re.findall(r'add_argument\("(--[\w-]+)"', script.read_text(encoding="utf-8")))
    for word in words[1:]:
        if word.startswith("--") and word.partition("=")[0] not in options:
            yield f"{words[0]} has no option {word}"
