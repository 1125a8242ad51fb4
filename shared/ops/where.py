"""Which fleet a command is about: the one that the environment names, else the sandbox that `gcpay up` runs here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from shared.ops.exits import Exit, Leave

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_settings import BaseSettings

    Settings = TypeVar("Settings", bound=BaseSettings)

OPERATOR_ENVIRONMENT = ".sandbox/up/operator.env"
"""Written by `gcpay up` below the checkout: the settings of an operator, one NAME=value a line."""

_NAMES_A_DATABASE = ("CLOUD_SQL_CONNECTION_NAME", "DATABASE_HOST")


def settings_from(root: Path, kind: type[Settings]) -> Settings:
    """Settings of this kind for the fleet in question. Leaves with 69 when no fleet is named, or not completely."""
    from pydantic import ValidationError

    try:
        return kind(**_values(root, kind))  # type: ignore[arg-type] # pydantic reads text
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors())
        raise Leave(f"The environment does not name a fleet: {wrong}", Exit.UNAVAILABLE) from error


def is_sandbox() -> bool:
    """Whether a command is about the sandbox that runs here: the environment names no fleet."""
    return not any(os.environ.get(name) for name in _NAMES_A_DATABASE)


def _values(root: Path, kind: type[BaseSettings]) -> dict[str, str]:
    """Nothing when the environment speaks for itself; else what `gcpay up` wrote, as far as this kind wants it."""
    if not is_sandbox():
        return {}
    path = root / OPERATOR_ENVIRONMENT
    if not path.is_file():
        raise Leave(
            "No fleet to look at: start one with `gcpay up`, or set DATABASE_HOST (or CLOUD_SQL_CONNECTION_NAME) "
            "and the other settings of an operator.",
            Exit.UNAVAILABLE,
        )
    pairs = (line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    written = {name.lower(): value for name, value in pairs}
    return {name: written[name] for name in kind.model_fields if name in written}
