"""Lost answers, lying providers, reorgs, strangers with our key: no verdict without proof, never a second nonce."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from GCHostPay3 import store
from GCHostPay3.executor import Executor
from GCHostPay3.settle import settle
from GCHostPay3.sign import sign_slot
from shared.books import Account, totals
from shared.chain import AnswerKind, LocalSigner, Signed, SignedBytesDiffer, TransferFields, WrongChain
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, FAUCET, HOST_WALLET
from shared.sandbox.fakes_chain import FINAL_AFTER, FakeChain
from tests.integration.executor_world import DEPOSIT, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def a_live_transfer(world: World) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "live"
    return order


def hold_on(world: World, polls: int = 10) -> None:
    """Blocks come, time passes, timers fire."""
    for _ in range(polls):
        world.chain.mine()
        world.wait()


def paid_once(world: World, order: PayOrder) -> bool:
    world.run_to_the_end()
    (paid,) = world.chain.transactions_to(DEPOSIT)
    return (
        world.state(order) == "settled"
        and paid.nonce == 7
        and len(set(world.chain.sent)) == 1
        and world.account()["next_nonce"] == 8
    )


# --- answers to a send ------------------------------------------------------------------------------------------------


def test_a_lost_answer_changes_nothing(world: World) -> None:
    world.chain.lose_answers = True
    order = a_live_transfer(world)
    assert paid_once(world, order)
    answers = world.rows("select provider, answer_class, answer from send_log order by id")
    assert [row["provider"] for row in answers] == ["fake:1", "fake:2"]
    assert {(row["answer_class"], row["answer"]) for row in answers} == {("unknown", "the connection was lost")}


def test_bytes_that_were_accepted_and_dropped_are_sent_again_until_a_block_has_them(world: World) -> None:
    world.chain.drop_sends = True
    order = a_live_transfer(world)
    first_block = world.attempts()[0]["first_block"]
    hold_on(world)
    assert world.state(order) == "live"
    assert len(world.chain.sent) >= 3
    assert world.attempts()[0]["first_block"] == first_block
    world.chain.drop_sends = False
    world.wait(40)
    assert paid_once(world, order)


def test_bytes_are_not_sent_again_at_every_look(world: World) -> None:
    world.chain.drop_sends = True
    a_live_transfer(world)
    world.wait(12)
    world.wait(12)
    assert len(world.chain.sent) == 1
    world.wait(12)
    assert len(world.chain.sent) == 2


def test_an_evicted_transaction_is_sent_again(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.evict()
    hold_on(world, 4)
    assert paid_once(world, order)


@pytest.mark.parametrize("kind", list(AnswerKind))
def test_no_answer_is_a_verdict(world: World, kind: AnswerKind) -> None:
    world.chain.refuse_sends = (kind, f"the node says {kind.value}")
    order = a_live_transfer(world)
    hold_on(world)
    assert world.state(order) == "live"
    assert world.account()["next_nonce"] == 8
    assert world.finals == []
    world.chain.refuse_sends = None
    world.wait(40)
    world.run_to_the_end()
    (paid,) = world.chain.transactions_to(DEPOSIT)
    assert (world.state(order), paid.nonce, world.account()["next_nonce"]) == ("settled", 7, 8)


# --- what providers show ----------------------------------------------------------------------------------------------


def test_a_receipt_that_is_never_shown_leaves_the_transfer_live_for_ever(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.hide_receipts = True
    hold_on(world, 60)
    assert world.state(order) == "live"
    assert world.finals == []
    world.chain.hide_receipts = False
    assert paid_once(world, order)


def test_inclusion_alone_settles_nothing(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.hide_final = True
    hold_on(world, 20)
    assert world.state(order) == "included"
    assert world.finals == []
    world.chain.hide_final = False
    assert paid_once(world, order)


def test_a_block_that_is_not_finalized_gives_no_verdict(world: World) -> None:
    order = a_live_transfer(world)
    for _ in range(FINAL_AFTER):
        world.chain.mine()
        world.wait()
        assert world.state(order) == "included"
    world.chain.mine()
    world.wait()
    assert world.state(order) == "settled"


def test_providers_that_disagree_give_no_verdict_and_a_person_is_told_once_a_day(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.finalize()
    world.chain.disagree = True
    hold_on(world)
    assert world.state(order) == "live"
    assert world.alerts() == ["providers_disagreed"]
    world.chain.disagree = False
    assert paid_once(world, order)


def test_providers_that_are_away_stop_everything_and_lose_nothing(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.chain.away = True
    world.settle_down()
    assert world.drive().waits_for == "providers_unavailable"
    assert world.state(order) == "approved"
    world.chain.away = False
    assert paid_once(world, order)


def test_a_first_pay_order_waits_for_providers_before_it_is_taken_in(world: World) -> None:
    world.chain.away = True
    with pytest.raises(Exception, match="Too few"):
        world.pay(world.a_payable_order())
    assert world.rows("select * from transfer") == []
    assert world.rows("select * from account") == []


def test_providers_of_another_chain_are_never_believed(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.finalize()
    world.chain.serves = 1
    with pytest.raises(WrongChain):
        world.drive()
    assert world.state(order) == "live"
    world.chain.serves = CHAIN_ID
    assert paid_once(world, order)


@pytest.mark.parametrize("lose", [True, False], ids=["lost_by_the_pool", "back_in_the_pool"])
def test_a_reorg_before_finality_brings_the_same_bytes_back(world: World, lose: bool) -> None:
    order = a_live_transfer(world)
    world.chain.mine()
    world.wait()
    assert world.state(order) == "included"
    world.chain.reorg(1, lose=lose)
    world.wait()
    assert world.state(order) == "live"
    assert "transfer_inclusion_lost" in world.story(order)
    world.wait(40)
    assert paid_once(world, order)


def test_a_transaction_that_moves_to_another_block_is_still_one_payment(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.mine()
    world.wait()
    world.chain.reorg(1, lose=False)
    world.chain.mine()
    world.wait()
    assert world.state(order) == "included"
    assert paid_once(world, order)


# --- other ends -------------------------------------------------------------------------------------------------------


def test_a_payment_that_the_receiver_refused_costs_gas_only_and_is_told(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.reverting.add(DEPOSIT.lower())
    world.run_to_the_end()
    assert world.state(order) == "reverted"
    assert [final.outcome for final in world.finals] == ["reverted"]
    assert world.alerts() == ["transfer_reverted"]
    with world.owner.read() as conn:
        eth = totals(conn).eth
    assert eth[Account.IN_TRANSIT].is_zero()
    assert eth[Account.WALLET] == -eth[Account.GAS]
    left = world.chain.balance_wei(HOST_WALLET.address, world.chain.agreed_finalized())
    assert WALLET_ETH - eth[Account.GAS] == Ether(left)


def the_nonce_was_stolen(world: World, order: PayOrder, tx_hash: str) -> None:
    (slot,) = world.slots()
    assert (world.state(order), slot["outcome"]) == ("foreign", "foreign")
    assert slot["evidence"]["tx_hash"] == tx_hash
    assert world.account()["account_status"] == "frozen"
    assert tx_hash in world.account()["reason"]
    (final,) = world.finals
    assert (final.outcome, final.tx_hash) == ("foreign", tx_hash)
    assert {"transfer_foreign", "account_frozen"} <= set(world.alerts())
    assert world.rows("select * from posting") == []
    assert world.chain.transactions_to(DEPOSIT) == []


def test_a_strangers_transaction_at_our_live_nonce_is_found_and_freezes_the_wallet(world: World) -> None:
    world.chain.drop_sends = True
    order = a_live_transfer(world)
    tx_hash = world.chain.send_foreign(HOST_WALLET.address, 7)
    hold_on(world, 4)
    the_nonce_was_stolen(world, order, tx_hash)


@pytest.mark.parametrize("steps", [1, 2], ids=["reserved", "signed"])
def test_a_strangers_transaction_at_a_nonce_that_we_never_sent_is_found_too(world: World, steps: int) -> None:
    order = world.a_payable_order()
    world.pay(order)
    for _ in range(steps):
        world.deliver()
    tx_hash = world.chain.send_foreign(HOST_WALLET.address, 7)
    world.chain.mine(10)  # long before anybody looks again
    world.now += timedelta(minutes=3)
    world.settle_down()
    the_nonce_was_stolen(world, order, tx_hash)
    assert world.chain.sent == []


def test_a_frozen_wallet_reserves_nothing_and_goes_on_watching_what_is_out(world: World) -> None:
    first = a_live_transfer(world)
    world.write("update account set account_status = 'frozen', reason = 'a test'")
    second = world.a_payable_order()
    world.pay(second)
    world.run_to_the_end()
    assert world.state(first) == "settled"
    assert world.state(second) == "created"
    assert len(world.slots()) == 1


def test_a_wallet_whose_chain_is_ahead_of_the_database_is_frozen_before_it_pays(world: World) -> None:
    world.pay(world.a_payable_order())
    world.run_to_the_end()
    world.chain.send_foreign(HOST_WALLET.address, 8)
    world.chain.finalize()
    order = world.a_payable_order()
    world.pay(order)
    world.settle_down()
    assert world.account()["account_status"] == "frozen"
    assert world.state(order) == "approved"
    assert len(world.slots()) == 1
    evidence = world.value("select evidence from history where event = 'account_frozen'")
    assert (evidence["finalized_nonce"], evidence["next_nonce"]) == (9, 8)


def test_bytes_of_ours_that_are_final_and_by_the_database_never_left_freeze_the_wallet(world: World) -> None:
    order = a_live_transfer(world)
    world.chain.finalize()
    # A database from a backup that is older than the send.
    world.write("update transfer set transfer_status = 'signed'")
    world.write("update attempt set first_send_started_at = null, last_send_started_at = null, first_block = null")
    world.wait()
    assert world.account()["account_status"] == "frozen"
    assert world.state(order) == "signed"
    assert len(world.chain.sent) == 1
    assert world.finals == []


def test_a_verdict_that_changes_after_finality_freezes_the_wallet(world: World) -> None:
    order = a_live_transfer(world)
    (slot,) = world.slots()
    world.run_to_the_end()
    assert world.state(order) == "settled"
    consumer = world.chain.final_consumer(HOST_WALLET.address, slot["nonce"], [], 0)
    assert consumer is not None
    with world.owner.transaction() as conn:
        transfer = store.lock_transfer(conn, order.unique_id)
    assert transfer is not None
    settle(world.x, transfer, consumer, world.task())
    assert world.account()["account_status"] == "active"  # the same verdict again
    settle(world.x, transfer, replace(consumer, tx_hash="0x" + "ab" * 32), world.task())
    assert world.account()["account_status"] == "frozen"
    assert world.state(order) == "settled"


# --- the signer -------------------------------------------------------------------------------------------------------


class LyingSigner:
    """Holds the right key and signs something else than it was asked for."""

    def __init__(self, lie: Callable[[LocalSigner, TransferFields], Signed]) -> None:
        self._real = LocalSigner(HOST_WALLET.private_key)
        self._lie = lie

    @property
    def address(self) -> str:
        return self._real.address

    def sign(self, fields: TransferFields) -> Signed:
        return self._lie(self._real, fields)


def _to_another(signer: LocalSigner, fields: TransferFields) -> Signed:
    return signer.sign(_with(fields, to=FAUCET.address))


def _more(signer: LocalSigner, fields: TransferFields) -> Signed:
    return signer.sign(_with(fields, value_wei=fields.value_wei + 1))


def _another_nonce(signer: LocalSigner, fields: TransferFields) -> Signed:
    return signer.sign(_with(fields, nonce=fields.nonce + 1))


def _with_another_key(_: LocalSigner, fields: TransferFields) -> Signed:
    return LocalSigner(FAUCET.private_key).sign(fields)


def _under_another_hash(signer: LocalSigner, fields: TransferFields) -> Signed:
    return Signed(signer.sign(fields).raw, "0x" + "00" * 32)


def _with(fields: TransferFields, **changed: object) -> TransferFields:
    return replace(fields, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("lie", [_to_another, _more, _another_nonce, _with_another_key, _under_another_hash])
def test_bytes_that_are_not_the_transfer_are_neither_stored_nor_sent(
    world: World, lie: Callable[[LocalSigner, TransferFields], Signed]
) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    world.x = _signing_with(world.x, LyingSigner(lie))
    with pytest.raises(SignedBytesDiffer):
        world.deliver()
    assert world.attempts() == []
    assert world.chain.sent == []
    assert world.account()["drive_lease_by"] is None  # the next delivery may try again at once
    world.x = _signing_with(world.x, LocalSigner(HOST_WALLET.private_key))
    world.now += timedelta(minutes=3)
    world.sweep()
    assert paid_once(world, order)


def _signing_with(x: Executor, signer: object) -> Executor:
    return replace(x, signer=signer)  # type: ignore[arg-type]


def test_of_two_workers_that_sign_one_slot_the_second_discards_his_bytes(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    with world.owner.transaction() as conn:
        transfer, slot = store.lock_transfer(conn, order.unique_id), store.lock_slot(conn, order.unique_id)
    assert transfer is not None
    assert sign_slot(world.x, transfer, slot, world.task()) == "attempt_signed"
    world.chain.base_fee_wei *= 2  # so that his bytes differ
    assert sign_slot(world.x, transfer, slot, world.task()) == "already_signed"
    assert len(world.attempts()) == 1
    assert paid_once(world, order)


# --- the sweep --------------------------------------------------------------------------------------------------------


def test_every_task_may_be_lost_and_the_sweep_brings_the_transfer_to_its_end(world: World) -> None:
    order = world.a_payable_order()
    world.pay(order)
    for _ in range(30):
        world.sender.take()  # purged queues
        world.now += timedelta(minutes=3)
        world.sweep()
        world.deliver()
        world.chain.mine()
        if world.state(order) == "settled":
            break
    assert paid_once(world, order)


def test_a_task_that_could_not_be_made_is_made_by_the_sweep(world: World) -> None:
    world.sender.be_away(1)
    order = world.a_payable_order()
    world.pay(order)
    assert world.sender.tasks == []
    world.now += timedelta(minutes=1)
    world.sweep()
    assert paid_once(world, order)


def test_a_sweep_leaves_a_wallet_alone_that_is_being_driven(world: World) -> None:
    a_live_transfer(world)
    world.wait()
    waiting = len(world.sender.tasks)
    assert world.sweep().driven == 0
    assert len(world.sender.tasks) == waiting


def test_a_sweep_with_nothing_open_does_nothing(world: World) -> None:
    order = a_live_transfer(world)
    world.run_to_the_end()
    assert world.state(order) == "settled"
    world.now += timedelta(days=3)
    swept = world.sweep()
    assert (swept.driven, swept.overdue) == (0, 0)
    assert world.sender.tasks == []


def test_a_transfer_past_its_deadline_is_told_once(world: World) -> None:
    world.chain.drop_sends = True
    a_live_transfer(world)
    world.now += timedelta(hours=2)
    assert world.sweep().overdue == 1
    world.now += timedelta(minutes=1)
    world.sweep()
    assert world.alerts() == ["transfer_overdue"]


def test_a_held_transfer_reminds_a_person_and_is_not_driven(world: World) -> None:
    order = world.a_payable_order(amount=Ether(3 * 10**18))
    world.pay(order)
    world.settle_down()
    world.now += timedelta(hours=25)
    swept = world.sweep()
    assert (swept.driven, swept.overdue) == (0, 1)
    assert world.alerts() == ["transfer_held", "transfer_overdue"]


def test_a_sweep_tells_how_each_provider_has_behaved(world: World) -> None:
    a_live_transfer(world)
    with capture_logs() as lines:
        world.sweep()
    seen = [line for line in lines if line["event"] == "provider_seen"]
    assert [line["provider"] for line in seen] == list(world.chain.providers)
    assert {"answers", "failures", "disagreements"} <= seen[0].keys()
