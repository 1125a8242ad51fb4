"""The exchange simulator answers as ChangeNOW v2 documents it: pairs, quotes, refusals, orders."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal

import pytest

from shared.sandbox.chain.wallet import read
from shared.sandbox.exchange.market import Market
from shared.sandbox.exchange.numbers import AmountRefused, number, parse_amount, write_json

from .sandbox_exchange import OTHER_KEY, PAIR, PAYEE, REPOSITORY, Exchange, World, a_world

ROUND = ("uint80", "int256", "uint256", "uint256", "uint80")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("exchange")) as made:
        yield made


@pytest.fixture(scope="module")
def exchange(world: World) -> Iterator[Exchange]:
    with world.exchange("--feed", world.contracts.feed_address) as running:
        yield running


# --- numbers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [
        (0, 18, "0"),
        (40_000_000_000_000_000, 18, "0.04"),
        (1_000_000_000_000_000_000, 18, "1"),
        (120_500_000, 6, "120.5"),
        (100_000_000, 6, "100"),
        (10**12, 18, "0.000001"),
        (10**11, 18, "1e-7"),
        (572_000_000_000, 18, "5.72e-7"),
        (1, 18, "1e-18"),
        (1, 6, "0.000001"),
        (-48_500_000, 6, "-48.5"),
    ],
)
def test_amounts_are_printed_as_javascript_prints_them(units: int, decimals: int, text: str) -> None:
    assert number(units, decimals).text == text
    assert Decimal(text).scaleb(decimals) == units
    assert write_json({"amount": number(units, decimals)}) == f'{{"amount":{text}}}'


def test_a_float_never_reaches_the_wire() -> None:
    with pytest.raises(TypeError):
        write_json({"amount": 0.04})


def test_requested_amounts_keep_eight_decimals() -> None:
    assert parse_amount("0.034000009", 18, kept=8) == 34_000_000_000_000_000
    for text in ("5e-05", "-1", "+1", "NaN", "1.", ".5", "", "1,5", "0x1"):
        with pytest.raises(AmountRefused):
            parse_amount(text, 18)


def test_the_cost_of_a_payout_is_the_smallest_step_that_pays_it() -> None:
    market = Market(price_micros=2_500_000_000, margin_ppm=30_000, withdrawal_fee_units=740_000)
    wei = market.cost_wei(97_000_000, "fixed-rate")
    assert market.payout_units(wei, "fixed-rate") >= 97_000_000 > market.payout_units(wei - 10**10, "fixed-rate")


# --- what can be exchanged ------------------------------------------------------------------------------------------


def test_the_token_is_listed_with_its_contract_and_public_without_a_key(exchange: Exchange) -> None:
    listed = exchange.get("/exchange/currencies", key=None, active="true").json
    by_ticker = {(row["ticker"], row["network"]): row for row in listed}
    assert by_ticker["usdt", "eth"]["tokenContract"] == exchange.contracts.usdt_address.lower()
    assert by_ticker["usdt", "eth"]["legacyTicker"] == "usdterc20"
    assert by_ticker["eth", "eth"]["tokenContract"] is None


def test_only_eth_to_usdt_is_an_active_pair(exchange: Exchange) -> None:
    assert exchange.get("/exchange/available-pairs", **PAIR).json == [
        PAIR | {"flow": {"standard": True, "fixed-rate": True}}
    ]
    assert exchange.get("/exchange/available-pairs", fromCurrency="btc").json == []
    turned = exchange.get("/exchange/range", fromCurrency="usdt", toCurrency="eth", fromNetwork="eth", toNetwork="eth")
    assert (turned.status, turned.json["error"]) == (400, "pair_is_inactive")
    unknown = exchange.get("/exchange/range", **(PAIR | {"toCurrency": "t"}))
    assert (unknown.status, unknown.json) == (
        400,
        {"error": "not_valid_params", "message": "Currency t is not supported"},
    )


def test_the_standard_flow_has_a_minimum_and_no_ceiling(exchange: Exchange) -> None:
    assert exchange.get("/exchange/range", **PAIR).text == (
        '{"fromCurrency":"eth","fromNetwork":"eth","toCurrency":"usdt","toNetwork":"eth","flow":"standard",'
        '"minAmount":0.0006,"maxAmount":null}'
    )
    assert exchange.get("/exchange/min-amount", **PAIR).json["minAmount"] == Decimal("0.0006")
    fixed = exchange.get("/exchange/range", **PAIR, flow="fixed-rate").json
    assert (fixed["minAmount"], fixed["maxAmount"]) == (Decimal("0.0012"), 12)


def test_an_estimate_is_price_less_margin_in_raw_numbers(exchange: Exchange) -> None:
    assert exchange.estimate("0.04").text == (
        '{"fromCurrency":"eth","fromNetwork":"eth","toCurrency":"usdt","toNetwork":"eth","flow":"standard",'
        '"type":"direct","rateId":null,"validUntil":null,"transactionSpeedForecast":"10-60","warningMessage":null,'
        '"depositFee":0,"withdrawalFee":0,"userId":null,"fromAmount":0.04,"toAmount":97}'
    )
    assert exchange.estimate("0.00123457").json["toAmount"] == Decimal("2.993832")


def test_estimates_out_of_range_come_with_the_range(exchange: Exchange) -> None:
    small = exchange.estimate("0.0005")
    assert (small.status, small.json) == (
        400,
        {
            "error": "deposit_too_small",
            "message": "Out of min amount",
            "payload": {"range": {"minAmount": Decimal("0.0006"), "maxAmount": None}},
        },
    )
    large = exchange.estimate("13", flow="fixed-rate")
    assert (large.status, large.json["error"]) == (400, "max_amount_exceeded")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"fromAmount": ""}, "not_valid_params"),
        ({"fromAmount": "5e-05"}, "not_valid_params"),
        ({"fromAmount": "-1"}, "not_valid_params"),
        ({"fromAmount": "0"}, "not_valid_params"),
        ({"fromAmount": "1", "flow": "slow"}, "not_valid_params"),
        ({"toAmount": "97", "type": "reverse"}, "bad_params"),
    ],
)
def test_nonsense_is_refused_with_an_envelope(exchange: Exchange, query: dict[str, str], error: str) -> None:
    heard = exchange.get("/exchange/estimated-amount", **PAIR, **query)
    assert (heard.status, heard.json["error"], set(heard.json)) == (400, error, {"error", "message"})


def test_addresses_are_validated_by_network(exchange: Exchange) -> None:
    good = exchange.get("/validate/address", key=None, currency="eth", address=PAYEE)
    assert (good.status, good.json) == (200, {"result": True, "message": None, "isActivated": None})
    for wrong in (PAYEE[:-1], PAYEE.swapcase().replace("0X", "0x"), "hello"):
        heard = exchange.get("/validate/address", currency="eth", address=wrong)
        assert (heard.status, heard.json["result"]) == (200, False)
    assert exchange.get("/validate/address", currency="doge", address=PAYEE).status == 400


# --- who may ask ----------------------------------------------------------------------------------------------------


def test_a_missing_key_is_refused_in_plain_text_and_a_wrong_one_in_json(exchange: Exchange) -> None:
    missing = exchange.get("/exchange/range", key=None, **PAIR)
    assert (missing.status, missing.text) == (401, "Unauthorized")
    assert missing.content_type.startswith("text/plain")
    wrong = exchange.get("/exchange/range", key="somebody", **PAIR)
    assert (wrong.status, wrong.json) == (401, {"error": "unauthorized", "message": "Unauthorized"})


def test_an_order_is_readable_with_the_key_that_made_it(exchange: Exchange) -> None:
    order_id = exchange.create().json["id"]
    foreign = exchange.by_id(order_id, key=OTHER_KEY)
    assert (foreign.status, foreign.json) == (
        403,
        {"error": "forbidden", "message": "The transaction was made from another api key"},
    )
    unknown = exchange.by_id("00000000000000")
    assert (unknown.status, unknown.json) == (404, {"error": "not_found", "message": "Exchange not found"})


def test_permissions_can_be_taken_away_and_given_back(exchange: Exchange) -> None:
    exchange.control("POST", "/permissions", {"range": False, "list": False, "estimate": False})
    assert exchange.get("/exchange/range", **PAIR).status == 403
    assert exchange.estimate("0.04").status == 403
    assert exchange.get("/exchanges").json == {
        "error": "invalid_api_key",
        "message": "Use private key for this endpoint",
    }
    assert exchange.get("/exchange/min-amount", **PAIR).status == 200
    exchange.control("POST", "/permissions", {"range": True, "list": True, "estimate": True})
    assert exchange.get("/exchange/range", **PAIR).status == 200


# --- orders ---------------------------------------------------------------------------------------------------------


def test_creating_answers_in_the_documented_shape_without_a_status(exchange: Exchange) -> None:
    heard = exchange.create("0.034")
    order = heard.json
    assert heard.status == 200
    assert list(order) == [
        "id",
        "fromAmount",
        "toAmount",
        "flow",
        "type",
        "payinAddress",
        "payoutAddress",
        "fromCurrency",
        "fromNetwork",
        "toCurrency",
        "toNetwork",
        "refundAddress",
        "refundExtraId",
        "payinExtraId",
        "payoutExtraId",
        "validUntil",
    ]
    assert '"fromAmount":0.034,"toAmount":82.45,' in heard.text
    assert (order["payoutAddress"], order["refundAddress"]) == (PAYEE, exchange.payer.address)
    assert (len(order["id"]), order["id"].lower()) == (14, order["id"])
    shown = exchange.by_id(order["id"]).json
    assert (shown["status"], shown["payoutAddress"]) == ("waiting", PAYEE.lower())
    assert (shown["expectedAmountFrom"], shown["expectedAmountTo"]) == (Decimal("0.034"), Decimal("82.45"))
    nulls = ("amountFrom", "amountTo", "payinHash", "payoutHash", "depositReceivedAt", "validUntil", "refundHash")
    assert [shown[name] for name in nulls] == [None] * len(nulls)
    assert shown["createdAt"].endswith("Z")


def test_two_equal_requests_make_two_orders_with_two_addresses(exchange: Exchange) -> None:
    first, second = exchange.create().json, exchange.create().json
    assert first["id"] != second["id"]
    assert first["payinAddress"] != second["payinAddress"]
    assert exchange.rpc.call("eth_getCode", first["payinAddress"], "latest") == "0x"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"fromAmount": "0.0005"}, "out_of_range"),
        ({"fromAmount": "5e-05"}, "not_valid_params"),
        ({"fromAmount": None}, "not_valid_params"),
        ({"fromNetwork": ""}, "not_valid_params"),
        ({"address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC887"}, "not_valid_address"),
        ({"refundAddress": "nowhere"}, "not_valid_refund_address"),
        ({"type": "reverse", "toAmount": "97"}, "bad_params"),
        ({"toCurrency": "btc", "toNetwork": "btc"}, "pair_is_inactive"),
        ({"flow": "fixed-rate"}, "not_valid_params"),
        ({"flow": "fixed-rate", "rateId": "bm90aGluZw=="}, "rate_id_not_found_or_expired"),
    ],
)
def test_an_impossible_order_is_refused_and_not_made(exchange: Exchange, change: dict[str, str], error: str) -> None:
    before = len(exchange.control("GET", "/orders")["orders"])
    heard = exchange.create(**change)
    assert (heard.status, heard.json["error"]) == (400, error)
    assert len(exchange.control("GET", "/orders")["orders"]) == before


def test_a_minimum_is_told_in_their_words(exchange: Exchange) -> None:
    assert exchange.create("0.0005").json["message"] == "Amount is less then minimal: 0.0006 ETH"


def test_bodies_that_are_no_json_object_are_refused(exchange: Exchange) -> None:
    bodies: list[object] = [[], "text", 7]
    for body in bodies:
        assert exchange.post("/exchange", body).json["error"] == "not_valid_params"


def test_orders_are_listed_for_their_partner_by_payout_address(exchange: Exchange) -> None:
    address = "0x00000000000000000000000000000000000000B1"
    order_id = exchange.create(address=address.lower()).json["id"]
    heard = exchange.get("/exchanges", payoutAddress=address)
    [row] = heard.json["exchanges"]
    assert (heard.json["count"], row["requestId"], row["status"]) == (1, order_id, "waiting")
    assert (row["payin"]["expectedAmount"], row["payin"]["amount"]) == (Decimal("0.04"), None)
    assert not row["createdAt"].endswith("Z")
    assert exchange.get("/exchanges", OTHER_KEY, payoutAddress=address).json["exchanges"] == []
    assert exchange.get("/exchanges", payoutAddress=address, statuses="finished").json["exchanges"] == []
    assert exchange.get("/exchanges", dateFrom="2100-01-01T00:00:00.000Z").json["exchanges"] == []


def test_special_fields_are_dropped_unless_they_are_enabled(exchange: Exchange) -> None:
    dropped = exchange.create(userId="u1", payload={"ref": "x"}).json["id"]
    assert exchange.by_id(dropped).json["userId"] is None
    exchange.control("POST", "/permissions", {"special_fields": True})
    kept = exchange.create(userId="u1", payload={"ref": "x"}).json["id"]
    exchange.control("POST", "/permissions", {"special_fields": False})
    assert exchange.by_id(kept).json["userId"] == "u1"
    assert exchange.get("/exchanges", requestId=kept).json["exchanges"][0]["partnerInfo"]["payload"] == {"ref": "x"}


def test_one_price_sets_quote_payout_and_feed(exchange: Exchange) -> None:
    feed = exchange.contracts.feed_address
    exchange.control("POST", "/price", {"usd_per_eth": "2600.5"})
    assert exchange.estimate("0.04").json["toAmount"] == Decimal("100.8994")
    deadline = time.monotonic() + 5
    while read(exchange.rpc, feed, "latestRoundData()", returns=ROUND)[1] != 260_050_000_000:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    exchange.control("POST", "/price", {"usd_per_eth": "2500"})


def test_over_thirty_calls_a_second_are_refused(world: World) -> None:
    with world.exchange("--calls-per-second", "30") as exchange:
        statuses = [exchange.get("/exchange/range", **PAIR).status for _ in range(60)]
        assert (statuses[0], set(statuses)) == (200, {200, 429})
        assert exchange.get("/exchange/range", OTHER_KEY, **PAIR).status == 200
        time.sleep(1.1)
        assert exchange.get("/exchange/range", **PAIR).status == 200


def test_without_its_chain_it_says_so_and_does_not_start() -> None:
    command = [sys.executable, "-m", "shared.sandbox.exchange", "--rpc", "http://127.0.0.1:9", "--usdt", PAYEE]
    done = subprocess.run([*command, "--api-key", "k"], cwd=REPOSITORY, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "the exchange needs its chain: http://127.0.0.1:9 does not answer\n"


def test_it_needs_a_key_for_its_partners() -> None:
    command = [sys.executable, "-m", "shared.sandbox.exchange", "--rpc", "http://127.0.0.1:9", "--usdt", PAYEE]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "--api-key" in done.stderr
