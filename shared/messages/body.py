"""A message as bytes and back: what the outbox stores and what a token carries."""

from typing import Any

from shared.messages.errors import MessageInvalid
from shared.messages.fields import FieldRuleBroken, Reader
from shared.messages.kinds import MESSAGE_TYPES, Message
from shared.messages.layout import layout_of


def encode_body(message: Message) -> bytes:
    """The message's one encoding; its type is not in it, store `message.TYPE` beside it."""
    return b"".join(field.encode(getattr(message, name)) for name, field in layout_of(type(message)))


def decode_body(message_type: int, body: bytes) -> Message:
    """The message of that type byte; only its one encoding is accepted, to the last byte.

    Raises MessageInvalid: no such type, a field that breaks its rule, a body cut short or with bytes left over.
    """
    kind = MESSAGE_TYPES.get(message_type)
    if kind is None:
        raise MessageInvalid(f"type {message_type}", "type", "is unknown")
    reader = Reader(body)
    values: dict[str, Any] = {}
    for name, field in layout_of(kind):
        try:
            values[name] = field.read(reader)
        except FieldRuleBroken as broken:
            raise MessageInvalid(kind.__name__, name, broken.rule) from broken
    if reader.left_over():
        raise MessageInvalid(kind.__name__, "body", f"has {reader.left_over()} bytes left over")
    return kind(**values)
