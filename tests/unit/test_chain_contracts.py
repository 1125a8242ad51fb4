"""What is read from the token and from the price feed, word for word of their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from eth_utils.crypto import keccak as reference_keccak
from hexbytes import HexBytes

from shared.chain.erc20 import TRANSFER_TOPIC, balance_of, one_word
from shared.chain.ethereum import EthereumChain
from shared.chain.port import NotFinalYet, NotFound, Reverted, TokenTransfer
from shared.chain.price_feed import DECIMALS, LATEST_ROUND_DATA, price_from
from shared.chain.quorum import Quorum
from shared.chain.trouble import PriceUnusable, ProvidersDisagree
from shared.money import Price

from .pretend_chain import STRANGER, WALLET, PretendProvider, PretendTransaction, a_hash

TOKEN = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
OTHER_TOKEN = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
PAYOUT = a_hash(0xCC, "cc")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def word(value: int) -> bytes:
    return value.to_bytes(32, "big", signed=value < 0)


def topic(address: str) -> HexBytes:
    return HexBytes(bytes.fromhex(address[2:]).rjust(32, b"\0"))


def log(index: int, units: int, **changed: Any) -> dict[str, Any]:
    return {
        "logIndex": index,
        "address": TOKEN,
        "topics": [HexBytes(TRANSFER_TOPIC), topic(STRANGER), topic(WALLET)],
        "data": HexBytes(word(units)),
        "removed": False,
    } | changed


def arrivals(*logs: dict[str, Any], **changed: Any) -> Any:
    fields: dict[str, Any] = {"block": 50, "nonce": 0, "tx_hash": PAYOUT, "sender": STRANGER, "to": TOKEN}
    payout = PretendTransaction(**fields | {"logs": list(logs)} | changed)
    providers = PretendProvider("one", payout), PretendProvider("two", payout)
    return EthereumChain(Quorum(providers, 2), 1).usdt_arrivals(PAYOUT, TOKEN, WALLET)


def test_selectors_and_topic_are_those_of_the_signatures() -> None:
    assert reference_keccak(text="Transfer(address,address,uint256)").hex() == TRANSFER_TOPIC[2:]
    assert reference_keccak(text="balanceOf(address)")[:4] == balance_of(WALLET)[:4]
    assert reference_keccak(text="latestRoundData()")[:4] == LATEST_ROUND_DATA
    assert reference_keccak(text="decimals()")[:4] == DECIMALS


def test_a_balance_is_asked_for_one_padded_address() -> None:
    assert balance_of(WALLET)[4:] == bytes(12) + bytes.fromhex(WALLET[2:])


@pytest.mark.parametrize("answer", [b"", bytes(31), bytes(64)])
def test_an_address_without_token_has_no_balance(answer: bytes) -> None:
    with pytest.raises(ValueError, match="one word"):
        one_word(answer)


def test_an_arrival_is_the_transfer_log_to_our_wallet() -> None:
    assert arrivals(log(4, 97_000_000)) == [TokenTransfer(PAYOUT, 4, 50, a_hash(50), STRANGER, WALLET, 97_000_000)]


def test_a_fee_transfer_leaves_only_what_reached_us() -> None:
    to_owner = log(5, 300, topics=[HexBytes(TRANSFER_TOPIC), topic(STRANGER), topic(TOKEN)])
    assert [one.units for one in arrivals(log(4, 96_000_000), to_owner)] == [96_000_000]


def test_several_arrivals_come_in_log_order() -> None:
    assert [one.log_index for one in arrivals(log(9, 1), log(2, 2))] == [2, 9]


@pytest.mark.parametrize(
    "changed",
    [
        {"address": OTHER_TOKEN},
        {"topics": [HexBytes("0x" + "11" * 32), topic(STRANGER), topic(WALLET)]},
        {"topics": [HexBytes(TRANSFER_TOPIC), topic(WALLET), topic(STRANGER)]},
        {"topics": [HexBytes(TRANSFER_TOPIC), topic(STRANGER)]},
        {"topics": [HexBytes(TRANSFER_TOPIC), topic(STRANGER), topic(WALLET), topic(WALLET)]},
        {"topics": []},
        {"data": HexBytes(b"")},
        {"data": HexBytes(word(5) + word(5))},
        {"data": HexBytes(word(0))},
        {"removed": True},
    ],
)
def test_what_is_no_transfer_of_the_token_to_us_is_no_arrival(changed: dict[str, Any]) -> None:
    assert arrivals(log(4, 97_000_000, **changed)) == []


def test_a_payout_that_is_not_final_or_failed_is_a_reason() -> None:
    assert arrivals(log(4, 1), block=95) == NotFinalYet(95, 90)
    assert arrivals(log(4, 1), status=0) == Reverted(50, a_hash(50))


def test_a_payout_that_nobody_shows_is_not_found() -> None:
    chain = EthereumChain(Quorum([PretendProvider("one")], 1), 1)
    assert chain.usdt_arrivals(PAYOUT, TOKEN, WALLET) == NotFound()


def test_providers_that_show_different_amounts_credit_nothing() -> None:
    shown = [
        PretendTransaction(50, 0, PAYOUT, sender=STRANGER, to=TOKEN, logs=[log(4, units)])
        for units in (97_000_000, 97_000_001)
    ]
    providers = [PretendProvider(str(number), one) for number, one in enumerate(shown)]
    with pytest.raises(ProvidersDisagree):
        EthereumChain(Quorum(providers, 2), 1).usdt_arrivals(PAYOUT, TOKEN, WALLET)


# --- the price feed -------------------------------------------------------------------------------------------------


def round_of(answer: int, age_s: int = 60, answered_in: int = 9) -> bytes:
    updated = int((NOW - timedelta(seconds=age_s)).timestamp())
    return word(9) + word(answer) + word(updated) + word(updated) + word(answered_in)


def test_a_fresh_positive_answer_is_the_price() -> None:
    assert price_from(round_of(250_000_000_000), word(8), NOW, 3600) == Price(250_000_000_000, 8)


def test_an_answer_may_be_exactly_as_old_as_allowed() -> None:
    assert price_from(round_of(1, age_s=3600), word(8), NOW, 3600) == Price(1, 8)


def test_answered_in_an_earlier_round_is_tolerated_because_chainlink_retired_the_field() -> None:
    assert price_from(round_of(1, answered_in=3), word(8), NOW, 3600) == Price(1, 8)


@pytest.mark.parametrize(
    ("answer", "decimals", "reason"),
    [
        (round_of(1, age_s=3601), word(8), "stale"),
        (round_of(1, age_s=-901), word(8), "from_the_future"),
        (round_of(0), word(8), "not_positive"),
        (round_of(-5), word(8), "not_positive"),
        (word(9) + word(1) + word(0) + word(0) + word(9), word(8), "round_incomplete"),
        (b"", b"", "not_a_feed"),
        (round_of(1)[:-1], word(8), "not_a_feed"),
        (round_of(1), b"", "not_a_feed"),
        (round_of(1), word(2**200), "not_a_feed"),
    ],
)
def test_an_answer_that_must_not_be_believed_has_a_reason(answer: bytes, decimals: bytes, reason: str) -> None:
    with pytest.raises(PriceUnusable) as caught:
        price_from(answer, decimals, NOW, 3600)
    assert caught.value.reason == reason
