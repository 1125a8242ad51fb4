"""Waiting for a condition with a deadline: a slow machine makes these tests slower, never red."""

import time
from collections.abc import Callable, Sized
from typing import TypeVar

PATIENCE_S = 90.0
_LOOK_EVERY_S = 0.1

Found = TypeVar("Found")


def until(what: str, look: Callable[[], Found], patience_s: float = PATIENCE_S) -> Found:
    """Look until something true is seen and give it; fail with `what` and the last sight when the time is over."""
    give_up_at = time.monotonic() + patience_s
    while not (seen := look()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {patience_s:.0f} s for {what}; last seen: {seen!r}")
        time.sleep(_LOOK_EVERY_S)
    return seen


def until_none(what: str, look: Callable[[], Sized], patience_s: float = PATIENCE_S) -> None:
    """Look until nothing is seen any more; fail with `what` and the last sight when the time is over."""
    give_up_at = time.monotonic() + patience_s
    while len(seen := look()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {patience_s:.0f} s for {what}; still seen: {seen!r}")
        time.sleep(_LOOK_EVERY_S)
