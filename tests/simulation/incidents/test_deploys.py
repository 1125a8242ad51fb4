"""A rolling deploy: for every request it is a matter of luck whether an old or a new revision of the service answers.

What differs between two revisions that may run side by side is the format of their tokens. There is one format so far;
the second one here has a longer MAC, as a next one might, and goes the three steps of shared/messages/formats.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, Final

import pytest

from shared.messages import Format
from shared.messages.formats import FORMAT_1
from shared.sandbox.simulator.fleet import Replacement
from shared.sandbox.simulator.named.scenes import must, number, until_completed
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World

from .base_story import alerts, base, base_result, plays, refusals
from .marks import incident

FORMAT_2: Final = Format(version=2, mac_bytes=32)


@dataclass(frozen=True)
class Revision:
    """What a build reads and seals."""

    reads: Sequence[Format]
    seals: Format


ONE: Final = Revision([FORMAT_1], FORMAT_1)
READS_BOTH: Final = Revision([FORMAT_1, FORMAT_2], FORMAT_1)
SEALS_NEW: Final = Revision([FORMAT_1, FORMAT_2], FORMAT_2)
TWO: Final = Revision([FORMAT_2], FORMAT_2)
DEPLOYS: Final = {
    "reads both": (ONE, READS_BOTH),
    "seals the new": (READS_BOTH, SEALS_NEW),
    "forgets the old": (SEALS_NEW, TWO),
}


@dataclass
class Mixed:
    """Revisions side by side; each token is sealed, and each is opened, by whichever comes first."""

    revisions: Sequence[Revision]
    dice: Random
    sealed: Counter[int]

    @classmethod
    def of(cls, revisions: Sequence[Revision], seed: int) -> Mixed:
        return cls(revisions, Random(seed), Counter())

    def parts(self) -> dict[str, Replacement]:
        """Every service of the fleet as both revisions of it."""
        return {"shared.queue.sealer:seal": self._seal, "shared.sandbox.simulator.door:open_sealed": self._open}

    def _seal(self, _: Any, made: Callable[..., str]) -> Callable[..., str]:
        def seal(*arguments: Any) -> str:
            revision = self.dice.choice(self.revisions)
            self.sealed[revision.seals.version] += 1
            return made(*arguments, form=revision.seals)

        return seal

    def _open(self, _: Any, made: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *arguments: partial(made, formats=self.dice.choice(self.revisions).reads)(*arguments)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("deploy", DEPLOYS)
@incident("L-73")
def test_two_revisions_side_by_side_are_one_fleet(session: Session, deploy: str, seed: int) -> None:
    mixed = Mixed.of(DEPLOYS[deploy], seed)

    def script(world: World) -> None:
        base(world)
        until_completed(world)
        base_result(world)
        must(refusals(world) == [], f"{refusals(world)} were refused")
        must(alerts(world) == [], f"people were told {alerts(world)}")

    plays(session, script, replaced=mixed.parts())
    expected = {revision.seals.version for revision in mixed.revisions}
    assert set(mixed.sealed) == expected, "each kind of token was on its way"


@incident("L-73")
def test_the_whole_change_of_a_format_may_happen_while_one_batch_is_on_its_way(session: Session) -> None:
    """One deploy after another; the last waits until no token in the old format is left, as its rule says."""
    mixed = Mixed.of(DEPLOYS["reads both"], 5)

    def script(world: World) -> None:
        base(world)
        mixed.revisions = [READS_BOTH]
        world.run_for(20)
        mixed.revisions = DEPLOYS["seals the new"]
        world.run_for(20)
        mixed.revisions = [SEALS_NEW]
        until_completed(world)
        base_result(world)
        must(refusals(world) == [], f"{refusals(world)} were refused")

    plays(session, script, replaced=mixed.parts())
    assert set(mixed.sealed) == {1, 2}


@pytest.mark.parametrize("seed", range(3))
@incident("L-73")
def test_a_step_left_out_costs_time_and_alerts_but_no_money(session: Session, seed: int) -> None:
    """The new format is sealed while half of the fleet cannot read it: those messages are refused, told, made anew."""
    mixed = Mixed.of([ONE, SEALS_NEW], seed)

    def script(world: World) -> None:
        base(world)
        until_completed(world)
        base_result(world)
        must(set(refusals(world)) == {"token_version_unsupported"}, f"{refusals(world)} were refused")
        told = number(world, "select count(*) from alert where kind = 'message_refused'")
        must(told == len(refusals(world)), "each refusal is told")

    plays(session, script, replaced=mixed.parts())
