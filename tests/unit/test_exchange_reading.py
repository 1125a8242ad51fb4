"""Reading from ChangeNOW: orders, limits and quotes; how often it is asked, and what is never believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import responses
from pydantic import SecretStr, ValidationError

from shared.exchange import (
    ETH_TO_USDT,
    ChangeNow,
    ExchangeSettings,
    ExchangeStatus,
    ExchangeUnreadable,
    Limits,
    NotFound,
    OrderSeen,
    QuoteRefused,
    RefusalKind,
    Unreadable,
)
from shared.money import Ether, Price, Tether

from .changenow_samples import (
    ESTIMATE,
    KEY,
    ORDER_ID,
    RANGE,
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


# --- reading an order -----------------------------------------------------------------------------------------------


def test_the_orders_that_further_deposits_made_are_read_and_another_form_of_them_harms_nothing(
    exchange: ChangeNow, remote: responses.RequestsMock
) -> None:
    child = {"id": "child1", "status": "waiting", "createdAt": "2026-11-24T11:49:07.139", "amountFrom": 0.01}
    listed = f'"relatedExchangesInfo": [{json.dumps(child)}], "repeatedExchangesInfo": [{{"id": "child2"}}]'
    wrong = '"relatedExchangesInfo": [null, 7, {"id": 8}, {"id": "a b"}, {}], "repeatedExchangesInfo": {"id": "x"}'
    for told, children in ((listed, ("child1", "child2")), (wrong, ()), ('"relatedExchangesInfo": null', ())):
        remote.get(f"{URL}/exchange/by-id", f'{{"id": "{ORDER_ID}", "status": "sending", {told}}}')
        seen = exchange.read(ORDER_ID)
        assert isinstance(seen, OrderSeen)
        assert seen.children == children


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


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_order_of_the_key_before_is_read_with_it_whatever_the_status_of_the_refusal(
    remote: responses.RequestsMock, status: int
) -> None:
    remote.get(f"{URL}/exchange/by-id", '{"error":"forbidden","message":"made from another api key"}', status=status)
    remote.get(f"{URL}/exchange/by-id", SEEN)
    assert isinstance(an_exchange(previous="the-key-before").read(ORDER_ID), OrderSeen)
    assert [call.request.headers["x-changenow-api-key"] for call in remote.calls] == [KEY, "the-key-before"]


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
