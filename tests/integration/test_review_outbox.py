"""Messages that can never be sent do not keep the others from being sent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.db import Database
from tests.conftest import Postgres
from tests.integration.conductor_world import World, conductor_databases


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def _lost_task(world: World) -> None:
    """A message of which nobody knows that its task was made."""
    world.take(world.a_batch())
    world.write("update outbox set sent_at = null")


def _unsendable(world: World, count: int, edge: str) -> None:
    world.write(
        """insert into outbox (id, service, edge, message_type, message_id, body, trace, created_at, schedule_at)
           select gen_random_uuid(), 'conductor', :edge, 3, decode(repeat('00', 16), 'hex'), ''::bytea, repeat('0', 32),
                  :at, :at
             from generate_series(1, :count)""",
        edge=edge,
        at=world.now - timedelta(days=1),
        count=count,
    )


@pytest.mark.parametrize(
    ("count", "edge"),
    [
        pytest.param(1, "conductor>nobody:/", id="an edge that this release does not know"),
        pytest.param(600, "conductor>watcher:/", id="more unreadable ones than a sweep takes"),
    ],
)
def test_what_can_never_be_sent_does_not_keep_the_sweep_from_the_rest(world: World, count: int, edge: str) -> None:
    _lost_task(world)
    _unsendable(world, count, edge)
    world.wait(minutes=1)
    assert world.c.outbox.sweep(world.now, 30, 500).made == 1
    assert world.rows("select id from outbox where sent_at is null and message_id = uuid_send(id)") == []
