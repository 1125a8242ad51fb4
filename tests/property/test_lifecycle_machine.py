"""A batch, its payments, its orders, its request and its transfer, driven by facts in any order: one rule, one fact.

What may not be is left unchanged by the error that says so; what may be moves exactly as the table says; and whatever
happens, money is never promised twice.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from shared.lifecycle import (
    ALL_TRANSITIONS,
    FINAL,
    TABLES,
    BatchState,
    Decision,
    IllegalTransition,
    Limits,
    Machine,
    OrderState,
    PaymentState,
    RequestState,
    State,
    TransferState,
    decide,
)
from shared.lifecycle import facts as f

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
FACTS_OF = {
    machine: sorted({kind for _, kind in table}, key=lambda kind: kind.__name__) for machine, table in TABLES.items()
}
ALL_FACTS = sorted({kind for kinds in FACTS_OF.values() for kind in kinds}, key=lambda kind: kind.__name__)
LISTED = set(ALL_TRANSITIONS)
# What a recovery finds outside of the database is not bound to what a restored database believes.
FOUND_BY_A_RECOVERY = {f.BatchFoundPaid, f.TransferFoundSent}
NEVER_PAID = (OrderState.UNKNOWN, OrderState.REFUSED, OrderState.ABANDONED)
SPENT = (TransferState.LIVE, TransferState.INCLUDED, TransferState.SETTLED, TransferState.REVERTED)


def a_fact(kind: type[f.Fact]) -> f.Fact:
    return kind("why") if issubclass(kind, f.BecauseOf) else kind()


class OneOfEach(RuleBasedStateMachine):
    """One machine of each kind; each rule offers one fact to one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[Machine, State | None] = dict.fromkeys(Machine)
        self.path: dict[Machine, list[State]] = {machine: [] for machine in Machine}
        self.now = START

    @rule(seconds=st.integers(min_value=1, max_value=10**6))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(
        machine=st.sampled_from(Machine),
        kind=st.sampled_from(ALL_FACTS).filter(lambda kind: kind not in FOUND_BY_A_RECOVERY),
    )
    def any_fact_comes(self, machine: Machine, kind: type[f.Fact]) -> None:
        self.offer(machine, kind)

    @rule(machine=st.sampled_from(Machine), choice=st.integers(min_value=0, max_value=1_000))
    def a_listed_fact_comes(self, machine: Machine, choice: int) -> None:
        listed = sorted(
            (
                kind
                for state, kind in TABLES[machine]
                if state is self.states[machine] and kind not in FOUND_BY_A_RECOVERY
            ),
            key=lambda kind: kind.__name__,
        )
        if listed:
            assert self.offer(machine, listed[choice % len(listed)]) is not None

    def offer(self, machine: Machine, kind: type[f.Fact]) -> Decision | None:
        before = dict(self.states)
        try:
            decision = decide(machine, self.states[machine], a_fact(kind), self.now, Limits())
        except IllegalTransition:
            assert self.states == before
            assert (before[machine], kind) not in TABLES[machine]
            return None
        if decision.moved:
            assert decision.after is not None
            was = "" if decision.before is None else decision.before.value
            assert (machine.value, was, decision.after.value, decision.event) in LISTED
            assert (decision.due_at is None) == (decision.after in FINAL)
            assert decision.due_at is None or decision.due_at > self.now
            self.states[machine] = decision.after
            self.path[machine].append(decision.after)
        else:
            assert decision.after is before[machine]
            assert decision.stayed
        return decision

    @invariant()
    def a_repeat_of_the_end_is_absorbed_or_refused_but_never_moves_back(self) -> None:
        for machine, state in self.states.items():
            if state in (BatchState.COMPLETED, BatchState.RELEASED, RequestState.REPORTED, PaymentState.COMPLETED):
                assert self.path[machine][-1] is state
                assert self.path[machine].count(state) == 1

    @invariant()
    def an_order_that_is_never_paid_was_never_adopted_or_was_fenced_off(self) -> None:
        path = self.path[Machine.ORDER]
        if self.states[Machine.ORDER] in NEVER_PAID and OrderState.ADOPTED in path:
            assert path[-2:] == [OrderState.ADOPTED, OrderState.ABANDONED]

    @invariant()
    def a_transfer_leaves_after_its_bytes_were_stored_and_at_most_once(self) -> None:
        path = self.path[Machine.TRANSFER]
        if self.states[Machine.TRANSFER] in SPENT:
            assert (
                path.index(TransferState.RESERVED) < path.index(TransferState.SIGNED) < path.index(TransferState.LIVE)
            )
        for once in (TransferState.RESERVED, TransferState.SIGNED, TransferState.SETTLED):
            assert path.count(once) <= 1
        if TransferState.VOID in path:
            assert TransferState.RESERVED not in path, "a nonce that is out is never void"

    @invariant()
    def a_payment_is_credited_once(self) -> None:
        assert self.path[Machine.PAYMENT].count(PaymentState.COMPLETED) <= 1


class OneBatch(RuleBasedStateMachine):
    """A batch with its payment and its order attempts, moved together as the batcher's transactions move them."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: State | None = None
        self.payment: State = PaymentState.PENDING
        self.orders: list[State] = []
        self.credited = 0

    def move(self, machine: Machine, state: State | None, fact: f.Fact) -> State:
        after = decide(machine, state, fact, START, Limits()).after
        assert after is not None
        return after

    @initialize()
    def claimed(self) -> None:
        self.batch = self.move(Machine.BATCH, None, f.PaymentsClaimed())
        self.payment = self.move(Machine.PAYMENT, self.payment, f.PaymentClaimed())
        self.orders = [self.move(Machine.ORDER, None, f.OrderIntended())]

    @precondition(lambda self: self.orders and self.orders[-1] is OrderState.SENDING)
    @rule()
    def answered(self) -> None:
        created = self.move(Machine.ORDER, self.orders[-1], f.OrderAnswered())
        self.orders[-1] = self.move(Machine.ORDER, created, f.OrderAdopted())
        self.batch = self.move(Machine.BATCH, self.batch, f.OrderAdoptedForBatch())

    @precondition(lambda self: OrderState.UNKNOWN in self.orders)
    @rule()
    def answered_too_late(self) -> None:
        at = self.orders.index(OrderState.UNKNOWN)
        self.orders[at] = self.move(Machine.ORDER, self.orders[at], f.OrderAnswered())

    @precondition(lambda self: self.orders and self.orders[-1] is OrderState.SENDING)
    @rule()
    def refused(self) -> None:
        self.orders[-1] = self.move(Machine.ORDER, self.orders[-1], f.OrderRefused("no"))
        self.batch = self.move(Machine.BATCH, self.batch, f.OrderRefusedForBatch("no"))
        self.payment = self.move(Machine.PAYMENT, self.payment, f.BatchReleased())

    @precondition(lambda self: self.orders and self.orders[-1] is OrderState.SENDING)
    @rule(wrong=st.booleans())
    def given_up_and_tried_again(self, wrong: bool) -> None:
        fact = f.OrderAnsweredWrongly("why") if wrong else f.OrderUnclear("why")
        self.orders[-1] = self.move(Machine.ORDER, self.orders[-1], fact)
        if len(self.orders) < 5:
            self.orders.append(self.move(Machine.ORDER, None, f.OrderIntended()))
        else:
            self.batch = self.move(Machine.BATCH, self.batch, f.OrderAttemptsSpent("why"))

    @precondition(
        lambda self: self.batch in (BatchState.SWAPPING, BatchState.PARKED) and OrderState.ADOPTED in self.orders
    )
    @rule(at_the_exchange=st.sampled_from([f.OrderHeldByExchange, f.OrderFailedAtExchange, f.OrderExpiredAtExchange]))
    def stuck(self, at_the_exchange: type[f.BecauseOf]) -> None:
        at = self.orders.index(OrderState.ADOPTED)
        self.orders[at] = self.move(Machine.ORDER, self.orders[at], at_the_exchange("why"))
        self.batch = self.move(Machine.BATCH, self.batch, f.SwapStuck("why"))

    @precondition(
        lambda self: (
            self.batch in (BatchState.SWAPPING, BatchState.PARKED)
            and OrderState.ADOPTED in self.orders
            and len(self.orders) < 5
        )
    )
    @rule()
    def fenced_off_and_tried_again(self) -> None:
        at = self.orders.index(OrderState.ADOPTED)
        self.orders[at] = self.move(Machine.ORDER, self.orders[at], f.OrderFenced("why"))
        self.batch = self.move(Machine.BATCH, self.batch, f.OrderFenced("why"))
        self.orders.append(self.move(Machine.ORDER, None, f.OrderIntended()))

    @precondition(lambda self: self.open_order() is not None)
    @rule()
    def arrived(self) -> None:
        at = self.open_order()
        assert at is not None
        self.orders[at] = self.move(Machine.ORDER, self.orders[at], f.PayoutArrived())
        self.batch = self.move(Machine.BATCH, self.batch, f.UsdtDistributed())
        self.payment = self.move(Machine.PAYMENT, self.payment, f.ShareCredited())
        self.credited += 1

    @precondition(lambda self: self.open_order() is not None)
    @rule()
    def came_back(self) -> None:
        at = self.open_order()
        assert at is not None
        self.orders[at] = self.move(Machine.ORDER, self.orders[at], f.RefundProven())
        self.batch = self.move(Machine.BATCH, self.batch, f.RefundProven())
        self.payment = self.move(Machine.PAYMENT, self.payment, f.BatchReleased())

    @rule()
    def nothing_happens(self) -> None:
        """A batch whose attempts are spent waits for a person."""

    @precondition(lambda self: self.batch in (BatchState.COMPLETED, BatchState.RELEASED))
    @rule(fact=st.sampled_from([f.UsdtDistributed, f.SwapStuck, f.RefundProven]))
    def a_report_comes_late(self, fact: type[f.Fact]) -> None:
        try:
            decision = decide(Machine.BATCH, self.batch, a_fact(fact), START, Limits())
        except IllegalTransition:
            return
        assert not decision.moved

    def open_order(self) -> int | None:
        live = (OrderState.ADOPTED, OrderState.HELD, OrderState.FAILED, OrderState.EXPIRED)
        return next((at for at, state in enumerate(self.orders) if state in live), None)

    @invariant()
    def the_payment_stands_where_its_batch_stands(self) -> None:
        expected = {
            None: PaymentState.PENDING,
            BatchState.PENDING: PaymentState.SWAPPING,
            BatchState.SWAPPING: PaymentState.SWAPPING,
            BatchState.PARKED: PaymentState.SWAPPING,
            BatchState.COMPLETED: PaymentState.COMPLETED,
            BatchState.RELEASED: PaymentState.PENDING,
        }
        assert self.payment is expected[self.batch]  # type: ignore[index]

    @invariant()
    def at_most_one_order_may_be_paid(self) -> None:
        never = (OrderState.SENDING, *NEVER_PAID)
        assert sum(state not in never for state in self.orders) <= 1
        assert self.credited <= 1

    @invariant()
    def a_batch_that_gave_its_payments_back_has_no_order_that_could_still_be_paid(self) -> None:
        if self.batch is BatchState.RELEASED:
            assert all(state in (*NEVER_PAID, OrderState.REFUNDED) for state in self.orders)


OneOfEach.TestCase.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
OneBatch.TestCase.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)
TestOneOfEach = OneOfEach.TestCase
TestOneBatch = OneBatch.TestCase
