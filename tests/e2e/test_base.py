"""The product's figures, from the command that a new user types first: `./gcpay demo`.

The demos are real and take their time, so each is run once for the whole file, two at a time: that two demos at once
do not meet is promised as well. Only those are run whose tests were selected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.bodies import BASE, a_payment, write_lines
from tests.e2e.command import Ended, run

SERVICES = ["GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"]
_BASE_PAYS_97 = ("--json", "--exchange-pays", "97.000000", "--payments", str(BASE))
_GOOD = BASE.read_text().splitlines()

SEVEN = [a_payment(9000 + n, payment_amount_usd="1.43", nowpayments_outcome_amount=0.000572) for n in range(7)]
MIXED: list[dict[str, object] | str] = [
    _GOOD[0],
    a_payment(1, payment_amount_usd="-5"),
    a_payment(2, payment_amount_usd=float("nan")),
    _GOOD[0].replace('"payment_amount_usd": "50"', '"payment_amount_usd": 1e400').replace("4479119533", "3"),
    a_payment(4, wallet_address=None),
    a_payment(5, wallet_address="0x2915767890A6FbF031DCe70E1b80D987Dc3a2923"),
    _GOOD[1],
    a_payment(6, nowpayments_outcome_currency="btc"),
    "[1, 2, 3]",
    a_payment(4479119533, payment_amount_usd="51"),
    a_payment(7, nowpayments_outcome_amount=-1),
    a_payment(8, payment_amount_usd=True),
    _GOOD[2],
]
TOO_LITTLE: list[dict[str, object] | str] = [a_payment(11, payment_amount_usd="0"), "null", _GOOD[0]]


@pytest.fixture(scope="module")
def demos(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Ended]]]:
    """The demos that the selected tests ask for, by the name of the fixture that gives their end."""
    place = tmp_path_factory.mktemp("payments")
    seven = write_lines(place / "seven.jsonl", SEVEN)
    mixed = write_lines(place / "mixed.jsonl", MIXED)
    too_little = write_lines(place / "too-little.jsonl", TOO_LITTLE)
    all_demos: dict[str, tuple[str, ...]] = {
        "without_fee": (*_BASE_PAYS_97, "--fee", "0", "--threshold", "100", "--deliver", "12"),
        "with_fee": (*_BASE_PAYS_97, "--fee", "15", "--threshold", "80", "--deliver", "12"),
        "seven_payments": (
            *("--json", "--fee", "15", "--threshold", "5", "--exchange-pays", "8.5"),
            *("--payments", str(seven), "--deliver", "1"),
        ),
        "mixed_and_instant": ("--json", "--instant", "--payments", str(mixed), "--deliver", "2"),
        "below_threshold": ("--json", "--threshold", "500", "--payments", str(too_little)),
    }
    ours = {name for item in request.session.items if item.path == request.path for name in item.fixturenames}  # type: ignore[attr-defined] # pytest's functions have it
    with ThreadPoolExecutor(2) as two_at_a_time:
        started = {
            name: two_at_a_time.submit(run, "demo", *wishes) for name, wishes in all_demos.items() if name in ours
        }
        yield started
        for waiting in started.values():
            waiting.cancel()


@pytest.fixture(scope="module")
def without_fee(demos: dict[str, Future[Ended]]) -> Ended:
    return demos["without_fee"].result()


@pytest.fixture(scope="module")
def with_fee(demos: dict[str, Future[Ended]]) -> Ended:
    return demos["with_fee"].result()


@pytest.fixture(scope="module")
def seven_payments(demos: dict[str, Future[Ended]]) -> Ended:
    return demos["seven_payments"].result()


@pytest.fixture(scope="module")
def mixed_and_instant(demos: dict[str, Future[Ended]]) -> Ended:
    return demos["mixed_and_instant"].result()


@pytest.fixture(scope="module")
def below_threshold(demos: dict[str, Future[Ended]]) -> Ended:
    return demos["below_threshold"].result()


# --- the figures ------------------------------------------------------------------------------------------------------


def test_without_a_fee_97_usdt_are_shared_to_the_unit_though_each_payment_came_twelve_times(without_fee: Ended) -> None:
    told = _in_order(without_fee)
    assert _of_payments(told, "share_usdt") == ["48.500000", "29.100000", "19.400000"]
    assert _of_payments(told, "pending_usd") == ["50.000000", "30.000000", "20.000000"]
    assert _of_payments(told, "received_wei") == [str(n * 10**15) for n in (20, 12, 8)]
    assert _of_payments(told, "net_wei") == _of_payments(told, "received_wei")
    assert _of_payments(told, "fee_wei") == ["0", "0", "0"]
    assert _of_payments(told, "times_delivered") == [12, 12, 12]
    (batch,) = told["batches"]
    assert batch["ordered_wei"] == batch["sent_wei"] == told["wallet"]["sent_wei"] == "40000000000000000"
    assert (batch["usdt_arrived"], batch["distinct_nonces"], batch["payment_count"]) == ("97.000000", 1, 3)
    assert (told["refused"], told["parked"], told["instant"]) == ([], [], [])
    assert told["pending_usd_left"] == "0.000000"


def test_with_a_fee_of_15_percent_the_fee_stays_and_the_rest_is_ordered(with_fee: Ended) -> None:
    told = _in_order(with_fee)
    assert _of_payments(told, "share_usdt") == ["48.500000", "29.100000", "19.400000"]
    assert _of_payments(told, "pending_usd") == ["42.500000", "25.500000", "17.000000"]
    assert _of_payments(told, "fee_wei") == [str(n * 10**14) for n in (30, 18, 12)]
    assert sum(map(int, _of_payments(told, "fee_wei"))) == 6_000_000_000_000_000
    (batch,) = told["batches"]
    assert batch["ordered_wei"] == batch["sent_wei"] == "34000000000000000"


def test_of_seven_equal_payments_the_lower_ids_get_the_units_that_cannot_be_divided(seven_payments: Ended) -> None:
    told = _in_order(seven_payments)
    assert _of_payments(told, "payment_ref") == [str(9000 + n) for n in range(7)]
    assert _of_payments(told, "share_usdt") == ["1.214286"] * 5 + ["1.214285"] * 2
    assert sum(_units(share) for share in _of_payments(told, "share_usdt")) == 8_500_000
    assert _of_payments(told, "pending_usd") == ["1.215500"] * 7
    (batch,) = told["batches"]
    assert int(batch["ordered_wei"]) + int(batch["dust_wei"]) == sum(map(int, _of_payments(told, "net_wei")))
    assert batch["usdt_arrived"] == "8.500000"


def test_an_instant_payout_is_sent_once_to_its_orders_address(mixed_and_instant: Ended) -> None:
    told = _in_order(mixed_and_instant)
    (payout,) = told["instant"]
    assert (payout["status"], payout["order_status"], payout["distinct_nonces"]) == ("reported", "finished", 1)
    assert payout["to_address"] == payout["payin_address"]
    assert payout["sent_wei"] == payout["amount_wei"] == "12000000000000000"
    (batch,) = told["batches"]
    assert int(told["wallet"]["sent_wei"]) == int(payout["sent_wei"]) + int(batch["sent_wei"])
    assert payout["eth_tx_hash"] != batch["eth_tx_hash"]


def test_good_lines_are_paid_and_every_bad_one_is_listed_with_its_field_and_rule(mixed_and_instant: Ended) -> None:
    told = _in_order(mixed_and_instant)
    assert _of_payments(told, "payment_ref") == ["4479119533", "4479119534", "4479119535"]
    assert _of_payments(told, "conversion_status") == ["completed"] * 3
    refused = {each["payment_ref"]: (each["http_status"], each["code"], each["message"]) for each in told["refused"]}
    for ref, (status, code, words) in {
        "1": (400, "bad_field", "payment_amount_usd must not be negative"),
        "2": (400, "json_malformed", "payment_amount_usd must be a finite number"),
        "3": (400, "bad_field", "payment_amount_usd is too large"),
        "4": (400, "bad_field", "wallet_address is missing"),
        "5": (400, "bad_field", "wallet_address must be an Ethereum address with a right checksum"),
        "7": (400, "bad_field", "nowpayments_outcome_amount must not be negative"),
        "8": (400, "bad_field", "payment_amount_usd must be a number"),
        "line 9": (400, "json_malformed", "must be a JSON object, not a list"),
        "4479119533": (409, "payment_conflicts", "recorded before with another amount"),
    }.items():
        assert refused[ref][:2] == (status, code), refused
        assert words in refused.pop(ref)[2]
    assert refused == {}
    (parked,) = told["parked"]
    assert parked["payment_ref"] == "6"
    assert "btc" in parked["reason"]


# --- its manners ------------------------------------------------------------------------------------------------------


def test_json_has_exactly_the_documented_shape(mixed_and_instant: Ended) -> None:
    told = mixed_and_instant.told
    assert set(told) == {
        *("ok", "payments", "refused", "parked", "batches", "instant", "pending_usd_left"),
        *("wallet", "books", "services", "seconds"),
    }
    assert {tuple(each) for each in told["payments"]} == {
        (
            *("payment_ref", "pending_usd", "received_wei", "net_wei", "fee_wei"),
            *("share_usdt", "conversion_status", "times_delivered"),
        )
    }
    assert {tuple(each) for each in told["refused"]} == {("payment_ref", "http_status", "code", "message")}
    assert {tuple(each) for each in told["parked"]} == {("payment_ref", "reason")}
    assert {tuple(each) for each in told["batches"]} == {
        (
            *("batch_conversion_id", "cn_api_id", "status", "ordered_wei", "sent_wei", "dust_wei", "distinct_nonces"),
            *("eth_tx_hash", "usdt_arrived", "usdt_tx_hash", "payment_count"),
        )
    }
    assert set(told["wallet"]) == {
        *("eth_before_wei", "eth_after_wei", "sent_wei", "gas_wei", "usdt_before", "usdt_after")
    }
    assert isinstance(told["seconds"], float)


def test_with_json_the_story_goes_to_standard_error_without_an_escape_code(without_fee: Ended) -> None:
    assert without_fee.told["ok"] is True
    assert without_fee.out.startswith("{")
    assert "\x1b" not in without_fee.out + without_fee.err
    for word in ("intake", "batcher", "watcher", "executor", "conductor", "97.00 USDT shared out over 3 payments"):
        assert word in without_fee.err
    assert "Everything balances to the last unit" in without_fee.err


def test_below_the_threshold_it_ends_well_and_says_what_is_missing(below_threshold: Ended) -> None:
    told = below_threshold.told
    assert (below_threshold.code, told["ok"], told["batches"]) == (0, True, [])
    assert told["message"].startswith("No batch: 457.50 USD more is needed to reach the threshold.")
    assert told["message"] in below_threshold.err
    assert told["pending_usd_left"] == "42.500000"
    assert [(each["conversion_status"], each["share_usdt"]) for each in told["payments"]] == [("pending", None)]
    assert re.search(r"4479119533 +3 x +42\.500000 +0\.02 +0\.003 +- +pending", below_threshold.err)
    assert [(each["payment_ref"], each["http_status"]) for each in told["refused"]] == [("11", 400), ("line 2", 400)]
    assert told["wallet"]["eth_before_wei"] == told["wallet"]["eth_after_wei"]
    assert set(told["books"].values()) == {"0", "0.000000"}


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (("--fee", "101"), "--fee 101: a fee of more than 100 percent would take more than was paid."),
        (("--threshold", "1e400"), "--threshold 1e400: the amount is too large."),
        (("--payments", "/dev/null"), "/dev/null holds no payment; it must have one JSON object per line."),
    ],
)
def test_an_impossible_wish_is_one_sentence_and_nothing_on_standard_output(
    wish: tuple[str, ...], sentence: str
) -> None:
    refused = run("demo", "--json", *wish)
    assert (refused.code, refused.out, refused.err) == (2, "", sentence + "\n")


def test_a_broken_file_is_one_sentence_that_names_the_line(tmp_path: Path) -> None:
    broken = write_lines(tmp_path / "broken.jsonl", [_GOOD[0], _GOOD[1][:-1]])
    refused = run("demo", "--json", "--payments", str(broken))
    sentence = f"{broken}: line 2 is not JSON; each line must be one webhook body.\n"
    assert (refused.code, refused.out, refused.err) == (2, "", sentence)


def _in_order(demo: Ended) -> dict[str, Any]:
    """What every demo that swapped has in common."""
    assert demo.code == 0, demo.err
    told: dict[str, Any] = demo.told
    assert told["ok"] is True
    assert told["services"] == dict.fromkeys(SERVICES, "healthy")
    assert told["books"] == {
        "eth_sum_wei": "0",
        "usdt_sum": "0.000000",
        "eth_unexplained_wei": "0",
        "usdt_unexplained": "0.000000",
    }
    wallet = {name: int(value) for name, value in told["wallet"].items() if name.endswith("_wei")}
    assert wallet["eth_before_wei"] - wallet["eth_after_wei"] == wallet["sent_wei"] + wallet["gas_wei"]
    (batch,) = told["batches"]
    assert (batch["status"], batch["distinct_nonces"]) == ("completed", 1)
    assert batch["ordered_wei"] == batch["sent_wei"]
    assert told["wallet"]["usdt_before"] == "0.000000"
    assert told["wallet"]["usdt_after"] == batch["usdt_arrived"]
    assert sum(_units(share) for share in _of_payments(told, "share_usdt")) == _units(batch["usdt_arrived"])
    for name in ("eth_tx_hash", "usdt_tx_hash"):
        assert re.fullmatch(r"0x[0-9a-f]{64}", batch[name])
    return told


def _of_payments(told: dict[str, Any], name: str) -> list[Any]:
    return [payment[name] for payment in told["payments"]]


def _units(usdt: str) -> int:
    """6 decimals as a whole number."""
    assert re.fullmatch(r"\d+\.\d{6}", usdt)
    return int(usdt.replace(".", ""))
