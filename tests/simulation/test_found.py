"""What histories found: one sentence each of what it was, and the seed that must hold ever after."""

from __future__ import annotations

import pytest

from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session

A_STOLEN_NONCE = {"nonce_taken": 1000}
FOUND: dict[str, tuple[int, dict[str, int]]] = {
    # The batcher asks for the fence every two minutes; each question was answered 503 and repeated for a day.
    "a frozen wallet that answers 503 to every question of the fence fills its queue for ever": (687, A_STOLEN_NONCE),
    # No order is opened while the wallet is frozen: the batch is the person's who recovers it.
    "a batch without an order waits for whoever recovers the frozen wallet": (32, A_STOLEN_NONCE),
    # The wallet's cap is what it was when nobody wanted blocks; only a dearer replacement is ever mined.
    "a transfer that is outbid as soon as it is sent is sent again, dearer": (442, {}),
}


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_once_holds_ever_after(session: Session, found: str) -> None:
    seed, changed = FOUND[found]
    ending = play(session, seed, profile=Profile.of_seed(seed).changed(**changed), listening=True)
    assert ending.failure is None, "\n".join([str(ending.failure), *ending.lines[-30:]])
