"""Histories as such: the same seed is the same story, and a history leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.place import Place
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from tests.simulation.scripts import three_payments, three_payments_to_the_end

ROOT = Path(__file__).resolve().parents[2]
TOLD_BY_ANOTHER_PROCESS = """
import sys
from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.place import Place
from shared.sandbox.simulator.silence import silence
place = Place(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
with silence(), place.session() as session:
    play(session, 99)
    for seed in map(int, sys.argv[5:]):
        print("\\n".join(play(session, seed, listening=True).lines))
"""


def test_without_faults_three_payments_become_three_shares(session: Session) -> None:
    ending = play(session, 0, history=History("calm", three_payments_to_the_end), listening=True)
    assert ending.failure is None
    told = "\n".join(ending.lines)
    for event in ("batch_claimed", "transfer_settled", "share_credited", "batch_completed"):
        assert event in told, told


def test_a_story_names_nothing_by_a_serial_number_or_an_id(session: Session) -> None:
    lines = play(session, 0, history=History("calm", three_payments_to_the_end), listening=True).lines
    assert any(line.endswith("batch A: batch_swapping") for line in lines)
    assert any("tx a" in line for line in lines)
    assert not any("0x" in line for line in lines)


def test_the_same_seed_is_the_same_story_in_another_process(session: Session, place: Place) -> None:
    seeds = [3, 7, 12]
    here = "\n".join("\n".join(play(session, seed, listening=True).lines) for seed in seeds)
    command = [sys.executable, "-P", "-c", TOLD_BY_ANOTHER_PROCESS, place.socket_folder, str(place.port), place.user]
    for hash_seed in ("1", "2"):
        there = subprocess.run(
            [*command, place.database, *map(str, seeds)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert there.rstrip("\n") == here


def test_a_history_leaves_nothing_in_the_database(session: Session) -> None:
    play(session, 4)
    session.connection.begin("")
    left = session.connection.all("select 1 from history union all select 1 from outbox union all select 1 from slot")
    session.connection.roll_back()
    assert left == []


def test_nobody_who_listens_changes_the_story(session: Session) -> None:
    for seed in range(5):
        told, untold = play(session, seed, listening=True), play(session, seed)
        assert (told.failure, told.transactions, told.points) == (untold.failure, untold.transactions, untold.points)


@pytest.mark.parametrize(
    "fault",
    [
        "tasks_unclear",
        "tasks_twice",
        "tasks_late",
        "providers_lag",
        "sends_unanswered",
        "receipts_missing",
        "reorgs",
        "reads_thin",
        "reads_stale",
    ],
)
def test_even_what_always_goes_wrong_only_costs_time(session: Session, fault: str) -> None:
    """For one history each: this fault at every occasion for a quarter of an hour."""
    profile = Profile().changed(**{fault: 1000})

    def a_quarter_of_an_hour(world: object) -> None:
        three_payments(world)  # type: ignore[arg-type]
        world.run_for(900)  # type: ignore[attr-defined]

    ending = play(session, 0, history=History(fault, a_quarter_of_an_hour, profile), listening=True)
    assert ending.failure is None, "\n".join(ending.lines[-40:])
