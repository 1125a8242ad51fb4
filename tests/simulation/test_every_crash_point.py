"""A process may die at any line (promise 10): one history for each place at which a handler can end."""

from __future__ import annotations

import pytest

from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.session import Session
from tests.simulation.scripts import three_payments_to_the_end

CALM = History("three payments", three_payments_to_the_end)
PARTS = 4


@pytest.mark.parametrize("part", range(PARTS))
def test_a_kill_at_any_commit_and_any_outside_call_costs_only_time(session: Session, part: int) -> None:
    points = play(session, 0, history=CALM).points
    assert points > 100
    for point in range(1 + part, points + 1, PARTS):
        ending = play(session, 0, history=CALM, crash_at=[point])
        if ending.failure is not None:
            told = play(session, 0, history=CALM, crash_at=[point], listening=True).lines[-40:]
            raise AssertionError("\n".join([f"killed at point {point}: {ending.failure}", *told]))
