"""deploy/Dockerfile read as a builder reads it: its stages, and the files that would lie in the image."""

from __future__ import annotations

import fnmatch
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .terraform_files import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORE = ROOT / ".dockerignore"


@dataclass
class Stage:
    """One FROM and what follows: (instruction, rest) pairs."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def rests(self, instruction: str) -> list[str]:
        return [rest for word, rest in self.steps if word == instruction]

    def copies(self) -> Iterator[tuple[str, str]]:
        """(from, to) of every COPY out of the checkout."""
        for rest in self.rests("COPY"):
            words = rest.split()
            if not words[0].startswith("--"):
                assert len(words) == 2, f"one thing in each COPY: {rest}"
                yield words[0], words[1]


def stages(text: str) -> dict[str, Stage]:
    """The stages by their names."""
    found: dict[str, Stage] = {}
    stage: Stage | None = None
    for line in re.sub(r"\\\n", " ", text).splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stage = found[name] = Stage(base, name)
        elif stage is not None:
            stage.steps.append((instruction, rest.strip()))
    return found


def is_sent(path: str, rules: list[str]) -> bool:
    """Whether .dockerignore lets the file reach the builder; the last rule that speaks of it decides."""
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!").removeprefix("**/")
        parts = path.split("/")
        if rule.removeprefix("!").startswith("**/"):
            hit = any(fnmatch.fnmatchcase(part, pattern) for part in parts)
        else:
            hit = any(fnmatch.fnmatchcase("/".join(parts[:n]), pattern) for n in range(1, len(parts) + 1))
        if hit:
            sent = rule.startswith("!")
    return sent


def ignore_rules() -> list[str]:
    lines = IGNORE.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def put_together(stage: Stage, place: Path) -> list[str]:
    """Copies what the stage copies from the checkout to `place`; gives the paths there."""
    rules = ignore_rules()
    for source, target in stage.copies():
        here = ROOT / source
        assert here.exists(), f"COPY of {source}, which is not there"
        files = [here] if here.is_file() else [path for path in here.rglob("*") if path.is_file()]
        for path in files:
            name = path.relative_to(ROOT).as_posix()
            if not is_sent(name, rules):
                continue
            there = place / target / path.relative_to(here) if here.is_dir() else place / target.lstrip("/")
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())
