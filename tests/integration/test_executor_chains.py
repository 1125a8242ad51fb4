"""The chain in memory and the real one: what the executor relies on is asked of both, in the same words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from shared.chain import (
    AnswerKind,
    Chain,
    EthereumChain,
    LocalSigner,
    Signed,
    TransferFields,
    to_checksum,
)
from shared.sandbox.chain import CHAIN_ID, HOST_WALLET
from shared.sandbox.chain import Chain as Anvil
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.fakes_chain import GWEI, FakeChain

RECEIVER = to_checksum("0x00000000000000000000000000000000000b0b00")
VALUE_WEI = 12_345_678_901_234_567
RICH_WEI = 10**21


@dataclass
class Subject:
    """One of the two chains, and how a test makes blocks on it."""

    chain: Chain
    mine: Callable[[int], None]
    evict: Callable[[str], None]

    @property
    def nonce(self) -> int:
        return self.chain.nonce_at(HOST_WALLET.address, self.chain.agreed_finalized())

    def sign(self, nonce: int, value_wei: int = VALUE_WEI, cap_wei: int = 40 * GWEI) -> Signed:
        fields = TransferFields(CHAIN_ID, nonce, RECEIVER, value_wei, 26_250, GWEI, cap_wei)
        return LocalSigner(HOST_WALLET.private_key).sign(fields)


@pytest.fixture(scope="module")
def connection() -> Iterator[Rpc]:
    with Anvil.start(block_time_s=None) as running:
        yield Rpc(running.url)


@pytest.fixture(params=["in_memory", "anvil"])
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    if request.param == "in_memory":
        fake = FakeChain(CHAIN_ID, {HOST_WALLET.address: RICH_WEI})
        yield Subject(fake, fake.mine, lambda _: fake.evict())
        return
    rpc: Rpc = request.getfixturevalue("connection")
    before = rpc.call("evm_snapshot")
    rpc.call("evm_setAutomine", False)
    rpc.call("anvil_mine", "0x5")
    urls = [rpc.url, rpc.url.replace("127.0.0.1", "localhost")]
    yield Subject(
        EthereumChain.connect(urls, None, CHAIN_ID, 10),
        lambda count: rpc.call("anvil_mine", hex(count)),
        lambda tx_hash: rpc.call("anvil_dropTransaction", tx_hash),
    )
    rpc.call("evm_revert", before)


def test_a_pooled_transaction_is_nowhere_until_a_block_has_it(subject: Subject) -> None:
    start, nonce = subject.chain.agreed_finalized().number, subject.nonce
    signed = subject.sign(nonce)
    assert subject.chain.send_raw(signed.raw)[0].kind is AnswerKind.ACCEPTED
    assert subject.chain.find_included(signed.hash) is None
    subject.mine(1)
    seen = subject.chain.find_included(signed.hash)
    assert seen is not None
    assert (seen.tx_hash, seen.status) == (signed.hash, 1)
    assert subject.chain.final_consumer(HOST_WALLET.address, nonce, [signed.hash], start) is None


def test_two_blocks_later_it_has_consumed_the_nonce_for_ever(subject: Subject) -> None:
    start, nonce = subject.chain.agreed_finalized().number, subject.nonce
    signed = subject.sign(nonce)
    subject.chain.send_raw(signed.raw)
    subject.mine(3)
    consumer = subject.chain.final_consumer(HOST_WALLET.address, nonce, [signed.hash], start)
    assert consumer is not None
    assert (consumer.tx_hash, consumer.nonce, consumer.value_wei, consumer.status) == (signed.hash, nonce, VALUE_WEI, 1)
    assert consumer.sender.lower() == HOST_WALLET.address.lower()
    assert str(consumer.to) == RECEIVER
    assert len(consumer.agreed_providers) == 2
    assert consumer.block_number <= consumer.finalized.number
    assert subject.nonce == nonce + 1


def test_a_consumer_is_found_without_knowing_its_hash(subject: Subject) -> None:
    start, nonce = subject.chain.agreed_finalized().number, subject.nonce
    signed = subject.sign(nonce)
    subject.chain.send_raw(signed.raw)
    subject.mine(4)
    consumer = subject.chain.final_consumer(HOST_WALLET.address, nonce, [], start)
    assert consumer is not None
    assert consumer.tx_hash == signed.hash


def test_the_wallet_loses_value_and_the_gas_that_was_used(subject: Subject) -> None:
    block, nonce = subject.chain.agreed_finalized(), subject.nonce
    before = subject.chain.balance_wei(HOST_WALLET.address, block)
    subject.chain.send_raw(subject.sign(nonce).raw)
    subject.mine(3)
    consumer = subject.chain.final_consumer(HOST_WALLET.address, nonce, [], block.number)
    assert consumer is not None
    after = subject.chain.balance_wei(HOST_WALLET.address, subject.chain.agreed_finalized())
    assert before - after == VALUE_WEI + consumer.gas_wei
    assert consumer.gas_used == 21_000


def test_the_same_bytes_again_are_already_known_while_pooled_and_too_low_afterwards(subject: Subject) -> None:
    signed = subject.sign(subject.nonce)
    subject.chain.send_raw(signed.raw)
    assert {answer.kind for answer in subject.chain.send_raw(signed.raw)} == {AnswerKind.ALREADY_KNOWN}
    subject.mine(1)
    assert {answer.kind for answer in subject.chain.send_raw(signed.raw)} == {AnswerKind.NONCE_TOO_LOW}


def test_a_later_nonce_waits_for_the_earlier_one(subject: Subject) -> None:
    nonce = subject.nonce
    later, earlier = subject.sign(nonce + 1), subject.sign(nonce)
    subject.chain.send_raw(later.raw)
    subject.mine(1)
    assert subject.chain.find_included(later.hash) is None
    subject.chain.send_raw(earlier.raw)
    subject.mine(2)
    assert subject.chain.find_included(earlier.hash) is not None
    assert subject.chain.find_included(later.hash) is not None


def test_an_evicted_transaction_comes_back_with_the_same_bytes(subject: Subject) -> None:
    signed = subject.sign(subject.nonce)
    subject.chain.send_raw(signed.raw)
    subject.evict(signed.hash)
    subject.mine(1)
    assert subject.chain.find_included(signed.hash) is None
    subject.chain.send_raw(signed.raw)
    subject.mine(1)
    assert subject.chain.find_included(signed.hash) is not None


def test_a_gas_estimate_has_a_margin(subject: Subject) -> None:
    assert subject.chain.estimate_gas(HOST_WALLET.address, HOST_WALLET.address, 1) >= 21_000 * 5 // 4
