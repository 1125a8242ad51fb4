"""Purging every queue costs only time (DESIGN 5): one history for each place at which all tasks can vanish."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import pytest

from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.named.scenes import must, paid_once, rows, until_completed
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import Failure, World
from tests.simulation.scripts import three_payments

PARTS = 4
_SHARES: Final = "select payment_ref, converted_usdt_amount_units as units from payout_accumulation order by id"


@pytest.mark.parametrize("part", range(PARTS))
def test_every_queue_purged_at_any_point_gives_the_shares_of_a_calm_day(session: Session, part: int) -> None:
    calm = _play(session, 0)
    assert calm.failure is None
    assert sum(calm.shares.values()) > 0
    assert calm.points > 100
    for point in range(1 + part, calm.points + 1, PARTS):
        ended = _play(session, point)
        if ended.failure is not None:
            told = _play(session, point, listening=True).lines[-40:]
            raise AssertionError("\n".join([f"purged at point {point}: {ended.failure}", *told]))
        assert ended.shares == calm.shares, f"purged at point {point}"


@dataclass
class _Played:
    """How it ended; `points` at which the queues could have been purged until the shares were there."""

    points: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    failure: Failure | None = None
    lines: Sequence[str] = ()


def _play(session: Session, purged_at: int, *, listening: bool = False) -> _Played:
    """Three payments to their shares, with every queue purged at the commit or call of this number (0: never)."""
    played = _Played()

    def script(world: World) -> None:
        passes = world.interruptions.point
        purged: list[str] = []

        def purging(where: str) -> None:
            passes(where)
            if world.interruptions.passed == purged_at and not purged:
                purged.append(where)
                world.queue.purge()

        world.interruptions.point = purging  # type: ignore[method-assign] # one more thing happens at a point
        three_payments(world)
        until_completed(world)
        must(bool(purged) == bool(purged_at), f"point {purged_at} was never reached")
        paid_once(world)
        played.points = world.interruptions.passed
        played.shares = {row["payment_ref"]: int(row["units"]) for row in rows(world, _SHARES)}

    ending = play(session, 0, history=History("three payments", script), listening=listening)
    played.failure, played.lines = ending.failure, ending.lines
    return played
