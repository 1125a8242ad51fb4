"""Where a process can end, or stand still: before and after every commit and every call to the outside.

These are the only places where it matters. Between them a handler changes nothing that anybody else can see.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.profile import Faults

_DEEPEST: Final = 2  # handlers that stand still inside each other


class SimCrash(BaseException):
    """The process ended here. Not an Exception: nothing of the product may catch it, as nothing catches a kill."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class OutsideInTransaction(BaseException):
    """An outside call was made while a transaction was open: against DESIGN section 9, and never by chance."""


@dataclass
class Interruptions:
    """Crashes and pauses of the handler that runs now.

    `crash_at` are the numbers (from 1) of the points at which a crash is certain: with it a history is tried with
    one crash at each of its points. `go_on` lets the world go on for a while; the world sets it.
    """

    faults: Faults
    dice: Dice
    crash_at: Collection[int] = ()
    go_on: Callable[[], None] = lambda: None
    told: Callable[[str], None] = lambda _: None
    passed: int = 0
    running: list[str] = field(default_factory=list)  # handlers, outermost first

    def point(self, where: str) -> None:
        """A place where the process may end or stand still; outside of a handler there is none."""
        if not self.running:
            return
        self.passed += 1
        if self.passed in self.crash_at or self.dice.happens(self.faults.now.crashes):
            self.told(f"{self.running[-1]} is killed {where}")
            raise SimCrash(where)

    def pause(self, where: str) -> None:
        """A place where the handler may stand still while others go on."""
        if self.running and len(self.running) < _DEEPEST and self.dice.happens(self.faults.now.pauses):
            self.told(f"{self.running[-1]} stands still {where}; the others go on")
            self.go_on()
            self.told(f"{self.running[-1]} goes on")
