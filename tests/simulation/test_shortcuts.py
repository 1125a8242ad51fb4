"""Two shortcuts make histories fast and change nothing: a door without HTTP, a wire with fewer round trips."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest

from shared.db import Connection
from shared.db.queries import Query
from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.session import Session, SimConnection
from shared.sandbox.simulator.world import World
from tests.simulation.http_doors import HttpDoors

SEEDS = range(8)
_NAME = re.compile(r"\b(address|order|tx) \w+")


@pytest.mark.parametrize("seed", SEEDS)
def test_through_the_services_own_applications_the_story_is_the_same(session: Session, seed: int) -> None:
    direct = play(session, seed, listening=True)
    doors: list[HttpDoors] = []

    def through_http(world: World) -> None:
        doors.append(HttpDoors(world))
        world.enter = doors[0].enter

    over_http = play(session, seed, listening=True, prepare=through_http)
    assert _without_answers(over_http.lines) == _without_answers(direct.lines)
    assert over_http.failure is None
    assert doors[0].requests > 40


@pytest.mark.parametrize("seed", SEEDS)
def test_over_the_drivers_own_wire_the_story_is_the_same(
    session: Session, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = play(session, seed, listening=True)
    monkeypatch.setattr(SimConnection, "_perform", _as_in_production)
    assert play(session, seed, listening=True).lines == fast.lines


def _as_in_production(
    connection: SimConnection, query: Query, params: Mapping[str, object]
) -> tuple[list[str], list[list[Any]], int]:
    connection.wire.flush()
    connection._notice(query)
    names, rows, row_count = Connection._perform(connection, query, params)
    connection._tell_move(query, params, names, rows)
    return names, rows, row_count


def _without_answers(lines: tuple[str, ...]) -> list[str]:
    """The story without the errors' own words, which HTTP does not carry, and without the names that they gave."""
    return [_NAME.sub(r"\1", line) for line in lines if " answers " not in line]
