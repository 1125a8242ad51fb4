"""The share of calls: a burst, then evenly, and never more than its rate over a long time."""

from __future__ import annotations

import pytest

from shared.exchange.budget import CallBudget


class Clock:
    """A clock that only sleeping and the test move."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def budget_of(calls_per_minute: int, clock: Clock) -> CallBudget:
    return CallBudget(calls_per_minute, clock.monotonic, clock.sleep)


def test_the_calls_of_ten_seconds_may_come_at_once_and_no_more() -> None:
    budget = budget_of(60, Clock())
    assert [budget.take(0) for _ in range(11)] == [True] * 10 + [False]


@pytest.mark.parametrize("calls_per_minute", [6, 60, 1800])
def test_who_waits_gets_exactly_the_rate(calls_per_minute: int) -> None:
    clock = Clock()
    budget = budget_of(calls_per_minute, clock)
    began_s, burst = clock.now_s, max(1, calls_per_minute // 6)
    for _ in range(burst + calls_per_minute):
        assert budget.take(60)
    assert clock.now_s - began_s == pytest.approx(60)


def test_a_wait_that_is_too_long_takes_nothing() -> None:
    clock = Clock()
    budget = budget_of(6, clock)
    assert budget.take(0)
    assert not budget.take(9.9)
    assert clock.now_s == 100.0
    clock.sleep(10)
    assert budget.take(0)


def test_rest_does_not_save_up_more_than_the_burst() -> None:
    clock = Clock()
    budget = budget_of(60, clock)
    clock.sleep(3600)
    assert [budget.take(0) for _ in range(11)] == [True] * 10 + [False]
