"""The executor against a real EVM through two endpoints: what the chain in memory promises is true there too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from shared.books import Account, totals
from shared.chain import EthereumChain
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.money import Ether
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET, Chain
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet
from tests.integration.executor_world import SOME_ETH, World

DEPOSIT = "0x00000000000000000000000000000000000A11CE"


@pytest.fixture(scope="module")
def anvil() -> Iterator[Chain]:
    with Chain.start(block_time_s=None) as running:
        yield running


@pytest.fixture(scope="module")
def connection(anvil: Chain) -> Rpc:
    return Rpc(anvil.url)


@pytest.fixture
def rpc(connection: Rpc) -> Iterator[Rpc]:
    """Mines only when it is told to; put back as it was after the test."""
    rpc = connection
    snapshot = rpc.call("evm_snapshot")
    rpc.call("evm_setAutomine", False)
    rpc.call("anvil_mine", "0x5")
    yield rpc
    rpc.call("evm_revert", snapshot)


@pytest.fixture
def world(rpc: Rpc, database: Database, database_as: Callable[[str], Database]) -> World:
    urls = [rpc.url, rpc.url.replace("127.0.0.1", "localhost")]
    return World.of(database, database_as(EXECUTOR), EthereumChain.connect(urls, None, CHAIN_ID, 10))


def blocks(world: World, rpc: Rpc, count: int = 3) -> None:
    rpc.call("anvil_mine", hex(count))
    world.wait()


def eth_of(rpc: Rpc, address: str) -> Ether:
    return Ether(rpc.number("eth_getBalance", address, "latest"))


def test_an_order_is_paid_on_a_real_chain_and_the_books_agree_with_it_to_the_wei(world: World, rpc: Rpc) -> None:
    wallet_before, deposit_before = eth_of(rpc, HOST_WALLET.address), eth_of(rpc, DEPOSIT)
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    assert world.state(order) == "live"
    blocks(world, rpc, 1)
    assert world.state(order) == "included"
    blocks(world, rpc)
    assert world.state(order) == "settled"
    assert eth_of(rpc, DEPOSIT) - deposit_before == SOME_ETH
    with world.owner.read() as conn:
        eth = totals(conn).eth
    assert eth[Account.WALLET] == eth_of(rpc, HOST_WALLET.address) - wallet_before
    assert eth[Account.IN_TRANSIT] == SOME_ETH
    (final,) = [one.message for one in map(world.open, (task.body for task in world.sender.tasks))] or world.finals
    assert final.tx_hash == world.attempts()[0]["tx_hash"]  # type: ignore[attr-defined]
    receipt = rpc.call("eth_getTransactionReceipt", world.attempts()[0]["tx_hash"])
    assert world.slots()[0]["gas_wei"] == int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)


def test_a_dropped_transaction_is_sent_again_as_the_same_bytes(world: World, rpc: Rpc) -> None:
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    (attempt,) = world.attempts()
    rpc.call("anvil_dropTransaction", attempt["tx_hash"])
    blocks(world, rpc, 1)
    assert world.state(order) == "live"
    world.wait(40)
    blocks(world, rpc, 4)
    assert world.state(order) == "settled"
    assert len(world.attempts()) == 1
    assert world.account()["next_nonce"] == world.slots()[0]["nonce"] + 1


def test_a_second_send_of_pooled_bytes_is_answered_already_known(world: World, rpc: Rpc) -> None:
    world.pay(world.a_payable_order(to=DEPOSIT))
    world.settle_down()
    kinds = [row["answer_class"] for row in world.rows("select answer_class from send_log order by id")]
    assert kinds == ["accepted", "already_known"]  # two endpoints, one pool


def test_a_strangers_transaction_on_a_real_chain_is_found_in_the_block_bodies(world: World, rpc: Rpc) -> None:
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.deliver()
    world.deliver()
    assert world.state(order) == "signed"
    stranger = Wallet(rpc, HOST_WALLET.private_key).send(DEPOSIT, value_wei=1, gas=21_000)
    rpc.call("anvil_mine", "0x6")
    world.settle_down()
    blocks(world, rpc)
    assert world.state(order) == "foreign"
    assert world.slots()[0]["evidence"]["tx_hash"] == stranger
    assert world.account()["account_status"] == "frozen"


def test_a_reorg_on_a_real_chain_brings_the_same_bytes_back(world: World, rpc: Rpc) -> None:
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    blocks(world, rpc, 1)
    assert world.state(order) == "included"
    rpc.call("anvil_reorg", 1, [])
    world.wait()
    assert world.state(order) == "live"
    world.wait(40)
    blocks(world, rpc, 4)
    assert world.state(order) == "settled"
    assert len(world.attempts()) == 1
