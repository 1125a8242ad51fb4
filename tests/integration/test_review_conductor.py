"""Requests that somebody holds do not hold up the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.db import Database
from shared.messages import CheckOrder
from tests.conftest import Postgres
from tests.integration.conductor_world import World, conductor_databases, unique_id_of


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def test_a_request_that_somebody_holds_does_not_keep_the_sweep_from_the_others(world: World) -> None:
    held = world.a_batch()
    world.take(held)
    world.wait(seconds=1)
    lost = world.a_batch()
    world.take(lost)
    world.tasks()
    world.wait(minutes=3)
    with world.owner.transaction() as conn:  # an operator's forgotten session
        conn.all("select 1 as x from hostpay_request where unique_id = :id for update", id=unique_id_of(held))
        world.sweep()
    again = [message for message, _ in world.tasks() if isinstance(message, CheckOrder)]
    assert [message.unique_id for message in again] == [unique_id_of(lost)]
