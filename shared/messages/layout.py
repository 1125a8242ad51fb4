"""Which fields a message class has, in wire order: read once from its annotations."""

from dataclasses import fields
from typing import Final, get_type_hints

from shared.messages.fields import Field, Sentence, Text, Whole

Layout = tuple[tuple[str, Field], ...]

_READ: Final[dict[type, Layout]] = {}  # annotations are slow to read and never change


def layout_of(kind: type) -> Layout:
    """(name, field kind) of a message class, in the order in which the dataclass declares them."""
    if kind not in _READ:
        hints = get_type_hints(kind, include_extras=True)
        _READ[kind] = tuple((field.name, _field_kind(hints[field.name])) for field in fields(kind))
    return _READ[kind]


def _field_kind(annotation: object) -> Field:
    for extra in getattr(annotation, "__metadata__", ()):
        if isinstance(extra, Text | Sentence | Whole):
            return extra
    raise TypeError(f"{annotation} declares no field kind")
