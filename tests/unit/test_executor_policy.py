"""The executor's rules over figures, and the one line of the fleet at which ETH leaves."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from GCHostPay3.executor import Waits
from GCHostPay3.policy import Funds, PayLimits, contradiction, forbidden_by, not_payable, over_daily_limit
from GCHostPay3.records import OurRows
from GCHostPay3.store import request_hash
from shared.messages import PayOrder, batch_unique_id
from shared.money import Ether

ROOT = Path(__file__).parents[2]
BATCH = UUID("11111111-2222-3333-4444-555555555555")
ADDRESS = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
WALLET = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
AMOUNT = Ether(40_000_000_000_000_000)
LIMITS = PayLimits(
    max_transfer=Ether.parse("1"),
    max_daily=Ether.parse("3"),
    gas_reserve=Ether(1000),
    max_fee_per_gas_wei=1,
    inflight_cap=1,
)
ORDER = PayOrder(batch_unique_id(str(BATCH)), "batch", "order_1", "eth", "eth", AMOUNT.wei, ADDRESS)
ROWS = OurRows(
    unique_id=ORDER.unique_id,
    context="batch",
    batch_conversion_id=BATCH,
    order_id=1,
    cn_api_id="order_1",
    amount=AMOUNT,
    payin_address=ADDRESS,
    request_status="paying",
    order_context="batch",
    order_batch_conversion_id=BATCH,
    order_status="adopted",
    from_currency="eth",
    from_network="eth",
    order_amount=AMOUNT,
    order_payin_address=ADDRESS.lower(),
    order_cn_api_id="order_1",
)
ONE_WEI_MORE = AMOUNT + Ether(1)


def test_rows_and_message_that_agree_contradict_in_nothing() -> None:
    assert contradiction(ORDER, ROWS) is None
    assert not_payable(ROWS) is None


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        (replace(ROWS, context="instant"), "context_differs"),
        (replace(ROWS, order_context="instant"), "context_differs"),
        (replace(ROWS, batch_conversion_id=None), "batch_differs"),
        (replace(ROWS, order_batch_conversion_id=None), "batch_differs"),
        (replace(ROWS, batch_conversion_id=UUID(int=1), order_batch_conversion_id=UUID(int=1)), "batch_differs"),
        (replace(ROWS, cn_api_id="order_2"), "order_id_differs"),
        (replace(ROWS, order_cn_api_id="order_2"), "order_id_differs"),
        (replace(ROWS, from_currency="usdt"), "currency_differs"),
        (replace(ROWS, from_network="bsc"), "network_differs"),
        (replace(ROWS, amount=ONE_WEI_MORE), "amount_differs"),
        (replace(ROWS, order_amount=ONE_WEI_MORE), "amount_differs"),
        (replace(ROWS, payin_address=WALLET), "address_differs"),
        (replace(ROWS, order_payin_address=WALLET), "address_differs"),
        (replace(ROWS, payin_address=""), "address_differs"),
        (None, "request_unknown"),
    ],
)
def test_every_single_difference_is_found_and_named(rows: OurRows | None, rule: str) -> None:
    assert contradiction(ORDER, rows) == rule


def test_policy_allows_up_to_its_limits_and_not_one_wei_more() -> None:
    one, two = Ether.parse("1"), Ether.parse("2")
    assert forbidden_by(ADDRESS, one, WALLET, two, LIMITS) is None
    assert str(forbidden_by(ADDRESS, one + Ether(1), WALLET, two, LIMITS)).startswith("over_transfer_limit")
    assert str(forbidden_by(ADDRESS, one, WALLET, two + Ether(1), LIMITS)).startswith("over_daily_limit")
    assert over_daily_limit(one, two, LIMITS) is None


@pytest.mark.parametrize("address", ["0x" + "0" * 40, "", "0x12", ADDRESS.replace("C44C", "c44C")])
def test_an_address_that_is_none_is_forbidden(address: str) -> None:
    assert str(forbidden_by(address, AMOUNT, WALLET, Ether.zero(), LIMITS)).startswith("address_not_payable")


def test_the_own_wallet_is_forbidden_in_any_spelling() -> None:
    for spelled in (WALLET, WALLET.lower()):
        assert str(forbidden_by(spelled, AMOUNT, WALLET, Ether.zero(), LIMITS)).startswith("address_is_ours")


def test_funds_are_short_by_exactly_what_is_missing() -> None:
    value, gas = Ether(5000), Ether(300)
    enough = Funds(balance=Ether(7300), held=Ether(1000), earmarked=Ether.zero())
    assert enough.short_of(value, gas, LIMITS) is None
    assert replace(enough, balance=Ether(7299)).short_of(value, gas, LIMITS) == Ether(1)


def test_earmarked_eth_is_left_alone_to_the_wei() -> None:
    value, gas = Ether(5000), Ether(300)
    funds = Funds(balance=Ether(8300), held=Ether(1000), earmarked=Ether(1000))
    assert not funds.would_spend_earmarked(value, gas, LIMITS)
    assert replace(funds, earmarked=Ether(1001)).would_spend_earmarked(value, gas, LIMITS)


def test_the_request_hash_changes_with_each_of_its_parts_and_not_with_the_spelling_of_an_address() -> None:
    known = request_hash(AMOUNT, ADDRESS, "order_1", 1)
    assert known == request_hash(AMOUNT, ADDRESS.lower(), "order_1", 1)
    others = {
        request_hash(ONE_WEI_MORE, ADDRESS, "order_1", 1),
        request_hash(AMOUNT, WALLET, "order_1", 1),
        request_hash(AMOUNT, ADDRESS, "order_2", 1),
        request_hash(AMOUNT, ADDRESS, "order_1", 2),
    }
    assert len(others | {known}) == 5


def test_the_sandbox_waits_less_and_never_nothing() -> None:
    usual, fast = Waits(), Waits(time_scale=100_000)
    assert (usual.poll.total_seconds(), usual.resend.total_seconds()) == (12, 36)
    assert fast.poll.total_seconds() == 1
    assert fast.poll < fast.resend < fast.lease < fast.undriven


def test_eth_leaves_at_one_line_of_the_fleet() -> None:
    """Every call of `send_raw` outside of the chain room, which only carries it out, is the executor's one line."""
    calls = []
    for folder in ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3", "shared"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT)
            if inside.parts[:2] in (("shared", "chain"), ("shared", "sandbox")):
                continue
            calls += [
                (str(inside), node.lineno)
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute) and node.attr in ("send_raw", "send_raw_transaction")
            ]
    assert [path for path, _ in calls] == ["GCHostPay3/send.py"]
    lines = (ROOT / "GCHostPay3/send.py").read_text(encoding="utf-8").splitlines()
    assert lines[calls[0][1] - 2].strip().startswith("# ETH LEAVES HERE")
