"""The files that the rules look at, each read and parsed once."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SERVICES = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3")


@dataclass(frozen=True)
class Finding:
    """One place that breaks a rule, with the reason a reader needs to mend it."""

    path: str
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.reason}"


class Source:
    """One file of the checkout. `path` is relative, with forward slashes."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed module; a file that is not Python has none and must not be asked."""
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the tree."""
        return list(ast.walk(self.tree))

    def is_in(self, *places: str) -> bool:
        """Whether the file is one of `places` or lies in a folder among them."""
        return any(self.path == place or self.path.startswith(f"{place}/") for place in places)

    def lines(self) -> Iterator[tuple[int, str]]:
        """The lines with their numbers, from 1."""
        return enumerate(self.text.splitlines(), start=1)

    def finding(self, where: ast.AST | int, rule: str, reason: str) -> Finding:
        """A finding in this file at a node or a line."""
        line = where if isinstance(where, int) else getattr(where, "lineno", 1)
        return Finding(self.path, line, rule.rpartition(".")[2], reason)


class Checkout:
    """All text files of the project that are or could be committed."""

    def __init__(self, sources: list[Source]) -> None:
        self.sources = sources

    @classmethod
    def of(cls, files: dict[str, str]) -> "Checkout":
        """A checkout made of texts by path."""
        return cls([Source(path, text) for path, text in files.items()])

    @classmethod
    def read(cls, root: Path) -> "Checkout":
        """Read the files that git knows or would add; outside git, all but what starts with a dot."""
        sources = []
        for path in _paths(root):
            try:
                sources.append(Source(path, (root / path).read_text(encoding="utf-8")))
            except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
                continue  # a picture, or a file deleted but not yet committed
        return cls(sources)

    def python(self, *places: str) -> Iterator[Source]:
        """The Python files, all or those in `places`; the launcher counts as one."""
        for source in self.sources:
            if (source.path.endswith(".py") or source.path == "gcpay") and (not places or source.is_in(*places)):
                yield source

    def product(self) -> Iterator[Source]:
        """The Python files that run in production: the services and shared without the sandbox."""
        for source in self.python("shared", *SERVICES):
            if not source.is_in("shared/sandbox"):
                yield source


def _paths(root: Path) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode == 0:
        return sorted(set(filter(None, listed.stdout.split("\0"))))
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts))
