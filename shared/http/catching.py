"""The one place in the product that catches everything, so that no failure is swallowed anywhere else."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def caught(act: Callable[[], T]) -> T | Exception:
    """The result of `act`, or whatever it raised, as a value that the caller must look at."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - the boundary: every failure becomes an answer or a health word
        return error
