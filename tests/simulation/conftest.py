"""A session that histories are played in, on this test process's own server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.sandbox.simulator.place import Place
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence
from tests.conftest import TEMPLATE, Postgres


@pytest.fixture(scope="session")
def place(postgres: Postgres) -> Iterator[Place]:
    """A database of the simulator's own; nothing that is played in it stays there."""
    name = postgres.create(TEMPLATE)
    yield Place(str(postgres.server.place / "socket"), postgres.server.port, postgres.server.user, name)
    postgres.drop(name)


@pytest.fixture
def session(place: Place) -> Iterator[Session]:
    """A connection for histories, without the services' log lines."""
    with silence(), place.session() as session:
        yield session
