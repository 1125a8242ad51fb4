"""Playing a run of seeds, and failing with the end of the story of the first that fails."""

from __future__ import annotations

from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.session import Session

LAST_LINES = 40
HISTORIES = 120  # of both files together; `./gcpay sim --seeds N` plays as many as there is time for
CHUNK = 10


def every_promise_holds(session: Session, seeds: range) -> None:
    """Plays the seeds; an AssertionError tells the first failing one's invariant and the end of its story."""
    for seed in seeds:
        failure = play(session, seed).failure
        if failure is not None:
            told = play(session, seed, listening=True).lines[-LAST_LINES:]
            raise AssertionError(
                "\n".join([f"seed {seed}: {failure.invariant}: {failure.detail}", *told, f"./gcpay sim --seed {seed}"])
            )
