"""A service's own application as its process has it, built from the environment; connected to nothing yet."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from shared.http.settings import settings_class_of
from shared.settings import load_settings

from .environment import ENVIRONMENT


def client_of(service: str, **changed: str) -> Any:
    """A test client of the application; the test must use the fixture `_as_a_process`."""
    loaded: Any = load_settings(settings_class_of(service), ENVIRONMENT | changed)
    return import_module(f"{service}.app").create_app(loaded).test_client()
