"""The demo with files of all kinds: equal payments, nonsense between good lines, too little for a batch."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.demos import BASE, a_payment, left_after, payments_file, processes_of, run_demo, start_demo


def test_what_cannot_be_divided_goes_to_the_lower_ids_and_an_instant_payout_is_paid_once(tmp_path: Path) -> None:
    seven = [a_payment(9000 + n, payment_amount_usd="1.43", nowpayments_outcome_amount=0.000572) for n in range(7)]
    wishes = ["--fee", "15", "--threshold", "5", "--exchange-pays", "8.5", "--deliver", "2", "--instant", "--json"]
    ended = run_demo(*wishes, "--payments", str(payments_file(tmp_path, *seven)))

    assert ended.code == 0, ended.err
    shares = [payment["share_usdt"] for payment in ended.told["payments"]]
    assert shares == ["1.214286"] * 5 + ["1.214285"] * 2
    assert sum(int(share.replace(".", "")) for share in shares) == 8_500_000
    (payout,) = ended.told["instant"]
    assert (payout["status"], payout["order_status"], payout["distinct_nonces"]) == ("reported", "finished", 1)
    assert payout["to_address"] == payout["payin_address"]
    assert payout["sent_wei"] == payout["amount_wei"]
    sent_wei = int(payout["sent_wei"]) + int(ended.told["batches"][0]["sent_wei"])
    assert ended.told["wallet"]["sent_wei"] == str(sent_wei)
    assert ended.told["books"]["eth_unexplained_wei"] == "0"


def test_good_lines_are_paid_and_each_bad_one_is_listed_with_its_rule(tmp_path: Path) -> None:
    good = BASE.read_text().splitlines()
    lines: list[dict[str, object] | str] = [
        good[0],
        a_payment(1, payment_amount_usd="-5"),
        a_payment(2, payment_amount_usd=float("nan")),
        '{"payment_amount_usd": 1e400,'
        + good[0].replace('"payment_amount_usd": "50",', "")[1:].replace("19533", "00003"),
        a_payment(4, wallet_address=None),
        a_payment(5, wallet_address="0x2915767890A6FbF031DCe70E1b80D987Dc3a2923"),
        good[1],
        a_payment(6, nowpayments_outcome_currency="btc"),
        "[1, 2, 3]",
        a_payment(4479119533, payment_amount_usd="51"),
        good[2],
    ]
    ended = run_demo("--json", "--payments", str(payments_file(tmp_path, *lines)))

    assert ended.code == 0, ended.err
    refused = {each["payment_ref"]: (each["http_status"], each["message"]) for each in ended.told["refused"]}
    assert refused == {
        "1": (400, "The field payment_amount_usd must not be negative."),
        "2": (400, "NaN and Infinity are not numbers."),
        "4479100003": (400, "The field payment_amount_usd is too large."),
        "4": (400, "The field wallet_address is missing."),
        "5": (400, "The field wallet_address must be an Ethereum address with a right checksum."),
        "line 9": (400, "The body must be a JSON object, not a list."),
        "4479119533": (
            409,
            "Payment 4479119533 was recorded before with another amount, client or wallet; the first stands.",
        ),
    }
    assert [(each["payment_ref"], "btc" in each["reason"]) for each in ended.told["parked"]] == [("6", True)]
    assert [payment["payment_ref"] for payment in ended.told["payments"]] == ["4479119533", "4479119534", "4479119535"]
    assert {payment["conversion_status"] for payment in ended.told["payments"]} == {"completed"}
    assert ended.told["ok"] is True


def test_below_the_threshold_it_ends_well_without_a_batch_and_says_what_is_missing() -> None:
    ended = run_demo("--threshold", "500")

    assert ended.code == 0, ended.err
    assert "No batch: 415.00 USD more is needed to reach the threshold." in ended.out
    assert "Traceback" not in ended.out + ended.err


@pytest.mark.parametrize(("stop", "code"), [("SIGKILL", -9), ("SIGINT", 130), ("SIGTERM", 143)])
def test_however_it_is_stopped_no_process_stays_behind(stop: str, code: int) -> None:
    demo = start_demo()
    children = processes_of(demo, at_least=15)

    demo.send_signal(getattr(signal, stop))
    demo.communicate(timeout=30)

    assert demo.returncode == code
    assert left_after(children) == []
