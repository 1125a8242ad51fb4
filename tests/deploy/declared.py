"""What the folder declares, with its variables filled in: every instance of every resource, worked out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from .terraform_files import FOLDER, Block, Folder, read_folder, read_values
from .terraform_values import NotUnderstood, value_of

EXAMPLE = FOLDER / "example.tfvars"
PROJECT_NUMBER = "100200300400"
_NOT_ATTRIBUTES = {"for_each", "count", "depends_on", "lifecycle"}


@dataclass(frozen=True)
class Instance:
    """One thing that would exist. `body`: arguments and nested blocks, `dynamic` ones written out."""

    block: Block
    key: str | None
    body: dict[str, Any]

    def __str__(self) -> str:
        return self.block.address if self.key is None else f'{self.block.address}["{self.key}"]'


@dataclass
class Declared:
    """The folder with values for its variables; everything is worked out when it is asked for, once."""

    folder: Folder
    given: dict[str, Any]
    _locals: dict[str, Any] = field(default_factory=dict)
    _instances: dict[str, list[Instance]] = field(default_factory=dict)

    def variable(self, name: str) -> Any:
        described = self.folder.variables[name]
        if name in self.given:
            return value_of(self.given[name], _no_names)
        if "default" in described:
            return value_of(described["default"], _no_names)
        raise NotUnderstood(f"variable {name} has no value")

    def local(self, name: str) -> Any:
        if name not in self._locals:
            self._locals[name] = value_of(self.folder.locals[name], self._root)
        return self._locals[name]

    def refused(self) -> Iterator[str]:
        """What Terraform would say of the values before it does anything."""
        for described in self.folder.variables.values():
            for rule in described.get("validation", []):
                if not value_of(rule["condition"], self._root):
                    yield value_of(rule["error_message"], self._root)

    def instances(self, kind: str) -> list[Instance]:
        """All instances of all blocks of a kind."""
        return [each for block in self.folder.of_kind(kind) for each in self._of_block(block)]

    def everything(self) -> Iterator[Instance]:
        """All instances of the folder."""
        for block in self.folder.blocks:
            yield from self._of_block(block)

    def environment(self, service: str) -> dict[str, str]:
        """The environment that a service's container gets."""
        (found,) = (each for each in self.instances("google_cloud_run_v2_service") if each.key == service)
        entries = found.body["template"][0]["containers"][0]["env"]
        assert len({each["name"] for each in entries}) == len(entries)
        return {each["name"]: each["value"] for each in entries}

    def secrets_of(self, service: str) -> set[str]:
        """The secrets that a service's account may read."""
        role = self.local("services")[service]["role"]
        member = f"serviceAccount:{self.local('emails')[role]}"
        readers = self.instances("google_secret_manager_secret_iam_member")
        return {each.body["secret_id"] for each in readers if each.body["member"] == member}

    def _of_block(self, block: Block) -> list[Instance]:
        if block.address not in self._instances:
            self._instances[block.address] = list(self._made(block))
        return self._instances[block.address]

    def _made(self, block: Block) -> Iterator[Instance]:
        if "for_each" in block.body:
            for key, value in value_of(block.body["for_each"], self._root).items():
                names = {"each": {"key": key, "value": value}}
                yield Instance(block, key, self._worked_out(block.body, names))
        elif "count" in block.body:
            for number in range(value_of(block.body["count"], self._root)):
                yield Instance(block, str(number), self._worked_out(block.body, {"count": {"index": number}}))
        else:
            yield Instance(block, None, self._worked_out(block.body, {}))

    def _worked_out(self, body: dict[str, Any], names: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, written in body.items():
            if name in _NOT_ATTRIBUTES or name == "dynamic":
                continue
            if isinstance(written, list) and written and all(isinstance(each, dict) for each in written):
                made[name] = [self._worked_out(each, names) for each in written]
            else:
                made[name] = value_of(written, lambda root: names[root] if root in names else self._root(root))
        for dynamic in body.get("dynamic", []):
            for name, described in dynamic.items():
                made.setdefault(name, []).extend(self._dynamic(name, described, names))
        return made

    def _dynamic(self, name: str, described: dict[str, Any], names: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for_each = value_of(described["for_each"], lambda root: names[root] if root in names else self._root(root))
        for key, value in for_each.items():
            yield self._worked_out(described["content"][0], names | {name: {"key": key, "value": value}})

    def _root(self, name: str) -> Any:
        if name == "var":
            return _Lazy(self.variable, "var")
        if name == "local":
            return _Lazy(self.local, "local")
        if name == "data":
            return {"google_project": {"fleet": {"number": PROJECT_NUMBER}}}
        if any(block.kind == name for block in self.folder.blocks):
            return _Lazy(lambda block: _Reference(self, f"{name}.{block}"), name)
        raise KeyError(name)

    def _attribute(self, address: str, key: str | None, name: str) -> Any:
        (block,) = (each for each in self.folder.blocks if each.address == address)
        for each in self._of_block(block):
            if each.key == key or key is None:
                if name in each.body:
                    return each.body[name]
                if (block.kind, name) == ("google_service_account", "email"):
                    return f"{each.body['account_id']}@{self.variable('project_id')}.iam.gserviceaccount.com"
                return f"<{each}.{name}>"
        raise NotUnderstood(f"there is no {address}[{key!r}]")


class _Lazy:
    """`var`, `local` and the names of resources: worked out one by one, when they are named."""

    def __init__(self, find: Any, word: str) -> None:
        self._find, self._word = find, word

    def __getitem__(self, name: str) -> Any:
        return self._find(name)


class _Reference:
    """A resource that another one names: `["key"]` chooses an instance, `.name` an attribute."""

    def __init__(self, declared: Declared, address: str) -> None:
        self._declared, self._address = declared, address

    def __getitem__(self, name: str) -> Any:
        (block,) = (each for each in self._declared.folder.blocks if each.address == self._address)
        if "for_each" in block.body:
            return _Lazy(lambda attribute: self._declared._attribute(self._address, name, attribute), self._address)
        return self._declared._attribute(self._address, None, name)


def declared_in(folder: Path, **changed: str) -> Declared:
    """The folder with the example's values; `changed` is written as in a *.tfvars file."""
    return Declared(read_folder(folder), read_values(EXAMPLE) | changed)


@cache
def declared() -> Declared:
    """deploy/terraform with the example's values."""
    return declared_in(FOLDER)


def _no_names(name: str) -> Any:
    raise KeyError(name)
