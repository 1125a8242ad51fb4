"""The conductor takes a request once, and only if message, rows, exchange and limits agree; else nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from GCHostPay1.take_request import (
    AboveLimit,
    OrderNotAdopted,
    OrderNotReadable,
    OrderUnknown,
    RequestBusy,
    RequestContradicts,
    SourceNotEther,
)
from shared.db import Database
from shared.exchange import NotFound, Unreadable
from shared.lifecycle import Reaction, RequestState
from shared.messages import CheckOrder, InstantPayout, PayBatch
from shared.money import Ether
from shared.sandbox.chain import HOST_WALLET
from tests.conftest import Postgres
from tests.integration.conductor_world import (
    DEPOSIT,
    SOME_ETH,
    STRANGER,
    USDT_WALLET,
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


def refused(world: World, asked: PayBatch | InstantPayout, error: type[Reaction], says: str | None = None) -> None:
    """Taking it raises this error, and no row of any table is another than before."""
    before = world.everything()
    with pytest.raises(error, match=says):
        world.take(asked)
    assert world.everything() == before
    assert world.sender.tasks == []


# --- a batch ----------------------------------------------------------------------------------------------------------


def test_a_batch_request_is_checking_and_the_watcher_is_asked_in_the_same_commit(world: World) -> None:
    asked = world.a_batch()
    taken = world.take(asked)
    assert (taken.status, taken.duplicate) == (RequestState.CHECKING, False)
    request = world.request(asked)
    assert request["unique_id"] == f"batch_{asked.batch_conversion_id}"
    assert (request["amount_wei"], request["payin_address"]) == (SOME_ETH.wei, DEPOSIT)
    assert request["due_at"] == world.now + timedelta(minutes=2)
    assert world.story(asked) == ["request_received", "request_checking"]
    [(message, schedule_at)] = world.tasks()
    assert schedule_at is None
    assert message == CheckOrder(
        unique_id_of(asked), asked.cn_api_id, "eth", "eth", "usdt", "eth", SOME_ETH.wei, DEPOSIT, USDT_WALLET
    )


def test_a_repeated_batch_request_is_answered_as_it_stands_and_writes_nothing(world: World) -> None:
    asked = world.a_paying_batch()
    before = world.everything()
    taken = world.take(asked)
    assert (taken.status, taken.duplicate) == (RequestState.PAYING, True)
    assert world.everything() == before


def test_twenty_deliveries_at_once_are_one_request_and_no_refusal(world: World) -> None:
    asked = world.a_batch()
    with ThreadPoolExecutor(20) as pool:
        taken = list(pool.map(lambda _: world.take(asked), range(20)))
    assert sorted(one.duplicate for one in taken) == [False] + [True] * 19
    assert world.count("hostpay_request") == 1
    assert len(world.messages(CheckOrder)) == 1
    assert len(world.sender.tasks) == 1
    assert world.story(asked) == ["request_received", "request_checking"]


def test_the_address_may_come_in_lower_case(world: World) -> None:
    asked = world.a_batch()
    assert world.take(replace(asked, payin_address=DEPOSIT.lower())).status is RequestState.CHECKING


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"amount_wei": SOME_ETH.wei + 1}, "amount"),
        ({"amount_wei": SOME_ETH.wei - 1}, "amount"),
        ({"payin_address": STRANGER}, "deposit address"),
        ({"payin_address": DEPOSIT.swapcase().replace("0X", "0x")}, "deposit address"),  # a wrong checksum
    ],
)
def test_a_request_that_differs_from_our_order_is_refused(world: World, changed: dict[str, Any], says: str) -> None:
    refused(world, replace(world.a_batch(), **changed), RequestContradicts, says)


def test_a_difference_is_refused_also_when_the_request_was_taken_before(world: World) -> None:
    asked = world.a_paying_batch()
    world.tasks()
    refused(world, replace(asked, amount_wei=asked.amount_wei + 1), RequestContradicts, "amount")


def test_an_order_of_another_batch_or_of_nobody_is_refused(world: World) -> None:
    one, other = world.a_batch(), world.a_batch()
    refused(world, replace(one, cn_api_id=other.cn_api_id), OrderUnknown)
    refused(world, replace(one, cn_api_id="nobodysorder01"), OrderUnknown)
    refused(world, replace(one, batch_conversion_id=str(uuid4())), OrderUnknown)


@pytest.mark.parametrize("status", ["created", "held", "failed", "expired", "finished", "refunded", "abandoned"])
def test_only_an_adopted_order_is_taken(world: World, status: str) -> None:
    refused(world, world.a_batch(order_status=status), OrderNotAdopted, status)


@pytest.mark.parametrize("source", [("btc", "btc"), ("usdt", "eth"), ("eth", "arbitrum"), ("eth", "bsc")])
def test_only_ether_on_ethereum_is_taken(world: World, source: tuple[str, str]) -> None:
    currency, network = source
    refused(world, replace(world.a_batch(), from_currency=currency, from_network=network), SourceNotEther)
    refused(world, replace(world.an_instant(), from_currency=currency, from_network=network), SourceNotEther)


def test_an_order_row_of_another_source_is_not_taken_for_ether(world: World) -> None:
    refused(world, world.a_batch(from_currency="etc"), SourceNotEther)


def test_the_transfer_limit_holds_to_the_wei(world: World) -> None:
    world.with_terms(max_transfer=SOME_ETH)
    assert world.take(world.a_batch(SOME_ETH)).status is RequestState.CHECKING
    world.tasks()
    refused(world, world.a_batch(SOME_ETH + Ether(1)), AboveLimit, "MAX_TRANSFER_ETH")


def test_a_limit_that_was_lowered_does_not_refuse_the_repeat_of_what_was_taken(world: World) -> None:
    batch, instant = world.a_batch(), world.an_instant()
    world.take(batch)
    world.take(instant)
    world.with_terms(max_transfer=Ether(1), instant_max=Ether(1))
    assert world.take(batch).duplicate
    assert world.take(instant).duplicate


def test_a_second_order_of_a_batch_whose_request_stands_is_refused(world: World) -> None:
    first = world.a_batch()
    world.take(first)
    world.write("update exchange_order set order_status = 'abandoned' where cn_api_id = :id", id=first.cn_api_id)
    world.write(
        """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
               from_network, to_currency, to_network, amount_wei, payout_address, cn_api_id, payin_address, key_alias,
               created_at, updated_at)
           select context, batch_conversion_id, 2, 'adopted', from_currency, from_network, to_currency, to_network,
                  amount_wei, payout_address, 'secondorder001', payin_address, key_alias, created_at, updated_at
             from exchange_order"""
    )
    world.tasks()
    refused(world, replace(first, cn_api_id="secondorder001"), RequestContradicts, first.cn_api_id)


def test_request_history_and_message_are_one_commit_that_needs_no_task_service(world: World) -> None:
    world.sender.be_away()
    assert world.take(world.a_batch()).status is RequestState.CHECKING
    assert world.sender.tasks == []
    (written,) = world.rows(
        """select count(distinct id) as commits from (select xmin::text as id from hostpay_request
           union all select xmin::text from history union all select xmin::text from outbox) as written"""
    )
    assert written["commits"] == 1
    (row,) = world.rows("select sent_at from outbox")
    assert row["sent_at"] is None


# --- an instant payout ------------------------------------------------------------------------------------------------


def test_an_instant_payout_is_stored_as_it_was_read_and_checked_like_a_batch(world: World) -> None:
    asked = world.an_instant()
    taken = world.take(asked)
    assert (taken.unique_id, taken.status, taken.duplicate) == (asked.unique_id, RequestState.CHECKING, False)
    order = world.order(asked)
    assert (order["context"], order["order_status"], order["batch_conversion_id"]) == ("instant", "adopted", None)
    assert (order["payin_address"], order["payout_address"]) == (DEPOSIT, STRANGER)
    assert (order["amount_wei"], order["key_alias"]) == (SOME_ETH.wei, "primary")
    assert (world.request(asked)["context"], world.state(asked)) == ("instant", "checking")
    assert world.story(asked, "order") == ["order_adopted"]
    assert world.story(asked) == ["request_received", "request_checking"]
    assert [message.payin_address for message in world.messages(CheckOrder)] == [DEPOSIT]


def test_a_repeated_instant_payout_reads_nothing_and_writes_nothing(world: World) -> None:
    asked = world.an_instant()
    world.take(asked)
    before, reads = world.everything(), world.exchange.reads
    taken = world.take(asked)
    assert (taken.duplicate, taken.status) == (True, RequestState.CHECKING)
    assert world.everything() == before
    assert world.exchange.reads == reads


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"expected_from": SOME_ETH + Ether(1)}, "amount"),
        ({"expected_from": SOME_ETH - Ether(1)}, "amount"),
        ({"expected_from": None}, "amount is None"),
        ({"payin_address": STRANGER}, "deposit address"),
        ({"payin_address": None}, "deposit address"),
        ({"payin_address": "bc1qnoaddressofours"}, "deposit address"),
        ({"payin_extra_id": "memo 7"}, "memo"),
        ({"status": "confirming"}, "not waiting"),
        ({"status": "finished"}, "not waiting"),
        ({"status": "expired"}, "not waiting"),
        ({"status": "a_new_word"}, "not waiting"),
        ({"from_currency": "btc", "expected_from": None}, "not ETH"),
        ({"from_currency": None}, "not ETH"),
        ({"from_network": "arbitrum"}, "not ETH"),
        ({"payout_address": USDT_WALLET.lower()}, "payout address is our own"),
        ({"payout_address": HOST_WALLET.address}, "payout address is our own"),
    ],
)
def test_an_instant_order_that_differs_is_refused(world: World, seen: dict[str, Any], says: str) -> None:
    refused(world, world.an_instant(**seen), RequestContradicts, says)


@pytest.mark.parametrize("own", [HOST_WALLET.address, USDT_WALLET])
def test_an_instant_order_whose_deposit_address_is_our_own_wallet_is_refused(world: World, own: str) -> None:
    asked = world.an_instant(payin_address=own.lower())
    refused(world, replace(asked, payin_address=own), RequestContradicts, "own wallet")


@pytest.mark.parametrize("reading", [NotFound(), Unreadable("HTTP 502", retry=True), Unreadable("key", retry=False)])
def test_an_order_that_is_not_shown_now_is_asked_for_again(world: World, reading: Any) -> None:
    asked = world.an_instant()
    shown, world.exchange.told[asked.cn_api_id] = world.exchange.told[asked.cn_api_id], reading
    with pytest.raises(OrderNotReadable) as raised:
        world.take(asked)
    assert raised.value.http_status == 503
    assert world.count("exchange_order") == world.count("hostpay_request") == world.count("outbox") == 0
    world.exchange.told[asked.cn_api_id] = shown
    assert world.take(asked).status is RequestState.CHECKING


def test_the_instant_limit_holds_to_the_wei(world: World) -> None:
    world.with_terms(instant_max=SOME_ETH)
    assert world.take(world.an_instant(SOME_ETH)).status is RequestState.CHECKING
    world.tasks()
    refused(world, world.an_instant(SOME_ETH + Ether(1)), AboveLimit, "INSTANT_MAX_ETH")


def test_the_order_of_a_batch_is_not_paid_as_an_instant_payout(world: World) -> None:
    batch = world.a_batch()
    theft = InstantPayout("up-1", batch.cn_api_id, "eth", "eth", batch.amount_wei, DEPOSIT)
    refused(world, theft, RequestContradicts, "another request")


def test_an_order_that_was_taken_is_not_paid_again_under_another_name(world: World) -> None:
    asked = world.an_instant()
    world.take(asked)
    world.tasks()
    refused(world, replace(asked, unique_id="up-another-name"), RequestContradicts, "another request")


def test_one_name_is_not_used_for_two_orders(world: World) -> None:
    asked, other = world.an_instant(), world.an_instant()
    world.take(asked)
    world.tasks()
    refused(world, replace(other, unique_id=asked.unique_id), RequestContradicts, asked.cn_api_id)


def test_a_repeat_with_another_amount_or_address_is_refused(world: World) -> None:
    asked = world.an_instant()
    world.take(asked)
    world.tasks()
    refused(world, replace(asked, amount_wei=asked.amount_wei + 1), RequestContradicts, "amount")
    refused(world, replace(asked, payin_address=STRANGER), RequestContradicts, "deposit address")


def test_an_upstream_cannot_name_the_request_of_a_batch(world: World) -> None:
    asked = world.an_instant()
    with pytest.raises(Reaction, match="must not begin with batch_"):
        replace(asked, unique_id="batch_11111111-2222-3333-4444-555555555555")


def test_two_instant_tasks_at_once_are_one_order_and_one_request(world: World) -> None:
    asked = world.an_instant()

    def take(_: int) -> str:
        try:
            return str(world.take(asked).duplicate)
        except RequestBusy as busy:
            return busy.code

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(take, range(8)))
    assert outcomes.count("False") == 1
    assert set(outcomes) <= {"False", "True", "request_busy"}
    assert world.count("exchange_order") == world.count("hostpay_request") == 1
    assert len(world.messages(CheckOrder)) == 1
    assert world.take(asked).duplicate


def test_a_task_that_is_overtaken_while_it_reads_is_told_to_come_again(world: World) -> None:
    asked = world.an_instant()

    def other_is_faster() -> None:
        world.exchange.while_reading = None
        world.take(asked)

    world.exchange.while_reading = other_is_faster
    with pytest.raises(RequestBusy) as raised:
        world.take(asked)
    assert raised.value.http_status == 503
    assert world.take(asked).duplicate
    assert world.count("exchange_order") == 1


def test_one_name_used_for_two_orders_at_once_leaves_no_order_behind(world: World) -> None:
    asked, other = world.an_instant(), world.an_instant()
    other = replace(other, unique_id=asked.unique_id)

    def other_is_faster() -> None:
        world.exchange.while_reading = None
        world.take(other)

    world.exchange.while_reading = other_is_faster
    with pytest.raises(RequestContradicts):
        world.take(asked)
    assert [row["cn_api_id"] for row in world.rows("select cn_api_id from exchange_order")] == [other.cn_api_id]


@pytest.mark.parametrize(
    "payout",
    ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8", "7s3Kq" + "x" * 90],
)
def test_a_payout_to_another_chain_is_taken_and_checked(world: World, payout: str) -> None:
    asked = world.an_instant(to_currency="BTC", to_network="btc", payout_address=payout)
    world.take(asked)
    (check,) = world.messages(CheckOrder)
    assert (check.to_currency, check.payout_address) == ("btc", payout)


def test_what_the_exchange_leaves_out_of_the_other_side_does_not_hinder(world: World) -> None:
    asked = world.an_instant(to_network=None, from_network=None)
    assert world.take(asked).status is RequestState.CHECKING


@pytest.mark.parametrize(
    "odd",
    [{"to_currency": "US DT"}, {"to_network": "x" * 21}, {"payout_address": "an address"}, {"payout_address": "é"}],
)
def test_an_order_whose_other_side_cannot_be_checked_is_refused(world: World, odd: dict[str, Any]) -> None:
    refused(world, world.an_instant(**odd), RequestContradicts, "cannot be checked")
