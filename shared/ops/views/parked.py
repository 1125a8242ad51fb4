"""`gcpay parked`: every row that waits for a person, with reason, owner, age, evidence and what is allowed now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.alerts import ALERT_KINDS, kind_of
from shared.db import Queries
from shared.lifecycle import (
    WAITING,
    AccountState,
    BatchState,
    Limits,
    OrderState,
    PaymentState,
    RequestState,
    TransferState,
)
from shared.money import Ether, Usd
from shared.ops.acts import rules
from shared.ops.acts.standing import find, stand

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.db import Connection, Row
    from shared.lifecycle import State
    from shared.ops.acts.standing import Standing

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_SCALE: Final = re.compile(r"(?<=[A-Z])/\d+$")
_NOTHING: Final = "nothing yet: see gcpay explain"
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
    """One row. `since` and `until` None: its history does not say. `matter`: what its row has in common with others.

    `runbook`: the page about its state, a path in the repository.
    """

    machine: str
    name: str
    state: str
    worth: str
    reason: str
    owner: str
    since: datetime | None
    until: datetime | None
    next_step: str
    runbook: str
    matter: str
    evidence: Mapping[str, object]
    allowed: Sequence[str]

    def headline(self, now: datetime) -> str:
        age = "" if self.since is None else f", for {age_text(now - self.since)}"
        return f"{self.machine} {self.name} is {self.state}{age}{f' over {self.worth}' if self.worth else ''}"

    def deadline(self, now: datetime) -> str:
        """Until when somebody has to have acted."""
        if self.until is None:
            return ""
        return f", until {self.until:%Y-%m-%d %H:%M} UTC{late_text(now, self.until)}"

    def told(self) -> str:
        """What proves it, for people: amounts without the scale that the history keeps beside them."""
        shown = {name: value for name, value in self.evidence.items() if name != "reason" and value}
        return "; ".join(f"{name} {_SCALE.sub('', str(value))}" for name, value in shown.items())

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": self.machine,
            "name": self.name,
            "state": self.state,
            "worth": self.worth,
            "reason": self.reason,
            "owner": self.owner,
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "next_step": self.next_step,
            "runbook": self.runbook,
            "matter": self.matter,
            "evidence": dict(self.evidence),
            "allowed": list(self.allowed),
        }


def parked(conn: Connection, limits: Limits) -> list[Waits]:
    """What waits for a person: the oldest matter first, the rows of one matter together."""
    rows = [_waits(conn, row, limits) for row in _QUERIES.all(conn, "waiting")]
    first: dict[str, int] = {}
    for place, row in enumerate(rows):
        first.setdefault(row.matter, place)
    return sorted(rows, key=lambda row: first[row.matter])


def parked_lines(rows: Sequence[Waits], now: datetime) -> Iterator[str]:
    """A screen of them: what several rows of one matter have in common is said once."""
    for _, matter in groupby(rows, key=lambda row: row.matter):
        together = list(matter)
        for row in together:
            yield row.headline(now)
        for label, texts in (
            ("why", [row.reason for row in together]),
            ("owner", [f"{row.owner}{row.deadline(now)}" for row in together]),
            ("evidence", [row.told() for row in together]),
            ("next", [row.next_step for row in together]),
            ("read", [row.runbook for row in together]),
            ("allowed", ["; ".join(dict.fromkeys(each for row in together for each in row.allowed)) or _NOTHING]),
        ):
            yield from (f"    {label:<9}{text}" for text in dict.fromkeys(texts) if text)


def late_text(now: datetime, until: datetime) -> str:
    """How long a deadline is over; empty while it is not."""
    return f", {age_text(now - until)} late" if until < now else ""


def age_text(age: timedelta) -> str:
    """Days and hours, hours and minutes, or minutes."""
    minutes = int(age.total_seconds()) // 60
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _waits(conn: Connection, row: Row, limits: Limits) -> Waits:
    state = _STATES[row["machine"]](row["state"])
    text = WAITING.get(state)
    since = row["since"]
    # A transfer that ended without effect is final, and a person has as long for it as for one that is held.
    at_most = limits.wait((text or WAITING[TransferState.HELD]).at_most)
    standing = None if row["machine"] == "account" else stand(conn, find(conn, row["name"]))
    return Waits(
        machine=row["machine"],
        name=row["name"],
        state=state.value,
        worth=_worth(row),
        reason=row["reason"] or (text.why if text else "it ended without effect: nobody has decided what follows"),
        owner=text.on_whom if text else "a person",
        since=since,
        until=None if since is None else since + at_most,
        next_step=text.next_step if text else "a person decides whether its batch is paid anew",
        runbook=_runbook(row),
        matter=str(standing.batch["batch_conversion_id"]) if standing and standing.batch else str(row["name"]),
        evidence=row["evidence"] or {},
        allowed=_allowed(row, standing),
    )


def _worth(row: Row) -> str:
    usd, wei = row["worth_usd_micros"], row["worth_wei"]
    both = [str(Usd(usd)) if usd is not None else "", str(Ether(wei)) if wei is not None else ""]
    return " / ".join(each for each in both if each)


def _allowed(row: Row, standing: Standing | None) -> Sequence[str]:
    if standing is not None:
        return list(rules.allowed(standing))
    return ["gcpay recover-account"] if row["state"] == AccountState.FROZEN.value else ["top the wallet up"]


def _runbook(row: Row) -> str:
    """The page of the alert that told of it; of an order and of a low wallet it has another name than the state."""
    name = f"{row['machine']}_{row['state']}"
    if name not in ALERT_KINDS:
        name = "order_overdue" if row["machine"] == "order" else "account_low_on_funds"
    return kind_of(name).runbook
