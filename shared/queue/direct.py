"""Sending without an outbox, for a service without a database: the incoming message makes the repeat safe."""

from datetime import datetime
from hashlib import sha256

from shared.messages import Edge, Message
from shared.queue.sealer import Sealer
from shared.queue.sender import AlreadyExists, Made, TaskSender
from shared.telemetry import current_trace, get_logger, new_trace

_MESSAGE_ID_BYTES = 16


def send_directly(
    sender: TaskSender, sealer: Sealer, edge: Edge, message: Message, message_id: bytes, now: datetime
) -> Made | AlreadyExists:
    """Make the task that answers the incoming message `message_id` over `edge`.

    Raises the sender's reactions: the caller must answer 5xx then, the queue delivers the incoming message again, and
    the repeat makes a task of the same name, so that one question gets one answer.
    """
    answer_id = sha256(edge.name.encode() + b"|" + message_id).digest()[:_MESSAGE_ID_BYTES]
    parcel = sealer.parcel(edge, message, answer_id, issued_at=now)
    name = f"direct-{answer_id.hex()}"
    made = sender.create(
        name=name,
        queue=parcel.queue,
        url=parcel.url,
        body=parcel.body,
        schedule_at=None,
        audience=parcel.audience,
        trace=current_trace() or new_trace(),
    )
    event = "task_already_made" if isinstance(made, AlreadyExists) else "task_made"
    get_logger().info(event, task=name, queue=parcel.queue, edge=edge.name, kind=type(message).__name__)
    return made
