"""The sandbox's chain: contracts on a real EVM, and an endpoint that misbehaves on command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from eth_account import Account

from shared.sandbox.chain import (
    DEPLOYER,
    EXCHANGE_WALLET,
    FAUCET,
    HOST_WALLET,
    AnvilUnavailable,
    Chain,
    contracts,
    ensure_anvil,
)
from shared.sandbox.chain.accounts import MNEMONIC
from shared.sandbox.chain.deploy import EXCHANGE_STOCK_UNITS, Deployment, deploy, fund, set_balance
from shared.sandbox.chain.rpc import Rpc, RpcRefused, RpcUnreachable
from shared.sandbox.chain.wallet import TRANSFER_TOPIC, Wallet, call_bytes, read, token_balance
from shared.sandbox.loopback import call_json
from shared.sandbox.processes import Process

REPOSITORY = Path(__file__).resolve().parents[2]
STRANGER = "0x00000000000000000000000000000000000000AA"


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    """Mines each transaction at once: these tests are about contracts, not about waiting."""
    with Chain.start(block_time_s=None) as running:
        yield running


@pytest.fixture(scope="module")
def rpc(chain: Chain) -> Rpc:
    return Rpc(chain.url)


@pytest.fixture(scope="module")
def deployed(chain: Chain) -> Deployment:
    return deploy(chain.url)


@pytest.fixture
def token(rpc: Rpc, deployed: Deployment) -> Iterator[str]:
    """The token, put back as it was after the test."""
    before = rpc.call("evm_snapshot")
    yield deployed.usdt_address
    rpc.call("evm_revert", before)


class MinedWallet(Wallet):
    """Waits for each block: a busy node answers before the block is there, automatic mining or not."""

    def send(self, to: str | None, *, value_wei: int = 0, call: bytes = b"", gas: int | None = None) -> str:
        tx_hash = super().send(to, value_wei=value_wei, call=call, gas=gas)
        self._rpc.wait_for_receipt(tx_hash)
        return tx_hash


@pytest.fixture
def owner(rpc: Rpc) -> Wallet:
    return MinedWallet(rpc, DEPLOYER.private_key)


@pytest.fixture
def holder(rpc: Rpc) -> Wallet:
    return MinedWallet(rpc, EXCHANGE_WALLET.private_key)


def transfers_in(receipt: dict[str, Any]) -> list[tuple[str, str, int]]:
    """(from, to, units) of each Transfer log, in order."""
    return [
        ("0x" + log["topics"][1][-40:], "0x" + log["topics"][2][-40:], int(log["data"], 16))
        for log in receipt["logs"]
        if log["topics"][0] == TRANSFER_TOPIC
    ]


# --- contracts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", contracts.SOURCES)
def test_the_committed_contract_is_what_the_compiler_makes_of_the_source(name: str) -> None:
    committed = (contracts.FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert committed == contracts.compile_source(name).as_json()


def test_deploying_gives_the_exchange_its_tokens_and_the_feed_its_price(rpc: Rpc, deployed: Deployment) -> None:
    assert token_balance(rpc, deployed.usdt_address, EXCHANGE_WALLET.address) == EXCHANGE_STOCK_UNITS
    assert read(rpc, deployed.usdt_address, "decimals()", returns=("uint256",)) == (6,)
    assert read(rpc, deployed.usdt_address, "symbol()", returns=("string",)) == ("USDT",)
    assert read(rpc, deployed.usdt_address, "totalSupply()", returns=("uint256",)) == (EXCHANGE_STOCK_UNITS,)


def test_a_transfer_returns_nothing_and_logs_the_amount(rpc: Rpc, token: str, holder: Wallet) -> None:
    call = {"from": holder.address, "to": token}
    call["data"] = "0x" + call_bytes("transfer(address,uint256)", HOST_WALLET.address, 97_000_000).hex()
    assert rpc.call("eth_call", call, "latest") == "0x"
    receipt = rpc.wait_for_receipt(holder.transfer_token(token, HOST_WALLET.address, 97_000_000))
    assert receipt["status"] == "0x1"
    assert transfers_in(receipt) == [(holder.address.lower(), HOST_WALLET.address.lower(), 97_000_000)]
    assert token_balance(rpc, token, HOST_WALLET.address) == 97_000_000


def test_more_than_the_balance_cannot_be_sent(rpc: Rpc, token: str) -> None:
    poor = MinedWallet(rpc, FAUCET.private_key)
    with pytest.raises(RpcRefused, match="revert"):
        poor.transfer_token(token, STRANGER, 1)


def test_approve_and_transfer_from_return_nothing_and_use_the_allowance_up(
    rpc: Rpc, token: str, holder: Wallet
) -> None:
    spender = MinedWallet(rpc, HOST_WALLET.private_key)
    approve = call_bytes("approve(address,uint256)", spender.address, 10)
    assert rpc.call("eth_call", {"from": holder.address, "to": token, "data": "0x" + approve.hex()}, "latest") == "0x"
    holder.send(token, call=approve)
    take = call_bytes("transferFrom(address,address,uint256)", holder.address, STRANGER, 4)
    assert rpc.call("eth_call", {"from": spender.address, "to": token, "data": "0x" + take.hex()}, "latest") == "0x"
    receipt = rpc.wait_for_receipt(spender.send(token, call=take))
    assert transfers_in(receipt) == [(holder.address.lower(), STRANGER.lower(), 4)]
    left = read(rpc, token, "allowance(address,address)", holder.address, spender.address, returns=("uint256",))
    assert left == (6,)
    with pytest.raises(RpcRefused):
        spender.send(token, call=call_bytes("transferFrom(address,address,uint256)", holder.address, STRANGER, 7))
    with pytest.raises(RpcRefused, match="set the allowance to zero first"):
        holder.send(token, call=call_bytes("approve(address,uint256)", spender.address, 9))


def test_a_paused_token_refuses_at_the_estimate_and_a_forced_transfer_reverts_without_logs(
    rpc: Rpc, token: str, owner: Wallet, holder: Wallet
) -> None:
    owner.send(token, call=call_bytes("pause()"))
    with pytest.raises(RpcRefused, match="paused"):
        holder.transfer_token(token, STRANGER, 1)
    forced = rpc.wait_for_receipt(holder.transfer_token(token, STRANGER, 1, gas=100_000))
    assert (forced["status"], forced["logs"]) == ("0x0", [])
    owner.send(token, call=call_bytes("unpause()"))
    assert rpc.wait_for_receipt(holder.transfer_token(token, STRANGER, 1))["status"] == "0x1"


def test_a_blacklisted_sender_cannot_send_and_still_receives(
    rpc: Rpc, token: str, owner: Wallet, holder: Wallet
) -> None:
    owner.send(token, call=call_bytes("addBlackList(address)", holder.address))
    with pytest.raises(RpcRefused, match="sender is blacklisted"):
        holder.transfer_token(token, STRANGER, 1)
    owner.send(token, call=call_bytes("mint(address,uint256)", owner.address, 5))
    owner.transfer_token(token, holder.address, 5)
    assert token_balance(rpc, token, holder.address) == EXCHANGE_STOCK_UNITS + 5
    owner.send(token, call=call_bytes("removeBlackList(address)", holder.address))
    assert rpc.wait_for_receipt(holder.transfer_token(token, STRANGER, 1))["status"] == "0x1"


def test_with_a_fee_the_receiver_gets_less_and_two_transfers_are_logged(
    rpc: Rpc, token: str, owner: Wallet, holder: Wallet
) -> None:
    owner.send(token, call=call_bytes("setParams(uint256,uint256)", 20, 50_000_000))
    receipt = rpc.wait_for_receipt(holder.transfer_token(token, STRANGER, 97_000_000))
    assert transfers_in(receipt) == [
        (holder.address.lower(), owner.address.lower(), 194_000),
        (holder.address.lower(), STRANGER.lower(), 96_806_000),
    ]
    capped = rpc.wait_for_receipt(holder.transfer_token(token, STRANGER, 1_000_000_000_000))
    assert [units for _, _, units in transfers_in(capped)] == [50_000_000, 999_950_000_000]


@pytest.mark.parametrize(
    "call",
    [
        call_bytes("pause()"),
        call_bytes("addBlackList(address)", STRANGER),
        call_bytes("setParams(uint256,uint256)", 1, 1),
        call_bytes("mint(address,uint256)", STRANGER, 1),
    ],
)
def test_only_the_owner_may_change_the_token(token: str, holder: Wallet, call: bytes) -> None:
    with pytest.raises(RpcRefused, match="owner only"):
        holder.send(token, call=call)


ROUND = ("uint80", "int256", "uint256", "uint256", "uint80")


def test_the_feed_speaks_the_aggregator_interface(rpc: Rpc, deployed: Deployment) -> None:
    feed = deployed.feed_address
    assert read(rpc, feed, "decimals()", returns=("uint8",)) == (8,)
    assert read(rpc, feed, "description()", returns=("string",)) == ("ETH / USD",)
    number, answer, started_at, updated_at, answered_in = read(rpc, feed, "latestRoundData()", returns=ROUND)
    assert (number, answer, answered_in) == (1, 2500 * 10**8, 1)
    assert started_at == updated_at
    assert abs(updated_at - time.time()) < 10
    assert read(rpc, feed, "getRoundData(uint80)", 1, returns=ROUND)[1] == answer


def test_only_the_owner_sets_the_price_and_may_date_it_back(rpc: Rpc, deployed: Deployment, owner: Wallet) -> None:
    before = rpc.call("evm_snapshot")
    owner.send(deployed.feed_address, call=call_bytes("set_answer_at(int256,uint256)", 1, 1_000_000_000))
    assert read(rpc, deployed.feed_address, "latestRoundData()", returns=ROUND)[1:4] == (1, 10**9, 10**9)
    with pytest.raises(RpcRefused, match="owner only"):
        Wallet(rpc, FAUCET.private_key).send(deployed.feed_address, call=call_bytes("set_answer(int256)", 1))
    rpc.call("evm_revert", before)


def test_a_feed_without_an_answer_has_no_price(rpc: Rpc, owner: Wallet) -> None:
    empty = rpc.wait_for_receipt(owner.send(None, call=contracts.load("price_feed").bytecode))["contractAddress"]
    with pytest.raises(RpcRefused, match="No data present"):
        read(rpc, empty, "latestRoundData()", returns=ROUND)


# --- accounts and the node ------------------------------------------------------------------------------------------


def test_the_test_accounts_are_those_of_the_public_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    for account in (DEPLOYER, HOST_WALLET, EXCHANGE_WALLET, FAUCET):
        derived = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{account.index}")
        assert (account.address, account.private_key) == (derived.address, "0x" + derived.key.hex().removeprefix("0x"))
        assert account.private_key not in repr(account)


def test_funding_is_a_real_transfer_and_a_balance_can_be_set_by_decree(chain: Chain, rpc: Rpc) -> None:
    tx_hash = fund(chain.url, STRANGER, 10**18)
    assert int(rpc.call("eth_getTransactionByHash", tx_hash)["value"], 16) == 10**18
    assert rpc.number("eth_getBalance", STRANGER, "latest") == 10**18
    set_balance(chain.url, STRANGER, 7)
    assert rpc.number("eth_getBalance", STRANGER, "latest") == 7


def test_the_sandbox_chain_makes_a_block_a_second_and_the_head_is_final_two_blocks_later() -> None:
    with Chain.start(chain_id=777) as running:
        rpc = Rpc(running.url)
        assert rpc.number("eth_chainId") == 777
        deadline = time.monotonic() + 10
        while rpc.number("eth_blockNumber") < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        head, final = (
            int(rpc.call("eth_getBlockByNumber", tag, False)["number"], 16) for tag in ("latest", "finalized")
        )
        assert head >= 3
        assert head - final == 2


def test_a_killed_owner_leaves_no_chain() -> None:
    script = "import time; from shared.sandbox.chain import Chain\nprint(Chain.start().url, flush=True); time.sleep(60)"
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    with owner:
        assert owner.stdout is not None
        url = owner.stdout.readline().strip()
        below = psutil.Process(owner.pid).children(recursive=True)
        owner.send_signal(signal.SIGKILL)
    assert psutil.wait_procs(below, timeout=10)[1] == []
    with pytest.raises(RpcUnreachable):
        Rpc(url).call("eth_chainId")


# --- getting anvil --------------------------------------------------------------------------------------------------


def test_anvil_is_fetched_once_and_then_taken_from_the_cache(tmp_path: Path) -> None:
    program = ensure_anvil()
    assert os.access(program, os.X_OK)
    assert ensure_anvil(announce=pytest.fail) == program


def test_another_package_than_the_pinned_one_is_not_installed(tmp_path: Path) -> None:
    def forged(_package: str, destination: Path) -> Path:
        (destination / "anvil.tgz").write_bytes(b"something else")
        return destination / "anvil.tgz"

    said: list[str] = []
    with pytest.raises(AnvilUnavailable, match="not the pinned anvil"):
        ensure_anvil(said.append, folder=tmp_path, fetch=forged)
    assert len(said) == 1
    assert not list(tmp_path.rglob("anvil"))


# --- the second endpoint --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def endpoint(chain: Chain) -> Iterator[str]:
    command = [sys.executable, "-m", "shared.sandbox.chain.endpoint", "--upstream", chain.url]
    process = Process.start("endpoint", command, cwd=REPOSITORY)
    yield str(process.ready["url"])
    process.stop()


def pin(endpoint: str, **fault: object) -> None:
    answer = call_json("POST", f"{endpoint}/_sim/faults", fault)
    assert answer.status == 200, answer.body


def test_the_second_endpoint_says_what_the_first_one_says(rpc: Rpc, endpoint: str) -> None:
    other = Rpc(endpoint)
    for method, params in [("eth_chainId", []), ("eth_getBlockByNumber", ["latest", False])]:
        assert other.call(method, *params) == rpc.call(method, *params)
    with pytest.raises(RpcRefused, match=r"Method not found|data did not match"):
        other.call("eth_noSuchMethod")


def test_a_lost_answer_leaves_the_transaction_on_the_chain(rpc: Rpc, endpoint: str) -> None:
    before = rpc.number("eth_getBalance", STRANGER, "latest")
    pin(endpoint, name="drop_after_send")
    with pytest.raises(RpcUnreachable):
        Wallet(Rpc(endpoint), FAUCET.private_key).send(STRANGER, value_wei=5)
    deadline = time.monotonic() + 10
    while rpc.number("eth_getBalance", STRANGER, "latest") != before + 5:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_request_lost_on_its_way_leaves_nothing(rpc: Rpc, endpoint: str) -> None:
    before = rpc.number("eth_getTransactionCount", FAUCET.address, "pending")
    pin(endpoint, name="drop_before_send")
    with pytest.raises(RpcUnreachable):
        Wallet(Rpc(endpoint), FAUCET.private_key).send(STRANGER, value_wei=5)
    assert rpc.number("eth_getTransactionCount", FAUCET.address, "pending") == before


@pytest.mark.parametrize(("fault", "status"), [("rate_limited", 429), ("html_page", 502)])
def test_an_endpoint_can_refuse_before_the_node_is_asked(endpoint: str, fault: str, status: int) -> None:
    pin(endpoint, name=fault)
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(endpoint, body), timeout=5)
    refused.value.close()
    assert refused.value.code == status
    assert Rpc(endpoint).number("eth_chainId") == 31337


def test_a_lagging_endpoint_does_not_know_the_newest_blocks(chain: Chain, rpc: Rpc, endpoint: str) -> None:
    tx_hash = fund(chain.url, STRANGER, 1)
    head = rpc.number("eth_blockNumber")
    pin(endpoint, name="lag", blocks=2, times=None)
    behind = Rpc(endpoint)
    assert behind.number("eth_blockNumber") == head - 2
    assert int(behind.call("eth_getBlockByNumber", "latest", False)["number"], 16) == head - 2
    assert int(behind.call("eth_getBlockByNumber", "finalized", False)["number"], 16) == head - 4
    assert behind.call("eth_getBlockByNumber", hex(head), False) is None
    assert behind.call("eth_getTransactionReceipt", tx_hash) is None
    assert behind.call("eth_getTransactionByHash", tx_hash)["blockNumber"] is None
    assert behind.number("eth_getBalance", STRANGER, "latest") < rpc.number("eth_getBalance", STRANGER, "latest")
    call_json("DELETE", f"{endpoint}/_sim/faults")
    assert behind.call("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"


def test_a_receipt_can_be_missing_although_it_exists(chain: Chain, endpoint: str) -> None:
    tx_hash = fund(chain.url, STRANGER, 1)
    pin(endpoint, name="null_receipt", route="eth_getTransactionReceipt")
    assert Rpc(endpoint).call("eth_getTransactionReceipt", tx_hash) is None
    assert Rpc(endpoint).call("eth_getTransactionReceipt", tx_hash)["status"] == "0x1"


def test_a_repeated_transaction_can_be_refused_in_geths_words(chain: Chain, endpoint: str) -> None:
    rpc = Rpc(chain.url)
    rpc.call("evm_setAutomine", False)
    raw = signed_transfer(rpc)
    rpc.call("eth_sendRawTransaction", raw)
    pin(endpoint, name="geth_words", times=1)
    with pytest.raises(RpcRefused) as refused:
        Rpc(endpoint).call("eth_sendRawTransaction", raw)
    assert (refused.value.code, refused.value.message) == (-32000, "already known")
    rpc.call("evm_setAutomine", True)
    rpc.call("evm_mine")


def test_an_unknown_fault_is_refused_with_the_known_ones(endpoint: str) -> None:
    answer = call_json("POST", f"{endpoint}/_sim/faults", {"name": "gremlins"})
    assert answer.status == 400
    assert "drop_after_send" in str(answer.body["error"])


def signed_transfer(rpc: Rpc) -> str:
    signed = Account.from_key(FAUCET.private_key).sign_transaction(
        {
            "type": 2,
            "chainId": 31337,
            "nonce": rpc.number("eth_getTransactionCount", FAUCET.address, "pending"),
            "to": STRANGER,
            "value": 1,
            "gas": 21_000,
            "maxFeePerGas": 10**10,
            "maxPriorityFeePerGas": 10**9,
        }
    )
    return "0x" + bytes(signed.raw_transaction).hex()
