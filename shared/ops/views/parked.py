"""`gcpay parked`: every row that waits for a person, with reason, owner, age, evidence and what is allowed now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.db import Queries
from shared.lifecycle import WAITING, AccountState, BatchState, OrderState, PaymentState, RequestState, TransferState
from shared.money import Ether, Usd
from shared.ops.acts import rules
from shared.ops.acts.standing import find, stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.db import Connection, Row
    from shared.lifecycle import State

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_STATES: Final[Mapping[str, type[State]]] = {
    "payment": PaymentState,
    "batch": BatchState,
    "order": OrderState,
    "request": RequestState,
    "transfer": TransferState,
    "account": AccountState,
}


@dataclass(frozen=True, slots=True)
class Waits:
    """One row. `since` None: its history does not say."""

    machine: str
    name: str
    state: str
    worth: str
    reason: str
    owner: str
    since: datetime | None
    evidence: Mapping[str, object]
    allowed: Sequence[str]

    def lines(self, now: datetime) -> Iterator[str]:
        age = "" if self.since is None else f", for {age_text(now - self.since)}"
        yield f"{self.machine} {self.name} is {self.state}{age}{f' over {self.worth}' if self.worth else ''}"
        yield f"    why      {self.reason}"
        yield f"    owner    {self.owner}"
        told = "; ".join(f"{name} {value}" for name, value in self.evidence.items() if name != "reason" and value)
        if told:
            yield f"    evidence {told}"
        yield f"    allowed  {'; '.join(self.allowed) or 'nothing yet: see gcpay explain'}"

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "name": self.name,
            "state": self.state,
            "worth": self.worth,
            "reason": self.reason,
            "owner": self.owner,
            "since": None if self.since is None else self.since.isoformat(),
            "evidence": dict(self.evidence),
            "allowed": list(self.allowed),
        }


def parked(conn: Connection) -> list[Waits]:
    """What waits for a person, oldest first."""
    return [_waits(conn, row) for row in _QUERIES.all(conn, "waiting")]


def age_text(age: timedelta) -> str:
    """Days and hours, hours and minutes, or minutes."""
    minutes = int(age.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _waits(conn: Connection, row: Row) -> Waits:
    state = _STATES[row["machine"]](row["state"])
    text = WAITING.get(state)
    return Waits(
        machine=row["machine"],
        name=row["name"],
        state=state.value,
        worth=_worth(row),
        reason=row["reason"] or (text.why if text else "it ended without effect: nobody has decided what follows"),
        owner=text.on_whom if text else "a person",
        since=row["since"],
        evidence=row["evidence"] or {},
        allowed=_allowed(conn, row),
    )


def _worth(row: Row) -> str:
    usd, wei = row["worth_usd_micros"], row["worth_wei"]
    both = [str(Usd(usd)) if usd is not None else "", str(Ether(wei)) if wei is not None else ""]
    return " / ".join(each for each in both if each)


def _allowed(conn: Connection, row: Row) -> Sequence[str]:
    if row["machine"] != "account":
        return list(rules.allowed(stand(conn, find(conn, row["name"]))))
    return ["gcpay recover-account"] if row["state"] == AccountState.FROZEN.value else ["top the wallet up"]
