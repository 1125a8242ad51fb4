"""The port through which tasks are made: one method, two good answers, three errors by what may be done next."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from shared.lifecycle.reactions import Broken, TryLater, Unknown

# Cloud Tasks refuses a schedule time more than 30 days ahead; a day is left for clocks and for tasks made late.
LONGEST_SCHEDULE = timedelta(days=29)


@dataclass(frozen=True)
class Made:
    """The task is in the queue."""


@dataclass(frozen=True)
class AlreadyExists:
    """A task of this name is, or was about an hour ago, in the queue: for an id of our own that is success."""


class TaskSender(Protocol):
    """Makes tasks; never repeats by itself, answers within about two seconds."""

    def create(
        self,
        *,
        name: str,
        queue: str,
        url: str,
        body: bytes,
        schedule_at: datetime | None,
        audience: str,
        trace: str,
    ) -> Made | AlreadyExists:
        """Make one task: POST `body` to `url` at `schedule_at` (None: at once) with our identity for `audience`.

        Raises TaskNotMade (nothing happened), TaskUnclear (it may be made: repeat with the same name), QueueUnusable
        (it can never be made as asked).
        """
        ...


class TaskNotMade(TryLater):
    """The task service took nothing; the same call again may succeed."""

    code: ClassVar[str] = "task_not_made"


class TaskUnclear(Unknown):
    """The answer was lost; the task may exist. Repeating with the same name is harmless."""

    code: ClassVar[str] = "task_unclear"


class QueueUnusable(Broken):
    """The queue is missing, forbidden to us, or refuses the task's form: a person must correct the deployment."""

    code: ClassVar[str] = "queue_unusable"
    runbook: ClassVar[str | None] = None
