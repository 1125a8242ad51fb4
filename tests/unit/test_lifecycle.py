"""The transition tables as data: nothing is unreachable, nothing final moves on unless it says so, everything waits for
a reason.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import product

import pytest

from shared.lifecycle import (
    ALL_TRANSITIONS,
    FINAL,
    TABLES,
    WAITING,
    AccountState,
    BatchState,
    IllegalTransition,
    Intent,
    Limits,
    Machine,
    OrderState,
    PaymentState,
    RequestState,
    State,
    Stay,
    Step,
    TransferState,
    decide,
    due_at,
    next_poll,
)
from shared.lifecycle import facts as f
from shared.telemetry.events import EVENTS

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATES: dict[Machine, type[Enum]] = {
    Machine.PAYMENT: PaymentState,
    Machine.BATCH: BatchState,
    Machine.ORDER: OrderState,
    Machine.REQUEST: RequestState,
    Machine.TRANSFER: TransferState,
    Machine.ACCOUNT: AccountState,
}
MACHINES = list(Machine)
ALL_STATES: list[State] = [state for kind in STATES.values() for state in kind]  # type: ignore[misc]
FACTS = [
    kind
    for kind in vars(f).values()
    if isinstance(kind, type) and issubclass(kind, f.Fact) and kind not in (f.Fact, f.BecauseOf)
]
# The only ways out of a state that waits for nothing.
LEFT_ALTHOUGH_FINAL = {
    (OrderState.UNKNOWN, f.OrderAnswered),  # a late answer of an attempt that was given up: known now, never funded
    (AccountState.ACTIVE, f.FundsShort),
    (AccountState.ACTIVE, f.ChainContradicted),
    # What a restored database believed after the restore, and bytes that were sent before it prove wrong.
    (BatchState.RELEASED, f.BatchFoundPaid),
    (TransferState.VOID, f.TransferFoundSent),
    (AccountState.ACTIVE, f.SigningRefused),
}


def a_fact(kind: type[f.Fact]) -> f.Fact:
    return kind("some reason") if issubclass(kind, f.BecauseOf) else kind()


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_reachable_from_nothing(machine: Machine) -> None:
    reached: set[State | None] = {None}
    grown = True
    while grown:
        before = len(reached)
        reached |= {
            step.to for (state, _), step in TABLES[machine].items() if state in reached and isinstance(step, Step)
        }
        grown = len(reached) > before
    assert reached - {None} == set(STATES[machine])


@pytest.mark.parametrize("machine", MACHINES)
def test_a_table_speaks_of_its_own_states_only(machine: Machine) -> None:
    for (state, _), step in TABLES[machine].items():
        assert state is None or type(state) is STATES[machine]
        assert isinstance(step, Stay) or type(step.to) is STATES[machine]


def test_states_of_different_machines_are_never_equal() -> None:
    assert len(set(ALL_STATES)) == len(ALL_STATES)
    assert PaymentState.PENDING != BatchState.PENDING  # type: ignore[comparison-overlap]


def test_every_state_either_waits_with_its_four_answers_or_is_final() -> None:
    for state in ALL_STATES:
        assert (state in WAITING) != (state in FINAL), state
    for state, waiting in WAITING.items():
        assert all((waiting.why, waiting.on_whom, waiting.next_step)), state
        assert waiting.at_most > timedelta(0), state
    assert set(WAITING) | FINAL == set(ALL_STATES)


def test_no_final_state_has_a_way_out_but_those_listed() -> None:
    left = {
        (state, fact)
        for table in TABLES.values()
        for (state, fact), step in table.items()
        if state in FINAL and isinstance(step, Step)
    }
    assert left == LEFT_ALTHOUGH_FINAL


def test_every_waiting_state_has_a_way_out() -> None:
    left = {state for table in TABLES.values() for (state, _), step in table.items() if isinstance(step, Step)}
    assert {state for state in WAITING if state not in left} == set()
    assert all("a person" in WAITING[state].on_whom for state in WAITING if state not in left)


def test_a_step_goes_somewhere_else_and_a_stay_says_why() -> None:
    for table in TABLES.values():
        for (state, _), step in table.items():
            if isinstance(step, Step):
                assert step.to is not state
            else:
                assert step.because


def test_all_transitions_are_the_tables_and_name_known_events() -> None:
    expected = {
        (machine.value, "" if state is None else str(state.value), str(step.to.value), step.event)
        for machine, table in TABLES.items()
        for (state, _), step in table.items()
        if isinstance(step, Step)
    }
    assert set(ALL_TRANSITIONS) == expected
    assert list(ALL_TRANSITIONS) == sorted(expected)
    assert {event for *_, event in ALL_TRANSITIONS} <= set(EVENTS)


def test_one_event_name_leads_to_one_state_of_one_machine() -> None:
    targets: dict[str, set[tuple[str, str]]] = {}
    for machine, _, to_state, event in ALL_TRANSITIONS:
        targets.setdefault(event, set()).add((machine, to_state))
    assert {event: to for event, to in targets.items() if len(to) > 1} == {}


def test_every_fact_is_known_to_some_machine() -> None:
    used = {fact for table in TABLES.values() for _, fact in table}
    assert set(FACTS) == used


def test_every_intent_is_asked_for_by_some_step() -> None:
    asked = {
        intent
        for table in TABLES.values()
        for step in table.values()
        if isinstance(step, Step)
        for intent in step.intents
    }
    assert asked == set(Intent)


@pytest.mark.parametrize("machine", MACHINES)
def test_decide_follows_the_table_and_raises_for_everything_else(machine: Machine) -> None:
    for state, kind in product([None, *STATES[machine]], FACTS):
        fact = a_fact(kind)
        step = TABLES[machine].get((state, kind))
        if step is None:
            with pytest.raises(IllegalTransition) as illegal:
                decide(machine, state, fact, NOW, Limits())
            assert kind.__name__ in illegal.value.message
            assert machine.value in illegal.value.message
            assert (illegal.value.state, illegal.value.fact) == (state, fact)
            continue
        decision = decide(machine, state, fact, NOW, Limits())
        assert decision.before is state
        if isinstance(step, Stay):
            assert (decision.after, decision.event, decision.intents, decision.due_at) == (state, None, (), None)
            assert not decision.moved
            assert decision.stayed == step.because
        else:
            assert (decision.after, decision.event, decision.intents) == (step.to, step.event, step.intents)
            assert decision.moved
            assert all(decision.wants(intent) for intent in step.intents)
            assert decision.due_at == due_at(step.to, NOW, Limits())


def test_a_fact_of_another_kind_is_not_taken_for_its_parent() -> None:
    class Odd(f.PaymentAccepted):
        """Not in any table."""

    with pytest.raises(IllegalTransition):
        decide(Machine.PAYMENT, None, Odd(), NOW, Limits())


def test_a_waiting_state_is_due_after_its_time_and_a_final_one_never() -> None:
    for state in ALL_STATES:
        due = due_at(state, NOW, Limits())
        if state in FINAL:
            assert due is None
        else:
            assert due == NOW + WAITING[state].at_most
            assert due_at(state, NOW, Limits(60)) == NOW + WAITING[state].at_most / 60


def test_money_moves_are_booked_and_people_are_told() -> None:
    """The steps after which somebody must look, or after which money stands elsewhere."""
    for machine, table in TABLES.items():
        for step in table.values():
            if not isinstance(step, Step):
                continue
            if step.to in (PaymentState.PARKED, BatchState.PARKED, RequestState.PARKED, TransferState.HELD):
                assert Intent.RAISE_ALERT in step.intents, (machine, step)
            if step.to in (BatchState.COMPLETED, BatchState.RELEASED, TransferState.SETTLED, RequestState.REPORTED):
                assert Intent.POST_BOOKS in step.intents, (machine, step)


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(0), timedelta(seconds=15)),
        (timedelta(seconds=-30), timedelta(seconds=15)),
        (timedelta(minutes=10) - timedelta(microseconds=1), timedelta(seconds=15)),
        (timedelta(minutes=10), timedelta(seconds=60)),
        (timedelta(hours=2) - timedelta(microseconds=1), timedelta(seconds=60)),
        (timedelta(hours=2), timedelta(minutes=15)),
        (timedelta(days=7) - timedelta(microseconds=1), timedelta(minutes=15)),
        (timedelta(days=7), timedelta(days=1)),
        (timedelta(days=400), timedelta(days=1)),
    ],
)
def test_polls_slow_down_with_age_and_never_stop(age: timedelta, wait: timedelta) -> None:
    assert next_poll(NOW - age, NOW, Limits()) == NOW + wait


def test_the_time_scale_shortens_ages_and_waits_alike() -> None:
    scaled = Limits(60)
    assert next_poll(NOW, NOW, scaled) == NOW + timedelta(seconds=0.25)
    assert next_poll(NOW - timedelta(seconds=10), NOW, scaled) == NOW + timedelta(seconds=1)
    assert next_poll(NOW - timedelta(minutes=2), NOW, scaled) == NOW + timedelta(seconds=15)


def test_a_week_of_polls_is_a_bounded_number() -> None:
    at, polls = NOW, 0
    while at < NOW + timedelta(days=14):
        at = next_poll(NOW, at, Limits())
        polls += 1
    assert polls < 900
