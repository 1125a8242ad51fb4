"""Reads deploy/terraform as blocks: python-hcl2 parses, this takes its quotes and marks away."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "terraform"
_MARKS = {"__is_block__", "__comments__", "__inline_comments__"}


@dataclass(frozen=True)
class Block:
    """One `resource` or `data` block. `body`: attributes as text of expressions, nested blocks as lists of bodies."""

    kind: str
    name: str
    body: dict[str, Any]

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True)
class Folder:
    """All blocks of a folder. `kind` of a data source begins with "data."."""

    blocks: tuple[Block, ...]
    locals: dict[str, Any]
    variables: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]

    def resource_types(self) -> set[str]:
        return {block.kind for block in self.blocks}

    def of_kind(self, kind: str) -> Iterator[Block]:
        return (block for block in self.blocks if block.kind == kind)


def read_folder(folder: Path = FOLDER) -> Folder:
    """All *.tf files of the folder."""
    blocks: list[Block] = []
    known: dict[str, dict[str, Any]] = {"locals": {}, "variable": {}, "output": {}}
    for path in sorted(folder.glob("*.tf")):
        parsed = _parsed(path.read_text(encoding="utf-8"))
        for body in parsed.get("locals", []):
            known["locals"] |= body
        for word in ("variable", "output"):
            for one in parsed.get(word, []):
                known[word] |= one
        for word, prefix in (("resource", ""), ("data", "data.")):
            for one in parsed.get(word, []):
                blocks += [
                    Block(prefix + kind, name, body) for kind, named in one.items() for name, body in named.items()
                ]
    return Folder(tuple(blocks), known["locals"], known["variable"], known["output"])


def read_values(path: Path) -> dict[str, Any]:
    """A *.tfvars file."""
    return _parsed(path.read_text(encoding="utf-8"))


def copy_with(place: Path, file: str, *changes: tuple[str, str]) -> Path:
    """A copy of the folder in which `file` says the second text of each change in place of the first."""
    copy = place / "terraform"
    shutil.copytree(FOLDER, copy)
    text = (copy / file).read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text, f"{file} does not say {old}"
        text = text.replace(old, new)
    (copy / file).write_text(text, encoding="utf-8")
    return copy


@cache
def _parsed(text: str) -> dict[str, Any]:
    cleaned = _cleaned(hcl2.loads(text))
    assert isinstance(cleaned, dict)
    return cleaned


def _cleaned(value: Any) -> Any:
    """Without python-hcl2's marks; keys without quotes. Values keep theirs: `terraform_values` needs them."""
    if isinstance(value, dict):
        return {key.strip('"'): _cleaned(each) for key, each in value.items() if key not in _MARKS}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return value
