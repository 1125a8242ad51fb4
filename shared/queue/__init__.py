"""How one service gives another work to do: the outbox in the database, and the tasks made from it.

Outbox:   `Outbox` (`put`, `flush`, `sweep`, `unsent`), `Swept`, `task_name`, `keep_message` (the row alone);
          `send_directly` (no database).
Sender:   `TaskSender` (port), `CloudTasksSender` (the real one), `Made`, `AlreadyExists`.
Sealing:  `Sealer`, `Destination`, `Parcel`, `destinations_from`, `keyring_from`.
Errors:   `TaskNotMade` (TryLater), `TaskUnclear` (Unknown), `QueueUnusable` (Broken).
Settings: `TasksSettings`, `UpstreamKeySettings` and one mixin per target in `shared.queue.settings`.
"""

from shared.queue.cloud_tasks import CloudTasksSender
from shared.queue.direct import send_directly
from shared.queue.outbox import Outbox, Swept, keep_message, task_name
from shared.queue.sealer import Destination, Parcel, Sealer, destinations_from, keyring_from
from shared.queue.sender import AlreadyExists, Made, QueueUnusable, TaskNotMade, TaskSender, TaskUnclear
from shared.queue.settings import TasksSettings, UpstreamKeySettings

__all__ = [
    "AlreadyExists",
    "CloudTasksSender",
    "Destination",
    "Made",
    "Outbox",
    "Parcel",
    "QueueUnusable",
    "Sealer",
    "Swept",
    "TaskNotMade",
    "TaskSender",
    "TaskUnclear",
    "TasksSettings",
    "UpstreamKeySettings",
    "destinations_from",
    "keep_message",
    "keyring_from",
    "send_directly",
    "task_name",
]
