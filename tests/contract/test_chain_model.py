"""What the fleet relies on of a chain: one suite on a real EVM and on the model, both through the real client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.chain import (
    AnswerKind,
    EtherReceived,
    Fees,
    FeesTooHigh,
    NotFinalYet,
    NotFound,
    Reverted,
    TransferFields,
    TransferWouldFail,
)
from shared.money import Tether
from shared.sandbox.chain import CHAIN_ID, EXCHANGE_WALLET, HOST_WALLET, Chain
from shared.sandbox.chain.deploy import Deployment, deploy
from shared.sandbox.chain.rpc import Rpc
from tests.contract.chain_worlds import DEPOSIT, SIGNER, ChainWorld, ModelChain, RealChain, a_transfer, finalize

HOUR_S = 3600


@pytest.fixture(scope="module")
def anvil() -> Iterator[tuple[Chain, Deployment]]:
    with Chain.start(block_time_s=None) as running:
        yield running, deploy(running.url)


@pytest.fixture(params=["real", "model"])
def world(request: pytest.FixtureRequest) -> Iterator[ChainWorld]:
    """Every test begins on the same blocks."""
    if request.param == "model":
        model = ModelChain()
        model.mine(5)
        yield model
        return
    running, contracts = request.getfixturevalue("anvil")
    rpc = Rpc(running.url)
    before = rpc.call("evm_snapshot")
    real = RealChain(running.url, contracts)
    real.mine(5)
    yield real
    rpc.call("evm_setAutomine", True)
    rpc.call("anvil_dropAllTransactions")
    rpc.call("evm_revert", before)


# --- sending --------------------------------------------------------------------------------------------------------


def test_bytes_are_accepted_and_wait_for_a_block(world: ChainWorld) -> None:
    signed = a_transfer(world)
    first, second = world.chain.send_raw(signed.raw)
    assert (first.accepted, first.text, first.kind) == (True, signed.hash, AnswerKind.ACCEPTED)
    assert second.kind in (AnswerKind.ACCEPTED, AnswerKind.ALREADY_KNOWN)
    assert world.chain.find_included(signed.hash) is None
    world.mine()
    assert world.chain.find_included(signed.hash) is not None


def test_the_same_bytes_again_are_already_known(world: ChainWorld) -> None:
    signed = a_transfer(world)
    world.chain.send_raw(signed.raw)
    assert [answer.kind for answer in world.chain.send_raw(signed.raw)] == [AnswerKind.ALREADY_KNOWN] * 2


def test_a_nonce_that_a_block_has_used_is_too_low(world: ChainWorld) -> None:
    signed = a_transfer(world)
    world.chain.send_raw(signed.raw)
    world.mine()
    assert world.chain.send_raw(signed.raw)[0].kind is AnswerKind.NONCE_TOO_LOW


def test_another_transaction_at_the_same_fees_replaces_nothing(world: ChainWorld) -> None:
    first = a_transfer(world, value_wei=7)
    world.chain.send_raw(first.raw)
    answers = world.chain.send_raw(a_transfer(world, value_wei=8).raw)
    assert {answer.kind for answer in answers} == {AnswerKind.UNDERPRICED}
    world.mine()
    assert world.chain.find_included(first.hash) is not None


def test_an_eighth_more_on_both_fees_replaces_the_one_before(world: ChainWorld) -> None:
    fees = world.chain.fees(500 * 10**9)
    first = a_transfer(world)
    dearer = a_transfer(world, tip_wei=fees.tip_wei * 9 // 8 + 1, cap_wei=fees.cap_wei * 9 // 8 + 1)
    world.chain.send_raw(first.raw)
    assert world.chain.send_raw(dearer.raw)[0].accepted
    world.mine()
    assert world.chain.find_included(first.hash) is None
    assert world.chain.find_included(dearer.hash) is not None


def test_a_wallet_without_the_money_is_refused(world: ChainWorld) -> None:
    signed = a_transfer(world, value_wei=10**30)
    assert world.chain.send_raw(signed.raw)[0].kind is AnswerKind.INSUFFICIENT_FUNDS


def test_behind_a_gap_of_nonces_nothing_is_mined(world: ChainWorld) -> None:
    head = world.chain.latest_heads()[0].block
    assert head is not None
    next_nonce = world.chain.nonce_at(SIGNER.address, head)
    later = a_transfer(world, nonce=next_nonce + 1)
    assert world.chain.send_raw(later.raw)[0].accepted
    world.mine()
    assert world.chain.find_included(later.hash) is None
    world.chain.send_raw(a_transfer(world, nonce=next_nonce).raw)
    world.mine(2)
    assert world.chain.find_included(later.hash) is not None


def test_a_forgotten_transaction_is_taken_again(world: ChainWorld) -> None:
    signed = a_transfer(world)
    world.chain.send_raw(signed.raw)
    world.forget(signed.hash)
    world.mine()
    assert world.chain.find_included(signed.hash) is None
    assert world.chain.send_raw(signed.raw)[0].accepted
    world.mine()
    assert world.chain.find_included(signed.hash) is not None


# --- what is final --------------------------------------------------------------------------------------------------


def test_a_verdict_needs_finality_and_carries_its_proof(world: ChainWorld) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(SIGNER.address, first)
    before_wei = world.chain.balance_wei(SIGNER.address, first)
    signed = a_transfer(world, value_wei=40_000_000_000_000_000)
    world.chain.send_raw(signed.raw)
    world.mine()
    assert world.chain.final_consumer(SIGNER.address, nonce, [signed.hash], first.number) is None
    assert isinstance(world.chain.ether_received(signed.hash, DEPOSIT), NotFinalYet)
    finalize(world)
    final = world.chain.final_consumer(SIGNER.address, nonce, [signed.hash], first.number)
    assert final is not None
    assert (final.tx_hash, final.status, final.nonce, final.value_wei) == (signed.hash, 1, nonce, 4 * 10**16)
    assert len(final.agreed_providers) == 2
    assert final.gas_used == 21_000
    after_wei = world.chain.balance_wei(SIGNER.address, final.finalized)
    assert before_wei - after_wei == 4 * 10**16 + final.gas_wei
    assert isinstance(world.chain.ether_received(signed.hash, DEPOSIT), EtherReceived)


def test_a_consumer_that_nobody_told_us_of_is_found_in_the_blocks(world: ChainWorld) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(SIGNER.address, first)
    never_sent = a_transfer(world)
    foreign = world.uses_our_key()
    finalize(world)
    final = world.chain.final_consumer(SIGNER.address, nonce, [never_sent.hash], first.number)
    assert final is not None
    assert final.tx_hash == foreign


def test_a_transaction_in_a_replaced_block_is_nowhere_and_can_be_sent_again(world: ChainWorld) -> None:
    world.mine(3)
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(SIGNER.address, first)
    signed = a_transfer(world)
    world.chain.send_raw(signed.raw)
    world.mine()
    assert world.chain.find_included(signed.hash) is not None
    world.replace_blocks(1)
    assert world.chain.find_included(signed.hash) is None
    assert world.chain.final_consumer(SIGNER.address, nonce, [signed.hash], first.number) is None
    world.chain.send_raw(signed.raw)
    finalize(world)
    assert world.chain.final_consumer(SIGNER.address, nonce, [signed.hash], first.number) is not None


def test_the_finalized_block_is_behind_the_newest_and_advances_with_it(world: ChainWorld) -> None:
    first = world.chain.agreed_finalized()
    newest = world.chain.latest_heads()[0].block
    assert newest is not None
    assert first.number == newest.number - 2
    world.mine(4)
    assert world.chain.agreed_finalized().number == first.number + 4


def test_an_address_that_refuses_ether_is_told_before_and_proved_after(world: ChainWorld) -> None:
    with pytest.raises(TransferWouldFail) as caught:
        world.chain.estimate_gas(SIGNER.address, world.refuses_ether, 5)
    assert caught.value.reason == "reverts"
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(SIGNER.address, first)
    fees = world.chain.fees(500 * 10**9)
    forced = SIGNER.sign(TransferFields(CHAIN_ID, nonce, world.refuses_ether, 5, 100_000, fees.tip_wei, fees.cap_wei))
    world.chain.send_raw(forced.raw)
    finalize(world)
    final = world.chain.final_consumer(SIGNER.address, nonce, [forced.hash], first.number)
    assert final is not None
    assert final.status == 0
    assert final.gas_wei > 0
    assert isinstance(world.chain.ether_received(forced.hash, world.refuses_ether), Reverted)


# --- money that comes -----------------------------------------------------------------------------------------------


def test_tokens_count_as_their_log_says_once_they_are_final(world: ChainWorld) -> None:
    payout = world.pays_tokens(97_000_000)
    where = (payout, world.token, HOST_WALLET.address)
    assert isinstance(world.chain.usdt_arrivals(*where), NotFound)
    world.mine()
    assert isinstance(world.chain.usdt_arrivals(*where), NotFinalYet)
    before = world.chain.usdt_balance(HOST_WALLET.address, world.chain.agreed_finalized(), world.token)
    finalize(world)
    arrived = world.chain.usdt_arrivals(*where)
    assert isinstance(arrived, list)
    assert [(one.sender, one.to, one.units) for one in arrived] == [
        (EXCHANGE_WALLET.address, HOST_WALLET.address, 97_000_000)
    ]
    after = world.chain.usdt_balance(HOST_WALLET.address, world.chain.agreed_finalized(), world.token)
    assert after - before == Tether(97_000_000)


def test_ether_that_comes_back_is_seen_with_its_sender(world: ChainWorld) -> None:
    refund = world.pays_ether(123)
    finalize(world)
    seen = world.chain.ether_received(refund, HOST_WALLET.address)
    assert isinstance(seen, EtherReceived)
    assert (seen.sender, seen.to, seen.value_wei) == (EXCHANGE_WALLET.address, HOST_WALLET.address, 123)


def test_a_hash_that_nobody_knows_is_not_found(world: ChainWorld) -> None:
    unknown = "0x" + "77" * 32
    assert isinstance(world.chain.usdt_arrivals(unknown, world.token, HOST_WALLET.address), NotFound)
    assert isinstance(world.chain.ether_received(unknown, HOST_WALLET.address), NotFound)
    assert world.chain.find_included(unknown) is None


# --- fees, gas, price -----------------------------------------------------------------------------------------------


def test_fees_cover_twice_the_base_fee_and_stop_at_the_ceiling(world: ChainWorld) -> None:
    fees = world.chain.fees(500 * 10**9)
    assert fees == Fees(fees.tip_wei, 2 * fees.base_wei + fees.tip_wei, fees.base_wei)
    with pytest.raises(FeesTooHigh):
        world.chain.fees(fees.base_wei)


def test_a_plain_transfer_needs_a_quarter_more_than_21000(world: ChainWorld) -> None:
    assert world.chain.estimate_gas(SIGNER.address, DEPOSIT, 5) == 26_250


def test_the_feed_gives_a_positive_price(world: ChainWorld) -> None:
    assert world.chain.read_price(world.feed, world.now(), HOUR_S).answer > 0


def test_a_contract_has_code_and_an_account_has_none(world: ChainWorld) -> None:
    finalized = world.chain.agreed_finalized()
    assert world.chain.code_at(world.refuses_ether, finalized) != b""
    assert world.chain.code_at(SIGNER.address, finalized) == b""
