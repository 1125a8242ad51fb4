"""The deterministic simulator: whole histories of the fleet in one process, every one from a seed, with its own faults.

Play one:  `play` (gives an `Ending`), `History` (a script of explicit steps), `Profile` (what may go wrong, per mille).
Inside:    `World` (`World.build(session, seed, profile, replace={...})`), `Session` (one PostgreSQL connection),
           `Violation` (a broken promise), `Failure`.
Many:      `run_seeds` (on all cores), `Result`; `places` (databases to play in), `Place`; `silence` (no log lines).
Told:      `named` (incidents of other senders and of the predecessor), `mutants` (one mechanism less, each noticed).
"""

from shared.sandbox.simulator.histories import Ending, History, play
from shared.sandbox.simulator.invariants import Violation
from shared.sandbox.simulator.place import Place, places
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.runner import Result, run_seeds
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence
from shared.sandbox.simulator.world import Failure, World

__all__ = [
    "Ending",
    "Failure",
    "History",
    "Place",
    "Profile",
    "Result",
    "Session",
    "Violation",
    "World",
    "places",
    "play",
    "run_seeds",
    "silence",
]
