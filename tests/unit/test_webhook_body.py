"""A webhook body, field by field: what is read, what is refused by name, and what makes two deliveries one payment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from GCAccumulator.webhook_body import BadField, WebhookBody, read_outcome, read_webhook_body
from shared.http.body import JsonNumber, parse_object
from shared.http.errors import JsonMalformed
from shared.money import Ether, Usd

FULL: dict[str, Any] = {
    "user_id": JsonNumber("5550001112"),
    "client_id": JsonNumber("-1001234567890"),
    "wallet_address": "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922",
    "payout_currency": "usdt",
    "payout_network": "eth",
    "payment_amount_usd": "50",
    "subscription_id": JsonNumber("17"),
    "payment_timestamp": "2026-11-20T20:14:05.123456",
    "nowpayments_payment_id": JsonNumber("4479119533"),
    "nowpayments_pay_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886",
    "nowpayments_outcome_amount": JsonNumber("0.02"),
}
OLD = {name: value for name, value in FULL.items() if not name.startswith("nowpayments_")}


def read(body: dict[str, Any], most: str = "1000", currency: str = "eth") -> WebhookBody:
    return read_webhook_body(body, outcome_currency=currency, most=Usd.parse(most))


def refused(body: dict[str, Any]) -> str | None:
    """The field that is named; None when the body is taken."""
    try:
        read(body)
    except BadField as refusal:
        named = refusal
    else:
        return None
    assert named.field is not None
    assert named.rule
    assert named.field in named.message
    return named.field


def test_the_shape_with_gateway_fields() -> None:
    body = read(FULL)
    assert (body.user_id, body.client_id, body.amount) == (5550001112, "-1001234567890", Usd.parse("50"))
    assert (body.payment_ref, body.gateway_payment_id) == ("4479119533", "4479119533")
    assert (body.outcome_text, body.outcome_currency) == ("0.02", "eth")
    assert type(body.outcome_text) is str, "what goes to the database is plain text"
    assert type(body.payment_ref) is str


def test_the_shape_without_gateway_fields() -> None:
    body = read(OLD)
    assert (body.gateway_payment_id, body.outcome_text, body.outcome_currency) == (None, None, None)
    assert body.payment_ref.startswith("body:")
    assert len(body.payment_ref) == len("body:") + 64


@pytest.mark.parametrize("absent", [None, ""])
def test_gateway_fields_that_say_nothing_are_as_if_absent(absent: str | None) -> None:
    body = read({**FULL, "nowpayments_payment_id": absent, "nowpayments_pay_address": absent})
    assert body.payment_ref == read(OLD).payment_ref


def test_an_outcome_that_is_null_is_absent_and_one_that_is_empty_is_refused() -> None:
    assert read({**FULL, "nowpayments_outcome_amount": None}).outcome_text is None
    assert refused({**FULL, "nowpayments_outcome_amount": ""}) == "nowpayments_outcome_amount"


@pytest.mark.parametrize(
    "field",
    [
        "user_id",
        "client_id",
        "wallet_address",
        "payout_currency",
        "payout_network",
        "payment_amount_usd",
        "payment_timestamp",
    ],
)
@pytest.mark.parametrize("nothing", [..., None, ""])
def test_a_required_field_is_required(field: str, nothing: Any) -> None:
    body = {name: value for name, value in FULL.items() if name != field}
    if nothing is not ...:
        body[field] = nothing
    assert refused(body) == field


@pytest.mark.parametrize("field", sorted(FULL))
@pytest.mark.parametrize("value", [True, False, [], ["1"], {}, {"a": "1"}])
def test_no_field_is_a_truth_value_a_list_or_an_object(field: str, value: Any) -> None:
    assert refused({**FULL, field: value}) == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "0"),
        ("user_id", "-1"),
        ("user_id", "1.0"),
        ("user_id", "1e3"),
        ("user_id", "0123"),
        ("user_id", "+5"),
        ("user_id", " 5"),
        ("user_id", "٥"),
        ("user_id", "5" * 30),
        ("user_id", "9223372036854775808"),
        ("client_id", "-9223372036854775809"),
        ("client_id", "abc"),
        ("subscription_id", "-1"),
        ("subscription_id", "9" * 19),
        ("payment_amount_usd", "-50"),
        ("payment_amount_usd", "-0"),
        ("payment_amount_usd", "0"),
        ("payment_amount_usd", "0.0000009"),
        ("payment_amount_usd", "1000.000001"),
        ("payment_amount_usd", "1e400"),
        ("payment_amount_usd", "1e-400"),
        ("payment_amount_usd", "NaN"),
        ("payment_amount_usd", "sNaN"),
        ("payment_amount_usd", "-Infinity"),
        ("payment_amount_usd", "1_000"),
        ("payment_amount_usd", "50 USD"),
        ("payment_amount_usd", "50,00"),
        ("payment_amount_usd", "٥٠"),
        ("payment_amount_usd", "0x32"),
        ("payment_amount_usd", "1" * 101),
        ("payment_amount_usd", "5\n"),
        ("wallet_address", JsonNumber("5")),
        ("wallet_address", "0x2915767890A6FbF031DCe70E1b80D987Dc3a2923"),
        ("wallet_address", "0x2915767890a6FbF031DCe70E1b80D987Dc3a2922"),
        ("wallet_address", "2915767890A6FbF031DCe70E1b80D987Dc3a2922"),
        ("wallet_address", "0x2915767890A6FbF031DCe70E1b80D987Dc3a29"),
        ("wallet_address", "0x" + "٢" * 40),
        ("wallet_address", "0x" + "0" * 40),
        ("wallet_address", " 0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"),
        ("wallet_address", "0x" + "2" * 300),
        ("payout_currency", "us dt"),
        ("payout_currency", "u" * 21),
        ("payout_currency", "ｕｓｄｔ"),
        ("payout_network", "eth\n"),
        ("payment_timestamp", "yesterday"),
        ("payment_timestamp", JsonNumber("1732133645")),
        ("payment_timestamp", "2026-13-20T20:14:05"),
        ("nowpayments_payment_id", "4479119533\n"),
        ("nowpayments_payment_id", "a b"),
        ("nowpayments_payment_id", "٤٤٧٩"),
        ("nowpayments_payment_id", "x" * 65),
        ("nowpayments_payment_id", JsonNumber("4479119533.0")),
        ("nowpayments_payment_id", JsonNumber("4.479119533e9")),
        ("nowpayments_payment_id", JsonNumber("-4479119533")),
        ("nowpayments_pay_address", "x" * 256),
        ("nowpayments_pay_address", JsonNumber("5")),
        ("nowpayments_outcome_amount", "NaN"),
        ("nowpayments_outcome_amount", "-0.02"),
        ("nowpayments_outcome_amount", "1" * 101),
        ("nowpayments_outcome_currency", "b t c"),
        ("nowpayments_outcome_currency", JsonNumber("5")),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_field(field: str, value: Any) -> None:
    assert refused({**FULL, field: value}) == field


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user_id", "9223372036854775807"),
        ("client_id", "-9223372036854775808"),
        ("subscription_id", None),
        ("subscription_id", "0"),
        ("payment_amount_usd", "0.000001"),
        ("payment_amount_usd", "1000"),
        ("payment_amount_usd", "1e3"),
        ("payment_timestamp", "2026-11-20T20:14:05Z"),
        ("payment_timestamp", "2026-11-20T20:14:05+02:00"),
        ("nowpayments_payment_id", "x" * 64),
        ("nowpayments_payment_id", JsonNumber("0")),
        ("wallet_address", "0x2915767890a6fbf031dce70e1b80d987dc3a2922"),
        ("wallet_address", "0x2915767890A6FBF031DCE70E1B80D987DC3A2922"),
    ],
)
def test_what_is_odd_but_meant_is_taken(field: str, value: Any) -> None:
    assert refused({**FULL, field: value}) is None


def test_another_networks_wallet_is_taken_as_it_is() -> None:
    wallet = "TJRyWwFs9wTFGZg3JbrVriFbNfCug5tDeC"
    assert read({**FULL, "payout_network": "trx", "wallet_address": wallet}).wallet_address == wallet
    assert refused({**FULL, "payout_network": "trx", "wallet_address": "x" * 201}) == "wallet_address"


def test_words_are_read_without_their_case() -> None:
    body = read({**FULL, "payout_currency": "USDT", "payout_network": "ETH", "nowpayments_outcome_currency": "ETH"})
    assert (body.payout_currency, body.payout_network, body.outcome_currency) == ("usdt", "eth", "eth")
    assert body.request_hash == read(FULL).request_hash


@pytest.mark.parametrize("spelling", ["0.02", "0.020", "2e-2", "20E-3", "0.02000000000000000000001"])
def test_spellings_of_one_outcome_have_one_hash(spelling: str) -> None:
    for value in (spelling, JsonNumber(spelling)):
        assert read({**FULL, "nowpayments_outcome_amount": value}).request_hash == read(FULL).request_hash


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("payment_amount_usd", "50.000001"),
        ("client_id", "1"),
        ("wallet_address", "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"),
        ("nowpayments_outcome_amount", "0.020000000000000001"),
        ("nowpayments_outcome_currency", "btc"),
    ],
)
def test_what_must_not_change_is_in_the_hash(field: str, value: str) -> None:
    assert read({**FULL, field: value}).request_hash != read(FULL).request_hash
    assert read({**FULL, field: value}).payment_ref == read(FULL).payment_ref


def test_a_gateway_id_cannot_be_made_to_look_like_a_hashed_body() -> None:
    assert refused({**FULL, "nowpayments_payment_id": read(OLD).payment_ref}) == "nowpayments_payment_id"


def test_two_fields_cannot_be_shifted_into_one_another() -> None:
    one = {**OLD, "user_id": "1", "client_id": "23"}
    other = {**OLD, "user_id": "12", "client_id": "3"}
    assert read(one).payment_ref != read(other).payment_ref


@pytest.mark.parametrize("text", ["0", "-0.02", "1e-19", "10000.000000000000000001", "1e400", "inf", "0.02 ETH"])
def test_an_outcome_that_is_no_amount_of_ether_is_refused(text: str) -> None:
    with pytest.raises(BadField) as bad:
        read_outcome(text)
    assert bad.value.field == "nowpayments_outcome_amount"


def test_an_outcome_is_cut_to_the_wei() -> None:
    assert read_outcome("0.0199999999999999999999999") == Ether(19_999_999_999_999_999)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(field=st.sampled_from(sorted(FULL)), value=json_values)
def test_any_json_in_any_field_is_read_or_refused_by_name_and_never_crashes(field: str, value: Any) -> None:
    try:
        body = parse_object(json.dumps({**FULL, field: value}).encode())
    except JsonMalformed:
        return
    named = refused(body)
    assert named in (None, field, "wallet_address")  # another network makes another rule for the wallet


def test_an_address_of_ours_is_no_clients_in_any_spelling_on_any_network() -> None:
    ours = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
    for network in ("eth", "base", "btc"):
        for spelling in (ours, ours.lower(), "0x" + ours[2:].upper()):
            body = FULL | {"wallet_address": spelling, "payout_network": network}
            with pytest.raises(BadField, match="must be a client's") as refusal:
                read_webhook_body(body, outcome_currency="eth", most=Usd.parse("1000"), no_clients={ours})
            assert refusal.value.field == "wallet_address"
