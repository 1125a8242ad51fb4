"""Whatever message is lost, the sweep does again what the request's state waits for; nothing is done twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from shared.db import Database
from shared.messages import CheckArrival, CheckOrder, PayOrder, SwapExecuted, SwapFailed
from shared.money import Ether
from tests.conftest import Postgres
from tests.integration.conductor_world import ETH_TX, USDT_TX, World, conductor_databases, unique_id_of


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def nothing_more_at_the_same_time(world: World) -> None:
    before, calls = world.everything(), world.sender.calls
    assert world.sweep().requests_redriven == 0
    assert world.everything() == before
    assert world.sender.calls == calls


def test_a_fleet_without_trouble_is_left_alone(world: World) -> None:
    world.take(world.a_batch())
    world.a_paying_batch()
    world.a_watched_batch()
    nothing_more_at_the_same_time(world)


def test_a_lost_check_is_asked_again_until_it_is_answered(world: World) -> None:
    asked = world.a_batch()
    world.take(asked)
    world.tasks()
    for number in (2, 3, 4):
        world.wait(minutes=2)
        assert world.sweep().requests_redriven == 1
        [(message, _)] = world.tasks()
        assert isinstance(message, CheckOrder)
        assert len(world.messages(CheckOrder)) == number
        nothing_more_at_the_same_time(world)
    assert world.story(asked) == ["request_received", "request_checking"]
    assert world.checked(asked).value == "paying"


def test_a_lost_pay_order_is_sent_again_while_there_is_no_transfer(world: World) -> None:
    asked = world.a_paying_batch()
    world.tasks()
    world.wait(minutes=2)
    world.sweep()
    [(message, _)] = world.tasks()
    assert message == world.messages(PayOrder)[0]
    nothing_more_at_the_same_time(world)
    assert world.state(asked) == "paying"


@pytest.mark.parametrize("status", ["created", "approved", "reserved", "signed", "live", "included"])
def test_a_transfer_on_its_way_is_the_executors_and_no_pay_order_is_sent_again(world: World, status: str) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, status)
    world.tasks()
    world.wait(minutes=2)
    world.sweep()
    assert world.tasks() == []
    assert world.state(asked) == "paying"
    nothing_more_at_the_same_time(world)


def test_a_lost_report_of_a_settled_transfer_is_read_from_the_executors_row(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled")
    world.tasks()
    world.wait(minutes=2)
    world.sweep()
    assert world.state(asked) == "watching"
    assert world.request(asked)["eth_tx_hash"] == ETH_TX
    [(message, schedule_at)] = world.tasks()
    assert message == CheckArrival(unique_id_of(asked), asked.cn_api_id, 1)
    assert schedule_at == world.now + timedelta(seconds=15)
    nothing_more_at_the_same_time(world)


@pytest.mark.parametrize("status", ["held", "reverted", "cancelled", "foreign"])
def test_a_lost_report_of_another_end_is_read_from_the_executors_row(world: World, status: str) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, status)
    world.wait(minutes=2)
    world.sweep()
    assert world.state(asked) == "parked"
    assert len(world.messages(SwapFailed)) == 1
    nothing_more_at_the_same_time(world)


def test_a_held_transfer_that_settled_without_a_report_is_found(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "held")
    world.transferred(asked, "held", "")
    world.set_transfer(asked, "settled")
    world.wait(hours=24)
    world.sweep()
    assert world.state(asked) == "watching"


def test_a_lost_note_to_look_is_written_again_with_the_same_number(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    world.look(asked)
    world.tasks()
    world.wait(seconds=74)
    assert world.sweep().requests_redriven == 0
    world.wait(seconds=1)
    assert world.sweep().requests_redriven == 1
    [(message, schedule_at)] = world.tasks()
    assert message == CheckArrival(unique_id_of(asked), asked.cn_api_id, 2)
    assert schedule_at is None
    nothing_more_at_the_same_time(world)
    # The one that was thought lost comes as well: one of the two makes the look.
    assert world.look(asked, 2).next_look is not None
    assert world.look(asked, 2).next_look is None
    assert world.outstanding_looks(asked) == [3]


def test_a_lost_note_of_a_parked_request_is_written_again(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "verifying")
    world.look(asked)
    world.tasks()
    world.wait(minutes=2)
    world.sweep()
    [(message, _)] = world.tasks()
    assert message == CheckArrival(unique_id_of(asked), asked.cn_api_id, 2)
    world.says(asked, "finished", payout_hash=USDT_TX)
    world.pays_usdt()
    world.look(asked, 2)
    assert world.state(asked) == "reported"


def test_a_request_that_is_parked_without_a_transfer_is_not_driven_anywhere(world: World) -> None:
    asked = world.a_batch()
    world.take(asked)
    world.checked(asked, "mismatch")
    world.tasks()
    world.wait(days=3)
    world.sweep()
    assert world.tasks() == []
    assert world.state(asked) == "parked"
    nothing_more_at_the_same_time(world)


def test_messages_that_never_became_tasks_become_tasks_once(world: World) -> None:
    world.sender.be_away(3)
    world.take(world.a_batch())
    world.take(world.an_instant())
    world.sender.lose_answers()
    asked = world.a_batch()
    world.take(asked)
    world.wait(seconds=29)
    assert world.sweep().tasks_made == 0
    world.wait(seconds=1)
    made = world.sweep().tasks_made
    assert made <= 3
    world.wait(seconds=31)
    made += world.sweep().tasks_made
    names = [task.name for task in world.sender.tasks]
    assert len(names) == len(set(names)) == 3
    assert made == 3
    assert [row["n"] for row in world.rows("select count(*) as n from outbox where sent_at is null")] == [0]
    nothing_more_at_the_same_time(world)


def test_a_report_to_the_batcher_that_was_not_sent_is_sent_by_the_sweep(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "finished", payout_hash=USDT_TX)
    world.pays_usdt()
    world.tasks()
    world.sender.be_away()
    world.look(asked)
    assert world.tasks() == []
    world.wait(seconds=30)
    world.sweep()
    assert [type(message) for message, _ in world.tasks()] == [SwapExecuted]


def test_one_broken_request_is_told_and_does_not_stop_the_others(world: World) -> None:
    broken, whole = world.a_paying_batch(), world.a_paying_batch()
    world.a_transfer(broken, "settled", value_wei=1)
    world.write(
        "update hostpay_request set due_at = due_at - interval '1 hour' where unique_id = :id", id=unique_id_of(broken)
    )
    world.a_transfer(whole, "settled")
    world.wait(minutes=2)
    world.sweep()
    assert (world.state(broken), world.state(whole)) == ("paying", "watching")
    (alert,) = world.alerts("request_stuck")
    assert unique_id_of(broken) in alert
    nothing_more_at_the_same_time(world)
    world.wait(minutes=2)
    world.sweep()
    assert len(world.alerts("request_stuck")) == 1


def test_a_request_that_another_task_holds_is_passed_over_and_the_others_are_driven(world: World) -> None:
    busy, free = world.a_batch(), world.a_batch()
    world.take(busy)
    world.take(free)
    world.tasks()
    world.wait(minutes=2)
    with world.owner.transaction() as conn:
        conn.run("select 1 from hostpay_request where unique_id = :id for update", id=unique_id_of(busy))
        world.sweep()
    assert [message.unique_id for message, _ in world.tasks() if isinstance(message, CheckOrder)] == [
        unique_id_of(free)
    ]
    world.sweep()
    assert [message.unique_id for message, _ in world.tasks() if isinstance(message, CheckOrder)] == [
        unique_id_of(busy)
    ]


def test_more_than_one_sweeps_worth_of_requests_is_driven_in_turn(world: World) -> None:
    for _ in range(3):
        world.take(world.a_batch())
    world.write(
        """with copied as (insert into exchange_order (context, attempt_no, order_status, from_currency, from_network,
               to_currency, to_network, amount_wei, payout_address, cn_api_id, payin_address, key_alias, created_at,
               updated_at)
               select 'instant', 1, 'adopted', 'eth', 'eth', 'usdt', 'eth', 5, 'x', 'copy' || n,
                      '0x57f31ad4b64095347F87eDB1675566DAfF5EC886', 'k', :now, :now from generate_series(1, 100) n
               returning id, cn_api_id)
           insert into hostpay_request (unique_id, context, order_id, cn_api_id, amount_wei, payin_address,
               request_status, polls, created_at, updated_at, due_at)
           select cn_api_id, 'instant', id, cn_api_id, 5, 'x', 'parked', 0, :now, :now, :now from copied""",
        now=world.now,
    )
    world.tasks()
    world.wait(minutes=2)
    assert world.sweep().requests_redriven == 100  # the parked ones, longest overdue
    assert world.sweep().requests_redriven == 3
    assert len(world.tasks()) == 3
    assert world.sweep().requests_redriven == 0


# --- promise 7: nothing is late without a person knowing --------------------------------------------------------------


def test_a_request_that_is_late_is_told_with_amount_reason_and_whom_it_waits_for(world: World) -> None:
    asked = world.a_batch(Ether(10**16))
    world.take(asked)
    world.wait(minutes=5, seconds=59)
    assert world.sweep().requests_late == 0
    assert world.alerts("request_overdue") == []
    world.wait(seconds=1)
    assert world.sweep().requests_late == 1
    (alert,) = world.alerts("request_overdue")
    for part in (unique_id_of(asked), "0.01 ETH", "is checking since 2026-03-01T12:00:00", "waits for the watcher"):
        assert part in alert
    world.wait(minutes=10)
    world.sweep()
    assert len(world.alerts("request_overdue")) == 1


def test_looks_do_not_hide_that_an_order_is_watched_for_too_long(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    for _ in range(8):
        world.look(asked)
        world.sweep()
        world.wait(days=1)
    world.sweep()
    slow, late = world.alerts("request_overdue")
    assert "nothing has arrived since" in slow
    assert "is watching since 2026-03-01T12:00:00+00:00, which is too long" in late


def test_a_swap_of_more_than_six_hours_is_told_once_and_its_state_stays(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    world.wait(hours=5, minutes=59)
    world.sweep()
    assert world.alerts("request_overdue") == []
    world.wait(minutes=1)
    for _ in range(3):
        world.sweep()
        world.wait(hours=6)
    (alert,) = world.alerts("request_overdue")
    assert f"request {unique_id_of(asked)} over 0.04 ETH is paid, and nothing has arrived since 2026-03-01T12" in alert
    assert world.state(asked) == "watching"


def test_a_parked_request_is_called_to_mind_every_day(world: World) -> None:
    asked = world.a_batch()
    world.take(asked)
    world.checked(asked, "mismatch")
    for _ in range(24 * 3):
        world.wait(hours=1)
        world.sweep()
    assert len(world.alerts("request_overdue")) == 3
    assert "mismatch: the watcher's sentence" in world.alerts("request_overdue")[0]


def test_what_is_reported_is_never_late(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "finished", payout_hash=USDT_TX)
    world.pays_usdt()
    world.look(asked)
    world.wait(days=100)
    assert world.sweep().requests_late == 0
