"""The demo's promises, on the real thing: the figures of the README's examples, to the last unit."""

from __future__ import annotations

from typing import Any

from tests.e2e.demos import end_of, start_demo

SERVICES = ["GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3"]


def test_two_demos_at_once_each_swap_one_batch_and_share_it_out_to_the_unit() -> None:
    without_fee = start_demo(
        "--json", "--fee", "0", "--threshold", "100", "--exchange-pays", "97.000000", "--deliver", "12"
    )
    with_fee = start_demo("--json", "--fee", "15", "--threshold", "80", "--exchange-pays", "97")
    first, second = end_of(without_fee), end_of(with_fee)

    assert (first.code, second.code) == (0, 0), first.err + second.err
    _is_in_order(first.told, ordered_wei=40 * 10**15, times=12)
    assert [payment["pending_usd"] for payment in first.told["payments"]] == ["50.000000", "30.000000", "20.000000"]
    assert [payment["fee_wei"] for payment in first.told["payments"]] == ["0", "0", "0"]
    _is_in_order(second.told, ordered_wei=34 * 10**15, times=3)
    assert sum(int(payment["fee_wei"]) for payment in second.told["payments"]) == 6 * 10**15
    assert max(first.told["seconds"], second.told["seconds"]) < 60


def _is_in_order(told: dict[str, Any], ordered_wei: int, times: int) -> None:
    assert told["ok"] is True
    assert [payment["share_usdt"] for payment in told["payments"]] == ["48.500000", "29.100000", "19.400000"]
    assert {payment["conversion_status"] for payment in told["payments"]} == {"completed"}
    assert [payment["times_delivered"] for payment in told["payments"]] == [times] * 3
    assert (told["refused"], told["parked"], told["instant"]) == ([], [], [])
    (batch,) = told["batches"]
    assert (batch["status"], batch["payment_count"], batch["distinct_nonces"]) == ("completed", 3, 1)
    assert batch["ordered_wei"] == batch["sent_wei"] == str(ordered_wei)
    assert (batch["usdt_arrived"], batch["dust_wei"]) == ("97.000000", "0")
    assert batch["eth_tx_hash"].startswith("0x")
    assert batch["usdt_tx_hash"].startswith("0x")
    wallet = {name: int(value) for name, value in told["wallet"].items() if name.endswith("_wei")}
    assert wallet["eth_before_wei"] - wallet["eth_after_wei"] == wallet["sent_wei"] + wallet["gas_wei"]
    assert wallet["sent_wei"] == ordered_wei
    assert (told["wallet"]["usdt_before"], told["wallet"]["usdt_after"]) == ("0.000000", "97.000000")
    assert told["pending_usd_left"] == "0.000000"
    assert told["books"] == {
        "eth_sum_wei": "0",
        "usdt_sum": "0.000000",
        "eth_unexplained_wei": "0",
        "usdt_unexplained": "0.000000",
    }
    assert told["services"] == dict.fromkeys(SERVICES, "healthy")
