"""The executor against a real EVM through two endpoints: what the chain in memory promises is true there too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from GCHostPay3.approvals import approve_cancel
from shared.books import Account, totals
from shared.chain import EthereumChain
from shared.db import Database
from shared.db.roles import EXECUTOR
from shared.money import Ether
from shared.ops.proof_report import check, read_verdict
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET, Chain
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet
from tests.integration.executor_world import LIMITS, SOME_ETH, World

DEPOSIT = "0x00000000000000000000000000000000000A11CE"
MINUTES, BLOCKS_PER_MINUTE = 60, 5  # an hour


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


def test_a_reorg_two_blocks_deep_brings_the_same_bytes_back(world: World, rpc: Rpc) -> None:
    deposit_before = eth_of(rpc, DEPOSIT)
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    blocks(world, rpc, 1)
    blocks(world, rpc, 1)
    assert world.state(order) == "included"
    rpc.call("anvil_reorg", 2, [])
    world.wait()
    assert world.state(order) == "live"
    assert eth_of(rpc, DEPOSIT) == deposit_before
    world.wait(40)
    blocks(world, rpc, 4)
    assert world.state(order) == "settled"
    assert len(world.attempts()) == 1
    assert eth_of(rpc, DEPOSIT) - deposit_before == SOME_ETH


@pytest.mark.parametrize("affordable", [True, False])
def test_a_base_fee_five_times_as_high_for_an_hour_of_blocks_ends_paid_once(
    world: World, rpc: Rpc, affordable: bool
) -> None:
    deposit_before = eth_of(rpc, DEPOSIT)
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    (first,) = world.attempts()
    dear = 5 * int(first["cap_wei"])
    ceiling = LIMITS.max_fee_per_gas_wei if affordable else 2 * int(first["cap_wei"])
    world.with_limits(max_fee_per_gas_wei=ceiling)
    for _ in range(MINUTES):
        for _ in range(BLOCKS_PER_MINUTE):
            rpc.call("anvil_setNextBlockBaseFeePerGas", hex(dear))
            rpc.call("anvil_mine", "0x1")
        world.wait(60)
    assert (world.state(order) == "settled") == affordable
    rpc.call("anvil_setNextBlockBaseFeePerGas", hex(int(first["cap_wei"]) // 3))
    for _ in range(20):
        if world.state(order) != "settled":
            blocks(world, rpc, 1)
    assert world.state(order) == "settled"
    assert all(int(each["cap_wei"]) <= ceiling for each in world.attempts())
    assert ("attempt_at_ceiling" in world.alerts()) == (not affordable)
    assert eth_of(rpc, DEPOSIT) - deposit_before == SOME_ETH
    assert world.account()["next_nonce"] == world.slots()[0]["nonce"] + 1


def test_bytes_that_a_real_pool_finds_too_cheap_are_replaced_and_paid_once(world: World, rpc: Rpc) -> None:
    deposit_before = eth_of(rpc, DEPOSIT)
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    (first,) = world.attempts()
    rpc.call("anvil_setNextBlockBaseFeePerGas", hex(5 * int(first["cap_wei"])))
    for _ in range(40):
        rpc.call("anvil_mine", "0x1")
        world.wait()
        if world.state(order) == "settled":
            break
    assert world.state(order) == "settled"
    assert len(world.attempts()) > 1
    assert eth_of(rpc, DEPOSIT) - deposit_before == SOME_ETH
    assert world.account()["next_nonce"] == world.slots()[0]["nonce"] + 1


def test_a_cancel_wins_on_a_real_chain_and_its_proof_holds(world: World, rpc: Rpc) -> None:
    deposit_before = eth_of(rpc, DEPOSIT)
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    approve_cancel(world.x, order.unique_id, "Ada", "a drill", world.task())
    world.settle_down()
    for _ in range(6):
        blocks(world, rpc, 1)
    assert world.state(order) == "cancelled"
    assert eth_of(rpc, DEPOSIT) == deposit_before
    with world.owner.read() as conn:
        checked = check(read_verdict(conn, order.unique_id), [rpc.url])
    assert (checked.offline, checked.online) == ([], {rpc.url.removeprefix("http://"): []})


def test_a_settled_verdict_is_proved_again_offline_and_at_a_node(world: World, rpc: Rpc) -> None:
    order = world.a_payable_order(to=DEPOSIT)
    world.pay(order)
    world.settle_down()
    for _ in range(4):
        blocks(world, rpc, 1)
    for name in (order.unique_id, order.cn_api_id, order.unique_id.removeprefix("batch_")):
        with world.owner.read() as conn:
            checked = check(read_verdict(conn, name), [rpc.url])
        assert checked.holds
    world.write("update slot set evidence = evidence || jsonb_build_object('block_hash', '0x' || repeat('ab', 32))")
    with world.owner.read() as conn:
        forged = check(read_verdict(conn, order.unique_id), [rpc.url])
    assert not forged.holds
    assert forged.online[rpc.url.removeprefix("http://")] != []
