"""The project's own rules, one file each: what a reviewer would otherwise have to remember.

Public: `find_all` (every finding in a checkout), `RULES` (the rules by name), and from `checkout` `Checkout`,
`Source`, `Finding`. A rule is a module with a docstring that says why it exists and `find(checkout)`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from shared.sandbox.check import (
    amounts_name_their_unit,
    catch_all_in_one_room,
    commit_in_one_room,
    event_names,
    file_length,
    file_names,
    libraries_have_a_room,
    macs_in_constant_time,
    no_addresses,
    no_float_near_money,
    no_foreign_ids,
    no_unfinished_words,
    packages_say_what_they_are,
    pure_rooms,
    sandbox_is_loaded_late,
    sql_is_bound,
    sql_takes_the_time,
)
from shared.sandbox.check.checkout import Checkout, Finding, Source


class Rule(Protocol):
    """A module of this room."""

    __name__: str

    def find(self, checkout: Checkout, /) -> Iterable[Finding]:
        """Give every place that breaks the rule."""


_MODULES: tuple[Rule, ...] = (
    amounts_name_their_unit,
    catch_all_in_one_room,
    commit_in_one_room,
    event_names,
    file_length,
    file_names,
    libraries_have_a_room,
    macs_in_constant_time,
    no_addresses,
    no_float_near_money,
    no_foreign_ids,
    no_unfinished_words,
    packages_say_what_they_are,
    pure_rooms,
    sandbox_is_loaded_late,
    sql_is_bound,
    sql_takes_the_time,
)
RULES: dict[str, Rule] = {rule.__name__.rpartition(".")[2]: rule for rule in _MODULES}


def find_all(root: Path) -> Iterator[Finding]:
    """Check the checkout at `root` against every rule, in the order of the rules' names."""
    checkout = Checkout.read(root)
    for rule in RULES.values():
        yield from rule.find(checkout)


__all__ = ["RULES", "Checkout", "Finding", "Rule", "Source", "find_all"]
