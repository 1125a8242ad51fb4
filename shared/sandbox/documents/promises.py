"""What the product promises, and the tests that try to break each promise. The README shows this list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise in one sentence, with its tests as path::name."""

    text: str
    tests: tuple[str, ...]


PROMISES: Final[tuple[Promise, ...]] = ()
