"""`gcpay status`: how the fleet is doing, in one screen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.db import Queries
from shared.lifecycle import Limits
from shared.money import Ether, Usd
from shared.ops.acts.log import ChainBroken, verify_chain
from shared.ops.acts.stages import pauses
from shared.ops.acts.standing import accounts
from shared.ops.views.parked import age_text, parked

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.db import Connection, Row

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_GRACE: Final = timedelta(minutes=2)  # what a sweep may be late before a person looks
_DAY: Final = timedelta(days=1)
_MOST_LINES: Final = 5
_DECIDED_NOTHING_ABOUT_NOW: Final = frozenset({"batch_created", "below_threshold"})


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment. `log` says whether the operator log is as it was written."""

    now: datetime
    pending: Usd
    pending_payments: int
    last_check: Row | None
    open_batches: Sequence[Row]
    overdue: Sequence[Row]
    waits_for_a_person: int
    matters: int
    alerts: Sequence[Row]
    pauses: Sequence[Row]
    accounts: Sequence[Row]
    unsent: int
    asks: Sequence[Row]
    log: str
    log_holds: bool

    @property
    def needs_somebody(self) -> bool:
        """Whether a person should look now."""
        unwell = any(row["account_status"] != "active" for row in self.accounts)
        return bool(self.overdue or self.waits_for_a_person or unwell or not self.log_holds)

    def lines(self) -> Iterator[str]:
        yield f"pending   {self.pending} in {self.pending_payments} payment(s); {self._threshold()}"
        yield f"batches   {len(self.open_batches)} open"
        for row in self.open_batches[:_MOST_LINES]:
            worth = f"{Usd(row['total_pending_usd_micros'])}, {Ether(row['ordered_wei'])}"
            reason = f": {row['reason']}" if row["reason"] else ""
            yield f"          {row['batch_conversion_id']} {row['conversion_status']} ({worth}){reason}"
        yield f"overdue   {len(self.overdue)} row(s) past their deadline"
        for row in self.overdue[:_MOST_LINES]:
            late = age_text(self.now - row["due_at"])
            yield f"          {row['machine']} {row['name']} {row['state']}, {late} late"
        look = ": gcpay parked" if self.waits_for_a_person else ""
        of = f" in {self.matters} matter(s)" if self.matters < self.waits_for_a_person else ""
        yield f"person    {self.waits_for_a_person} row(s) wait for a person{of}{look}"
        kinds = Counter(row["kind"] for row in self.alerts)
        told = ", ".join(f"{count} x {kind}" for kind, count in kinds.most_common())
        yield f"alerts    {len(self.alerts)} within a day{': ' + told if told else ''}"
        for row in self.alerts[:_MOST_LINES]:
            yield f"          {row['at']:%H:%M:%S} {row['message']}"
        yield f"paused    {', '.join(map(_pause, self.pauses)) or 'nothing'}"
        yield f"wallet    {', '.join(map(_account, self.accounts)) or 'never used'}"
        yield f"messages  {self.unsent} wait for their task although it is time"
        for row in self.asks:
            yield f"asked     {row['action']} of {row['subject']} by {row['asked_by']}, not answered yet"
        yield f"log       {self.log}"

    def as_json(self) -> dict[str, Any]:
        return {
            "ok": not self.needs_somebody,
            "at": self.now.isoformat(),
            "pending_usd": self.pending.decimal_text(),
            "pending_payments": self.pending_payments,
            "last_check": None if self.last_check is None else _plain(self.last_check),
            "open_batches": [_plain(row) for row in self.open_batches],
            "overdue": [_plain(row) for row in self.overdue],
            "waits_for_a_person": self.waits_for_a_person,
            "matters_for_a_person": self.matters,
            "alerts": [_plain(row) for row in self.alerts],
            "paused": [_plain(row) for row in self.pauses],
            "accounts": [_plain(row) for row in self.accounts],
            "unsent_messages": self.unsent,
            "asked": [_plain(row) for row in self.asks],
            "operator_log": {"ok": self.log_holds, "says": self.log},
        }

    def _threshold(self) -> str:
        check = self.last_check
        if check is None:
            return "the scheduler has not ticked yet"
        threshold, ago = Usd(check["threshold_usd_micros"]), age_text(self.now - check["at"])
        told = f"threshold {threshold}; last tick {ago} ago: {check['outcome']}, {check['reason']}"
        if self.pending < threshold or check["outcome"] not in _DECIDED_NOTHING_ABOUT_NOW:
            return told
        # A tick that could not read something writes nothing: what it wrote before must not look like its answer.
        return f"{told}; now it is over the threshold: a tick forms a batch, or its answer in the log says why not"


def status(conn: Connection, now: datetime, limits: Limits) -> Status:
    """How everything is doing now. Lists are bounded at a thousand rows."""
    before = now - limits.wait(_GRACE)
    pending = _QUERIES.only(conn, "pending")
    log, holds = _log(conn)
    waiting = parked(conn, limits)
    return Status(
        now=now,
        pending=Usd(pending["total_usd_micros"]),
        pending_payments=pending["payments"],
        last_check=_QUERIES.one(conn, "last_check"),
        open_batches=_QUERIES.all(conn, "open_batches"),
        overdue=_QUERIES.all(conn, "overdue", before=before),
        waits_for_a_person=len(waiting),
        matters=len({row.matter for row in waiting}),
        alerts=_QUERIES.all(conn, "alerts_since", after=now - _DAY),
        pauses=pauses(conn, now),
        accounts=accounts(conn),
        unsent=_QUERIES.only(conn, "unsent", before=before)["messages"],
        asks=_QUERIES.all(conn, "open_asks"),
        log=log,
        log_holds=holds,
    )


def _log(conn: Connection) -> tuple[str, bool]:
    try:
        head = verify_chain(conn)
    except ChainBroken as broken:
        return broken.message, False
    return f"{head.number} operation(s), the chain holds, its end is {head.hash[:16]}", True


def _pause(row: Row) -> str:
    end = "" if row["expires_at"] is None else f" until {row['expires_at']:%Y-%m-%d %H:%M} UTC"
    return f"{row['stage']}{end} by {row['paused_by']} ({row['reason']})"


def _account(row: Row) -> str:
    reason = f" ({row['reason']})" if row["reason"] else ""
    return f"{row['address']} is {row['account_status']}, next nonce {row['next_nonce']}{reason}"


def _plain(row: Row) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if name.endswith("_wei") else value
        for name, value in row.items()
    }
