"""What a person must know, written in the commit that causes it: alerts, and task messages refused for good."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from shared.alerts.kinds import kind_of
from shared.db.connection import Connection
from shared.db.database import Database
from shared.db.queries import Queries
from shared.money import Ether, Tether, Usd
from shared.telemetry import get_logger

log = get_logger()

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Alert:
    """One trouble: a stable kind, whom it concerns, and a sentence with the figures, each amount with its asset.

    `at_risk`: the money that is at stake, where a figure is known. `rows`: all rows that it is about, as "payment 7";
    by default its subject, with the noun that its kind gives it.
    """

    kind: str
    subject: str
    message: str
    evidence: Mapping[str, str]
    at_risk: Sequence[Usd | Ether | Tether] = ()
    rows: Sequence[str] = ()

    @property
    def dedupe_key(self) -> str:
        """The same kind of trouble of the same subject for the same reason is told once."""
        return f"{self.kind}/{self.subject}/{self.evidence.get('dedupe', '')}"


def raise_alert(conn: Connection, service: str, alert: Alert, now: datetime) -> bool:
    """Writes the alert in this transaction. True when it is new; a repeat changes nothing.

    Severity, runbook and next step are its kind's (`shared.alerts`). After the commit it is in the log as an error
    with everything that it says, whatever else hears of it; the batcher brings it to the webhook.
    """
    kind = kind_of(alert.kind)
    named = [f"{kind.subject_is} {alert.subject}"] if kind.subject_is else []
    says: dict[str, Any] = {
        "kind": alert.kind,
        "dedupe_key": alert.dedupe_key,
        "subject": alert.subject,
        "money_at_risk": [f"{amount.decimal_text()} {amount.SYMBOL}" for amount in alert.at_risk],
        "concerned_rows": list(alert.rows) or named,
        "runbook": kind.runbook,
        "next_step": kind.next_step,
    }
    written = _QUERIES.run(
        conn,
        "raise_alert",
        **says,
        service=service,
        message=alert.message,
        evidence=json.dumps(dict(alert.evidence), sort_keys=True),
        at=now,
        severity=kind.severity,
    )
    if written == 0:
        return False
    evidence = dict(alert.evidence)
    conn.after_commit(
        lambda: log.error("alert_raised", **says, told=alert.message, evidence=evidence, alert_severity=kind.severity)
    )
    return True


class RefusedTask(Protocol):
    """What shared.http tells about a message it refused (its RefusedMessage)."""

    @property
    def service(self) -> str: ...
    @property
    def route(self) -> str: ...
    @property
    def caller(self) -> str: ...
    @property
    def task_name(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def at(self) -> datetime: ...


def refusal_recorder(database: Database) -> Callable[[RefusedTask], None]:
    """A function that commits a refused task message and the alert about it, in a transaction of its own."""

    def record(refused: RefusedTask) -> None:
        alert = Alert(
            "message_refused",
            f"{refused.service}{refused.route}",
            f"{refused.service} refused a task on {refused.route}: {refused.message}",
            {
                "dedupe": refused.task_name,
                "code": refused.code,
                "caller": refused.caller,
                "reference": refused.reference,
            },
        )
        with database.transaction() as conn:
            _QUERIES.run(
                conn,
                "record_refused",
                service=refused.service,
                route=refused.route,
                caller=refused.caller,
                task_name=refused.task_name,
                code=refused.code,
                message=refused.message,
                reference=refused.reference,
                at=refused.at,
            )
            raise_alert(conn, refused.service, alert, refused.at)

    return record
