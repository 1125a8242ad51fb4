"""The real chain client on a real EVM, through two endpoints of which one can be told to misbehave."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.chain import (
    AnswerKind,
    Chain,
    EthereumChain,
    EtherReceived,
    Fees,
    FeesTooHigh,
    LocalSigner,
    NotFinalYet,
    NotFound,
    PriceUnusable,
    ProvidersDisagree,
    ProvidersUnavailable,
    Reverted,
    Signed,
    TransferFields,
    TransferWouldFail,
    WrongChain,
)
from shared.chain.proof import check_offline, check_online
from shared.money import Price, Tether
from shared.sandbox.chain import CHAIN_ID, DEPLOYER, EXCHANGE_WALLET, HOST_WALLET
from shared.sandbox.chain import Chain as Anvil
from shared.sandbox.chain.deploy import Deployment, deploy
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet, call_bytes
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process

REPOSITORY = Path(__file__).resolve().parents[2]
DEPOSIT = "0x00000000000000000000000000000000000000Ad"
GWEI = 10**9
HOUR_S = 3600


@dataclass
class World:
    """A chain, its contracts, a client over two endpoints, and the second endpoint's control port."""

    rpc: Rpc
    contracts: Deployment
    chain: Chain
    endpoint: str

    def finalize(self) -> None:
        """Three more blocks: what was in the newest one is final then."""
        self.rpc.call("anvil_mine", "0x3")

    def misbehave(self, name: str, **fields: object) -> None:
        assert call_json("POST", f"{self.endpoint}/_sim/faults", {"name": name, **fields}).status == 200

    def now(self) -> datetime:
        newest = self.rpc.call("eth_getBlockByNumber", "latest", False)
        return datetime.fromtimestamp(int(newest["timestamp"], 16), UTC)

    def signed(self, signer: LocalSigner, nonce: int, value_wei: int = 5, **changed: int) -> Signed:
        fees = self.chain.fees(200 * GWEI)
        fields = {"gas_limit": 26_250, "tip_wei": fees.tip_wei, "cap_wei": fees.cap_wei} | changed
        return signer.sign(TransferFields(chain_id=CHAIN_ID, nonce=nonce, to=DEPOSIT, value_wei=value_wei, **fields))


@pytest.fixture(scope="module")
def anvil() -> Iterator[tuple[Anvil, Deployment]]:
    with Anvil.start(block_time_s=None) as running:
        yield running, deploy(running.url)


@pytest.fixture(scope="module")
def endpoint(anvil: tuple[Anvil, Deployment]) -> Iterator[str]:
    command = [sys.executable, "-m", "shared.sandbox.chain.endpoint", "--upstream", anvil[0].url]
    process = Process.start("endpoint", command, cwd=REPOSITORY)
    yield str(process.ready["url"])
    process.stop()


@pytest.fixture
def world(anvil: tuple[Anvil, Deployment], endpoint: str) -> Iterator[World]:
    """Every test begins on the same blocks, with well-behaved endpoints."""
    running, contracts = anvil
    rpc = Rpc(running.url)
    before = rpc.call("evm_snapshot")
    yield World(rpc, contracts, EthereumChain.connect([running.url, endpoint], None, CHAIN_ID, 10), endpoint)
    call_json("DELETE", f"{endpoint}/_sim/faults")
    rpc.call("evm_setAutomine", True)
    rpc.call("evm_revert", before)


@pytest.fixture(scope="module")
def signer() -> LocalSigner:
    return LocalSigner(HOST_WALLET.private_key)


# --- heads ----------------------------------------------------------------------------------------------------------


def test_both_endpoints_serve_the_configured_chain(world: World, anvil: tuple[Anvil, Deployment]) -> None:
    world.chain.check_chain_id()
    with pytest.raises(WrongChain):
        EthereumChain.connect([anvil[0].url], None, 1, 3).check_chain_id()


def test_heads_and_the_finalized_block_are_those_of_the_chain(world: World) -> None:
    world.finalize()
    head = world.rpc.number("eth_blockNumber")
    assert [shown.block.number for shown in world.chain.latest_heads() if shown.block] == [head, head]
    assert world.chain.agreed_finalized().number == head - 2


def test_a_lagging_endpoint_lowers_the_finalized_block_without_a_contradiction(world: World) -> None:
    world.rpc.call("anvil_mine", "0x8")
    head = world.rpc.number("eth_blockNumber")
    world.misbehave("lag", blocks=4, times=100)
    assert world.chain.agreed_finalized().number == head - 2 - 4


def test_an_endpoint_without_an_answer_leaves_no_quorum(world: World) -> None:
    world.misbehave("html_page", times=100)
    with pytest.raises(ProvidersUnavailable, match="HTTP 502"):
        world.chain.agreed_finalized()


# --- a transfer -----------------------------------------------------------------------------------------------------


def test_a_transfer_is_progress_when_included_and_proof_when_final(world: World, signer: LocalSigner) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    before_wei = world.chain.balance_wei(signer.address, first)
    signed = world.signed(signer, nonce, value_wei=40_000_000_000_000_000)
    answers = world.chain.send_raw(signed.raw)
    assert answers[0].accepted
    assert answers[0].text == signed.hash
    included = world.chain.find_included(signed.hash)
    assert included is not None
    assert included.status == 1
    assert world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number) is None
    assert isinstance(world.chain.ether_received(signed.hash, DEPOSIT), NotFinalYet)
    world.finalize()
    final = world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number)
    assert final is not None
    assert (final.tx_hash, final.status, final.nonce) == (signed.hash, 1, nonce)
    assert (final.block_number, final.block_hash) == (included.block_number, included.block_hash)
    assert len(final.agreed_providers) == 2
    assert final.receipt["transactionHash"] == signed.hash
    after_wei = world.chain.balance_wei(signer.address, final.finalized)
    assert before_wei - after_wei == 40_000_000_000_000_000 + final.gas_wei
    assert world.chain.ether_received(signed.hash, DEPOSIT) == EtherReceived(
        signed.hash, final.block_number, final.block_hash, signer.address, DEPOSIT, 40_000_000_000_000_000
    )


def test_a_stored_verdict_is_proved_again_offline_and_at_any_node(
    world: World, signer: LocalSigner, anvil: tuple[Anvil, Deployment]
) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    signed = world.signed(signer, nonce)
    world.chain.send_raw(signed.raw)
    world.finalize()
    final = world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number)
    assert final is not None
    evidence = json.loads(json.dumps(final.evidence()))
    assert check_offline(evidence, 5, DEPOSIT, signer.address, [signed.raw], chain_id=CHAIN_ID) == []
    for node in (anvil[0].url, world.endpoint, world.chain):
        assert check_online(node, evidence, chain_id=CHAIN_ID) == []
    assert check_online(anvil[0].url, evidence, chain_id=1) != []
    assert check_online(anvil[0].url, evidence | {"finalized_hash": "0x" + "11" * 32}) != []
    with Anvil.start(block_time_s=None) as other:
        Rpc(other.url).call("anvil_mine", "0x80")
        told = check_online(other.url, evidence, chain_id=CHAIN_ID)
    assert any("does not show the transaction" in fault for fault in told)
    assert any("called final then" in fault for fault in told)


def test_a_consumer_nobody_told_us_of_is_found_in_the_blocks(world: World, signer: LocalSigner) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    foreign = Wallet(world.rpc, HOST_WALLET.private_key).send(DEPOSIT, value_wei=1)
    world.finalize()
    never_sent = world.signed(signer, nonce)
    final = world.chain.final_consumer(signer.address, nonce, [never_sent.hash], first.number)
    assert final is not None
    assert final.tx_hash == foreign


def test_a_reorged_transfer_is_no_longer_included_and_was_never_final(world: World, signer: LocalSigner) -> None:
    world.finalize()
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    signed = world.signed(signer, nonce)
    world.chain.send_raw(signed.raw)
    assert world.chain.find_included(signed.hash) is not None
    world.rpc.call("anvil_reorg", 1, [])
    assert world.chain.find_included(signed.hash) is None
    assert world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number) is None


def test_null_receipts_from_one_endpoint_keep_the_verdict_open(world: World, signer: LocalSigner) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    signed = world.signed(signer, nonce)
    world.chain.send_raw(signed.raw)
    world.finalize()
    world.misbehave("null_receipt", times=100)
    assert world.chain.find_included(signed.hash) is not None
    assert world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number) is None
    call_json("DELETE", f"{world.endpoint}/_sim/faults")
    assert world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number) is not None


def test_a_revert_at_the_deposit_address_is_final_with_status_0(world: World, signer: LocalSigner) -> None:
    first = world.chain.agreed_finalized()
    nonce = world.chain.nonce_at(signer.address, first)
    fees = world.chain.fees(200 * GWEI)
    to_contract = TransferFields(CHAIN_ID, nonce, world.contracts.usdt_address, 5, 100_000, fees.tip_wei, fees.cap_wei)
    signed = signer.sign(to_contract)
    world.chain.send_raw(signed.raw)
    world.finalize()
    final = world.chain.final_consumer(signer.address, nonce, [signed.hash], first.number)
    assert final is not None
    assert final.status == 0
    assert final.gas_wei > 0
    assert isinstance(world.chain.ether_received(signed.hash, world.contracts.usdt_address), Reverted)


# --- answers to a send ----------------------------------------------------------------------------------------------


def test_a_lost_answer_leaves_the_send_open_and_the_transfer_alive(world: World, signer: LocalSigner) -> None:
    nonce = world.chain.nonce_at(signer.address, world.chain.latest_heads()[0].block)  # type: ignore[arg-type]
    world.misbehave("drop_after_send")
    signed = world.signed(signer, nonce)
    second = EthereumChain.connect([world.endpoint], None, CHAIN_ID, 3)
    (answer,) = second.send_raw(signed.raw)
    assert (answer.accepted, answer.kind) == (None, AnswerKind.UNKNOWN)
    assert world.chain.find_included(signed.hash) is not None


def test_the_same_bytes_again_are_already_known_in_both_dialects(world: World, signer: LocalSigner) -> None:
    nonce = world.chain.nonce_at(signer.address, world.chain.latest_heads()[0].block)  # type: ignore[arg-type]
    signed = world.signed(signer, nonce)
    world.rpc.call("evm_setAutomine", False)
    world.misbehave("geth_words", times=10)
    first, second = world.chain.send_raw(signed.raw)
    assert first.accepted
    assert (second.text, second.kind, second.accepted) == ("already known", AnswerKind.ALREADY_KNOWN, True)
    again, _ = world.chain.send_raw(signed.raw)
    assert (again.text, again.kind) == ("transaction already imported", AnswerKind.ALREADY_KNOWN)


def test_a_node_refuses_in_words_that_are_understood(world: World, signer: LocalSigner) -> None:
    nonce = world.chain.nonce_at(signer.address, world.chain.latest_heads()[0].block)  # type: ignore[arg-type]
    world.chain.send_raw(world.signed(signer, nonce).raw)
    poor = LocalSigner("0x" + "42" * 32)
    refused = {
        AnswerKind.NONCE_TOO_LOW: world.signed(signer, nonce, value_wei=6),
        AnswerKind.INSUFFICIENT_FUNDS: world.signed(poor, 0),
        AnswerKind.FEE_TOO_LOW: world.signed(signer, nonce + 1, tip_wei=1, cap_wei=1),
        AnswerKind.GAS_TOO_HIGH: world.signed(signer, nonce + 1, gas_limit=40_000_000),
        AnswerKind.WRONG_CHAIN: signer.sign(TransferFields(1, nonce + 1, DEPOSIT, 5, 26_250, GWEI, 90 * GWEI)),
        AnswerKind.UNREADABLE: Signed(b"\x02\x01", ""),
    }
    for kind, signed in refused.items():
        answer = world.chain.send_raw(signed.raw)[0]
        assert (answer.accepted, answer.kind) == (False, kind), answer.text
    world.rpc.call("evm_setAutomine", False)
    dear, cheap = (world.signed(signer, nonce + 1, value_wei=value) for value in (7, 8))
    world.chain.send_raw(dear.raw)
    assert world.chain.send_raw(cheap.raw)[0].kind is AnswerKind.UNDERPRICED


# --- fees and gas ---------------------------------------------------------------------------------------------------


def test_fees_follow_the_chain_and_stop_at_the_ceiling(world: World) -> None:
    fees = world.chain.fees(200 * GWEI)
    assert fees == Fees(fees.tip_wei, 2 * fees.base_wei + fees.tip_wei, fees.base_wei)
    with pytest.raises(FeesTooHigh):
        world.chain.fees(fees.base_wei)


def test_gas_is_estimated_with_a_quarter_more(world: World, signer: LocalSigner) -> None:
    assert world.chain.estimate_gas(signer.address, DEPOSIT, 5) == 26_250


def test_a_deposit_address_that_refuses_ether_is_told_before_paying(world: World, signer: LocalSigner) -> None:
    with pytest.raises(TransferWouldFail) as caught:
        world.chain.estimate_gas(signer.address, world.contracts.usdt_address, 5)
    assert caught.value.reason == "reverts"


def test_code_tells_a_contract_from_an_account(world: World, signer: LocalSigner) -> None:
    world.finalize()
    finalized = world.chain.agreed_finalized()
    assert world.chain.code_at(world.contracts.usdt_address, finalized) != b""
    assert world.chain.code_at(signer.address, finalized) == b""


# --- tokens and prices ----------------------------------------------------------------------------------------------


def test_an_arrival_is_credited_as_the_log_says_once_it_is_final(world: World) -> None:
    exchange = Wallet(world.rpc, EXCHANGE_WALLET.private_key)
    world.finalize()  # whatever an earlier test took back, there is a finalized block again
    payout = exchange.transfer_token(world.contracts.usdt_address, HOST_WALLET.address, 97_000_000)
    where = (payout, world.contracts.usdt_address, HOST_WALLET.address)
    assert isinstance(world.chain.usdt_arrivals(*where), NotFinalYet)
    world.finalize()
    arrived = world.chain.usdt_arrivals(*where)
    assert isinstance(arrived, list)
    assert [(one.sender, one.to, one.units) for one in arrived] == [
        (EXCHANGE_WALLET.address, HOST_WALLET.address, 97_000_000)
    ]
    assert world.chain.usdt_spent(*where) == [], "it came in, and went nowhere"
    spent = world.chain.usdt_spent(payout, world.contracts.usdt_address, EXCHANGE_WALLET.address)
    assert spent == arrived, "what came to us is what left the other wallet"
    finalized = world.chain.agreed_finalized()
    held = world.chain.usdt_balance(HOST_WALLET.address, finalized, world.contracts.usdt_address)
    assert held == Tether(97_000_000)


def test_a_token_with_a_fee_counts_what_reached_us_only(world: World) -> None:
    owner = Wallet(world.rpc, DEPLOYER.private_key)
    owner.send(world.contracts.usdt_address, call=call_bytes("setParams(uint256,uint256)", 10, 49_000_000))
    exchange = Wallet(world.rpc, EXCHANGE_WALLET.private_key)
    payout = exchange.transfer_token(world.contracts.usdt_address, HOST_WALLET.address, 1_000_000)
    world.finalize()
    arrived = world.chain.usdt_arrivals(payout, world.contracts.usdt_address, HOST_WALLET.address)
    assert isinstance(arrived, list)
    assert [one.units for one in arrived] == [999_000]


def test_a_payout_to_somebody_else_or_in_another_token_is_no_arrival(world: World) -> None:
    exchange = Wallet(world.rpc, EXCHANGE_WALLET.private_key)
    payout = exchange.transfer_token(world.contracts.usdt_address, DEPOSIT, 97_000_000)
    world.finalize()
    assert world.chain.usdt_arrivals(payout, world.contracts.usdt_address, HOST_WALLET.address) == []
    assert world.chain.usdt_arrivals(payout, world.contracts.feed_address, DEPOSIT) == []


def test_a_reverted_or_unknown_payout_is_a_reason(world: World) -> None:
    owner = Wallet(world.rpc, DEPLOYER.private_key)
    owner.send(world.contracts.usdt_address, call=call_bytes("pause()"))
    exchange = Wallet(world.rpc, EXCHANGE_WALLET.private_key)
    payout = exchange.transfer_token(world.contracts.usdt_address, HOST_WALLET.address, 5, gas=100_000)
    world.finalize()
    where = (world.contracts.usdt_address, HOST_WALLET.address)
    assert isinstance(world.chain.usdt_arrivals(payout, *where), Reverted)
    assert world.chain.usdt_arrivals("0x" + "12" * 32, *where) == NotFound()


def test_the_feed_gives_the_price_until_it_is_too_old(world: World) -> None:
    feed = world.contracts.feed_address
    assert world.chain.read_price(feed, world.now(), HOUR_S) == Price(2500 * 10**8, 8)
    with pytest.raises(PriceUnusable) as caught:
        world.chain.read_price(feed, world.now() + timedelta(hours=2), HOUR_S)
    assert caught.value.reason == "stale"


def test_a_feed_without_a_positive_answer_has_no_price(world: World) -> None:
    owner = Wallet(world.rpc, DEPLOYER.private_key)
    owner.send(world.contracts.feed_address, call=call_bytes("set_answer(int256)", 0), gas=100_000)
    world.finalize()  # anvil mines on its own soon, not at once
    with pytest.raises(PriceUnusable) as caught:
        world.chain.read_price(world.contracts.feed_address, world.now(), HOUR_S)
    assert caught.value.reason == "not_positive"


def test_an_account_is_no_feed_and_no_token(world: World) -> None:
    with pytest.raises(PriceUnusable) as caught:
        world.chain.read_price(DEPOSIT, world.now(), HOUR_S)
    assert caught.value.reason == "not_a_feed"
    with pytest.raises(ProvidersUnavailable):
        world.chain.usdt_balance(HOST_WALLET.address, world.chain.agreed_finalized(), DEPOSIT)


def test_two_chains_with_one_id_never_agree(world: World, anvil: tuple[Anvil, Deployment]) -> None:
    with Anvil.start(block_time_s=None) as other:
        Rpc(other.url).call("anvil_mine", "0x20")
        world.rpc.call("anvil_mine", "0x20")
        chain = EthereumChain.connect([anvil[0].url, other.url], None, CHAIN_ID, 3)
        chain.check_chain_id()
        with pytest.raises(ProvidersDisagree):
            chain.agreed_finalized()
