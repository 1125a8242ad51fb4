"""The statements of released code, kept as it asked them: `Statement`, `statements_of`, `released`, `today`.

Old code runs beside new code during a deploy, on the new schema. What it asks cannot be read from a checkout of the new
code, so each release leaves a file here, named after the newest migration that it knew:

    python -m tests.migration.released

It is written when a version is released, and never changed afterwards. The newest file is the code that a deploy of
today's replaces.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.db import Queries
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, INTAKE, OPERATOR, SERVICE_ROLES

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = Path(__file__).parent
ROLE_OF_FOLDER: Final = {
    "GCAccumulator": INTAKE,
    "GCMicroBatchProcessor": BATCHER,
    "GCHostPay1": CONDUCTOR,
    "GCHostPay3": EXECUTOR,
}
# What only the owner asks: migrations, recoveries and imports.
_OF_THE_OWNER: Final = ("shared/db/history.sql:allow", "shared/ops/recovery/", "shared/ops/upgrade/take_in.sql:")
_NOT_FOR_INTAKE: Final = ("shared/db/heartbeat.sql:beat",)  # it has no job of the scheduler, so it marks none
_ENTRY: Final = re.compile(r"-- (?P<name>\S+) as (?P<roles>.+)\n(?P<text>(?:.+\n)+);\n")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, as the server gets it, and the database roles that ask it; none: the owner."""

    name: str
    roles: tuple[str, ...]
    text: str


def statements_of(root: Path) -> list[Statement]:
    """Everything that the code below `root` asks, but for its sandbox."""
    found = []
    for folder in ("shared", *ROLE_OF_FOLDER):
        for path in sorted((root / folder).rglob("*.sql")):
            place = path.relative_to(root).as_posix()
            if place.startswith("shared/sandbox/"):
                continue
            for query in Queries.load(path).values():
                name = f"{place}:{query.name}"
                found.append(Statement(name, _roles(name), re.sub(r"\n\s*\n", "\n", query.text)))
    return found


def _roles(name: str) -> tuple[str, ...]:
    folder = name.partition("/")[0]
    if folder in ROLE_OF_FOLDER:
        return (ROLE_OF_FOLDER[folder],)
    if name.startswith(_OF_THE_OWNER):
        return ()
    if name.startswith("shared/ops/"):
        return (OPERATOR,)
    return tuple(role for role in SERVICE_ROLES if role != INTAKE or name not in _NOT_FOR_INTAKE)


def today() -> list[Statement]:
    """What the code of this checkout asks."""
    return statements_of(ROOT)


def versions() -> list[str]:
    """The releases, oldest first, each by the number of the newest migration that it knew."""
    return sorted(path.stem for path in FOLDER.glob("*.sql"))


def released(version: str) -> list[Statement]:
    """What the code of a release asked."""
    return read((FOLDER / f"{version}.sql").read_text(encoding="utf-8"))


def read(text: str) -> list[Statement]:
    """The statements of a release's file."""
    return [
        Statement(entry["name"], _told(entry["roles"]), entry["text"].rstrip("\n")) for entry in _ENTRY.finditer(text)
    ]


def _told(roles: str) -> tuple[str, ...]:
    return () if roles == "the owner" else tuple(roles.split(", "))


def written(statements: list[Statement], version: str) -> Iterator[str]:
    """The file of a release, line by line."""
    yield f"-- What the code that was released with migration {version} asked the database. Written by"
    yield "-- python -m tests.migration.released, and never changed."
    for statement in statements:
        yield ""
        yield f"-- {statement.name} as {', '.join(statement.roles) or 'the owner'}"
        yield statement.text
        yield ";"
