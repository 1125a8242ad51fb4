"""An order is ours only if no field of the answer contradicts the request."""

from __future__ import annotations

from typing import Any

import pytest

from shared.exchange import ETH_TO_USDT, OrderRequest, check_created, is_order_id
from shared.exchange.words import NumberText, Unreadable, object_in
from shared.money import Ether

PAYIN = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"
HOST = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
REFUND = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
REQUEST = OrderRequest(ETH_TO_USDT, Ether.parse("0.05"), HOST, REFUND)


def an_answer(**changed: Any) -> dict[str, object]:
    answer = {
        "id": "3a2360771439a3",
        "fromAmount": NumberText("0.05"),
        "toAmount": NumberText("165.5"),
        "flow": "standard",
        "type": "direct",
        "payinAddress": PAYIN,
        "payoutAddress": HOST,
        "fromCurrency": "eth",
        "fromNetwork": "eth",
        "toCurrency": "usdt",
        "toNetwork": "eth",
        "refundAddress": REFUND,
        "payinExtraId": "",
        "validUntil": None,
    } | changed
    return {name: value for name, value in answer.items() if value != "absent"}


def fields(answer: dict[str, object], *own: str) -> list[str]:
    return [mismatch.field for mismatch in check_created(REQUEST, answer, own)]


def test_the_complete_answer_agrees() -> None:
    assert fields(an_answer()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"fromAmount": NumberText("5e-2")},
        {"fromAmount": "0.0500"},
        {"payoutAddress": HOST.lower()},
        {"refundAddress": REFUND.lower()},
        {"payinAddress": PAYIN.lower()},
        {"fromCurrency": "ETH", "toCurrency": "USDT"},
        {"validUntil": "2026-11-24T12:10:00.448Z"},
        {"anything": {"new": 1}},
        {"id": "A" * 64},
    ],
)
def test_spelling_is_no_contradiction(changed: dict[str, Any]) -> None:
    assert fields(an_answer(**changed)) == []


@pytest.mark.parametrize(
    "name",
    [
        "fromAmount",
        "toAmount",
        "flow",
        "type",
        "fromCurrency",
        "fromNetwork",
        "toCurrency",
        "toNetwork",
        "refundAddress",
        "payinExtraId",
        "validUntil",
    ],
)
@pytest.mark.parametrize("absent", ["absent", None, ""])
def test_an_optional_field_may_be_missing(name: str, absent: Any) -> None:
    assert fields(an_answer(**{name: absent})) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "absent"),
        ("id", None),
        ("id", "short"),
        ("id", "a" * 65),
        ("id", "../../etc"),
        ("id", ["3a2360771439a3"]),
        ("payinAddress", "absent"),
        ("payinAddress", "0x1234"),
        ("payinAddress", PAYIN.replace("A6Fb", "a6Fb")),
        ("payinAddress", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
        ("payinAddress", "0x" + "0" * 40),
        ("payinAddress", HOST),
        ("payinAddress", REFUND.lower()),
        ("payinExtraId", "memo 7"),
        ("fromAmount", NumberText("0.5")),
        ("fromAmount", NumberText("0.050000000000000001")),
        ("fromAmount", NumberText("0.0499999999999999991")),
        ("fromAmount", NumberText("1e400")),
        ("fromAmount", NumberText("-0.05")),
        ("fromAmount", True),
        ("fromAmount", {"amount": "0.05"}),
        ("payoutAddress", "absent"),
        ("payoutAddress", PAYIN),
        ("payoutAddress", 7),
        ("refundAddress", HOST),
        ("fromCurrency", "btc"),
        ("fromNetwork", "bsc"),
        ("toCurrency", "usdc"),
        ("toNetwork", "trx"),
        ("flow", "fixed-rate"),
        ("type", "reverse"),
    ],
)
def test_a_field_that_contradicts_is_named(field: str, value: Any) -> None:
    assert fields(an_answer(**{field: value})) == [field]


def test_every_contradiction_is_named_at_once() -> None:
    assert set(fields(an_answer(id=None, payoutAddress=PAYIN, flow="fixed-rate"))) == {"id", "payoutAddress", "flow"}


def test_a_further_address_of_ours_is_no_deposit_address() -> None:
    assert fields(an_answer(), PAYIN.lower()) == ["payinAddress"]


def test_an_empty_answer_names_everything_that_must_be_there() -> None:
    assert fields({}) == ["id", "payinAddress", "payoutAddress"]


@pytest.mark.parametrize(
    ("value", "is_id"), [("3a2360771439a3", True), ("abc12", False), ("a-b-c-d", False), (7, False)]
)
def test_an_order_id_is_letters_and_digits(value: object, is_id: bool) -> None:
    assert is_order_id(value) is is_id


@pytest.mark.parametrize("number", ["0.1", "1e-7", "123456789012345678901234567890.123456789", "5E+2"])
def test_numbers_are_read_digit_for_digit(number: str) -> None:
    told = object_in(f'{{"amount":{number}}}'.encode())
    assert told == {"amount": number}
    assert isinstance(told["amount"], NumberText)


@pytest.mark.parametrize(
    "body", [b'{"a":1,"a":1}', b'{"x":{"a":1,"a":2}}', b'{"a":Infinity}', b"7", b"null", b'"text"']
)
def test_what_could_be_read_in_two_ways_is_not_read(body: bytes) -> None:
    with pytest.raises(Unreadable):
        object_in(body)
