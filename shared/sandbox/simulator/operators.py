"""An operator who acts at any moment, also where it makes no sense: every verb of `shared.ops.acts`, on any row.

What he may do never pays twice and never breaks a promise; what a page offers him is not refused at the same moment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from shared.db import roles
from shared.lifecycle import Broken, Limits, Reaction
from shared.ops.acts import (
    ChainBroken,
    Doing,
    NotAllowed,
    abandon_order,
    approve,
    pause,
    perform,
    release,
    resume,
    retry,
    verify_chain,
)
from shared.ops.acts.rules import APPROVALS, allowed
from shared.ops.acts.standing import NotKnown, find, stand
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.interruptions import SimCrash
from shared.sandbox.simulator.invariants import QUERIES, Violation
from shared.sandbox.simulator.session import SimDatabase

if TYPE_CHECKING:
    from shared.db import Database
    from shared.ops.acts import Act
    from shared.sandbox.simulator.world import World

_WHO: Final = "a person"
_STAGES: Final = ("intake", "batching", "sending")
_KNOWS_HIS_TRADE: Final = 700  # per mille of his acts are ones that a page offers
_PAUSES: Final = 100


class Operator:
    """One person at the command line, with dice of his own. His terminal and his database can fail as any other's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dice = Dice(world.seed, "operator")
        self._database = SimDatabase(
            world.session, "operator", roles.OPERATOR, world.interruptions, Dice(world.seed, "database operator")
        )

    def acts(self) -> None:
        """One act, or a rehearsal of it. Raises Violation for what may never be."""
        if self._dice.happens(_PAUSES):
            self._does(*self._about_a_stage(), offered=False)
            return
        names = self._names()
        if not names:
            return
        name = self._dice.pick(names)
        offers = self._offers(name)
        if offers and self._dice.happens(_KNOWS_HIS_TRADE):
            command = self._dice.pick(offers)
            self._does(command, self._act_of(command), offered=True)
        else:
            command = self._dice.pick(self._any_commands(name))
            self._does(command, self._act_of(command), offered=command in offers)

    def _does(self, command: str, act: Act, *, offered: bool) -> None:
        world = self._world
        meant = self._dice.happens(900)
        doing = Doing(
            cast("Database", self._database),
            _WHO,
            "the simulator's",
            meant,
            world.now,
            self._dice.uuid().hex,
            self._dice.uuid,
            Limits(),
        )
        world.interruptions.running.append("operator")
        try:
            perform(doing, act)
        except (NotAllowed, NotKnown) as refused:
            if offered:
                raise Violation("what_is_offered_is_allowed", f"{command}: {refused.message}") from refused
            world.tell(f"a person tries {command}: {refused.message}")
        except SimCrash:
            world.tell(f"a person's terminal dies during {command}")
        except (Broken, AssertionError) as broken:
            raise Violation("no_act_breaks", f"{command}: {broken}") from broken
        except Reaction as trouble:
            world.tell(f"a person tries {command}: {trouble}")
        else:
            world.tell(f"a person {'does' if meant else 'rehearses'} {command}")
        finally:
            world.interruptions.running.pop()

    def _about_a_stage(self) -> tuple[str, Act]:
        stage = self._dice.pick(_STAGES)
        if self._dice.happens(500):
            return f"gcpay resume {stage}", resume(stage)
        until = self._world.now + timedelta(minutes=self._dice.between(1, 10))
        return f"gcpay pause {stage}", pause(stage, until)

    def _names(self) -> list[str]:
        """Everything that a person could name, in the order in which it came to be."""
        with self._world.session.looking():
            return [row["name"] for row in QUERIES.all(self._world.session.connection, "names")]

    def _offers(self, name: str) -> list[str]:
        with self._world.session.looking():
            connection = self._world.session.connection
            return list(allowed(stand(connection, find(connection, name))))

    def _any_commands(self, name: str) -> list[str]:
        return [
            f"gcpay retry {name}",
            f"gcpay release {name}",
            f"gcpay abandon-order {name}",
            *(f"gcpay approve {action} {name}" for action in APPROVALS),
        ]

    def _act_of(self, command: str) -> Act:
        _, verb, *arguments = command.split()
        match verb:
            case "retry":
                return retry(*arguments)
            case "release":
                return release(*arguments)
            case "abandon-order":
                return abandon_order(*arguments)
            case "approve":
                return approve(*arguments)
        raise AssertionError(f"the simulator's operator cannot {command}")


def the_log_holds(world: World) -> None:
    """Every link of the operator log. Raises Violation."""
    with world.session.looking():
        try:
            verify_chain(world.session.connection)
        except ChainBroken as broken:
            raise Violation("the_operator_log_holds", broken.message) from broken
