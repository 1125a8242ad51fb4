"""The fixture behind `@incident`, and what ends with a process."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture
def row(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The ids of the incidents that are played."""
    ids: tuple[str, ...] = request.param
    return ids


@pytest.fixture
def _as_a_process() -> Iterator[None]:
    """What ends with a process: its log's set-up, and the connections that nobody closes by hand."""
    yield
    structlog.reset_defaults()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
