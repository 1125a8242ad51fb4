"""Signs and sends for a sandbox account, and speaks to contracts without an ABI file. Imports eth_account (0.4 s)."""

from __future__ import annotations

import threading
from typing import Any

from eth_abi.abi import decode, encode
from eth_account import Account
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from .rpc import Rpc, RpcRefused

TRANSFER_GAS = 21_000
CALL_GAS = 200_000
TIP_WEI = 10**9
NONCE_TRIES = 20

TRANSFER_TOPIC = "0x" + keccak(text="Transfer(address,address,uint256)").hex()


def call_bytes(signature: str, *arguments: Any) -> bytes:
    """The call data of `signature`, such as "transfer(address,uint256)"."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(types.split(",") if types else [], arguments)


def read(rpc: Rpc, contract: str, signature: str, *arguments: Any, returns: tuple[str, ...]) -> tuple[Any, ...]:
    """The answer of a view function at the latest block, decoded as `returns`."""
    request = {"to": contract, "data": "0x" + call_bytes(signature, *arguments).hex()}
    return decode(returns, bytes.fromhex(rpc.call("eth_call", request, "latest")[2:]))


def token_balance(rpc: Rpc, token: str, holder: str) -> int:
    """Units of `token` that `holder` has at the latest block."""
    return int(read(rpc, token, "balanceOf(address)", holder, returns=("uint256",))[0])


class Wallet:
    """An account that sends; safe to share between threads. Another process may send from the same account too: when
    it was faster, the next nonce is taken."""

    def __init__(self, rpc: Rpc, private_key: str) -> None:
        self._rpc = rpc
        self._account = Account.from_key(private_key)
        self._chain_id = rpc.number("eth_chainId")
        self._one_at_a_time = threading.Lock()
        self.address: str = to_checksum_address(self._account.address)

    def send(self, to: str | None, *, value_wei: int = 0, call: bytes = b"", gas: int | None = None) -> str:
        """Send and give the hash at once; `to` None creates a contract. Without `gas` the node estimates first, so that
        a call that would revert is refused here (RpcRefused) and costs nothing."""
        fields: dict[str, Any] = {"from": self.address, "value": hex(value_wei), "data": "0x" + call.hex()}
        if to is not None:
            fields["to"] = to
        limit = gas or self._rpc.number("eth_estimateGas", fields) * 5 // 4
        with self._one_at_a_time:
            for _ in range(NONCE_TRIES):
                try:
                    return self._send_once(to, value_wei, call, limit)
                except RpcRefused as refused:
                    if not _lost_the_nonce(refused):
                        raise
        raise RpcRefused(-32003, f"{NONCE_TRIES} nonces of {self.address} were taken by somebody else")

    def transfer_token(self, token: str, to: str, units: int, *, gas: int | None = None) -> str:
        """`transfer` of a token; a given `gas` sends it even when it is bound to revert."""
        return self.send(token, call=call_bytes("transfer(address,uint256)", to, units), gas=gas)

    def _send_once(self, to: str | None, value_wei: int, call: bytes, gas: int) -> str:
        base_fee_wei = int(self._rpc.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        fields: dict[str, Any] = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._rpc.number("eth_getTransactionCount", self.address, "pending"),
            "value": value_wei,
            "data": call,
            "gas": gas,
            "maxPriorityFeePerGas": TIP_WEI,
            "maxFeePerGas": 2 * base_fee_wei + TIP_WEI,
        }
        if to is not None:
            fields["to"] = to_checksum_address(to)
        signed = self._account.sign_transaction(fields)
        tx_hash: str = self._rpc.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
        return tx_hash


def _lost_the_nonce(refused: RpcRefused) -> bool:
    return any(word in refused.message for word in ("nonce too low", "underpriced", "already imported"))
