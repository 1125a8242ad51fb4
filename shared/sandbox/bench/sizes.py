"""How much a run measures: the whole, or the quick one for a first look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Sizes:
    """`rows`: payments of a claim, a batch, a total; the targets are about the first. `finished`: how many lie behind,

    once for the growth and once for the line. `seconds`: of load per round. `transfers`: per round.
    """

    rounds: int
    rows: Sequence[int]
    finished: Sequence[int]
    seconds: int
    transfers: int
    starts: int
    demos: int
    histories: int


WHOLE: Final = Sizes(
    rounds=5,
    rows=(10_000, 1_000, 100_000),
    finished=(100_000, 1_000_000),
    seconds=5,
    transfers=320,
    starts=5,
    demos=5,
    histories=10,
)
QUICK: Final = Sizes(
    rounds=3,
    rows=(10_000, 1_000),
    finished=(5_000, 50_000),
    seconds=1,
    transfers=48,
    starts=1,
    demos=1,
    histories=1,
)
