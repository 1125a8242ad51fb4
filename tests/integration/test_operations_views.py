"""What people see: one matter in one screen under any of its ids, everything that waits, and how the fleet is doing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.db import Database
from shared.ops.acts import pause
from shared.ops.views import Explanation
from tests.integration.operations_world import Operations
from tests.integration.test_fence_across_services import is_paid_once


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> Operations:
    return Operations.of(database, database_as)


def screen(explained: Explanation) -> str:
    lines = list(explained.lines())
    assert len(lines) <= 40, "one screen"
    return "\n".join(lines)


def test_a_matter_is_found_by_each_of_its_ids(world: Operations) -> None:
    batch = world.a_batch()
    order = world.fleet.batcher.adopted(batch)["cn_api_id"]
    is_paid_once(world.fleet, order_statuses=["adopted"])
    (tx_hash,) = world.fleet.column("select tx_hash from attempt")
    kinds = {}
    for name in ("payment-1", str(batch), str(batch).upper(), order, f"batch_{batch}", tx_hash):
        explained = world.explain(name)
        kinds[name] = explained.kind
        assert "exchange: 0.04 ETH was paid for order" in explained.money
        assert any("watching" in part.state.value for part in explained.parts)
        assert {row["event"] for row in explained.story} >= {"batch_claimed", "order_adopted", "transfer_settled"}
    assert list(kinds.values()) == ["payment", "batch", "batch", "order", "request", "transaction"]


def test_a_pending_payment_says_what_it_waits_for_and_until_when(world: Operations) -> None:
    world.fleet.batcher.payments("60")
    explained = world.explain("payment-1")
    text = screen(explained)
    assert "payment pending: the pending total has not reached the threshold" in text
    assert "0.024 ETH came in and is not swapped yet" in text
    assert "the scheduler's next tick over the threshold" in text
    assert explained.allowed == []


def test_a_held_transfer_says_the_rule_the_owner_and_what_is_allowed(world: Operations) -> None:
    batch, request = world.a_held_transfer()
    explained = world.explain(batch)
    text = screen(explained)
    assert "transfer held: over_transfer_limit" in text
    assert "on       a person, since 2026-03-01" in text
    assert f"gcpay approve held {request}" in explained.allowed
    assert f"gcpay approve void {request}" in explained.allowed
    assert any(command.startswith("gcpay abandon-order") for command in explained.allowed)
    assert explained.waits is not None
    assert explained.waits.until is not None


def test_money_on_its_way_is_told_with_its_nonce(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.executor.chain.drop_sends = True
    world.fleet.rest()
    explained = world.explain(batch)
    assert explained.money == "0.04 ETH is on its way on the chain with nonce 7"
    assert explained.allowed == [f"gcpay approve cancel batch_{batch}"]


def test_a_completed_batch_waits_for_nothing_and_its_usdt_is_owed(world: Operations) -> None:
    batch = world.a_batch()
    world.fleet.batcher.report(world.fleet.batcher.is_paid(batch, "97"))
    for name in (str(batch), "payment-2"):
        text = screen(world.explain(name))
        assert "host wallet, owed to the clients: 97.00 USDT arrived in" in text
        assert "waits    for nothing: it is final" in text
    assert "its share is 38.80 USDT" in screen(world.explain("payment-2"))


def test_a_pause_and_a_frozen_wallet_are_noted_beside_what_they_hold_up(world: Operations) -> None:
    batch, _ = world.a_held_transfer()
    world.do(pause("sending", None))
    world.freeze()
    text = screen(world.explain(batch))
    assert "sending is paused by Ada" in text
    assert "is frozen: a drill" in text


def test_what_is_allowed_is_what_the_acts_allow(world: Operations) -> None:
    batch = world.a_batch_with_spent_attempts()
    assert list(world.explain(batch).allowed) == [f"gcpay retry {batch}", f"gcpay release {batch}"]


def test_everything_that_waits_for_a_person_is_listed_with_reason_owner_age_and_evidence(world: Operations) -> None:
    batch, request = world.a_held_transfer()
    world.fleet.sweep()
    world.fleet.wait(hours=3)
    rows = {row.machine: row for row in world.parked()}
    assert set(rows) == {"batch", "request", "transfer"}
    assert rows["transfer"].name == request
    assert rows["transfer"].owner == "a person"
    assert f"gcpay approve held {request}" in rows["transfer"].allowed
    headline = rows["batch"].headline(world.fleet.now)
    assert headline.startswith(f"batch {batch} is parked, for 3 h")
    assert "over 100.00 USD / 0.04 ETH" in headline


def test_a_parked_payment_may_be_retried(world: Operations) -> None:
    world.a_parked_payment()
    (row,) = world.parked()
    assert (row.machine, row.name, row.reason) == ("payment", "payment-1", "it came as doge")
    assert row.allowed == ["gcpay retry payment-1"]
    assert row.since is None


def test_status_tells_total_threshold_batches_alerts_pauses_and_wallet(world: Operations) -> None:
    batch, _ = world.a_held_transfer()
    world.fleet.batcher.payments("5")
    world.fleet.batcher.tick()
    world.fleet.sweep()
    world.do(pause("intake", None))
    seen = world.status()
    text = "\n".join(seen.lines())
    assert "pending   5.00 USD in 1 payment(s); threshold 100.00 USD" in text
    assert f"{batch} parked" in text
    assert "intake by Ada" in text
    assert "is active, next nonce 7" in text
    assert "1 x transfer_held" in text
    assert "1 operation(s), the chain holds" in text
    assert seen.needs_somebody
    assert seen.as_json()["ok"] is False


def test_a_row_far_past_its_deadline_is_overdue(world: Operations) -> None:
    batch = world.a_batch()
    assert world.status().overdue == []
    world.fleet.wait(hours=1)
    assert [row["name"] for row in world.status().overdue] == [str(batch)]


def test_a_fleet_that_has_done_nothing_needs_nobody(world: Operations) -> None:
    seen = world.status()
    assert not seen.needs_somebody
    assert "the scheduler has not ticked yet" in "\n".join(seen.lines())
    assert world.parked() == []
