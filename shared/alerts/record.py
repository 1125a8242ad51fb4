"""One alert as it is told outside: a line for people, and every field for machines. Nothing secret is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

_MOST_SHOWN = 20  # rows in the text; all of them are in the fields
_LONGEST_TEXT = 3_000  # characters of the message; Slack cuts at 4,000 by itself


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """A row of the table `alert`. `money_at_risk`: amounts with their asset; empty: no figure is known."""

    alert_id: int
    kind: str
    severity: str
    service: str
    subject: str
    message: str
    money_at_risk: Sequence[str]
    concerned_rows: Sequence[str]
    runbook: str
    next_step: str
    dedupe_key: str
    at: datetime


def body_of(alert: AlertRecord) -> bytes:
    """The body of the call: `text` as a Slack-compatible webhook shows it, `alert` with the fields.

    `alert.id` is the same in every repeat, so that a sink can leave repeats out.
    """
    rows = list(alert.concerned_rows)
    shown = ", ".join(rows[:_MOST_SHOWN]) + (f" and {len(rows) - _MOST_SHOWN} more" if len(rows) > _MOST_SHOWN else "")
    lines = [
        f"[{alert.severity}] {alert.kind} ({alert.service}): {alert.message[:_LONGEST_TEXT]}",
        f"Money at risk: {', '.join(alert.money_at_risk) or 'no figure is known'}",
        f"Rows: {shown or alert.subject}",
        f"Next: {alert.next_step}",
        f"Runbook: {alert.runbook}",
    ]
    fields = {
        "id": alert.alert_id,
        "kind": alert.kind,
        "severity": alert.severity,
        "service": alert.service,
        "subject": alert.subject,
        "message": alert.message,
        "money_at_risk": list(alert.money_at_risk),
        "rows": rows,
        "next_step": alert.next_step,
        "runbook": alert.runbook,
        "dedupe_key": alert.dedupe_key,
        "at": alert.at.isoformat(),
    }
    text = "\n".join(_escaped(line) for line in lines)
    return json.dumps({"text": text, "alert": fields}, ensure_ascii=False, allow_nan=False).encode()


def _escaped(line: str) -> str:
    """Slack's three control characters: a text that came from outside must not become a link or call everybody."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
