"""Every fault of the exchange simulator does what it says, and what it says about money is true on the chain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from shared.sandbox.loopback import call_json

from .sandbox_exchange import PAIR, PAYEE, Exchange, NoAnswer, a_world

STRANGER = "0x000000000000000000000000000000000000dEaD"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with a_world(tmp_path_factory.mktemp("exchange")) as world, world.exchange() as exchange:
        yield exchange


@pytest.fixture
def exchange(running: Exchange) -> Iterator[Exchange]:
    """With an empty board before and after the test."""
    running.control("DELETE", "/faults")
    yield running
    left = running.control("DELETE", "/faults")
    assert left == {"faults": []}


def count_orders(exchange: Exchange) -> int:
    return len(exchange.control("GET", "/orders")["orders"])


# --- the answer is spoiled ------------------------------------------------------------------------------------------


def test_an_answer_can_be_lost_although_the_order_was_made(exchange: Exchange) -> None:
    before = count_orders(exchange)
    exchange.pin("drop_after_commit", route="create")
    with pytest.raises(NoAnswer):
        exchange.create()
    assert count_orders(exchange) == before + 1
    assert exchange.create().status == 200


def test_a_request_can_be_lost_before_anything_was_done(exchange: Exchange) -> None:
    before = count_orders(exchange)
    exchange.pin("drop_before_commit", route="create")
    with pytest.raises(NoAnswer):
        exchange.create()
    assert count_orders(exchange) == before


def test_a_500_can_hide_an_order_that_was_made(exchange: Exchange) -> None:
    before = count_orders(exchange)
    exchange.pin("error_after_commit", route="create")
    assert exchange.create().status == 500
    assert count_orders(exchange) == before + 1


def test_an_answer_can_come_late(exchange: Exchange) -> None:
    exchange.pin("delay", route="range", seconds=0.7)
    started = time.monotonic()
    assert exchange.get("/exchange/range", **PAIR).status == 200
    assert time.monotonic() - started >= 0.7


def test_a_proxy_can_answer_with_a_page(exchange: Exchange) -> None:
    exchange.pin("html_502", route="by-id")
    heard = exchange.by_id("anything")
    assert (heard.status, heard.content_type) == (502, "text/html")
    assert heard.text.startswith("<html>")


def test_json_can_be_cut_in_the_middle(exchange: Exchange) -> None:
    exchange.pin("truncated_json", route="create")
    heard = exchange.create()
    assert heard.status == 200
    with pytest.raises(json.JSONDecodeError):
        _ = heard.json


def test_a_connection_can_end_in_the_middle_of_the_body(exchange: Exchange) -> None:
    exchange.pin("cut_short", route="create")
    with pytest.raises(NoAnswer, match="IncompleteRead"):
        exchange.create()


def test_calls_can_be_refused_as_too_many(exchange: Exchange) -> None:
    exchange.pin("rate_limited", times=2)
    assert [exchange.estimate("0.04").status for _ in range(3)] == [429, 429, 200]


def test_a_pair_can_become_inactive(exchange: Exchange) -> None:
    exchange.pin("pair_inactive", route="create")
    heard = exchange.create()
    assert (heard.status, heard.json["error"]) == (400, "pair_is_inactive")


def test_a_200_can_carry_an_error(exchange: Exchange) -> None:
    exchange.pin("error_envelope_200", route="estimated-amount")
    heard = exchange.estimate("0.04")
    assert (heard.status, heard.json["error"]) == (200, "unknown")


def test_fields_can_be_missing_or_stand_twice(exchange: Exchange) -> None:
    exchange.pin("missing_fields", route="create", fields=["flow", "fromNetwork"])
    order = exchange.create().json
    assert not {"flow", "fromNetwork"} & set(order)
    exchange.pin("duplicate_keys", route="by-id")
    text = exchange.by_id(order["id"]).text
    assert text.count('"status"') == 2


# --- by-id is wrong for a while -------------------------------------------------------------------------------------


def test_a_new_order_can_be_unknown_for_some_seconds(exchange: Exchange) -> None:
    exchange.pin("not_found_after_create", seconds=2)
    order_id = exchange.create().json["id"]
    assert exchange.by_id(order_id).json == {"error": "not_found", "message": "Exchange not found"}
    time.sleep(2)
    assert exchange.by_id(order_id).json["status"] == "waiting"


def test_an_order_can_be_forgotten_for_some_answers(exchange: Exchange) -> None:
    order_id = exchange.create().json["id"]
    exchange.pin("forgotten_order", times=2)
    assert [exchange.by_id(order_id).status for _ in range(3)] == [404, 404, 200]


def test_a_word_nobody_knows_can_stand_as_status(exchange: Exchange) -> None:
    order_id = exchange.create().json["id"]
    exchange.pin("unknown_status", status="hold")
    assert [exchange.by_id(order_id).json["status"] for _ in range(2)] == ["hold", "waiting"]


def test_a_finished_order_can_be_without_amount_for_some_polls(exchange: Exchange) -> None:
    exchange.pin("null_amount_to", times=2)
    order_id = exchange.order_and_pay()
    amounts = [exchange.wait_until(order_id, "finished")["amountTo"] for _ in range(3)]
    assert amounts == [None, None, 97]


def test_an_answer_can_be_older_than_the_one_before(exchange: Exchange) -> None:
    order_id = exchange.order_and_pay()
    exchange.wait_until(order_id, "finished")
    exchange.pin("stale_read")
    stale = exchange.by_id(order_id).json
    assert (stale["status"], stale["payoutHash"]) == ("sending", None)
    assert exchange.by_id(order_id).json["status"] == "finished"


@pytest.mark.parametrize("seconds", [300, -300])
def test_the_clock_of_the_exchange_can_be_wrong(exchange: Exchange, seconds: int) -> None:
    order_id = exchange.create().json["id"]
    exchange.pin("clock_skew", seconds=seconds)
    skewed, right = (exchange.by_id(order_id).json for _ in range(2))
    for name in ("createdAt", "updatedAt"):
        moved = datetime.fromisoformat(skewed[name]) - datetime.fromisoformat(right[name])
        assert moved == timedelta(seconds=seconds)


# --- the order is wrong ---------------------------------------------------------------------------------------------


def test_an_order_can_name_another_payout_address(exchange: Exchange) -> None:
    exchange.pin("changed_payout_address")
    order = exchange.create().json
    assert order["payoutAddress"] == STRANGER
    assert exchange.by_id(order["id"]).json["payoutAddress"] == STRANGER.lower()
    assert exchange.create().json["payoutAddress"] == PAYEE


def test_an_order_can_name_a_malformed_deposit_address(exchange: Exchange) -> None:
    exchange.pin("malformed_payin_address")
    assert exchange.create().json["payinAddress"] == "0x1234"


def test_an_order_can_name_another_amount(exchange: Exchange) -> None:
    exchange.pin("wrong_amount", amount="0.4")
    order = exchange.create("0.04").json
    assert order["fromAmount"] == Decimal("0.4")
    assert exchange.by_id(order["id"]).json["expectedAmountFrom"] == Decimal("0.4")


def test_a_payout_can_be_short_by_one_unit_and_not_say_so(exchange: Exchange) -> None:
    before = exchange.tokens_of(PAYEE)
    exchange.pin("payout_short")
    order_id = exchange.order_and_pay()
    assert exchange.wait_until(order_id, "finished")["amountTo"] == 97
    assert exchange.tokens_of(PAYEE) - before == 96_999_999


def test_a_payout_hash_can_be_of_a_transaction_that_pays_somebody_else(exchange: Exchange) -> None:
    before, strangers = exchange.tokens_of(PAYEE), exchange.tokens_of(STRANGER)
    exchange.pin("foreign_payout")
    finished = exchange.wait_until(exchange.order_and_pay(), "finished")
    receipt = exchange.rpc.call("eth_getTransactionReceipt", finished["payoutHash"])
    assert receipt["status"] == "0x1"
    assert exchange.tokens_of(PAYEE) == before
    assert exchange.tokens_of(STRANGER) - strangers == 97_000_000


def test_a_payout_hash_can_be_of_a_transaction_that_reverted(exchange: Exchange) -> None:
    before = exchange.tokens_of(PAYEE)
    exchange.pin("reverted_payout")
    finished = exchange.wait_until(exchange.order_and_pay(), "finished")
    receipt = exchange.rpc.call("eth_getTransactionReceipt", finished["payoutHash"])
    assert (receipt["status"], receipt["logs"]) == ("0x0", [])
    assert exchange.tokens_of(PAYEE) == before


def test_an_order_can_be_verified_for_ever_and_then_be_released(exchange: Exchange) -> None:
    exchange.pin("stuck_verifying")
    order_id = exchange.order_and_pay()
    exchange.wait_until(order_id, "verifying")
    time.sleep(0.7)
    assert exchange.by_id(order_id).json["status"] == "verifying"
    exchange.pin("stuck_verifying", id=order_id, seconds=1)
    assert exchange.wait_until(order_id, "finished")["amountTo"] == 97


def test_a_verification_can_end_in_a_refund(exchange: Exchange) -> None:
    exchange.pin("stuck_verifying", seconds=100, then="refund")
    refunded = exchange.wait_until(exchange.order_and_pay(), "refunded")
    assert refunded["refundAmount"] == Decimal("0.03989")


def test_an_order_can_fail(exchange: Exchange) -> None:
    exchange.pin("failed")
    failed = exchange.wait_until(exchange.order_and_pay(), "failed")
    assert (failed["actionsAvailable"], failed["payoutHash"], failed["amountTo"]) == (True, None, None)


def test_an_order_can_be_refunded_on_chain_less_the_networks_fee(exchange: Exchange) -> None:
    exchange.pin("refunded")
    refunded = exchange.wait_until(exchange.order_and_pay(), "refunded")
    assert (refunded["amountTo"], refunded["payoutHash"]) == (None, None)
    assert refunded["refundAmount"] == Decimal("0.03989")
    tx = exchange.rpc.call("eth_getTransactionByHash", refunded["refundHash"])
    assert (tx["to"], int(tx["value"], 16)) == (exchange.payer.address.lower(), 39_890_000_000_000_000)


def test_without_a_refund_address_a_refund_fails(exchange: Exchange) -> None:
    exchange.pin("refunded")
    order_id = exchange.order_and_pay(refundAddress="")
    failed = exchange.wait_until(order_id, "failed")
    assert (failed["refundHash"], failed["actionsAvailable"]) == (None, True)


def test_a_fault_can_strike_an_order_that_exists(exchange: Exchange) -> None:
    first, second = exchange.create().json, exchange.create().json
    exchange.pin("failed", id=first["id"])
    for order in (first, second):
        exchange.pay(order["payinAddress"], 4 * 10**16)
    exchange.wait_until(first["id"], "failed")
    exchange.wait_until(second["id"], "finished")


# --- the board ------------------------------------------------------------------------------------------------------


def test_faults_are_listed_count_down_and_can_be_cleared(exchange: Exchange) -> None:
    exchange.pin("html_502", route="range", times=2)
    exchange.get("/exchange/range", **PAIR)
    [listed] = exchange.control("GET", "/faults")["faults"]
    assert (listed["name"], listed["route"], listed["times"]) == ("html_502", "range", 1)
    exchange.control("DELETE", "/faults")
    assert exchange.get("/exchange/range", **PAIR).status == 200


def test_a_fault_can_strike_by_chance(exchange: Exchange) -> None:
    exchange.pin("html_502", route="range", times=None, per_mille=500)
    statuses = {exchange.get("/exchange/range", **PAIR).status for _ in range(30)}
    exchange.control("DELETE", "/faults")
    assert statuses == {200, 502}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"name": "gremlins"}, "no fault 'gremlins'; known: "),
        ({"name": "delay", "minutes": 1}, "fault delay has no field 'minutes'; its own: seconds"),
        ({"name": "delay", "route": "moon"}, "no route 'moon'; known: "),
        ({"name": "delay", "times": 0}, "`times` is a whole number"),
        ({"name": "failed", "id": "00000000000000"}, "no order 00000000000000"),
    ],
)
def test_a_fault_that_is_not_understood_is_refused_with_what_is(
    exchange: Exchange, fault: dict[str, Any], told: str
) -> None:
    answer = call_json("POST", f"{exchange.process.ready['control']}/faults", fault)
    assert answer.status == 400
    assert str(answer.body["error"]).startswith(told)
