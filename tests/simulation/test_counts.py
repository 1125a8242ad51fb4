"""What the fleet asks of its database, its queues, the exchange and the providers: counts, held from above."""

from __future__ import annotations

import pytest

from shared.sandbox.bench.counts import MANY, Calls, counted
from shared.sandbox.simulator.session import Session

HISTORIES = 2


@pytest.fixture
def calls(session: Session) -> Calls:
    return counted(session, HISTORIES)


def test_what_a_calm_day_asks_of_others_stays_within_its_bounds(calls: Calls) -> None:
    assert len(calls.rpc_alone) == 4 * HISTORIES
    assert 0 < max(calls.rpc_alone) <= 50
    assert len(calls.rpc_among_many) == HISTORIES
    assert MANY == 16
    assert 0 < max(calls.rpc_among_many) <= 66
    assert 0 < max(calls.exchange) <= 16
    assert 0 < max(calls.tasks) <= 30
    trips = {route: max(counted_trips) for route, counted_trips in calls.trips.items()}
    assert {route: most for route, most in trips.items() if most > BOUNDS.get(route, 0)} == {}
    assert set(trips) == set(BOUNDS)


BOUNDS = {
    "GCAccumulator /": 1,
    "GCHostPay1 /": 15,
    "GCHostPay1 /payment-completed": 13,
    "GCHostPay1 /retry-callback-check": 27,
    "GCHostPay1 /status-verified": 12,
    "GCHostPay1 /sweep": 16,
    "GCHostPay2 /": 0,
    "GCHostPay3 /": 39,
    "GCHostPay3 /drive": 71,
    "GCHostPay3 /sweep": 24,
    "GCMicroBatchProcessor /check-threshold": 42,
    "GCMicroBatchProcessor /swap-executed": 13,
    "GCMicroBatchProcessor /sweep": 26,
}
"""Database round trips of the call that took most."""
