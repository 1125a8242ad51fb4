"""What the executor's verbs work with: its ports, its limits and its patience, put together once in app.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from shared.lifecycle import Limits
from shared.telemetry import alert, get_logger

if TYPE_CHECKING:
    from shared.archive import Archive
    from shared.chain import Chain, Signer
    from shared.db import Database
    from shared.queue import Outbox

    from .policy import PayLimits

SERVICE: Final = "GCHostPay3"


@dataclass(frozen=True, slots=True)
class Waits:
    """How patient the executor is. In production a block takes 12 s; the sandbox divides every wait by its scale."""

    time_scale: int = 1

    @property
    def lifecycle(self) -> Limits:
        return Limits(self.time_scale)

    @property
    def poll(self) -> timedelta:
        """Between two looks at the chain while something is open: a block."""
        return self._at_least(timedelta(seconds=12), timedelta(seconds=1))

    @property
    def resend(self) -> timedelta:
        """After how long without a block the same bytes are sent again: three blocks."""
        return self._at_least(timedelta(seconds=36), timedelta(seconds=2))

    @property
    def bump(self) -> timedelta:
        """How long an attempt may be out without a block before a dearer one is considered: fifteen blocks."""
        return self._at_least(timedelta(minutes=3), timedelta(seconds=3))

    @property
    def lease(self) -> timedelta:
        """How long a killed driver keeps others away: no longer than a sweep's interval. Safety does not rest on it."""
        return self._at_least(timedelta(seconds=60), timedelta(seconds=5))

    @property
    def undriven(self) -> timedelta:
        """An account with open transfers that was not driven for this long has lost its task; a sweep makes another."""
        return self._at_least(timedelta(seconds=90), timedelta(seconds=6))

    @property
    def grace(self) -> timedelta:
        """What a transfer may be past its deadline before a sweep acts."""
        return self._at_least(timedelta(seconds=30), timedelta(seconds=1))

    @property
    def order_good(self) -> timedelta:
        """How long an order may be paid after the exchange was last seen waiting for it. The exchange names no such

        time; an address that it may have stopped watching is not paid (exchange facts 5).
        """
        return self._at_least(timedelta(hours=6), timedelta(minutes=2))

    def _at_least(self, wait: timedelta, least: timedelta) -> timedelta:
        return max(wait / self.time_scale, least)


@dataclass(slots=True)
class FirstLook:
    """Whether this process has compared database and chain since it started. It is no state that must survive."""

    taken: bool = False


@dataclass(frozen=True, slots=True)
class Executor:
    """One wallet on one chain. Holds no state of its own: everything that must survive is in the database."""

    db: Database
    chain: Chain
    signer: Signer
    outbox: Outbox
    limits: PayLimits
    chain_id: int
    archive: Archive
    waits: Waits = Waits()
    new_id: Callable[[], UUID] = uuid4
    first_look: FirstLook = field(default_factory=FirstLook)

    @property
    def wallet(self) -> str:
        return self.signer.address


@dataclass(slots=True)
class Task:
    """One delivery of one message: its only reading of the clock, its trace, and what is to be done after a commit.

    Messages and log lines are gathered while a transaction is open; `committed` lets the lines out, so that the log
    never tells what was taken back.
    """

    now: datetime
    trace: str
    messages: list[UUID] = field(default_factory=list)
    drives_on: bool = False
    _lines: list[tuple[str, bool, dict[str, object]]] = field(default_factory=list)

    def say(self, event: str, *, loud: bool = False, **fields: object) -> None:
        """A log line for after the commit; `loud` is one that a person must see."""
        self._lines.append((event, loud, {name: value for name, value in fields.items() if value is not None}))

    def committed(self) -> None:
        """The transaction that the gathered lines tell of is committed."""
        lines, self._lines = self._lines, []
        for event, loud, fields in lines:
            if loud:
                alert(event, **fields)
            else:
                get_logger().info(event, **fields)

    def taken_back(self) -> None:
        """The transaction was rolled back: nothing of it is told."""
        self._lines.clear()
