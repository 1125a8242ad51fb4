"""What the chain room believes of web3 8 and eth_account: if one of these changes, so must the room."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import web3
from eth_account import Account
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BlockNotFound,
    ContractLogicError,
    TransactionIndexingInProgress,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.types import RPCEndpoint

from shared.sandbox.chain import HOST_WALLET, Chain
from shared.sandbox.chain.rpc import Rpc

NOWHERE = "0x" + "11" * 32


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with Chain.start(block_time_s=None) as running:
        yield running


@pytest.fixture
def w3(chain: Chain) -> Web3:
    http = HTTPProvider(chain.url, request_kwargs={"timeout": 5}, exception_retry_configuration=None)
    return Web3(http, middleware=[])


class Counting:
    """A port that takes connections, reads a request and hangs up."""

    def __init__(self) -> None:
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.connections += 1
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 503 busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def test_this_is_web3_8() -> None:
    assert web3.__version__.split(".")[0] == "8"


def test_by_default_web3_would_send_a_transaction_five_times() -> None:
    http = HTTPProvider("http://127.0.0.1:1")
    configuration = http.exception_retry_configuration
    assert configuration.retries == 5
    assert "eth_sendRawTransaction" in configuration.method_allowlist


def test_without_a_retry_configuration_one_call_is_one_request() -> None:
    node = Counting()
    http = HTTPProvider(node.url, exception_retry_configuration=None, request_kwargs={"timeout": 2})
    with pytest.raises(OSError, match="503"):
        http.make_request(RPCEndpoint("eth_sendRawTransaction"), ["0x01"])
    node.stop()
    assert node.connections == 1


def test_http_errors_are_os_errors_and_carry_the_url() -> None:
    http = HTTPProvider("http://127.0.0.1:1/s3cret", exception_retry_configuration=None)
    with pytest.raises(OSError, match="s3cret"):
        http.make_request(RPCEndpoint("eth_chainId"), [])


def test_no_middleware_is_really_none(w3: Web3) -> None:
    assert list(w3.middleware_onion) == []


def test_missing_things_have_their_own_errors(w3: Web3) -> None:
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction_receipt(HexBytes(NOWHERE))
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction(HexBytes(NOWHERE))
    with pytest.raises(BlockNotFound):
        w3.eth.get_block(10**9)
    for missing in (TransactionNotFound, BlockNotFound, TransactionIndexingInProgress):
        assert issubclass(missing, Web3RPCError)


def test_a_refused_send_keeps_the_nodes_own_error(w3: Web3) -> None:
    with pytest.raises(Web3RPCError) as caught:
        w3.eth.send_raw_transaction(b"\x02\x01")
    assert caught.value.rpc_response is not None
    assert caught.value.rpc_response["error"] == {"code": -32602, "message": "Failed to decode transaction"}


def test_a_revert_is_no_rpc_error() -> None:
    assert issubclass(ContractLogicError, Web3Exception)
    assert not issubclass(ContractLogicError, Web3RPCError)


def test_reads_can_be_pinned_by_hash_to_the_canonical_chain(chain: Chain, w3: Web3) -> None:
    Rpc(chain.url).call("anvil_mine", "0x3")
    block = w3.eth.get_block("finalized")
    pin = {"blockHash": block["hash"].to_0x_hex(), "requireCanonical": True}
    account = Web3.to_checksum_address(HOST_WALLET.address)
    assert w3.eth.get_balance(account, pin) > 0  # type: ignore[arg-type]
    with pytest.raises(Web3RPCError):
        w3.eth.get_balance(account, {"blockHash": NOWHERE, "requireCanonical": True})  # type: ignore[arg-type]


def test_fee_history_gives_one_base_fee_more_than_blocks(chain: Chain, w3: Web3) -> None:
    Rpc(chain.url).call("anvil_mine", "0x4")
    history = w3.eth.fee_history(3, "latest", [50])
    assert len(history["baseFeePerGas"]) == 4
    assert [len(row) for row in history["reward"]] == [1, 1, 1]


def test_signed_transactions_have_raw_transaction_and_hex_bytes_know_0x() -> None:
    fields = {"type": 2, "chainId": 1, "nonce": 0, "to": HOST_WALLET.address, "value": 1, "gas": 21_000}
    fields |= {"maxFeePerGas": 2, "maxPriorityFeePerGas": 1}
    signed = Account.sign_transaction(fields, HOST_WALLET.private_key)
    assert not hasattr(signed, "rawTransaction")
    assert Account.recover_transaction(signed.raw_transaction) == HOST_WALLET.address
    assert HexBytes("0xab").hex() == "ab"
    assert HexBytes("0xab").to_0x_hex() == "0xab"


def test_signing_is_done_by_coincurve() -> None:
    from eth_keys.backends import get_backend
    from eth_keys.backends.coincurve import CoinCurveECCBackend

    assert isinstance(get_backend(), CoinCurveECCBackend)


def test_importing_eth_account_raises_the_recursion_limit_of_the_whole_process() -> None:
    """Why `shared.chain.recursion` exists; when this fails, it may go."""
    script = "import sys, eth_account; print(sys.getrecursionlimit())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "100000\n"
