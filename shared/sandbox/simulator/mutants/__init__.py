"""Mutants: the fleet with one mechanism taken out, to show that the promises' checks notice.

List:    `MUTANTS`, `mutant_named`; one is a `Mutant` (its parts replaced by composition, never a branch in a service).
Search:  `notice` (one mutant, the first seed of `SEEDS` or its history), `run_mutants` (all, on all cores), `Noticed`.
"""

from shared.sandbox.simulator.mutants.listed import MUTANTS, mutant_named
from shared.sandbox.simulator.mutants.mutant import Mutant
from shared.sandbox.simulator.mutants.noticing import SEEDS, Noticed, notice, run_mutants

__all__ = ["MUTANTS", "SEEDS", "Mutant", "Noticed", "mutant_named", "notice", "run_mutants"]
