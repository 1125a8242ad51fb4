"""The second half of the seeds: every promise holds in every one of them. (Two files: one for each core.)"""

from __future__ import annotations

import pytest

from shared.sandbox.simulator.session import Session
from tests.simulation.many import CHUNK, SECOND, every_promise_holds


@pytest.mark.parametrize("first_seed", SECOND)
def test_every_promise_holds_whatever_goes_wrong(session: Session, first_seed: int) -> None:
    every_promise_holds(session, range(first_seed, first_seed + CHUNK))
