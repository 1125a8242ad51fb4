"""Settings read by a process that is going to fork: gunicorn's master, which must refuse them before it listens.

gRPC does not survive a fork, so a child reads the secrets and hands them over; the master keeps them in memory, and the
workers that it forks find them there.
"""

from __future__ import annotations

import os
from typing import TypeVar

from pydantic_settings import BaseSettings

from shared.settings import load
from shared.settings.environment import names_of
from shared.settings.google_secrets import Answer, SecretManager, Unreadable, load_client
from shared.settings.source import ask, from_text, manager_named_by, names_to_ask, to_text

S = TypeVar("S", bound=BaseSettings)


def load_settings_before_forking(settings_class: type[S]) -> S:
    """As `load_settings`, of the process's own environment. What was read here is not read again after a fork."""
    names = names_of(settings_class)
    manager = manager_named_by(os.environ)
    if manager is not None:
        load.keep_for_children(_asked_by_a_child(manager, names_to_ask(settings_class, names, os.environ), names))
    return load.load_settings(settings_class)


def _asked_by_a_child(manager: SecretManager, wanted: list[str], names: dict[str, str]) -> dict[str, Answer]:
    load_client()  # before the fork, so that child and workers need not: loading starts no thread, a channel does
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _tell_and_end(manager, wanted, names, writing)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as told:
        text = told.read()
    os.waitpid(child, 0)
    lost = Unreadable("could not be read from Secret Manager: the process that asked for it ended")
    return from_text(text) if text else dict.fromkeys(wanted, lost)


def _tell_and_end(manager: SecretManager, wanted: list[str], names: dict[str, str], writing: int) -> None:
    try:
        with os.fdopen(writing, "w", encoding="utf-8") as telling:
            telling.write(to_text(ask(manager, wanted, names)))
    finally:
        os._exit(0)  # nothing of the parent's may be cleaned up twice
