"""One step of a recovery: a connection in a transaction, and the story that is told beside what is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.db import Alert, Connection, Queries, raise_alert, record_decision
from shared.lifecycle import Decision, Limits, Machine, State, decide

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.lifecycle.facts import Fact
    from shared.money import Ether, Usd

QUERIES: Final = Queries.load(Path(__file__).with_name("rebuild.sql"))
SERVICE: Final = "gcpay-recovery"


class Unexplained(Exception):
    """This step cannot be taken, and nothing of it is; the sentence says why and what a person can do."""


@dataclass(slots=True)
class Step:
    """What is done in one transaction. `done` are sentences in the past tense for the report."""

    conn: Connection
    account_address: str
    chain_id: int
    by: str
    now: datetime
    trace: str
    limits: Limits
    done: list[str] = field(default_factory=list)

    def move(
        self, machine: Machine, state: State | None, fact: Fact, subject: str, evidence: Mapping[str, object]
    ) -> Decision:
        """Decides and tells; the caller writes the state."""
        decision = decide(machine, state, fact, self.now, self.limits)
        record_decision(self.conn, decision, subject, self.now, self.trace, {"recovered_by": self.by} | dict(evidence))
        return decision

    def tell(
        self, kind: str, subject: str, message: str, dedupe: str = "", at_risk: Sequence[Usd | Ether] = ()
    ) -> None:
        """An alert in this step's commit."""
        alert = Alert(kind, subject, message, {"dedupe": dedupe, "by": self.by}, at_risk)
        raise_alert(self.conn, SERVICE, alert, self.now)
