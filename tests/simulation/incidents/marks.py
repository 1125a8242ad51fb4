"""How a test says which incident it plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T", bound=Callable[..., object])


def incident(*ids: str) -> Callable[[T], T]:
    """The test plays these rows of the incident list; its node id has each of them, as `[L-01][L-02]`."""

    def mark(test: T) -> T:
        rows = pytest.param(ids, id="][".join(ids))
        marked: T = pytest.mark.parametrize("row", [rows], indirect=True)(test)
        pytest.mark.usefixtures("row")(marked)
        return marked

    return mark
