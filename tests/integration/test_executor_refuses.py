"""What must not be paid is not: contradictions, limits, pauses, earmarked or missing ETH. None of it uses a nonce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from GCHostPay3 import store
from GCHostPay3.approve import PayOrderContradicts
from GCHostPay3.drive import ForeignAccount, drive
from GCHostPay3.reserve import reserve_next
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import DriveAccount, PayOrder
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, DEPLOYER, HOST_WALLET
from shared.sandbox.fakes_chain import GWEI, FakeChain
from tests.integration.executor_world import DEPOSIT, ONE_ETH, SOME_ETH, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def refused(world: World, order: PayOrder) -> str:
    with pytest.raises(PayOrderContradicts) as caught:
        world.pay(order)
    return str(caught.value.rule)


def nothing_was_reserved(world: World) -> bool:
    world.settle_down()
    return world.slots() == [] and world.chain.sent == []


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"amount_wei": SOME_ETH.wei + 1}, "amount_differs"),
        ({"amount_wei": SOME_ETH.wei - 1}, "amount_differs"),
        ({"payin_address": DEPLOYER.address}, "address_differs"),
        ({"cn_api_id": "another_order"}, "order_id_differs"),
        ({"from_currency": "usdt"}, "currency_differs"),
        ({"from_network": "bsc"}, "network_differs"),
    ],
)
def test_a_pay_order_that_differs_from_our_rows_pays_nothing_and_tells_a_person(
    world: World, changed: dict[str, object], rule: str
) -> None:
    order = replace(world.a_payable_order(), **changed)  # type: ignore[arg-type]
    assert refused(world, order) == rule
    assert world.rows("select * from transfer") == []
    assert world.alerts() == ["pay_order_contradicts"]
    assert nothing_was_reserved(world)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("amount_wei", SOME_ETH.wei * 2, "amount_differs"),
        ("payin_address", DEPLOYER.address, "address_differs"),
        ("cn_api_id", "another_order", "order_id_differs"),
        ("from_currency", "usdt", "currency_differs"),
        ("from_network", "bsc", "network_differs"),
    ],
)
def test_rows_of_ours_that_contradict_each_other_pay_nothing(
    world: World, column: str, value: object, rule: str
) -> None:
    order = world.a_payable_order()
    world.write(f"update exchange_order set {column} = :value", value=value)
    assert refused(world, order) == rule
    assert nothing_was_reserved(world)


def test_an_instant_payout_cannot_be_paid_with_the_order_of_a_batch(world: World) -> None:
    batch = UUID(world.a_payable_order(order_status="abandoned").unique_id.removeprefix("batch_"))
    order = world.a_payable_order(context="instant")
    world.write(
        "update exchange_order set context = 'batch', batch_conversion_id = :b, attempt_no = 2 where cn_api_id = :cn",
        b=batch,
        cn=order.cn_api_id,
    )
    assert refused(world, order) == "context_differs"
    assert nothing_was_reserved(world)


def test_an_unknown_request_is_refused(world: World) -> None:
    order = replace(world.a_payable_order(context="instant"), unique_id="never-heard-of")
    assert refused(world, order) == "request_unknown"
    assert nothing_was_reserved(world)


@pytest.mark.parametrize("status", ["created", "expired", "held", "failed", "finished"])
def test_only_an_adopted_order_is_paid(world: World, status: str) -> None:
    order = world.a_payable_order(order_status=status)
    assert refused(world, order) == f"order_is_{status}"
    assert nothing_was_reserved(world)


@pytest.mark.parametrize("status", ["received", "checking", "parked", "reported"])
def test_only_a_request_that_is_paying_is_paid(world: World, status: str) -> None:
    order = world.a_payable_order(request_status=status)
    assert refused(world, order) == f"request_is_{status}"
    assert nothing_was_reserved(world)


def test_a_batch_that_has_a_transfer_under_any_name_gets_no_second_one(world: World) -> None:
    first, second = world.a_payable_order(), world.a_payable_order()
    world.pay(first)
    # The fence of the schema is what is tried here: our own rows can no longer say that the batch is being paid.
    world.write(
        "update transfer set unique_id = 'another name', batch_conversion_id = :batch",
        batch=UUID(second.unique_id.removeprefix("batch_")),
    )
    assert refused(world, second) == "order_has_another_transfer"
    assert world.alerts() == ["pay_order_contradicts"]
    assert len(world.rows("select * from transfer")) == 1


def test_a_request_is_paid_for_the_batch_it_is_named_after_only(world: World) -> None:
    order, other = world.a_payable_order(), world.a_payable_order()
    batch = UUID(other.unique_id.removeprefix("batch_"))
    world.write(
        "update hostpay_request set batch_conversion_id = :b where unique_id = :id", b=batch, id=order.unique_id
    )
    assert refused(world, order) == "batch_differs"
    assert nothing_was_reserved(world)


def test_a_different_repeat_stops_a_transfer_that_has_no_nonce_yet(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    assert refused(world, replace(order, amount_wei=order.amount_wei + 1)) == "repeats_differently"
    assert world.state(order) == "held"
    assert nothing_was_reserved(world)
    assert [final.outcome for final in world.finals] == ["held"]


def test_a_different_repeat_cannot_touch_a_transfer_that_may_be_out(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert refused(world, replace(order, payin_address=DEPLOYER.address)) == "repeats_differently"
    assert world.state(order) == "live"
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert world.chain.transactions_to(DEPLOYER.address) == []


# --- limits -----------------------------------------------------------------------------------------------------------


def test_more_than_the_limit_of_one_transfer_is_held_and_told(world: World) -> None:
    order = world.a_payable_order(amount=Ether(2 * 10**18 + 1))
    world.pay(order)
    assert world.state(order) == "held"
    assert world.reason(order).startswith("over_transfer_limit")
    assert nothing_was_reserved(world)
    (final,) = world.finals
    assert (final.outcome, final.tx_hash, final.amount_wei) == ("held", "", 2 * 10**18 + 1)
    assert world.alerts() == ["transfer_held"]


def test_exactly_the_limit_is_paid(world: World) -> None:
    order = world.a_payable_order(amount=Ether(2 * 10**18))
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_the_daily_limit_counts_what_left_within_24_hours(world: World) -> None:
    two_eth = Ether(2 * 10**18)
    for _ in range(2):
        world.pay(world.a_payable_order(amount=two_eth))
        world.run_to_the_end()
    third = world.a_payable_order(amount=two_eth)
    world.pay(third)
    assert world.state(third) == "held"
    assert world.reason(third).startswith("over_daily_limit")
    world.now += timedelta(hours=24)
    fourth = world.a_payable_order(amount=two_eth)
    world.pay(fourth)
    world.run_to_the_end()
    assert world.state(fourth) == "settled"


def test_the_daily_limit_is_asked_again_when_the_nonce_is_reserved(world: World) -> None:
    orders = [world.a_payable_order(amount=Ether(2 * 10**18)) for _ in range(3)]
    assert [world.pay(order).state.value for order in orders] == ["approved"] * 3  # nothing has left yet
    world.run_to_the_end()
    assert sorted(world.state(order) for order in orders) == ["held", "settled", "settled"]
    assert world.account()["next_nonce"] == 9


def test_the_wallet_does_not_pay_itself(world: World) -> None:
    order = world.a_payable_order(to=HOST_WALLET.address)
    world.pay(order)
    assert world.reason(order).startswith("address_is_ours")
    assert nothing_was_reserved(world)


def test_no_more_transfers_are_in_flight_than_allowed(world: World) -> None:
    world.with_limits(inflight_cap=2)
    orders = [world.a_payable_order() for _ in range(3)]
    for order in orders:
        world.pay(order)
    world.settle_down()
    assert sorted(world.state(order) for order in orders) == ["approved", "live", "live"]
    world.run_to_the_end()
    assert [world.state(order) for order in orders] == ["settled"] * 3


def test_an_address_that_refuses_eth_is_held_before_a_nonce_is_used(world: World) -> None:
    world.chain.reverting.add(DEPOSIT.lower())
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "held"
    assert world.reason(order).startswith("would_fail")
    assert nothing_was_reserved(world)


def test_fees_above_the_ceiling_wait_without_a_nonce(world: World) -> None:
    world.chain.base_fee_wei = 300 * GWEI
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.drive().waits_for == "fees_too_high"
    assert world.state(order) == "approved"
    assert nothing_was_reserved(world)
    world.chain.base_fee_wei = 10 * GWEI
    world.run_to_the_end()
    assert world.state(order) == "settled"


# --- the kill switch --------------------------------------------------------------------------------------------------


def test_while_sending_is_paused_a_pay_order_waits_and_is_not_held(world: World) -> None:
    world.pause_sending()
    order = world.a_payable_order()
    taken = world.pay(order)
    assert taken.state.value == "created"
    assert "a drill" in str(taken.reason)
    world.settle_down()
    assert nothing_was_reserved(world)
    world.resume_sending()
    world.now += timedelta(minutes=3)
    world.sweep()
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_a_pause_keeps_an_approved_transfer_from_its_nonce(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.pause_sending()
    world.settle_down()
    assert world.state(order) == "approved"
    assert nothing_was_reserved(world)


def test_a_pause_keeps_signed_bytes_from_leaving_for_the_first_time(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    world.deliver()
    assert world.state(order) == "signed"
    world.pause_sending()
    world.settle_down()
    assert world.state(order) == "signed"
    assert world.chain.sent == []
    world.resume_sending()
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_a_pause_does_not_stop_watching_what_is_out_already(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    world.pause_sending()
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_an_expired_pause_is_none(world: World) -> None:
    world.pause_sending()
    world.write("update pause set expires_at = :at", at=world.now)
    order = world.a_payable_order()
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"


# --- funds ------------------------------------------------------------------------------------------------------------


def test_too_little_eth_uses_no_nonce_and_goes_on_after_a_top_up(world: World) -> None:
    world.chain.set_balance(HOST_WALLET.address, SOME_ETH.wei)
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "approved"
    assert world.account()["account_status"] == "low_funds"
    assert world.account()["next_nonce"] == 7
    assert "account_low_on_funds" in world.alerts()
    world.wait()
    assert world.alerts().count("account_low_on_funds") == 1
    world.chain.set_balance(HOST_WALLET.address, WALLET_ETH.wei)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert world.account()["account_status"] == "active"


def test_value_gas_at_the_ceiling_and_reserve_must_all_be_there_to_the_wei(world: World) -> None:
    gas_wei = 26_250 * world.x.limits.max_fee_per_gas_wei  # so that no bump ever lacks funds
    needed = SOME_ETH + Ether(gas_wei) + world.x.limits.gas_reserve
    world.chain.set_balance(HOST_WALLET.address, needed.wei - 1)
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.slots() == []
    world.chain.set_balance(HOST_WALLET.address, needed.wei)
    world.wait()
    assert [slot["hold_wei"] for slot in world.slots()] == [SOME_ETH.wei + gas_wei]


def test_what_open_transfers_hold_cannot_be_reserved_twice(world: World) -> None:
    world.chain.set_balance(HOST_WALLET.address, Ether.parse("0.07").wei)
    world.chain.drop_sends = True
    first, second = world.a_payable_order(), world.a_payable_order()
    world.pay(first)
    world.settle_down()
    world.pay(second)
    world.settle_down()
    assert world.state(first) == "live"
    assert world.state(second) == "approved"
    assert len(world.slots()) == 1


def test_a_balance_that_is_older_than_a_verdict_reserves_nothing(world: World) -> None:
    old = world.chain.agreed_finalized()
    world.pay(world.a_payable_order())
    world.run_to_the_end()  # its hold is gone, and the old block does not have its cost yet
    world.pay(world.a_payable_order())
    with world.owner.read() as conn:
        account = store.account(conn, HOST_WALLET.address, CHAIN_ID)
    assert account is not None
    assert reserve_next(world.x, account, old, world.task()) == "balance_too_old"
    assert len(world.slots()) == 1
    assert reserve_next(world.x, account, world.chain.agreed_finalized(), world.task()) == "slot_reserved"


def test_an_instant_payout_may_not_spend_the_eth_of_pending_payments(world: World) -> None:
    world.a_pending_payment(Ether(9 * 10**18))
    order = world.a_payable_order(amount=ONE_ETH, context="instant")
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "held"
    assert world.reason(order).startswith("eth_is_earmarked")
    assert nothing_was_reserved(world)


def test_the_eth_of_a_batch_that_has_no_nonce_yet_is_earmarked_too(world: World) -> None:
    batch = world.a_payable_order(amount=Ether(19 * 10**17))
    world.chain.set_balance(HOST_WALLET.address, 2 * 10**18)
    instant = world.a_payable_order(amount=ONE_ETH, context="instant")
    world.pay(instant)
    world.settle_down()
    assert world.reason(instant).startswith("eth_is_earmarked")
    world.pay(batch)
    world.run_to_the_end()
    assert world.state(batch) == "settled"


def test_a_batch_spends_what_is_earmarked_for_it(world: World) -> None:
    world.a_pending_payment(Ether(9 * 10**18))
    order = world.a_payable_order(amount=ONE_ETH)
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"


def test_an_instant_payout_that_leaves_the_earmarked_eth_alone_is_paid(world: World) -> None:
    world.a_pending_payment(Ether(8 * 10**18))
    order = world.a_payable_order(amount=ONE_ETH, context="instant")
    world.pay(order)
    world.run_to_the_end()
    assert world.state(order) == "settled"


# --- orders that lapse ------------------------------------------------------------------------------------------------


def test_an_order_that_lapsed_before_its_nonce_is_held(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.set_order(order, "expired")
    world.settle_down()
    assert world.state(order) == "held"
    assert world.reason(order).startswith("order_is_expired")
    assert nothing_was_reserved(world)


def test_an_order_that_lapsed_before_the_first_send_is_not_sent_and_a_person_is_told(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    world.deliver()
    assert world.state(order) == "signed"
    world.set_order(order, "expired")
    world.deliver()
    assert world.state(order) == "signed"
    assert world.chain.sent == []
    assert world.alerts() == ["order_lapsed_before_send"]


def test_nothing_new_is_begun_behind_bytes_that_may_not_leave(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    world.deliver()
    assert world.state(order) == "signed"
    behind = world.a_payable_order()
    world.pay(behind)
    world.pause_sending()
    world.settle_down()
    world.wait()
    assert world.state(behind) == "approved"
    assert len(world.slots()) == 1


def test_another_wallet_or_chain_is_not_driven(world: World) -> None:
    for account, chain_id in ((DEPLOYER.address, CHAIN_ID), (HOST_WALLET.address, 1)):
        with pytest.raises(ForeignAccount):
            drive(world.x, DriveAccount(account, chain_id), world.task())
