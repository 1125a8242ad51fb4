"""ChangeNOW's answers, good and bad: what becomes of each, how often it is asked for, and what is never told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
import stamina
from pydantic import SecretStr, ValidationError

from shared.exchange import (
    ETH_TO_USDT,
    ChangeNow,
    Created,
    ExchangeSettings,
    ExchangeStatus,
    ExchangeUnreadable,
    Limits,
    NotFound,
    OrderMismatch,
    OrderRequest,
    OrderSeen,
    Pair,
    QuoteRefused,
    RefusalKind,
    RefusedByExchange,
    Unclear,
    Unreadable,
)
from shared.exchange.wire import MOST_BYTES
from shared.money import Ether, Price, Tether

KEY = "s3cret-partner-key"
URL = "https://api.changenow.io/v2"
ORDER_ID = "3a2360771439a3"
PAYIN = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"
HOST = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
REFUND = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
REQUEST = OrderRequest(ETH_TO_USDT, Ether.parse("0.05"), HOST, REFUND)

CREATED = (
    '{"id":"3a2360771439a3","fromAmount":0.05,"toAmount":165.558791,"flow":"standard","type":"direct",'
    f'"payinAddress":"{PAYIN}","payoutAddress":"{HOST}","fromCurrency":"eth","fromNetwork":"eth","toCurrency":"usdt",'
    f'"toNetwork":"eth","refundAddress":"{REFUND}","refundExtraId":"","payinExtraId":"","payoutExtraId":"",'
    '"validUntil":null}'
)
SEEN = (
    '{"id":"3a2360771439a3","status":"sending","actionsAvailable":false,"fromCurrency":"eth","fromNetwork":"eth",'
    '"toCurrency":"usdt","toNetwork":"eth","expectedAmountFrom":0.05,"expectedAmountTo":165.558791,"amountFrom":5e-2,'
    f'"amountTo":null,"payinAddress":"{PAYIN}","payoutAddress":"{HOST.lower()}","payinExtraId":null,'
    f'"payoutExtraId":null,"refundAddress":"{REFUND}","refundExtraId":null,"createdAt":"2026-11-24T11:49:07.139Z",'
    '"updatedAt":"2026-11-24T11:53:15.759Z","validUntil":null,"depositReceivedAt":"2026-11-24T11:50:47.122Z",'
    '"payinHash":"0x6703","payoutHash":null,"fromLegacyTicker":"eth","toLegacyTicker":"usdterc20","refundHash":null,'
    '"refundAmount":null,"userId":null,"relatedExchangesInfo":[],"repeatedExchangesInfo":[],"originalExchangeInfo":null}'
)
RANGE = '{"fromCurrency":"eth","flow":"standard","minAmount":0.0005906,"maxAmount":null}'
ESTIMATE = (
    '{"fromCurrency":"eth","flow":"standard","type":"direct","rateId":null,"validUntil":null,"warningMessage":null,'
    '"depositFee":0.00011,"withdrawalFee":0.7370513,"userId":null,"fromAmount":0.05,"toAmount":163.887476}'
)


@pytest.fixture
def exchange() -> ChangeNow:
    return ChangeNow(ExchangeSettings(changenow_api_key=SecretStr(KEY)))


@pytest.fixture
def remote() -> Iterator[responses.RequestsMock]:
    """ChangeNOW as a script; waits between tries take no time."""
    with responses.RequestsMock() as script, stamina.set_testing(True, attempts=4):
        yield script


def asked_body(remote: responses.RequestsMock) -> dict[str, Any]:
    body = remote.calls[0].request.body
    assert body is not None
    read: dict[str, Any] = json.loads(body)
    return read


# --- what is sent ---------------------------------------------------------------------------------------------------


def test_an_order_is_asked_for_in_plain_decimal_text_with_a_refund_address(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    remote.post(f"{URL}/exchange", CREATED)
    exchange.create(REQUEST)
    assert asked_body(remote) == {
        "fromCurrency": "eth",
        "fromNetwork": "eth",
        "toCurrency": "usdt",
        "toNetwork": "eth",
        "fromAmount": "0.05",
        "toAmount": "",
        "address": HOST,
        "extraId": "",
        "refundAddress": REFUND,
        "refundExtraId": "",
        "userId": "",
        "contactEmail": "",
        "flow": "standard",
        "type": "direct",
        "rateId": "",
    }


@pytest.mark.parametrize(
    ("wei", "text"),
    [(10**18, "1"), (50_000_000_000, "0.00000005"), (1, "0.000000000000000001"), (123 * 10**17, "12.3")],
)
def test_no_amount_is_ever_sent_as_a_float_or_with_an_exponent(
    exchange: ChangeNow, remote: responses.RequestsMock, wei: int, text: str
) -> None:
    remote.post(f"{URL}/exchange", "{}")
    exchange.create(OrderRequest(ETH_TO_USDT, Ether(wei), HOST, REFUND))
    assert asked_body(remote)["fromAmount"] == text


def test_the_key_travels_in_its_one_header_and_nowhere_else(
    exchange: ChangeNow, remote: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    remote.get(f"{URL}/exchange/by-id", SEEN)
    exchange.read(ORDER_ID)
    request = remote.calls[0].request
    carrying = [name for name, value in request.headers.items() if KEY in str(value)]
    assert carrying == ["x-changenow-api-key"]
    assert KEY not in str(request.url)
    assert KEY not in caplog.text + repr(exchange) + str(exchange)


def test_a_redirect_is_not_followed_because_it_would_carry_the_key(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    remote.post(f"{URL}/exchange", status=307, headers={"Location": "https://elsewhere.example/"})
    assert exchange.create(REQUEST) == Unclear("HTTP 307", maybe_created=True)
    assert len(remote.calls) == 1


def test_cookies_are_not_kept(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", SEEN, headers={"Set-Cookie": "session=1"})
    exchange.read(ORDER_ID)
    exchange.read(ORDER_ID)
    assert "Cookie" not in remote.calls[1].request.headers


def test_only_eth_on_ethereum_is_swapped(exchange: ChangeNow) -> None:
    with pytest.raises(ValueError, match="only ETH"):
        exchange.range(Pair("usdt", "eth", "eth", "eth"))


# --- creation -------------------------------------------------------------------------------------------------------


def test_an_answer_that_agrees_is_our_order(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.post(f"{URL}/exchange", CREATED)
    created = exchange.create(REQUEST)
    assert isinstance(created, Created)
    assert created.order.cn_api_id == ORDER_ID
    assert created.order.payin_address == PAYIN
    assert created.order.amount == REQUEST.amount
    assert created.order.expected_to_text == "165.558791"


def test_an_answer_that_differs_is_an_order_that_is_never_paid(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    remote.post(f"{URL}/exchange", CREATED.replace("0.05,", "0.5,").replace(HOST, PAYIN))
    created = exchange.create(REQUEST)
    assert isinstance(created, OrderMismatch)
    assert created.cn_api_id == ORDER_ID
    assert {one.field for one in created.mismatches} == {"fromAmount", "payoutAddress"}
    assert "fromAmount: asked 0.05, answered 0.5" in created.reason


def test_a_deposit_address_that_is_ours_is_never_accepted(remote: responses.RequestsMock) -> None:
    remote.post(f"{URL}/exchange", CREATED)
    exchange = ChangeNow(ExchangeSettings(changenow_api_key=SecretStr(KEY)), own_addresses=[PAYIN.lower()])
    created = exchange.create(REQUEST)
    assert isinstance(created, OrderMismatch)
    assert [one.field for one in created.mismatches] == ["payinAddress"]


UNCLEAR: dict[str, dict[str, Any]] = {
    "the server fails": {"body": "Internal Server Error", "status": 500},
    "a proxy answers": {"body": "<html>502</html>", "status": 502},
    "a proxy answers with 200": {"body": "<html>hello</html>", "status": 200},
    "half a JSON": {"body": CREATED[:100]},
    "nothing": {"body": ""},
    "a list": {"body": "[]"},
    "a field twice": {"body": '{"id":"aaaaaa","id":"bbbbbb"}'},
    "NaN": {"body": '{"id":"aaaaaa","fromAmount":NaN}'},
    "not UTF-8": {"body": b"\xff\xfe{}"},
    "nested without end": {"body": "[" * 100_000},
    "an error under 200": {"body": '{"error":"unknown","message":"Something went wrong"}'},
    "a request time-out": {"body": "", "status": 408},
    "too large": {"body": " " * (MOST_BYTES + 1)},
    "201": {"body": CREATED, "status": 201},
    "the read times out": {"body": requests.ReadTimeout(f"{KEY} read timed out")},
    "the connection is lost": {"body": requests.ConnectionError(f"{KEY} reset")},
    "the body is cut": {"body": requests.exceptions.ChunkedEncodingError("cut")},
}


@pytest.mark.parametrize("answer", UNCLEAR.values(), ids=UNCLEAR.keys())
def test_an_unclear_creation_is_asked_once_and_may_have_created(
    exchange: ChangeNow, remote: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    remote.post(f"{URL}/exchange", **answer)
    unclear = exchange.create(REQUEST)
    assert isinstance(unclear, Unclear)
    assert unclear.maybe_created
    assert KEY not in unclear.reason
    assert len(remote.calls) == 1


def test_a_connection_that_never_came_about_created_nothing(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    remote.post(f"{URL}/exchange", body=requests.ConnectTimeout("no"))
    assert exchange.create(REQUEST) == Unclear("no connection in time", maybe_created=False)
    assert len(remote.calls) == 1


REFUSED = [
    (400, '{"error":"deposit_too_small","message":"Out of min amount"}', RefusalKind.TOO_SMALL, True),
    (400, '{"error":"max_amount_exceeded","message":"max"}', RefusalKind.TOO_LARGE, True),
    (400, '{"error":"out_of_range","message":"Amount is less then minimal"}', RefusalKind.OUT_OF_RANGE, True),
    (400, '{"error":"pair_is_inactive","message":"Pair is inactive"}', RefusalKind.PAIR_INACTIVE, True),
    (400, '{"error":"not_valid_address","message":"no"}', RefusalKind.BAD_PAYOUT_ADDRESS, False),
    (400, '{"error":"not_valid_refund_address","message":"no"}', RefusalKind.BAD_REFUND_ADDRESS, False),
    (400, '{"error":"not_valid_params","message":"toCurrency is required"}', RefusalKind.BAD_REQUEST, False),
    (400, '{"error":"never_heard_of","message":"?"}', RefusalKind.BAD_REQUEST, False),
    (400, "not JSON", RefusalKind.BAD_REQUEST, False),
    (401, "Unauthorized", RefusalKind.KEY_REFUSED, False),
    (401, '{"error":"unauthorized","message":"Unauthorized"}', RefusalKind.KEY_REFUSED, False),
    (403, '{"error":"forbidden","message":"another api key"}', RefusalKind.KEY_REFUSED, False),
    (403, "<html>blocked</html>", RefusalKind.KEY_REFUSED, False),
    (429, "", RefusalKind.RATE_LIMITED, True),
]


@pytest.mark.parametrize(("status", "body", "kind", "may_pass"), REFUSED)
def test_a_refusal_created_nothing_and_says_what_kind_it_is(
    exchange: ChangeNow, remote: responses.RequestsMock, status: int, body: str, kind: RefusalKind, may_pass: bool
) -> None:
    remote.post(f"{URL}/exchange", body, status=status)
    refused = exchange.create(REQUEST)
    assert isinstance(refused, RefusedByExchange)
    assert (refused.kind, refused.kind.may_pass) == (kind, may_pass)
    assert len(remote.calls) == 1


def test_a_refusals_text_is_bounded_and_in_one_line(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.post(f"{URL}/exchange", json.dumps({"error": "x", "message": "long\n" * 1000}), status=400)
    refused = exchange.create(REQUEST)
    assert isinstance(refused, RefusedByExchange)
    assert len(refused.message) == 200
    assert "\n" not in refused.message


# --- reading an order -----------------------------------------------------------------------------------------------


def test_an_order_is_read_with_nulls_as_not_told(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", SEEN)
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert remote.calls[0].request.url == f"{URL}/exchange/by-id?id={ORDER_ID}"
    assert (seen.status, seen.known) == ("sending", ExchangeStatus.SENDING)
    assert (seen.expected_from, seen.amount_from) == (Ether.parse("0.05"), Ether.parse("0.05"))
    assert (seen.amount_to, seen.amount_to_text, seen.payout_hash, seen.refund_hash) == (None, None, None, None)
    assert (seen.payin_hash, seen.expected_to_text) == ("0x6703", "165.558791")
    assert seen.raw["amountFrom"] == "5e-2"
    assert json.loads(json.dumps(seen.raw))["expectedAmountFrom"] == "0.05"
    assert not seen.is_payable


def test_a_finished_order_tells_its_amount_to_the_unit(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    told = SEEN.replace('"sending"', '"finished"').replace('"amountTo":null', '"amountTo":165.540001')
    remote.get(f"{URL}/exchange/by-id", told.replace('"payoutHash":null', '"payoutHash":"0xd338"'))
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert (seen.known, seen.amount_to) == (ExchangeStatus.FINISHED, Tether.parse("165.540001"))
    assert seen.payout_hash == "0xd338"


@pytest.mark.parametrize("status", list(ExchangeStatus))
def test_every_known_status_is_recognised(
    exchange: ChangeNow, remote: responses.RequestsMock, status: ExchangeStatus
) -> None:
    remote.get(f"{URL}/exchange/by-id", SEEN.replace('"sending"', f'"{status}"'))
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert seen.known is status
    assert seen.is_payable is (status in (ExchangeStatus.NEW, ExchangeStatus.WAITING))


def test_an_unknown_status_is_a_word_without_a_meaning(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", SEEN.replace('"sending"', '"pondering"'))
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert (seen.status, seen.known) == ("pondering", None)


def test_amounts_of_another_asset_stay_text(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    told = SEEN.replace('"fromCurrency":"eth"', '"fromCurrency":"btc"').replace(
        '"toCurrency":"usdt"', '"toCurrency":"x"'
    )
    remote.get(f"{URL}/exchange/by-id", told.replace('"amountTo":null', '"amountTo":"1.5"'))
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert (seen.amount_from, seen.expected_from, seen.amount_to) == (None, None, None)
    assert seen.amount_to_text == "1.5"


def test_missing_optional_fields_are_not_told(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", json.dumps({"id": ORDER_ID, "status": "waiting"}))
    seen = exchange.read(ORDER_ID)
    assert isinstance(seen, OrderSeen)
    assert (seen.payin_address, seen.from_network, seen.expected_from) == (None, None, None)
    assert seen.is_payable


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "half a JSON": ({"body": SEEN[:200]}, "the answer is not JSON"),
    "a field twice": ({"body": '{"status":"finished",' + SEEN[1:]}, "the answer names a field twice"),
    "an error under 200": ({"body": '{"error":"unknown"}'}, "the answer is about another order"),
    "another order": ({"body": SEEN.replace(ORDER_ID, "ffffffffffffff")}, "the answer is about another order"),
    "no status": ({"body": SEEN.replace('"sending"', "null")}, "the answer has no status"),
    "a status that is a number": ({"body": SEEN.replace('"sending"', "7")}, "status is not a string"),
    "an amount that is a list": (
        {"body": SEEN.replace('"amountFrom":5e-2', '"amountFrom":[]')},
        "amountFrom is not an",
    ),
    "an amount that is true": (
        {"body": SEEN.replace('"amountFrom":5e-2', '"amountFrom":true')},
        "amountFrom is not an",
    ),
    "an endless amount": ({"body": SEEN.replace("5e-2", "1e400")}, "amountFrom: the amount is too large"),
    "a negative amount": ({"body": SEEN.replace("5e-2", "-5")}, "amountFrom: the amount must not be negative"),
    "the server fails": ({"body": "", "status": 500}, "HTTP 500"),
    "the read times out": ({"body": requests.ReadTimeout("x")}, "ReadTimeout"),
    "429": ({"body": "", "status": 429}, "rate_limited"),
    "a redirect": ({"body": "", "status": 302}, "HTTP 302"),
}


@pytest.mark.parametrize(("answer", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_an_order_that_cannot_be_read_is_looked_at_again_later(
    exchange: ChangeNow, remote: responses.RequestsMock, answer: dict[str, Any], reason: str
) -> None:
    remote.get(f"{URL}/exchange/by-id", **answer)
    unreadable = exchange.read(ORDER_ID)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.retry
    assert unreadable.reason.startswith(reason)


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_needs_a_person_and_is_not_asked_again(
    exchange: ChangeNow, remote: responses.RequestsMock, status: int
) -> None:
    remote.get(f"{URL}/exchange/by-id", '{"error":"forbidden","message":"made from another api key"}', status=status)
    assert exchange.read(ORDER_ID) == Unreadable("key_refused: forbidden: made from another api key", retry=False)
    assert len(remote.calls) == 1


def test_404_is_not_found_and_not_asked_again(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", '{"error":"not_found","message":"Exchange not found"}', status=404)
    assert exchange.read(ORDER_ID) == NotFound()
    assert len(remote.calls) == 1


def test_what_cannot_be_an_order_id_is_never_put_into_a_url(exchange: ChangeNow) -> None:
    for wrong in ("", "../admin", "a" * 65, "id with space", "ids&x=1"):
        assert exchange.read(wrong) == Unreadable("this cannot be an order id", retry=False)


def test_a_read_repeats_itself_until_it_is_answered(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", body=requests.ConnectionError("x"))
    remote.get(f"{URL}/exchange/by-id", "<html>", status=502)
    remote.get(f"{URL}/exchange/by-id", SEEN[:50])
    remote.get(f"{URL}/exchange/by-id", SEEN)
    assert isinstance(exchange.read(ORDER_ID), OrderSeen)
    assert len(remote.calls) == 4


def test_a_read_gives_up_after_four_tries(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/by-id", "", status=503)
    exchange.read(ORDER_ID)
    assert len(remote.calls) == 4


# --- limits and quotes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "maximum"),
    [
        (RANGE, None),
        (RANGE.replace("null", "0"), None),
        (RANGE.replace("null", "12.4"), Ether.parse("12.4")),
        (RANGE.replace("null", '"12.4"'), Ether.parse("12.4")),
    ],
)
def test_limits_are_read_exactly_and_no_ceiling_is_none(
    exchange: ChangeNow, remote: responses.RequestsMock, body: str, maximum: Ether | None
) -> None:
    remote.get(f"{URL}/exchange/range", body)
    assert exchange.range(ETH_TO_USDT) == Limits(Ether.parse("0.0005906"), maximum)


def test_limits_allow_both_ends() -> None:
    limits = Limits(Ether(5), Ether(9))
    assert [limits.allow(Ether(wei)) for wei in (4, 5, 9, 10)] == [False, True, True, False]
    assert Limits(Ether(5), None).allow(Ether(10**30))


def test_a_quote_is_what_arrives_with_the_fees_already_taken_off(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    remote.get(f"{URL}/exchange/estimated-amount", ESTIMATE)
    quote = exchange.estimate(ETH_TO_USDT, Ether.parse("0.05"))
    assert quote.expected == Tether.parse("163.887476")
    assert (quote.expected_text, quote.warning) == ("163.887476", None)
    assert "fromAmount=0.05&toAmount=&flow=standard&type=direct" in str(remote.calls[0].request.url)


def test_digits_beyond_a_usdt_unit_are_cut_not_rounded(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/estimated-amount", ESTIMATE.replace("163.887476", "163.8874769999"))
    quote = exchange.estimate(ETH_TO_USDT, Ether.parse("0.05"))
    assert (quote.expected.units, quote.expected_text) == (163_887_476, "163.8874769999")


def test_the_price_behind_a_quote_is_rounded_down(exchange: ChangeNow, remote: responses.RequestsMock) -> None:
    remote.get(f"{URL}/exchange/estimated-amount", ESTIMATE.replace("0.05,", "0.03,"))
    # 163.887476 / 0.03 = 5462.91586666...
    assert exchange.quote_price(ETH_TO_USDT, Ether.parse("0.03")) == Price(546_291_586_666, 8)


@pytest.mark.parametrize(
    "body",
    [
        ESTIMATE.replace("163.887476", "0"),
        ESTIMATE.replace("163.887476", "-1"),
        ESTIMATE.replace("163.887476", "null"),
        ESTIMATE.replace("163.887476", "{}"),
        ESTIMATE.replace("0.05,", "0.06,"),
        ESTIMATE.replace('"warningMessage":null', '"warningMessage":7'),
        "[]",
        "",
    ],
)
def test_a_quote_that_cannot_be_believed_is_no_quote(
    exchange: ChangeNow, remote: responses.RequestsMock, body: str
) -> None:
    remote.get(f"{URL}/exchange/estimated-amount", body)
    with pytest.raises(ExchangeUnreadable):
        exchange.estimate(ETH_TO_USDT, Ether.parse("0.05"))


@pytest.mark.parametrize("body", ["{}", '{"minAmount":null}', '{"minAmount":"abc"}', '{"minAmount":1e400}', "nope"])
def test_limits_that_cannot_be_read_are_no_limits(
    exchange: ChangeNow, remote: responses.RequestsMock, body: str
) -> None:
    remote.get(f"{URL}/exchange/range", body)
    with pytest.raises(ExchangeUnreadable):
        exchange.range(ETH_TO_USDT)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            400,
            '{"error":"deposit_too_small","message":"x","payload":{"range":{"minAmount":0.1}}}',
            RefusalKind.TOO_SMALL,
        ),
        (400, '{"error":"pair_is_inactive","message":"Pair is inactive"}', RefusalKind.PAIR_INACTIVE),
        (401, "Unauthorized", RefusalKind.KEY_REFUSED),
        (200, '{"error":"deposit_too_small","message":"x"}', RefusalKind.TOO_SMALL),
    ],
)
def test_a_refused_quote_says_why(
    exchange: ChangeNow, remote: responses.RequestsMock, status: int, body: str, kind: RefusalKind
) -> None:
    remote.get(f"{URL}/exchange/estimated-amount", body, status=status)
    with pytest.raises(QuoteRefused) as caught:
        exchange.estimate(ETH_TO_USDT, Ether.parse("0.05"))
    assert caught.value.kind is kind
    assert len(remote.calls) == 1


# --- settings -------------------------------------------------------------------------------------------------------


def test_the_key_prints_as_stars_and_the_defaults_are_the_real_exchange() -> None:
    settings = ExchangeSettings(changenow_api_key=SecretStr(KEY))
    assert (settings.changenow_api_url, settings.changenow_timeout_s) == (URL, 20)
    assert KEY not in repr(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"changenow_api_key": "key with\nnewline"}, "printable ASCII"),
        ({"changenow_api_key": " key"}, "printable ASCII"),
        ({"changenow_api_key": "kéy"}, "printable ASCII"),
        ({"changenow_api_url": "http://api.example/v2"}, "must be https"),
        ({"changenow_api_url": "ftp://api.example"}, "http"),
        ({"changenow_api_url": "https://api.example/v2?key=1"}, "without query"),
        ({"changenow_timeout_s": "0"}, "greater than or equal to 1"),
    ],
)
def test_bad_settings_are_told_without_the_key(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told) as caught:
        ExchangeSettings(**({"changenow_api_key": KEY} | changed))
    assert KEY not in str(caught.value)


def test_the_sandbox_may_speak_plain_http_to_loopback() -> None:
    settings = ExchangeSettings(changenow_api_key=SecretStr(KEY), changenow_api_url="http://127.0.0.1:9000/v2/")
    assert settings.changenow_api_url == "http://127.0.0.1:9000/v2"
