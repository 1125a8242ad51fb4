"""An order at the exchange simulator, from the deposit on chain to the payout or the refund on chain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.sandbox.chain import DEPLOYER, EXCHANGE_WALLET
from shared.sandbox.chain.wallet import TRANSFER_TOPIC, Wallet, call_bytes

from .sandbox_exchange import PAYEE, Exchange, World, a_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("exchange")) as made:
        yield made


@pytest.fixture(scope="module")
def exchange(world: World) -> Iterator[Exchange]:
    with world.exchange("--feed", world.contracts.feed_address) as running:
        yield running


def test_a_deposit_walks_the_order_to_a_real_payout(exchange: Exchange) -> None:
    before = exchange.tokens_of(PAYEE)
    exchange.pin("stuck_verifying")  # holds it where the deposit is known and nothing is paid
    order = exchange.create("0.04").json
    tx_hash = exchange.pay(order["payinAddress"], 4 * 10**16)
    held = exchange.wait_until(order["id"], "verifying")
    assert (held["payinHash"], held["amountFrom"]) == (tx_hash, Decimal("0.04"))
    assert (held["amountTo"], held["payoutHash"]) == (None, None)
    exchange.pin("stuck_verifying", id=order["id"], seconds=0)
    finished = exchange.wait_until(order["id"], "finished")
    assert (finished["amountTo"], finished["actionsAvailable"]) == (97, False)
    receipt = exchange.rpc.call("eth_getTransactionReceipt", finished["payoutHash"])
    [transfer] = receipt["logs"]
    assert transfer["address"] == exchange.contracts.usdt_address.lower()
    assert transfer["topics"][0] == TRANSFER_TOPIC
    assert transfer["topics"][1][-40:] == EXCHANGE_WALLET.address[2:].lower()
    assert transfer["topics"][2][-40:] == PAYEE[2:].lower()
    assert int(transfer["data"], 16) == 97_000_000
    assert exchange.tokens_of(PAYEE) - before == 97_000_000


def test_states_come_in_order_and_never_go_back(exchange: Exchange) -> None:
    order_id = exchange.order_and_pay()
    exchange.wait_until(order_id, "finished")
    moves = [json.loads(line) for line in exchange.journal.splitlines()]
    mine = [move["status"] for move in moves if move.get("order") == order_id and move["event"] == "order_moved"]
    assert mine == ["confirming", "exchanging", "sending", "finished"]


def test_what_really_came_is_exchanged_to_the_wei(exchange: Exchange) -> None:
    order_id = exchange.order_and_pay("0.04", wei=50_000_000_000_000_001)
    finished = exchange.wait_until(order_id, "finished")
    assert finished["amountFrom"] == Decimal("0.050000000000000001")
    assert (finished["expectedAmountFrom"], finished["amountTo"]) == (Decimal("0.04"), Decimal("121.25"))


def test_below_the_minimum_the_order_fails_and_a_refund_can_be_asked_for(exchange: Exchange) -> None:
    order_id = exchange.order_and_pay("0.04", wei=500_000_000_000_000)
    failed = exchange.wait_until(order_id, "failed")
    assert failed["actionsAvailable"] is True
    actions = exchange.get("/exchange/actions", id=order_id).json
    assert actions["refund"] == {
        "available": True,
        "amount": "0.0005",
        "address": {"address": exchange.payer.address, "extraId": None},
        "additionalAddressList": [exchange.payer.address.lower()],
    }
    assert actions["continue"] == {"available": True, "currentEstimate": "1.2125"}
    stranger = exchange.post("/exchange/refund", {"id": order_id, "address": PAYEE})
    assert (stranger.status, stranger.json["error"]) == (400, "not_valid_refund_address")
    assert exchange.post("/exchange/refund", {"id": order_id, "address": exchange.payer.address}).json == {
        "result": True
    }
    refunded = exchange.wait_until(order_id, "refunded")
    assert refunded["refundAmount"] == Decimal("0.00039")
    tx = exchange.rpc.call("eth_getTransactionByHash", refunded["refundHash"])
    assert (tx["to"], int(tx["value"], 16)) == (exchange.payer.address.lower(), 390_000_000_000_000)
    again = exchange.post("/exchange/refund", {"id": order_id, "address": exchange.payer.address})
    assert (again.status, again.json["error"]) == (400, "not_available")


def test_a_failed_order_can_be_continued(exchange: Exchange) -> None:
    order_id = exchange.order_and_pay("0.04", wei=500_000_000_000_000)
    exchange.wait_until(order_id, "failed")
    assert exchange.post("/exchange/continue", {"id": order_id}).json["result"]["data"]["estimate"] == {
        "amount": Decimal("1.2125"),
        "currency": "usdt",
        "network": "eth",
    }
    assert exchange.wait_until(order_id, "finished")["amountTo"] == Decimal("1.2125")


def test_a_second_deposit_makes_a_child_and_leaves_the_original(exchange: Exchange) -> None:
    order = exchange.create("0.04").json
    exchange.pay(order["payinAddress"], 4 * 10**16)
    exchange.wait_until(order["id"], "finished")
    before = exchange.tokens_of(PAYEE)
    exchange.pay(order["payinAddress"], 10**16)
    deadline = time.monotonic() + 10
    while not (children := exchange.by_id(order["id"]).json["repeatedExchangesInfo"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [child] = children
    assert not child["createdAt"].endswith("Z")
    finished = exchange.wait_until(child["id"], "finished")
    assert finished["originalExchangeInfo"]["id"] == order["id"]
    assert (finished["amountTo"], exchange.tokens_of(PAYEE) - before) == (Decimal("24.25"), 24_250_000)
    original = exchange.by_id(order["id"]).json
    assert (original["status"], original["amountFrom"]) == ("finished", Decimal("0.04"))


def test_tokens_sent_to_a_deposit_address_are_a_related_exchange_that_failed(exchange: Exchange) -> None:
    order = exchange.create("0.04").json
    hot_wallet = Wallet(exchange.rpc, EXCHANGE_WALLET.private_key)
    hot_wallet.transfer_token(exchange.contracts.usdt_address, order["payinAddress"], 1_500_000)
    deadline = time.monotonic() + 10
    while not (children := exchange.by_id(order["id"]).json["relatedExchangesInfo"]):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    [child] = children
    assert (child["fromCurrency"], child["amountFrom"]) == ("usdt", Decimal("1.5"))
    exchange.wait_until(child["id"], "failed")
    assert exchange.by_id(order["id"]).json["status"] == "waiting"


def test_while_the_token_is_paused_the_payout_waits(exchange: Exchange) -> None:
    owner = Wallet(exchange.rpc, DEPLOYER.private_key)
    paused = owner.send(exchange.contracts.usdt_address, call=call_bytes("pause()"))
    exchange.rpc.wait_for_receipt(paused)
    order_id = exchange.order_and_pay()
    exchange.wait_until(order_id, "exchanging")
    time.sleep(1)
    assert exchange.by_id(order_id).json["status"] == "exchanging"
    owner.send(exchange.contracts.usdt_address, call=call_bytes("unpause()"))
    assert exchange.wait_until(order_id, "finished")["amountTo"] == 97


def test_a_fixed_rate_holds_once_and_pays_what_was_promised(world: World) -> None:
    with world.exchange("--time-scale", "300") as exchange:  # twenty minutes to pay are four seconds
        quote = exchange.estimate("0.04", flow="fixed-rate", useRateId="true").json
        assert (quote["toAmount"], quote["transactionSpeedForecast"]) == (96, None)
        assert len(quote["rateId"]) >= 120
        order = exchange.create("0.04", flow="fixed-rate", rateId=quote["rateId"]).json
        again = exchange.create("0.04", flow="fixed-rate", rateId=quote["rateId"])
        assert (again.status, again.json["error"]) == (400, "rate_id_not_found_or_expired")
        assert order["validUntil"].endswith("Z")
        exchange.pay(order["payinAddress"], 4 * 10**16)
        exchange.control("POST", "/price", {"usd_per_eth": "2000"})
        assert exchange.wait_until(order["id"], "finished")["amountTo"] == 96


def test_the_log_tells_the_story_and_no_key(exchange: Exchange) -> None:
    text = exchange.journal
    assert "order_created" in text
    assert "payout_sent" in text
    assert "test-key" not in text
    assert EXCHANGE_WALLET.private_key not in text


# --- the override for the first batch -------------------------------------------------------------------------------


def test_the_first_batch_is_quoted_and_paid_exactly_what_the_option_says(world: World) -> None:
    options = ("--first-payout-usdt", "8.5", "--first-payout-to", PAYEE)
    with world.exchange(*options) as exchange:
        before = exchange.tokens_of(PAYEE)
        assert exchange.estimate("0.0034034").json["toAmount"] == Decimal("8.5")
        # An order to somebody else does not use the override up.
        other = exchange.create("0.0034034", address="0x00000000000000000000000000000000000000b2").json
        assert other["toAmount"] == Decimal("8.253245")
        orphan = exchange.create("0.0034034").json
        retried = exchange.create("0.0034034").json
        assert orphan["toAmount"] == retried["toAmount"] == Decimal("8.5")
        assert exchange.estimate("0.0034034").json["toAmount"] == Decimal("8.5")
        assert exchange.estimate("0.02").json["toAmount"] == Decimal("48.5")
        exchange.pay(retried["payinAddress"], 3_403_400_000_000_000)
        assert exchange.wait_until(retried["id"], "finished")["amountTo"] == Decimal("8.5")
        assert exchange.tokens_of(PAYEE) - before == 8_500_000
        assert exchange.estimate("0.0034034").json["toAmount"] == Decimal("8.253245")
        assert exchange.create("0.0034034").json["toAmount"] == Decimal("8.253245")


# --- time -----------------------------------------------------------------------------------------------------------


def test_an_order_nobody_pays_expires_and_a_late_deposit_needs_a_person(world: World) -> None:
    with world.exchange("--time-scale", "100000") as exchange:
        order = exchange.create().json
        exchange.wait_until(order["id"], "expired")
        exchange.pay(order["payinAddress"], 4 * 10**16)
        failed = exchange.wait_until(order["id"], "failed")
        assert (failed["actionsAvailable"], failed["amountFrom"]) == (True, Decimal("0.04"))
        stale = exchange.estimate("0.04", flow="fixed-rate").json
        time.sleep(0.1)
        late = exchange.create("0.04", flow="fixed-rate", rateId=stale["rateId"])
        assert (late.status, late.json["error"]) == (400, "rate_id_not_found_or_expired")


def test_a_deposit_in_a_block_that_is_taken_back_has_not_come(world: World) -> None:
    with world.exchange("--confirmations", "1000") as exchange:
        exchange.rpc.call("anvil_mine", "0x1e")  # what earlier tests sent shall stay
        order = exchange.create().json
        exchange.pay(order["payinAddress"], 4 * 10**16)
        exchange.wait_until(order["id"], "confirming")
        exchange.rpc.call("anvil_reorg", 20, [])
        shown = exchange.wait_until(order["id"], "waiting")
        assert (shown["amountFrom"], shown["payinHash"], shown["depositReceivedAt"]) == (None, None, None)
        tx_hash = exchange.pay(order["payinAddress"], 4 * 10**16)
        assert exchange.wait_until(order["id"], "confirming")["payinHash"] == tx_hash
