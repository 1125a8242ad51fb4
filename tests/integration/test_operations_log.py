"""The operator log notices what was done to it, and of two acts at once, or an act and a service, exactly one wins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from shared.db import Database, PermissionMissing
from shared.lifecycle import Reaction
from shared.ops.acts import Act, ChainBroken, NotAllowed, approve, pause, release, resume, retry
from tests.integration.operations_world import BY, Operations
from tests.integration.test_fence_across_services import is_paid_once


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> Operations:
    return Operations.of(database, database_as)


@pytest.fixture
def told(world: Operations) -> Operations:
    """Three entries."""
    world.do(pause("batching", None))
    world.do(resume("batching"), by="Grace")
    world.do(pause("intake", None))
    return world


def test_every_act_is_one_entry_that_says_who_why_and_what(told: Operations) -> None:
    assert told.verify() == 3
    first, second, _ = told.log()
    assert (first["by_whom"], first["database_role"], first["action"]) == (BY, "gcpay_operator", "pause")
    assert second["by_whom"] == "Grace"
    assert second["previous_hash"] == first["hash"]
    assert first["done"] == "batching is paused until somebody resumes it"


@pytest.mark.parametrize(
    ("tampering", "notice"),
    [
        ("update operator_log set by_whom = 'Mallory' where number = 2", "Entry 2 .* was changed"),
        ("update operator_log set reason = 'no' where number = 3", "Entry 3 .* was changed"),
        ("update operator_log set at = at + interval '1 second' where number = 1", "Entry 1 .* was changed"),
        ("update operator_log set done = done || ' twice' where number = 2", "Entry 2 .* was changed"),
        ("update operator_log set database_role = 'gcpay_owner' where number = 2", "Entry 2 .* was changed"),
        ("delete from operator_log where number = 2", "misses entry 2"),
        ("delete from operator_log where number = 1", "misses entry 1"),
        (
            "delete from operator_log where number = 2; update operator_log set number = 2 where number = 3",
            "Entry 2 .* does not follow entry 1",
        ),
    ],
)
def test_an_entry_that_was_changed_or_taken_out_is_noticed(told: Operations, tampering: str, notice: str) -> None:
    with told.owner.transaction() as conn:
        conn.script(tampering)
    with pytest.raises(ChainBroken, match=notice):
        told.verify()
    assert not told.status().log_holds
    assert told.status().needs_somebody


def test_entries_taken_off_the_end_are_missed_by_the_history_that_names_them(world: Operations) -> None:
    world.do(retry(world.a_parked_payment()))
    with world.owner.transaction() as conn:
        conn.run("delete from operator_log")
    with pytest.raises(ChainBroken, match="ends at entry 0, and other rows name entry 1"):
        world.verify()


@pytest.mark.parametrize("statement", ["update operator_log set reason = 'x'", "delete from operator_log"])
def test_an_operator_cannot_change_the_log(told: Operations, statement: str) -> None:
    with pytest.raises(PermissionMissing), told.operator.transaction() as conn:
        conn.run(statement)


def both(first: Callable[[], object], second: Callable[[], object]) -> list[object]:
    """Both at once; what each gave, or the error that it raised."""
    barrier = Barrier(2)

    def run(one: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return one()
        except Reaction as refused:
            return refused

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, (first, second)))


def _one_refused(outcomes: list[object]) -> bool:
    return sorted(isinstance(one, NotAllowed) for one in outcomes) == [False, True]


@pytest.mark.parametrize("act", [retry, release])
def test_of_two_operators_at_once_one_acts_and_the_other_is_told(world: Operations, act: Callable[[str], Act]) -> None:
    batch = str(world.a_batch_with_spent_attempts())
    assert _one_refused(both(lambda: world.do(act(batch)), lambda: world.do(act(batch), by="Grace")))
    assert world.verify() == 1


def test_retry_and_release_of_one_batch_at_once_leave_one_of_the_two(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    both(lambda: world.do(release(str(batch))), lambda: world.do(retry(str(batch)), by="Grace"))
    # A release after the retry is allowed: nothing was asked of the exchange yet. The other way round is not.
    assert world.batch_status(batch) in ("released", "pending")
    assert world.fleet.column("select count(*) from history where event = 'batch_released'")[0] <= 1
    world.fleet.batcher.tick()  # payments that were given back are in another batch now
    is_paid_once(world.fleet, order_statuses=["unknown"] * 5 + ["adopted"])
    assert world.verify() >= 1


def test_two_operators_ask_the_executor_once(world: Operations) -> None:
    _, request = world.a_held_transfer()
    ask = approve("held", request)
    assert _one_refused(both(lambda: world.do(ask), lambda: world.do(ask, by="Grace")))
    assert world.fleet.column("select count(*) from asked_approval") == [1]


@pytest.mark.parametrize("round_", range(4))
def test_a_release_against_the_batchers_sweep_never_leaves_an_order_for_a_released_batch(
    world: Operations, round_: int
) -> None:
    batch = world.a_batch_with_spent_attempts()
    world.do(retry(str(batch)))
    world.fleet.wait(seconds=1 + round_)
    both(world.fleet.batcher.sweep, lambda: world.do(release(str(batch))))
    open_orders = world.fleet.column(
        "select count(*) from exchange_order where order_status not in ('unknown', 'refused', 'abandoned')"
    )
    assert (world.batch_status(batch), open_orders) in [("released", [0]), ("swapping", [1])]
    live = world.fleet.column("select count(*) from batch_member where live")
    assert live == ([0] if world.batch_status(batch) == "released" else [2])


def test_a_retry_against_the_fence_ends_with_one_payment(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.verdict = "not_waiting"
    world.fleet.rest()
    assert world.batch_status(batch) == "pending"
    world.fleet.verdict = "payable"
    both(world.fleet.sweep, lambda: world.do(retry(f"batch_{batch}")))
    is_paid_once(world.fleet, order_statuses=["abandoned", "adopted"])


def test_an_approval_against_the_sweep_is_answered_once(world: Operations) -> None:
    _, request = world.a_held_transfer()
    world.do(approve("held", request))
    both(world.fleet.executor.sweep, world.fleet.executor.sweep)
    assert world.fleet.column("select outcome from asked_approval") == ["done"]
    assert world.fleet.column("select count(*) from approval") == [1]
    is_paid_once(world.fleet, order_statuses=["adopted"])


def test_a_row_that_a_service_holds_is_a_try_later_and_not_a_wrong_answer(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    with world.owner.transaction() as conn:
        conn.run("select 1 from batch_conversions for update")
        outcome = both(lambda: world.do(release(str(batch))), lambda: None)[0]
    assert isinstance(outcome, Reaction)
    assert not isinstance(outcome, NotAllowed)
    assert outcome.http_status == 503
    assert world.batch_status(batch) == "parked"
