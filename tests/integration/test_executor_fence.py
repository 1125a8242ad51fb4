"""The fence: what is void never pays, what has a nonce is ended by the chain alone; and what persons may decide."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest

from GCHostPay3.approvals import NotApprovable, approve_held, approve_repay, approve_void
from GCHostPay3.approve import PayOrderContradicts
from GCHostPay3.void import FenceContradicts, make_void
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.lifecycle import TransferState
from shared.messages import PayOrder, VoidTransfer, batch_of_unique_id, batch_unique_id
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World

ANOTHER_DEPOSIT = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def fence(world: World, order: PayOrder) -> TransferState:
    return make_void(world.x, VoidTransfer(order.unique_id, order.cn_api_id), world.task())


def answers(world: World) -> list[str]:
    """What the conductor was told about fences."""
    world.settle_down()
    return [voided.outcome for voided in world.voided]


# --- void -------------------------------------------------------------------------------------------------------------


def test_an_order_without_a_transfer_gets_a_void_one_that_refuses_every_later_pay_order(world: World) -> None:
    order = world.a_payable_order()
    assert fence(world, order) is TransferState.VOID
    assert world.story(order) == ["transfer_voided"]
    for _ in range(2):
        taken = world.pay(order)
        assert (taken.state, taken.repeated) == (TransferState.VOID, True)
    world.run_to_the_end()
    assert world.slots() == []
    assert world.chain.sent == []
    assert answers(world) == ["void"]


@pytest.mark.parametrize("state", ["created", "approved", "held"])
def test_a_transfer_without_a_nonce_becomes_void_and_is_never_reserved(world: World, state: str) -> None:
    if state == "created":
        world.pause_sending()
    order = world.a_payable_order(amount=Ether(3 * 10**18) if state == "held" else SOME_ETH)
    world.pay(order)
    assert world.state(order) == state
    assert fence(world, order) is TransferState.VOID
    world.resume_sending()
    world.run_to_the_end()
    assert world.state(order) == "void"
    assert world.slots() == []
    assert answers(world) == ["void"]


@pytest.mark.parametrize("steps", [1, 2, 3], ids=["reserved", "signed", "live"])
def test_a_transfer_with_a_nonce_is_not_void_and_goes_on_to_its_end(world: World, steps: int) -> None:
    order = world.a_payable_order()
    world.pay(order)
    for _ in range(steps):
        world.deliver()
    before = world.state(order)
    assert fence(world, order).value == before
    world.run_to_the_end()
    assert world.state(order) == "settled"
    assert answers(world) == ["not_void"]
    assert fence(world, order) is TransferState.SETTLED
    assert answers(world) == ["not_void", "not_void"]


def test_a_fence_that_is_asked_for_again_is_answered_again(world: World) -> None:
    order = world.a_payable_order()
    fence(world, order)
    fence(world, order)
    assert answers(world) == ["void", "void"]
    assert world.story(order) == ["transfer_voided"]


def test_a_fence_for_what_our_rows_do_not_know_is_refused(world: World) -> None:
    order = world.a_payable_order()
    with pytest.raises(FenceContradicts):
        make_void(world.x, VoidTransfer(order.unique_id, "another"), world.task())
    with pytest.raises(FenceContradicts):
        make_void(world.x, VoidTransfer("batch_none", order.cn_api_id), world.task())
    world.pay(order)
    with pytest.raises(FenceContradicts):
        make_void(world.x, VoidTransfer(order.unique_id, "another"), world.task())
    assert world.state(order) == "approved"


def test_a_pay_order_and_its_fence_at_once_end_in_one_of_the_two(world: World) -> None:
    for _ in range(5):
        order = world.a_payable_order()
        barrier = threading.Barrier(8, timeout=10)

        def one(number: int, order: PayOrder = order, barrier: threading.Barrier = barrier) -> str:
            barrier.wait()
            return fence(world, order).value if number % 2 else world.pay(order).state.value

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(one, range(8)))
        assert world.state(order) == "void", "no drive ran: the fence always finds it without a nonce"
        assert world.story(order)[-1] == "transfer_voided"
    world.run_to_the_end()
    assert world.slots() == []


def test_a_fence_that_races_with_a_reservation_is_true_either_way(world: World) -> None:
    for _ in range(5):
        order = world.a_payable_order()
        world.pay(order)
        barrier = threading.Barrier(2, timeout=10)

        def reserve(barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            world.drive()

        with ThreadPoolExecutor(1) as threads:
            driving = threads.submit(reserve)
            barrier.wait()
            said = fence(world, order)
            driving.result(timeout=30)
        reserved = world.rows("select nonce from slot where unique_id = :id", id=order.unique_id)
        assert (said is TransferState.VOID) == (reserved == [])
        world.run_to_the_end()
        assert world.state(order) == ("void" if said is TransferState.VOID else "settled")


def test_a_second_order_of_the_batch_is_paid_after_the_first_is_void(world: World) -> None:
    first = world.a_payable_order()
    fence(world, first)
    second = a_second_order(world, first)
    world.pay(second)
    world.run_to_the_end()
    assert (world.state(first), world.state(second)) == ("void", "settled")
    assert len(world.chain.transactions_to(ANOTHER_DEPOSIT)) == 1
    assert world.chain.transactions_to(DEPOSIT) == []


def test_a_second_order_of_the_batch_is_refused_while_the_first_may_still_be_paid(world: World) -> None:
    first = world.a_payable_order()
    world.pay(first)
    world.settle_down()
    second = a_second_order(world, first)
    with pytest.raises(PayOrderContradicts, match="order_has_another_transfer"):
        world.pay(second)
    world.run_to_the_end()
    assert world.state(first) == "settled"
    with pytest.raises(PayOrderContradicts):
        world.pay(second)
    assert len(world.slots()) == 1


def a_second_order(world: World, first: PayOrder) -> PayOrder:
    """As batcher and conductor leave it: the first order abandoned, the second one adopted, a request of its own."""
    batch = batch_of_unique_id(first.unique_id)
    assert batch is not None
    world.set_order(first, "abandoned")
    return world.a_payable_order(Ether(first.amount_wei), ANOTHER_DEPOSIT, batch=UUID(batch), number=2)


# --- what persons decide ----------------------------------------------------------------------------------------------


def test_a_held_transfer_that_a_person_approves_is_paid_although_the_limit_still_forbids_it(world: World) -> None:
    order = world.a_payable_order(amount=Ether(3 * 10**18))
    world.pay(order)
    assert world.state(order) == "held"
    after = approve_held(world.x, order.unique_id, "Ada", "the quarter's largest batch", world.task())
    assert after is TransferState.APPROVED
    world.run_to_the_end()
    assert world.state(order) == "settled"
    (approval,) = world.rows("select action, subject, approved_by, reason from approval")
    assert tuple(approval.values()) == ("held", order.unique_id, "Ada", "the quarter's largest batch")
    evidence = world.value("select evidence from history where event = 'transfer_approved'")
    assert evidence["held_for"].startswith("over_transfer_limit")


def test_a_daily_limit_is_overruled_for_the_approved_transfer_alone(world: World) -> None:
    world.with_limits(max_daily=Ether(5 * 10**16))
    first, second, third = (world.a_payable_order() for _ in range(3))
    for order in (first, second, third):
        world.pay(order)
        world.settle_down()
    assert [world.state(order) for order in (first, second, third)] == ["live", "held", "held"]
    approve_held(world.x, second.unique_id, "Ada", "known", world.task())
    world.run_to_the_end()
    assert [world.state(order) for order in (first, second, third)] == ["settled", "settled", "held"]


def test_an_order_that_is_too_old_is_never_approved(world: World) -> None:
    order = world.a_payable_order(amount=Ether(3 * 10**18))
    world.pay(order)
    world.now += timedelta(hours=7)
    with pytest.raises(NotApprovable, match="order_is_old"):
        approve_held(world.x, order.unique_id, "Ada", "please", world.task())
    assert world.state(order) == "held"
    approve_void(world.x, order.unique_id, "Ada", "too late", world.task())
    assert world.state(order) == "void"
    assert answers(world) == ["void"]


def test_only_a_held_transfer_is_approved(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    with pytest.raises(NotApprovable, match="only a held transfer"):
        approve_held(world.x, order.unique_id, "Ada", "why not", world.task())
    world.run_to_the_end()
    with pytest.raises(NotApprovable, match="without a nonce"):
        approve_void(world.x, order.unique_id, "Ada", "why not", world.task())
    assert world.rows("select * from approval") == []


def test_so_many_transfers_within_an_hour_make_the_next_one_wait_for_a_person(world: World) -> None:
    world.with_limits(max_transfers_per_hour=2)
    orders = [world.a_payable_order() for _ in range(3)]
    for order in orders:
        world.pay(order)
    world.run_to_the_end()
    assert sorted(world.state(order) for order in orders) == ["held", "settled", "settled"]
    (held,) = (order for order in orders if world.state(order) == "held")
    assert world.reason(held).startswith("over_velocity")
    world.now += timedelta(hours=2)
    later = world.a_payable_order()
    world.pay(later)
    world.run_to_the_end()
    assert world.state(later) == "settled"


def reverted(world: World) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    world.chain.reverting.add(DEPOSIT.lower())
    world.run_to_the_end()
    assert world.state(order) == "reverted"
    return order


def test_a_reverted_transfer_is_superseded_once_by_a_new_one_that_a_person_approved(world: World) -> None:
    first = reverted(world)
    second = a_second_order(world, first)
    with pytest.raises(PayOrderContradicts):
        world.pay(second)  # nobody approved it
    approve_repay(world.x, first.unique_id, "Ada", "the deposit contract refused it", world.task())
    assert answers(world) == ["repayable"]
    world.pay(second)
    world.run_to_the_end()
    assert (world.state(first), world.state(second)) == ("reverted", "settled")
    rows = world.rows("select unique_id, supersedes, superseded_by from transfer order by created_at")
    assert [tuple(row.values()) for row in rows] == [
        (first.unique_id, None, second.unique_id),
        (second.unique_id, first.unique_id, None),
    ]
    assert len(world.chain.transactions_to(ANOTHER_DEPOSIT)) == 1
    with pytest.raises(NotApprovable, match="replaced already"):
        approve_repay(world.x, first.unique_id, "Ada", "again", world.task())


def test_a_new_transfer_that_comes_eight_times_at_once_supersedes_once(world: World) -> None:
    first = reverted(world)
    approve_repay(world.x, first.unique_id, "Ada", "the deposit contract refused it", world.task())
    second = a_second_order(world, first)
    barrier = threading.Barrier(8, timeout=10)

    def pay(_: int) -> bool:
        barrier.wait()
        return world.pay(second).repeated

    with ThreadPoolExecutor(8) as threads:
        repeated = list(threads.map(pay, range(8)))
    assert sorted(repeated) == [False] + [True] * 7
    world.run_to_the_end()
    assert len(world.chain.transactions_to(ANOTHER_DEPOSIT)) == 1


@pytest.mark.parametrize("state", ["held", "live", "settled"])
def test_without_a_final_contrary_end_nothing_is_repaid(world: World, state: str) -> None:
    order = world.a_payable_order(amount=Ether(3 * 10**18) if state == "held" else SOME_ETH)
    world.pay(order)
    world.settle_down()
    if state == "settled":
        world.run_to_the_end()
    assert world.state(order) == state
    with pytest.raises(NotApprovable, match="ended without effect"):
        approve_repay(world.x, order.unique_id, "Ada", "the payee says so", world.task())
    assert world.rows("select * from approval") == []


def test_a_foreign_transaction_that_paid_the_deposit_address_is_never_repaid(world: World) -> None:
    world.chain.drop_sends = True
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    world.chain.send_foreign(HOST_WALLET.address, 7)
    world.run_to_the_end()
    assert world.state(order) == "foreign"
    world.write(
        """update slot set evidence = evidence || jsonb_build_object('to', :to::text, 'status', 1, 'value_wei', '5')""",
        to=DEPOSIT.lower(),
    )
    with pytest.raises(NotApprovable, match="has paid its deposit address"):
        approve_repay(world.x, order.unique_id, "Ada", "it is not ours", world.task())
    world.write("update slot set evidence = evidence - 'block_hash'")
    with pytest.raises(NotApprovable, match="no evidence"):
        approve_repay(world.x, order.unique_id, "Ada", "it is not ours", world.task())


def test_an_instant_payout_is_not_repaid_here(world: World) -> None:
    order = world.a_payable_order(context="instant")
    world.pay(order)
    world.settle_down()
    world.chain.reverting.add(DEPOSIT.lower())
    world.run_to_the_end()
    with pytest.raises(NotApprovable, match="upstream"):
        approve_repay(world.x, order.unique_id, "Ada", "it failed", world.task())


def test_a_request_under_the_second_name_of_another_batch_is_refused(world: World) -> None:
    order = world.a_payable_order()
    stranger = PayOrder(
        batch_unique_id("11111111-2222-4333-8444-555555555555", 2),
        "batch",
        order.cn_api_id,
        "eth",
        "eth",
        order.amount_wei,
        order.payin_address,
    )
    with pytest.raises(PayOrderContradicts, match="request_unknown"):
        world.pay(stranger)
