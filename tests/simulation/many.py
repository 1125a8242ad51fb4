"""Playing a run of seeds, and failing with the end of the story of the first that fails."""

from __future__ import annotations

from shared.sandbox.simulator.histories import Ending, play
from shared.sandbox.simulator.session import Session

LAST_LINES = 40
CHUNK = 25
WATCHED = range(100)
"""The seeds of which test_reach.py also reads the story."""
FIRST, SECOND = range(100, 550, CHUNK), range(550, 1000, CHUNK)
"""Where the chunks of the other two files begin: with WATCHED a thousand histories."""


def every_promise_holds(session: Session, seeds: range) -> None:
    """Plays the seeds; an AssertionError tells the first failing one's invariant and the end of its story."""
    for seed in seeds:
        must_hold(session, seed, play(session, seed))


def must_hold(session: Session, seed: int, ending: Ending) -> None:
    """An AssertionError with the broken invariant and the end of the story, if one is broken."""
    failure = ending.failure
    if failure is not None:
        told = play(session, seed, listening=True).lines[-LAST_LINES:]
        raise AssertionError(
            "\n".join([f"seed {seed}: {failure.invariant}: {failure.detail}", *told, f"./gcpay sim --seed {seed}"])
        )
