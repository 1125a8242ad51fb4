"""Anti-equivocation: what the key was once asked to sign for a nonce stands, whatever the other rows say afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from GCHostPay3.executor import Executor
from GCHostPay3.promised import PromisedNonces
from shared.chain import LocalSigner, TransferFields
from shared.chain.careful import CarefulSigner
from shared.chain.trouble import Equivocation
from shared.db import ConstraintViolated, Database, PermissionMissing
from shared.db.roles import EXECUTOR
from shared.messages import PayOrder
from shared.sandbox.chain import CHAIN_ID, FAUCET, HOST_WALLET
from shared.sandbox.fakes_chain import FakeChain
from tests.integration.executor_world import DEPOSIT, SOME_ETH, WALLET_ETH, World


@pytest.fixture
def world(database: Database, database_as: Callable[[str], Database]) -> World:
    chain = FakeChain(CHAIN_ID, {HOST_WALLET.address: WALLET_ETH.wei}, {HOST_WALLET.address: 7})
    return World.of(database, database_as(EXECUTOR), chain)


def reserved(world: World) -> PayOrder:
    order = world.a_payable_order()
    world.pay(order)
    world.deliver()
    assert world.state(order) == "reserved"
    return order


def fields(**changed: object) -> TransferFields:
    usual: dict[str, object] = {
        "chain_id": CHAIN_ID,
        "nonce": 7,
        "to": DEPOSIT,
        "value_wei": SOME_ETH.wei,
        "gas_limit": 26_250,
        "tip_wei": 10**9,
        "cap_wei": 3 * 10**10,
    }
    return TransferFields(**(usual | changed))  # type: ignore[arg-type]


def promises(world: World) -> list[tuple[object, ...]]:
    rows = world.rows("select nonce, kind, to_address, value_wei from signed_nonce order by nonce, kind")
    return [tuple(row.values()) for row in rows]


def test_every_nonce_is_promised_once_before_it_is_signed(world: World) -> None:
    orders = [world.a_payable_order() for _ in range(2)]
    for order in orders:
        world.pay(order)
    world.run_to_the_end()
    assert promises(world) == [(7, "pay", DEPOSIT, SOME_ETH.wei), (8, "pay", DEPOSIT, SOME_ETH.wei)]


def test_the_promise_is_committed_before_the_key_is_used(world: World) -> None:
    reserved(world)
    seen = []

    class Looking:
        address = HOST_WALLET.address

        def sign(self, asked: TransferFields) -> object:
            seen.extend(promises(world))
            return LocalSigner(HOST_WALLET.private_key).sign(asked)

    world.x = _with_signer(world, CarefulSigner(Looking(), PromisedNonces(world.x.db)))  # type: ignore[arg-type]
    world.deliver()
    assert seen == [(7, "pay", DEPOSIT, SOME_ETH.wei)]


@pytest.mark.parametrize(
    "tampered",
    [
        "update transfer set to_address = '0x90F79bf6EB2c4f870365E785982E1f101E93b906'",
        "update transfer set value_wei = value_wei + 1",
    ],
    ids=["another_address", "another_amount"],
)
@pytest.mark.parametrize("lost", ["the first signature", "nothing"])
def test_a_row_that_was_changed_after_the_promise_is_never_signed(world: World, tampered: str, lost: str) -> None:
    order = reserved(world)
    world.x.signer.sign(fields())  # a signature that was made; whether it was lost or stored changes nothing
    if lost == "nothing":
        world.deliver()
        assert world.state(order) == "signed"
        world.write("delete from attempt")
        world.write("update transfer set transfer_status = 'reserved'")
    world.write(tampered)
    with pytest.raises(Equivocation):
        world.drive()
    assert world.attempts() == []
    assert world.chain.sent == []
    assert world.account()["account_status"] == "frozen"
    assert "account_frozen" in world.alerts()
    assert promises(world) == [(7, "pay", DEPOSIT, SOME_ETH.wei)]
    assert world.drive().did is None, "a frozen wallet signs nothing new"


def test_a_cancel_that_nobody_asked_for_is_not_signed(world: World) -> None:
    reserved(world)
    with pytest.raises(Equivocation):
        world.x.signer.sign(fields(to=HOST_WALLET.address, value_wei=0))
    assert promises(world) == []
    world.write(
        """insert into cancel_request (account_address, chain_id, nonce, unique_id, requested_by, reason, requested_at)
           select account_address, chain_id, nonce, unique_id, 'Ada', 'why', :now from slot""",
        now=world.now,
    )
    world.x.signer.sign(fields(to=HOST_WALLET.address, value_wei=0))
    with pytest.raises(Equivocation):
        world.x.signer.sign(fields())  # a payment after its cancel
    assert promises(world) == [(7, "cancel", HOST_WALLET.address, 0)]


def test_other_fees_are_another_attempt_and_another_payment_is_none(world: World) -> None:
    reserved(world)
    world.x.signer.sign(fields())
    world.x.signer.sign(fields(cap_wei=9 * 10**10, tip_wei=2 * 10**9))
    for changed in ({"to": FAUCET.address}, {"value_wei": SOME_ETH.wei - 1}):
        with pytest.raises(Equivocation):
            world.x.signer.sign(fields(**changed))
    world.x.signer.sign(fields(nonce=8, to=FAUCET.address))


def test_of_eight_different_payments_with_one_nonce_at_once_one_is_promised(world: World) -> None:
    reserved(world)
    barrier = threading.Barrier(8, timeout=10)

    def sign(number: int) -> bool:
        barrier.wait()
        try:
            world.x.signer.sign(fields(value_wei=SOME_ETH.wei + number))
        except Equivocation:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        signed = list(threads.map(sign, range(8)))
    assert sorted(signed) == [False] * 7 + [True]
    assert len(promises(world)) == 1


def test_the_executor_itself_can_neither_change_nor_remove_a_promise(world: World) -> None:
    reserved(world)
    world.x.signer.sign(fields())
    for statement in ("update signed_nonce set value_wei = 1", "delete from signed_nonce", "delete from approval"):
        with pytest.raises(PermissionMissing), world.x.db.transaction() as conn:
            conn.run(statement)
    with pytest.raises(ConstraintViolated), world.owner.transaction() as conn:
        conn.run(
            """insert into signed_nonce
               select account_address, chain_id, 9, 'cancel', to_address, 1, data from signed_nonce"""
        )


def _with_signer(world: World, signer: CarefulSigner) -> Executor:

    return replace(world.x, signer=signer)
