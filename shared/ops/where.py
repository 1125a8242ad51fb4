"""Which fleet a command is about: the one that the environment names, else the sandbox that `gcpay up` runs here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from shared.ops.exits import Exit, Leave

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic_settings import BaseSettings

    Settings = TypeVar("Settings", bound=BaseSettings)

OPERATOR_ENVIRONMENT = ".sandbox/up/operator.env"
"""Written by `gcpay up` below the checkout: the settings of an operator, one NAME=value a line."""

SERVICE_ENVIRONMENT = ".sandbox/up/{service}.env"
"""Written by `gcpay up` beside it: the settings that one service's process has. Its secrets are not in it."""

_NAMES_A_DATABASE = ("CLOUD_SQL_CONNECTION_NAME", "DATABASE_HOST")


def settings_from(root: Path, kind: type[Settings]) -> Settings:
    """Settings of this kind for the fleet in question. Leaves with 69 when no fleet is named, or not completely.

    A value is as strictly read as by a service, and never repeated.
    """
    from shared.settings import SettingsWrong, read_settings

    try:
        return read_settings(kind, environment_of(root))
    except SettingsWrong as wrong:
        told = "; ".join(wrong.sentences)
        raise Leave(f"The environment does not name a fleet: {told}.", Exit.UNAVAILABLE) from wrong


def environment_of(root: Path) -> Mapping[str, str]:
    """The environment when it speaks for itself; else what `gcpay up` wrote, and the rest of the environment."""
    return dict(os.environ) | _written(root) if is_sandbox() else os.environ


def is_sandbox() -> bool:
    """Whether a command is about the sandbox that runs here: the environment names no fleet."""
    return not any(name in os.environ for name in _NAMES_A_DATABASE)


def _written(root: Path) -> dict[str, str]:
    path = root / OPERATOR_ENVIRONMENT
    if not path.is_file():
        raise Leave(
            "No fleet to look at: start one with `gcpay up`, or set DATABASE_HOST (or CLOUD_SQL_CONNECTION_NAME) "
            "and the other settings of an operator.",
            Exit.UNAVAILABLE,
        )
    pairs = (line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return dict(pairs)
