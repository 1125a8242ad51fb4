"""Chance from a seed. Each concern draws from a stream of its own, so that one more draw here moves nothing there."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar
from uuid import UUID

T = TypeVar("T")


class Dice:
    """One stream of chance. Probabilities are whole per mille: equal on every machine, and no float near money."""

    def __init__(self, seed: int, concern: str) -> None:
        # Seeded with a text, Random hashes it with SHA-512: the same on every machine and in every process.
        self._random = Random(f"gcpay simulator, seed {seed}, {concern}")
        self.number = self._random.randrange
        """A whole number, as `randrange`."""

    def happens(self, per_mille: int) -> bool:
        """Whether something of this probability happens now. Nothing is drawn for what never happens."""
        return per_mille > 0 and self.number(1000) < per_mille

    def between(self, least: int, most: int) -> int:
        """A whole number, both ends included."""
        return self.number(least, most + 1)

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.number(len(choices))]

    def weighted(self, choices: Sequence[tuple[T, int]]) -> T:
        """One of the choices, each as often as its weight says."""
        ticket = self.number(sum(weight for _, weight in choices))
        for choice, weight in choices:
            if ticket < weight:
                return choice
            ticket -= weight
        raise AssertionError("a ticket is always in some weight")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        rest = list(items)
        return [rest.pop(self.number(len(rest))) for _ in items]

    def uuid(self) -> UUID:
        return UUID(int=self._random.getrandbits(128), version=4)

    def hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(4 * digits):0{digits}x}"
