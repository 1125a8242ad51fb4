"""Histories are only worth something if they go where it is dangerous: what a hundred of them must have seen."""

from __future__ import annotations

import re
from collections import Counter

from shared.lifecycle import ALL_TRANSITIONS
from shared.sandbox.simulator.histories import play
from shared.sandbox.simulator.session import Session
from tests.simulation.many import WATCHED, must_hold

_MOVE = re.compile(r"\S+ {6}.*?: ([a-z_]+)(?: \(|$)")
# What chance alone reaches too rarely, or never by design; each is the matter of a named history or a test of its own.
ELSEWHERE = frozenset(
    {
        "account_frozen",
        "account_recovered",
        "transfer_cancelled",
        "transfer_foreign",
        "transfer_found_sent",
        "order_expired",
    }
)


def test_a_hundred_histories_meet_every_event_that_chance_can_bring(session: Session) -> None:
    met: Counter[str] = Counter()
    for seed in WATCHED:
        ending = play(session, seed, listening=True)
        must_hold(session, seed, ending)
        for line in ending.lines:
            found = _MOVE.match(line)
            if found:
                met[found[1]] += 1
    events = {event for _, _, _, event in ALL_TRANSITIONS}
    assert met.keys() <= events
    missing = events - met.keys() - ELSEWHERE
    assert not missing, f"no history came to {sorted(missing)}"
