"""What watcher and executor report moves a request once; only the executor's own rows say how a transfer ended."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from GCHostPay1.hear_check import hear_check
from GCHostPay1.hear_transfer import TransferNotFinal
from GCHostPay1.take_request import OrderUnknown, RequestContradicts
from shared.db import Database
from shared.lifecycle import IllegalTransition, RequestState
from shared.messages import CheckArrival, OrderChecked, PayBatch, PayOrder, SwapFailed
from tests.conftest import Postgres
from tests.integration.conductor_world import (
    DEPOSIT,
    ETH_TX,
    SOME_ETH,
    STRANGER,
    TRACE,
    USDT_TX,
    World,
    conductor_databases,
    unique_id_of,
)


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def a_checking(world: World) -> PayBatch:
    asked = world.a_batch()
    world.take(asked)
    world.tasks()
    return asked


# --- the watcher's answer ---------------------------------------------------------------------------------------------


def test_a_payable_order_is_paid_next_by_a_message_of_the_same_commit(world: World) -> None:
    asked = a_checking(world)
    assert world.checked(asked) is RequestState.PAYING
    assert world.story(asked)[-1] == "request_paying"
    [(message, schedule_at)] = world.tasks()
    assert schedule_at is None
    assert message == PayOrder(unique_id_of(asked), "batch", asked.cn_api_id, "eth", "eth", SOME_ETH.wei, DEPOSIT)


def test_an_instant_order_is_paid_in_its_own_context(world: World) -> None:
    asked = world.an_instant()
    world.take(asked)
    assert world.checked(asked) is RequestState.PAYING
    assert [order.context for order in world.messages(PayOrder)] == ["instant"]


def test_twenty_answers_at_once_ask_the_executor_once(world: World) -> None:
    asked = a_checking(world)
    with ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda _: world.checked(asked), range(20)))
    assert set(states) == {RequestState.PAYING}
    assert len(world.messages(PayOrder)) == 1
    assert len(world.sender.tasks) == 1
    assert world.story(asked).count("request_paying") == 1


@pytest.mark.parametrize("verdict", ["not_found", "unclear"])
def test_an_order_that_is_not_shown_decides_nothing(world: World, verdict: str) -> None:
    asked = a_checking(world)
    before = world.everything()
    assert world.checked(asked, verdict) is RequestState.CHECKING
    assert world.everything() == before
    world.wait(minutes=10, seconds=1)
    assert world.sweep().requests_redriven == 1
    assert world.checked(asked) is RequestState.PAYING


def test_a_reading_that_is_hours_old_pays_nothing_and_the_sweep_has_the_order_read_again(world: World) -> None:
    asked = a_checking(world)
    read_at = world.now
    world.wait(minutes=10, seconds=1)
    before = world.everything()
    assert world.checked(asked, read_at=read_at) is RequestState.CHECKING
    assert world.everything() == before
    assert world.sweep().requests_redriven == 1
    assert world.checked(asked) is RequestState.PAYING


def test_bad_news_does_not_get_better_with_age(world: World) -> None:
    asked = a_checking(world)
    read_at = world.now
    world.wait(hours=5)
    assert world.checked(asked, "mismatch", read_at=read_at) is RequestState.PARKED


@pytest.mark.parametrize("verdict", ["not_waiting", "mismatch"])
def test_an_order_that_must_not_be_paid_waits_for_a_person_and_the_batcher_knows(world: World, verdict: str) -> None:
    asked = a_checking(world)
    assert world.checked(asked, verdict) is RequestState.PARKED
    assert world.request(asked)["reason"] == f"{verdict}: the watcher's sentence"
    (alert,) = world.alerts("request_parked")
    assert unique_id_of(asked) in alert
    assert verdict in alert
    (told,) = world.messages(SwapFailed)
    assert (told.batch_conversion_id, told.refund_tx_hash) == (asked.batch_conversion_id, "")
    assert world.messages(PayOrder) == []
    assert len(world.tasks()) == 1
    before = world.everything()
    assert world.checked(asked, verdict) is RequestState.PARKED
    assert world.checked(asked, "payable") is RequestState.PARKED
    assert world.everything() == before


def test_an_instant_payout_that_must_not_be_paid_has_no_batcher_to_tell(world: World) -> None:
    asked = world.an_instant()
    world.take(asked)
    assert world.checked(asked, "mismatch") is RequestState.PARKED
    assert world.alerts() == ["request_parked"]
    assert world.messages(SwapFailed) == []


@pytest.mark.parametrize("verdict", ["payable", "not_waiting", "mismatch", "not_found"])
def test_after_payment_was_asked_the_watchers_answers_change_nothing(world: World, verdict: str) -> None:
    paying, watched, reported = world.a_paying_batch(), world.a_watched_batch(), world.a_watched_batch()
    world.pays_usdt()
    world.says(reported, "finished", payout_hash=USDT_TX)
    world.look(reported)
    before = world.everything()
    assert world.checked(paying, verdict) is RequestState.PAYING
    assert world.checked(watched, verdict) is RequestState.WATCHING
    assert world.checked(reported, verdict) is RequestState.REPORTED
    assert world.everything() == before


def test_an_answer_about_nobody_or_another_order_is_refused(world: World) -> None:
    asked, other = a_checking(world), a_checking(world)
    before = world.everything()
    nobody = OrderChecked("batch_11111111-2222-3333-4444-555555555555", asked.cn_api_id, "payable", "waiting", "")
    with pytest.raises(OrderUnknown):
        hear_check(world.c, nobody, world.now, world.now, TRACE)
    with pytest.raises(RequestContradicts):
        hear_check(world.c, replace(nobody, unique_id=unique_id_of(other)), world.now, world.now, TRACE)
    assert world.everything() == before


# --- the executor's report --------------------------------------------------------------------------------------------


def test_a_settled_transfer_is_watched_and_the_first_look_is_due_in_fifteen_seconds(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled")
    world.tasks()
    assert world.transferred(asked) is RequestState.WATCHING
    request = world.request(asked)
    assert (request["eth_tx_hash"], request["watching_since"], request["polls"]) == (ETH_TX, world.now, 0)
    [(note, schedule_at)] = world.tasks()
    assert note == CheckArrival(unique_id_of(asked), asked.cn_api_id, 1)
    assert schedule_at == world.now + timedelta(seconds=15)
    assert request["due_at"] == world.now + timedelta(seconds=75)
    assert world.story(asked)[-1] == "request_watching"


def test_twenty_reports_at_once_leave_one_note_to_look(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled")
    with ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda _: world.transferred(asked), range(20)))
    assert set(states) == {RequestState.WATCHING}
    assert len(world.messages(CheckArrival)) == 1
    assert world.story(asked).count("request_watching") == 1


@pytest.mark.parametrize("status", ["created", "approved", "reserved", "signed", "live", "included"])
def test_a_report_does_not_settle_what_the_executors_row_does_not(world: World, status: str) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, status)
    before = world.everything()
    with pytest.raises(TransferNotFinal) as raised:
        world.transferred(asked)
    assert raised.value.http_status == 503
    assert world.everything() == before


def test_a_settled_row_without_a_proof_is_believed_by_nobody(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled", tx_hash=None)
    with pytest.raises(RequestContradicts):
        world.transferred(asked)
    world.wait(minutes=3)
    world.sweep()
    assert world.state(asked) == "paying"
    assert world.alerts() == ["request_stuck"]


@pytest.mark.parametrize(
    ("said", "row", "says"),
    [
        ({"tx_hash": "0x" + "77" * 32}, {}, "transaction is 0x7777"),
        ({"amount_wei": SOME_ETH.wei + 1}, {}, "amount is 0.040000000000000001"),
        ({}, {"value_wei": SOME_ETH.wei - 1}, "amount is 0.039999999999999999"),
        ({}, {"cn_api_id": "anotherorder01"}, "order is anotherorder01"),
        ({}, {"to_address": STRANGER}, "address is"),
    ],
)
def test_a_report_that_contradicts_the_rows_changes_nothing(
    world: World, said: dict[str, Any], row: dict[str, Any], says: str
) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled", **row)
    before = world.everything()
    with pytest.raises(RequestContradicts, match=says):
        world.transferred(asked, **said)
    assert world.everything() == before


@pytest.mark.parametrize(
    "row", [{"value_wei": SOME_ETH.wei - 1}, {"cn_api_id": "anotherorder01"}, {"to_address": STRANGER}]
)
def test_the_sweep_does_not_follow_a_transfer_that_is_not_the_requests(world: World, row: dict[str, Any]) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled", **row)
    world.wait(minutes=3)
    world.sweep()
    assert world.state(asked) == "paying"
    assert world.alerts() == ["request_stuck"]


def test_a_report_without_a_transfer_is_refused(world: World) -> None:
    with pytest.raises(RequestContradicts, match="no transfer"):
        world.transferred(world.a_paying_batch())


@pytest.mark.parametrize("status", ["held", "reverted", "cancelled", "foreign"])
def test_a_transfer_that_ended_otherwise_waits_for_a_person_and_the_batcher_knows(world: World, status: str) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, status)
    assert world.transferred(asked, status) is RequestState.PARKED
    assert f"its transfer is {status}" in world.request(asked)["reason"]
    assert world.alerts() == ["request_parked"]
    assert [told.refund_tx_hash for told in world.messages(SwapFailed)] == [""]
    assert world.messages(CheckArrival) == []
    before = world.everything()
    assert world.transferred(asked, status) is RequestState.PARKED
    assert world.everything() == before


def test_a_transfer_that_will_never_get_a_nonce_does_not_leave_the_request_paying_for_ever(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "void")
    world.wait(minutes=3)
    world.sweep()
    assert world.state(asked) == "abandoned"
    assert len(world.messages(SwapFailed)) == 1


def test_the_row_counts_and_not_the_word_of_the_message(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "settled")
    assert world.transferred(asked, "reverted", "0x" + "77" * 32) is RequestState.WATCHING
    assert world.request(asked)["eth_tx_hash"] == ETH_TX


def test_a_held_transfer_that_settles_later_is_watched(world: World) -> None:
    asked = world.a_paying_batch()
    world.a_transfer(asked, "held")
    world.transferred(asked, "held", "")
    world.set_transfer(asked, "settled")
    assert world.transferred(asked) is RequestState.WATCHING
    assert world.request(asked)["reason"] is None
    assert world.outstanding_looks(asked) == [1]
    assert world.transferred(asked, "held", "") is RequestState.WATCHING  # the older report, late
    assert world.story(asked)[-2:] == ["request_parked", "request_watching"]


def test_a_late_report_does_not_unpark_an_order_that_is_stuck_at_the_exchange(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "verifying")
    world.look(asked)
    before = world.everything()
    assert world.transferred(asked) is RequestState.PARKED
    assert world.everything() == before


def test_a_report_after_the_end_changes_nothing(world: World) -> None:
    asked = world.a_watched_batch()
    world.pays_usdt()
    world.says(asked, "finished", payout_hash=USDT_TX)
    world.look(asked)
    before = world.everything()
    assert world.transferred(asked) is RequestState.REPORTED
    assert world.everything() == before


def test_a_report_before_payment_was_asked_breaks_loudly_and_changes_nothing(world: World) -> None:
    asked = a_checking(world)
    world.a_transfer(asked, "settled")
    before = world.everything()
    with pytest.raises(IllegalTransition, match="cannot happen to a request that is checking"):
        world.transferred(asked)
    assert world.everything() == before
