"""What a settings field says of itself beside its type: in which unit it counts, and what its text must be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Unit:
    """The unit of a value whose name does not end in it."""

    name: str


@dataclass(frozen=True)
class Range:
    """What a value must be, in words, where a validator decides and not a bound. Stands beside that validator."""

    words: str


@dataclass(frozen=True)
class Live:
    """A setting that people change while the fleet runs: not a secret, and kept in Secret Manager all the same."""


def unit_of(info: FieldInfo) -> str | None:
    """The unit that the field says; None when its name does."""
    return next((mark.name for mark in marks_of(info) if isinstance(mark, Unit)), None)


def range_of(info: FieldInfo) -> str | None:
    """The range in the field's own words; None when bounds say it."""
    return next((mark.words for mark in marks_of(info) if isinstance(mark, Range)), None)


def marks_of(info: FieldInfo) -> list[Any]:
    """Everything that is said of a field beside its type, also of the type beside None in an optional one."""
    return [*info.metadata, *_marks_of_type(info.annotation)]


def _marks_of_type(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        _, *marks = get_args(annotation)
        for mark in marks:
            yield from getattr(mark, "metadata", [mark])  # a bound stands inside a Field()
    elif type(None) in get_args(annotation):
        for part in get_args(annotation):
            yield from _marks_of_type(part)
