"""The outbox: a message is kept in the commit that decided it, its task is made after that commit.

Nothing here decides anything. A task that could not be made costs time only: the row stays unsent and the service's
sweep makes the task under the same name, so it is never made twice for one id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final, Protocol
from uuid import UUID

from shared.db import Connection, Queries, Row
from shared.lifecycle import Machine
from shared.lifecycle.reactions import Broken, Reaction, TryLater, Unknown
from shared.messages import Edge, Message, decode_body, encode_body
from shared.queue.sealer import Sealer
from shared.queue.sender import LONGEST_SCHEDULE, AlreadyExists, TaskSender
from shared.telemetry import alert, current_trace, get_logger, new_trace

_QUERIES: Final = Queries.load(Path(__file__).with_name("outbox.sql"))
_MOST_PAGES: Final = 10  # that one sweep looks through behind messages that can never be sent


class Transactions(Protocol):
    """What the outbox needs of the database (`shared.db.Database`)."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """A transaction of its own."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A consistent read."""
        ...


@dataclass(frozen=True)
class Swept:
    """What a sweep of the outbox did: tasks made, and messages that it looked at and that still wait."""

    made: int
    left: int


@dataclass
class _Page:
    """What became of some messages: tasks made, messages that can never be sent, whether the task service is away."""

    made: int = 0
    unsendable: list[UUID] = field(default_factory=list)
    is_away: bool = False


class EdgeUnknown(Broken):
    """A message for an edge that this release does not have: another release must send it, or a person decides."""

    code: ClassVar[str] = "edge_unknown"


def keep_message(
    conn: Connection, outbox_id: UUID, edge: Edge, message: Message, now: datetime, schedule_at: datetime | None = None
) -> None:
    """Writes the row alone, as an operation does for the service of this edge: that one's sweep makes the task."""
    _QUERIES.run(
        conn,
        "put",
        id=outbox_id,
        service=edge.producer,
        edge=edge.name,
        message_type=message.TYPE,
        message_id=outbox_id.bytes,
        body=encode_body(message),
        **_matter_of(message),
        trace=current_trace() or new_trace(),
        now=now,
        schedule_at=now if schedule_at is None else schedule_at,
    )


def _matter_of(message: Message) -> dict[str, str | None]:
    """Whose story a message belongs to: the batch or the request that it names; a drive or an alert is nobody's."""
    batch, request = getattr(message, "batch_conversion_id", None), getattr(message, "unique_id", None)
    if batch is not None:
        return {"machine": Machine.BATCH.value, "subject": batch}
    return {"machine": Machine.REQUEST.value if request is not None else None, "subject": request}


class Outbox:
    """The outbox of one service."""

    def __init__(self, db: Transactions, sender: TaskSender, sealer: Sealer, new_id: Callable[[], UUID]) -> None:
        self._db = db
        self._sender = sender
        self._sealer = sealer
        self._new_id = new_id

    def put(
        self, conn: Connection, edge: Edge, message: Message, now: datetime, schedule_at: datetime | None = None
    ) -> UUID:
        """Keep `message` in the caller's transaction; give the returned id to `flush` after the commit.

        `schedule_at`: when the task shall run (default: at once), at most 29 days ahead. Each call is a new message
        with a new id: a re-drive is a new row, because a task's name stays blocked for about an hour.
        """
        if type(message) not in edge.messages:
            raise ValueError(f"{edge.name} does not carry {type(message).__name__}")
        if schedule_at is not None and schedule_at - now > LONGEST_SCHEDULE:
            raise ValueError(f"a task can be scheduled at most {LONGEST_SCHEDULE.days} days ahead")
        outbox_id = self._new_id()
        keep_message(conn, outbox_id, edge, message, now, schedule_at)
        return outbox_id

    def flush(self, ids: Sequence[UUID], now: datetime) -> int:
        """Make the tasks of messages that are committed; how many were made. Never raises a reaction.

        Called by the handler after its commit and before its answer. The first message whose task service does not
        answer ends it: what is left is the sweep's, so a caller waits about two seconds at most.
        """
        if not ids:
            return 0
        try:
            with self._db.read() as conn:
                rows = _QUERIES.all(conn, "unsent_of", ids=list(ids))
        except Reaction as reaction:
            get_logger().warning("task_not_made", code=reaction.code, reason=reaction.message)
            return 0
        return self._make_tasks(rows, now).made

    def sweep(self, now: datetime, older_than_s: int, limit: int) -> Swept:
        """Make the tasks of this service's messages that have waited for `older_than_s`; harmless to repeat.

        Raises the database's reactions; a task service that does not answer ends the sweep without an error.
        """
        before = now - timedelta(seconds=older_than_s)
        looked_at, made = 0, 0
        unsendable: list[UUID] = []
        for _ in range(_MOST_PAGES):
            rows = self._waiting(before, unsendable, limit - made)
            page = self._make_tasks(rows, now)
            looked_at, made = looked_at + len(rows), made + page.made
            unsendable += page.unsendable
            if page.is_away or not page.unsendable or made >= limit:
                break
        swept = Swept(made=made, left=looked_at - made)
        if looked_at:
            get_logger().info("outbox_swept", made=swept.made, left=swept.left)
        return swept

    def _waiting(self, before: datetime, unsendable: Sequence[UUID], limit: int) -> list[Row]:
        """The oldest unsent messages, but for those that this sweep found to be unsendable: they come after them."""
        rows: list[Row] = []
        with self._db.read() as conn:
            for service in self._producers():
                rows += _QUERIES.all(
                    conn, "unsent_before", service=service, before=before, passed_over=list(unsendable), row_limit=limit
                )
        return rows[:limit]

    def unsent(self, now: datetime, older_than_s: int) -> int:
        """How many messages of this service have waited for their task for `older_than_s`: age of work, for health."""
        before = now - timedelta(seconds=older_than_s)
        with self._db.read() as conn:
            counts = [
                _QUERIES.only(conn, "count_unsent", service=service, before=before)["unsent"]
                for service in self._producers()
            ]
        return sum(counts)

    def _producers(self) -> list[str]:
        return sorted({edge.producer for edge in self._sealer.edges})

    def _make_tasks(self, rows: Sequence[Row], now: datetime) -> _Page:
        """Makes and marks the tasks of these messages. Stops at the first sign that the task service is away."""
        page = _Page()
        for row in rows:
            try:
                self._make_task(row, now)
            except (TryLater, Unknown) as reaction:
                get_logger().warning(
                    "task_not_made", outbox_id=row["id"], edge=row["edge"], code=reaction.code, reason=reaction.message
                )
                page.is_away = True
                return page
            except Reaction as broken:
                # One message that can never be sent must not keep the others from being sent.
                alert("task_unmakeable", outbox_id=row["id"], edge=row["edge"], code=broken.code, reason=broken.message)
                page.unsendable.append(row["id"])
            else:
                page.made += 1
        return page

    def _make_task(self, row: Row, now: datetime) -> None:
        edge = self._edge(row["edge"])
        # Sealed now, for the time it will run: a task that is made again after hours is as fresh as a new one.
        runs_at = max(row["schedule_at"], now)
        message = decode_body(row["message_type"], row["body"])
        parcel = self._sealer.parcel(edge, message, row["message_id"], issued_at=runs_at)
        name = task_name(row["id"])
        made = self._sender.create(
            name=name,
            queue=parcel.queue,
            url=parcel.url,
            body=parcel.body,
            schedule_at=runs_at if runs_at > now else None,
            audience=parcel.audience,
            trace=row["trace"],
        )
        with self._db.transaction() as conn:
            _QUERIES.run(conn, "mark_sent", id=row["id"], now=now, task_name=name)
        event = "task_already_made" if isinstance(made, AlreadyExists) else "task_made"
        get_logger().info(
            event,
            task=name,
            queue=parcel.queue,
            edge=edge.name,
            kind=type(message).__name__,
            in_s=int((runs_at - now).total_seconds()),
        )

    def _edge(self, name: str) -> Edge:
        edge = next((edge for edge in self._sealer.edges if edge.name == name), None)
        if edge is None:
            raise EdgeUnknown(f"This release sends nothing over {name}.")
        return edge


def task_name(outbox_id: UUID) -> str:
    """The name of the one task of an outbox row."""
    return f"outbox-{outbox_id}"
