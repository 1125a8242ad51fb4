"""What a person on call is told: every kind of alert with its next step and runbook, and the sink that hears of it.

Kinds:    `AlertKind`, `ALERT_KINDS`, `kind_of`, `RUNBOOK_FOLDER`.
Delivery: `AlertRecord`, `body_of`, `Webhook`, `Sink`, `Accepted`, `NotAccepted`.
Settings: `shared.alerts.settings.AlertSettings`.
"""

from shared.alerts.kinds import ALERT_KINDS, RUNBOOK_FOLDER, AlertKind, kind_of
from shared.alerts.record import AlertRecord, body_of
from shared.alerts.webhook import Accepted, NotAccepted, Sink, Webhook

__all__ = [
    "ALERT_KINDS",
    "RUNBOOK_FOLDER",
    "Accepted",
    "AlertKind",
    "AlertRecord",
    "NotAccepted",
    "Sink",
    "Webhook",
    "body_of",
    "kind_of",
]
