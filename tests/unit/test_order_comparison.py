"""An order is paid only when no field that the exchange shows differs from ours, and it shows where to pay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from GCHostPay2.look_at_order import differences_between
from shared.exchange import ExchangeStatus, OrderSeen
from shared.messages import CheckOrder
from shared.money import Ether

PAYIN = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"
PAYOUT = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"
OTHER = "0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"
AMOUNT = Ether(40_000_000_000_000_000)
ASKED = CheckOrder(
    "batch_11111111-2222-3333-4444-555555555555",
    "613c822e844358",
    "eth",
    "eth",
    "usdt",
    "eth",
    AMOUNT.wei,
    PAYIN,
    PAYOUT,
)
SEEN = OrderSeen(
    cn_api_id="613c822e844358",
    status="waiting",
    known=ExchangeStatus.WAITING,
    from_currency="eth",
    from_network="eth",
    to_currency="usdt",
    to_network="eth",
    payin_address=PAYIN,
    payin_extra_id=None,
    payout_address=PAYOUT.lower(),
    refund_address=None,
    expected_from=AMOUNT,
    expected_to_text="97",
    amount_from=None,
    amount_to_text=None,
    amount_to=None,
    payin_hash=None,
    payout_hash=None,
    refund_hash=None,
    refund_amount_text=None,
    updated_at_text=None,
)


def differences(asked: CheckOrder = ASKED, /, **shown: Any) -> list[str]:
    return differences_between(asked, replace(SEEN, **shown))


def test_an_equal_order_has_no_difference() -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("cn_api_id", "613c822e844359"),
        ("cn_api_id", "613C822E844358"),
        ("from_currency", "btc"),
        ("from_network", "arbitrum"),
        ("to_currency", "usdc"),
        ("to_network", "trx"),
        ("payin_address", OTHER),
        ("payin_address", "0x57f31ad4b64095347F87eDB1675566DAfF5Ec886"),  # a wrong checksum
        ("payin_address", PAYIN + " "),
        ("payin_address", PAYIN[2:]),
        ("payin_address", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
        ("payout_address", OTHER),
        ("payout_address", "an address"),
    ],
)
def test_each_field_that_differs_is_named_alone(field: str, shown: str) -> None:
    (difference,) = differences(**{field: shown})
    assert difference.startswith(f"{field} is {shown}")


@pytest.mark.parametrize("by", [1, -1, AMOUNT.wei])
def test_an_amount_that_differs_by_one_wei_is_a_difference(by: int) -> None:
    (difference,) = differences(expected_from=AMOUNT + Ether(by))
    assert difference.startswith("amount_wei is")


def test_a_memo_is_a_difference_because_a_plain_transfer_cannot_carry_it() -> None:
    (difference,) = differences(payin_extra_id="12345")
    assert difference.startswith("payin_extra_id is 12345")


@pytest.mark.parametrize("spelling", [PAYIN, PAYIN.lower(), "0x" + PAYIN[2:].upper()])
@pytest.mark.parametrize("ours", [PAYIN, PAYIN.lower()])
def test_the_case_of_an_address_is_spelling(spelling: str, ours: str) -> None:
    assert differences(replace(ASKED, payin_address=ours), payin_address=spelling) == []
    assert differences(replace(ASKED, payout_address=ours), payout_address=spelling) == []


def test_the_case_of_a_ticker_is_spelling() -> None:
    assert differences(from_currency="ETH", from_network="ETH", to_currency="USDT", to_network="Eth") == []


def test_the_case_of_another_chains_address_is_not_spelling() -> None:
    tron = "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"
    asked = replace(ASKED, payout_address=tron)
    assert differences(asked, payout_address=tron) == []
    assert len(differences(asked, payout_address=tron.lower())) == 1


@pytest.mark.parametrize(
    "field", ["from_currency", "from_network", "to_currency", "to_network", "expected_from", "payout_address"]
)
def test_what_the_exchange_does_not_tell_is_no_difference(field: str) -> None:
    assert differences(**{field: None}) == []


def test_without_a_deposit_address_nothing_may_be_paid() -> None:
    assert differences(payin_address=None) == [f"payin_address is None, not {PAYIN}"]


def test_an_address_of_ours_with_a_wrong_checksum_equals_nothing() -> None:
    ours = "0x57f31ad4b64095347F87eDB1675566DAfF5Ec886"
    assert len(differences(replace(ASKED, payin_address=ours), payin_address=PAYIN)) == 1


def test_all_differences_are_told_together() -> None:
    assert len(differences(expected_from=Ether(1), payin_address=OTHER, payout_address=OTHER, to_network="trx")) == 4
