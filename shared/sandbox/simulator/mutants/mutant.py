"""What a mutant is: the fleet with one mechanism taken out, by putting something else in the place of a part."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.sandbox.simulator.fleet import Replace
from shared.sandbox.simulator.profile import Profile


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mechanism less.

    `profile` makes the faults frequent that the mechanism is there for. Where another mechanism stands behind the one
    that is gone (`masked_by`), no seed need notice; then `history` names the history that does.
    """

    name: str
    without: str
    replace: Replace
    profile: Profile = field(default_factory=Profile)
    history: str | None = None
    masked_by: str = ""
