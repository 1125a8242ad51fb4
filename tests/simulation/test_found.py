"""Seeds that found something: one sentence each of what it was, and the seed that must hold ever after."""

from __future__ import annotations

import pytest

from shared.sandbox.simulator.session import Session
from tests.simulation.many import every_promise_holds

FOUND = {
    21: "a top-up in a block that is replaced: a person's ETH is seen after the storm, not in it",
    442: "a base fee that never came down because nobody made blocks: the wallet waited for ever",
}


@pytest.mark.parametrize("seed", FOUND)
def test_what_was_found_once_holds_ever_after(session: Session, seed: int) -> None:
    every_promise_holds(session, range(seed, seed + 1))
