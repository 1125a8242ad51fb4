"""Every mutant, family by family."""

from __future__ import annotations

from typing import Final

from shared.sandbox.simulator.mutants import limits, messages, nonces, operations, orders, sending, shares, verdicts
from shared.sandbox.simulator.mutants.mutant import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (
    *nonces.MUTANTS,
    *sending.MUTANTS,
    *verdicts.MUTANTS,
    *orders.MUTANTS,
    *shares.MUTANTS,
    *messages.MUTANTS,
    *limits.MUTANTS,
    *operations.MUTANTS,
)


def mutant_named(name: str) -> Mutant:
    """The mutant of this name. Raises KeyError."""
    return {mutant.name: mutant for mutant in MUTANTS}[name]
