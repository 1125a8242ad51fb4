"""An order that cannot be paid is replaced: batcher, conductor and executor on one database, each with its own rights.

The messages that they leave for each other are handed over by the test: once, twice, late, or never.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from GCHostPay1.give_up_order import give_up_order, hear_void
from GCHostPay1.hear_check import hear_check
from GCHostPay1.hear_transfer import hear_transfer
from GCHostPay1.take_request import RequestContradicts, take_batch
from GCHostPay3.approvals import approve_repay
from GCHostPay3.drive import drive
from GCHostPay3.void import make_void
from GCMicroBatchProcessor.batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER
from shared.db import Database
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR
from shared.lifecycle import RequestState
from shared.messages import (
    ALL_EDGES,
    CheckOrder,
    DriveAccount,
    GiveUpOrder,
    Message,
    OrderChecked,
    PayBatch,
    PayOrder,
    SwapFailed,
    TransferFinal,
    TransferVoided,
    VoidTransfer,
    open_sealed,
)
from shared.money import Price
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.fakes import FakeTaskSender
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.batcher_world import BatcherWorld
from tests.integration.conductor_world import TRACE
from tests.integration.conductor_world import World as ConductorWorld
from tests.integration.executor_world import KEYRING, WALLET_ETH
from tests.integration.executor_world import World as ExecutorWorld

INTERNAL = [edge for edge in ALL_EDGES if edge.secret == "internal"]


@dataclass
class Fleet:
    """Three services on one database. `post` holds what they have sent and nobody has received yet."""

    batcher: BatcherWorld
    conductor: ConductorWorld
    executor: ExecutorWorld
    verdict: str = "payable"
    lost: set[type[Message]] = field(default_factory=set)
    delivered: list[Message] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.batcher.now

    def wait(self, **span: int) -> None:
        for one in (self.batcher, self.conductor, self.executor):
            one.now = self.now if one is not self.batcher else one.now + timedelta(**span)

    def rest(self) -> None:
        """Everything that is due is received, until nothing is; what is `lost` never arrives, nor do timers."""
        for _ in range(60):
            messages = [message for world in self._worlds() for message in self._sent(world.sender)]
            if not messages:
                return
            for message in messages:
                if type(message) not in self.lost:
                    self.receive(message)
        raise AssertionError("they go on for ever")

    def receive(self, message: Message) -> None:
        self.delivered.append(message)
        c, x, now = self.conductor.c, self.executor.x, self.now
        match message:
            case PayBatch():
                take_batch(c, message, now, TRACE)
            case CheckOrder():
                checked = OrderChecked(message.unique_id, message.cn_api_id, self.verdict, "expired", "as it is now")
                hear_check(c, checked, now, now, TRACE)
            case GiveUpOrder():
                give_up_order(c, message, now)
            case TransferVoided():
                hear_void(c, message, now, TRACE)
            case TransferFinal():
                hear_transfer(c, message, now, TRACE)
            case PayOrder():
                self.executor.pay(message)
            case VoidTransfer():
                make_void(x, message, self.executor.task())
            case DriveAccount():
                self.executor.chain.mine()
                drive(x, message, self.executor.task())
            case SwapFailed():
                assert self.batcher.report(message).status == 200
            case _:
                pass

    def sweep(self) -> None:
        """Everybody's sweep, a little later, and what follows from it."""
        self.wait(seconds=int(REDRIVE_AFTER.total_seconds()) + 1)
        assert self.batcher.sweep().status == 200
        self.conductor.sweep()
        self.executor.sweep()
        self.rest()

    def of_kind(self, kind: type[Message]) -> Sequence[Any]:
        return [message for message in self.delivered if isinstance(message, kind)]

    def column(self, sql: str, **params: object) -> list[Any]:
        return self.batcher.column(sql, **params)

    def _worlds(self) -> tuple[Any, ...]:
        return self.batcher, self.conductor, self.executor

    def _sent(self, sender: FakeTaskSender) -> list[Message]:
        due = [task for task in sender.take() if task.schedule_at is None or task.schedule_at <= self.now]
        return [open_sealed(INTERNAL, json.loads(task.body)["token"], KEYRING, self.now).message for task in due]


@pytest.fixture
def fleet(database: Database, database_as: Callable[[str], Database]) -> Fleet:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return Fleet(
        BatcherWorld.of(database, database_as(BATCHER)),
        ConductorWorld.of(database, database_as(CONDUCTOR)),
        ExecutorWorld.of(database, database_as(EXECUTOR), chain),
    )


def a_batch(fleet: Fleet) -> UUID:
    fleet.batcher.payments("60", "40")
    return UUID(fleet.batcher.tick().body["batch_conversion_id"])


def is_paid_once(fleet: Fleet, *, order_statuses: list[str]) -> None:
    """The last order alone was paid, the others never will be."""
    for _ in range(12):
        fleet.sweep()
        fleet.executor.chain.finalize()
    assert fleet.column("select order_status from exchange_order order by id") == order_statuses
    (paid,) = fleet.column("select unique_id from slot where outcome = 'settled'")
    assert paid == fleet.column("select unique_id from transfer order by created_at desc limit 1")[0]
    (last,) = fleet.column("select payin_address from exchange_order order by id desc limit 1")
    assert len(fleet.executor.chain.transactions_to(last)) == fleet.column("select count(*) from slot")[0]
    assert fleet.column("select request_status from hostpay_request order by created_at desc limit 1") == ["watching"]


def test_an_order_that_expired_before_it_was_paid_is_fenced_off_and_another_one_is_paid(fleet: Fleet) -> None:
    batch = a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.rest()
    assert fleet.column("select transfer_status from transfer") == ["void"]
    assert fleet.column("select order_status from exchange_order") == ["abandoned"]
    assert fleet.column("select request_status from hostpay_request") == ["abandoned"]
    assert fleet.batcher.batch(batch)["conversion_status"] == "pending"
    assert fleet.batcher.story("batch", batch) == ["batch_claimed", "batch_swapping", "batch_parked", "batch_reopened"]
    fleet.verdict = "payable"
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])
    assert fleet.column("select unique_id from hostpay_request order by created_at") == [
        f"batch_{batch}",
        f"batch_{batch}_2",
    ]
    assert fleet.column("select count(*) from batch_member where live") == [2]


def test_no_second_order_is_asked_for_before_the_first_is_void(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.lost = {VoidTransfer}
    fleet.rest()
    for _ in range(4):
        fleet.sweep()
    assert fleet.batcher.exchange.asked == 1
    assert fleet.column("select conversion_status from batch_conversions") == ["parked"]
    fleet.lost = set()
    fleet.sweep()
    assert fleet.column("select transfer_status from transfer") == ["void"]
    assert fleet.batcher.exchange.asked == 1
    fleet.verdict = "payable"
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])


@pytest.mark.parametrize("kind", [GiveUpOrder, VoidTransfer, TransferVoided, SwapFailed])
def test_each_message_of_the_fence_may_be_lost_twice(fleet: Fleet, kind: type[Message]) -> None:
    a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.lost = {kind}
    fleet.rest()
    fleet.sweep()
    fleet.lost = set()
    fleet.verdict = "payable"
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])


def test_every_message_of_the_fence_may_come_again_after_the_second_order_is_paid(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.rest()
    fleet.verdict = "payable"
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])
    before = fleet.batcher.snapshot()
    for message in list(fleet.delivered):
        if isinstance(message, GiveUpOrder | VoidTransfer | TransferVoided | SwapFailed):
            fleet.receive(message)
    fleet.rest()
    assert fleet.batcher.snapshot() == before


def test_a_pay_order_for_the_order_that_was_given_up_pays_nothing(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.lost = {PayOrder}
    fleet.rest()
    order = _pay_order_of(fleet)
    fleet.conductor.write("update hostpay_request set request_status = 'parked', reason = 'a test'")
    fleet.lost = set()
    fleet.sweep()
    assert fleet.column("select transfer_status from transfer") == ["void"]
    taken = fleet.executor.pay(order)
    assert (taken.state.value, taken.repeated) == ("void", True)
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])


def _pay_order_of(fleet: Fleet) -> PayOrder:
    (row,) = fleet.batcher.rows("select unique_id, cn_api_id, amount_wei, payin_address from hostpay_request")
    return PayOrder(
        row["unique_id"], "batch", row["cn_api_id"], "eth", "eth", int(row["amount_wei"]), row["payin_address"]
    )


def test_a_batch_whose_transfer_has_a_nonce_waits_for_the_chain(fleet: Fleet) -> None:
    batch = a_batch(fleet)
    fleet.executor.chain.drop_sends = True
    fleet.rest()
    order = fleet.batcher.adopted(batch)["cn_api_id"]
    fleet.receive(SwapFailed(str(batch), order, "somebody says that it expired", ""))
    fleet.rest()
    assert fleet.of_kind(GiveUpOrder) == []
    fleet.receive(VoidTransfer(f"batch_{batch}", order))  # and even if the fence is asked for
    fleet.rest()
    assert fleet.of_kind(TransferVoided)[-1].outcome == "not_void"
    assert fleet.batcher.exchange.asked == 1
    fleet.executor.chain.drop_sends = False
    is_paid_once(fleet, order_statuses=["adopted"])


def test_an_order_that_grew_too_old_while_it_waited_for_funds_is_replaced(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.executor.chain.set_balance(HOST_WALLET.address, 10**15)
    fleet.rest()
    assert fleet.column("select transfer_status from transfer") == ["approved"]
    fleet.wait(hours=8)
    fleet.executor.chain.set_balance(HOST_WALLET.address, WALLET_ETH.wei)
    fleet.sweep()
    fleet.sweep()
    assert fleet.column("select transfer_status from transfer order by created_at")[0] == "void"
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])


def test_a_new_order_meets_the_market_anew(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.rest()
    fleet.batcher.chain.price = Price(2_000, 0)
    for _ in range(3):
        fleet.sweep()
    assert fleet.batcher.exchange.asked == 1
    assert fleet.column("select conversion_status from batch_conversions") == ["pending"]


def test_an_exchange_that_expires_every_order_ends_at_a_person(fleet: Fleet) -> None:
    a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.rest()
    for _ in range(20):
        fleet.sweep()
    assert fleet.batcher.exchange.asked == MOST_ORDER_ATTEMPTS
    assert fleet.column("select conversion_status from batch_conversions") == ["parked"]
    assert fleet.column("select distinct transfer_status from transfer") == ["void"]
    assert fleet.column("select count(*) from slot") == [0]


def test_a_reverted_transfer_is_paid_anew_for_another_order_when_a_person_approves(fleet: Fleet) -> None:
    batch = a_batch(fleet)
    fleet.executor.chain.reverting.add(fleet.batcher.adopted(batch)["payin_address"].lower())
    fleet.executor.chain.estimate_gas = lambda *_: 26_250  # type: ignore[method-assign]
    fleet.rest()
    for _ in range(6):
        fleet.sweep()
        fleet.executor.chain.finalize()
    assert fleet.column("select transfer_status from transfer") == ["reverted"]
    assert fleet.column("select conversion_status from batch_conversions") == ["parked"]
    assert fleet.batcher.exchange.asked == 1, "nobody pays again without a person"
    fleet.executor.chain.reverting.clear()
    approve_repay(fleet.executor.x, f"batch_{batch}", "Ada", "the deposit contract refused it", fleet.executor.task())
    fleet.rest()
    is_paid_once(fleet, order_statuses=["abandoned", "adopted"])
    assert fleet.column("select supersedes from transfer order by created_at") == [None, f"batch_{batch}"]
    assert fleet.column("select outcome from slot order by nonce") == ["reverted", "settled"]


def test_the_conductor_takes_no_second_order_while_the_first_request_is_not_given_up(fleet: Fleet) -> None:
    batch = a_batch(fleet)
    fleet.verdict = "not_waiting"
    fleet.lost = {SwapFailed}
    fleet.rest()
    fleet.batcher.write("update exchange_order set order_status = 'abandoned'")
    fleet.batcher.write(
        """insert into exchange_order (context, batch_conversion_id, attempt_no, order_status, from_currency,
               from_network, to_currency, to_network, amount_wei, payout_address, cn_api_id, payin_address, key_alias,
               created_at, updated_at)
           select context, batch_conversion_id, 2, 'adopted', from_currency, from_network, to_currency, to_network,
                  amount_wei, payout_address, 'another', payin_address, key_alias, created_at, updated_at
             from exchange_order"""
    )
    order = fleet.batcher.adopted(batch)
    with pytest.raises(RequestContradicts, match="was taken before"):
        fleet.receive(PayBatch(str(batch), "another", "eth", "eth", int(order["amount_wei"]), order["payin_address"]))
    request = fleet.batcher.only("select request_status from hostpay_request")
    assert request["request_status"] == RequestState.PARKED.value
