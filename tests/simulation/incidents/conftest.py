"""The fixture behind `@incident`."""

from __future__ import annotations

import pytest


@pytest.fixture
def row(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The ids of the incidents that are played."""
    ids: tuple[str, ...] = request.param
    return ids
