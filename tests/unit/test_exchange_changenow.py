"""Opening an order at ChangeNOW: what is sent, what becomes of each answer, and what is never told."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses

from shared.exchange import (
    ETH_TO_USDT,
    ChangeNow,
    Created,
    OrderMismatch,
    OrderRequest,
    Pair,
    RefusalKind,
    RefusedByExchange,
    Unclear,
)
from shared.exchange.wire import MOST_BYTES
from shared.money import Ether

from .changenow_samples import (
    CREATED,
    HOST,
    KEY,
    ORDER_ID,
    PAYIN,
    REFUND,
    REQUEST,
    SEEN,
    URL,
    an_exchange,
    scripted,
)


@pytest.fixture
def exchange() -> ChangeNow:
    return an_exchange()


@pytest.fixture
def remote() -> Iterator[responses.RequestsMock]:
    with scripted() as script:
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
    created = an_exchange(PAYIN.lower()).create(REQUEST)
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
