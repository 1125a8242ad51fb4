"""Puts the sandbox's contracts on a fresh chain and hands out Ether."""

from __future__ import annotations

from dataclasses import dataclass

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from . import contracts
from .accounts import DEPLOYER, EXCHANGE_WALLET, FAUCET
from .rpc import Rpc, RpcRefused
from .wallet import Wallet, call_bytes

EXCHANGE_STOCK_UNITS = 10_000_000 * 10**6
FEED_DECIMALS = 8
DEPLOY_GAS = 3_000_000
CALL_GAS = 150_000


@dataclass(frozen=True)
class Deployment:
    """Where the contracts are (checksummed addresses)."""

    usdt_address: str
    feed_address: str


def deploy(rpc_url: str, *, price_usd: int = 2500, exchange_units: int = EXCHANGE_STOCK_UNITS) -> Deployment:
    """Deploy token and feed, write the first price, give the exchange its USDT. One new block at most.

    The deployer owns both. Not for a second time on one chain: that makes a second token. Raises RpcRefused.
    """
    rpc = Rpc(rpc_url)
    deployer = Wallet(rpc, DEPLOYER.private_key)
    first_nonce = rpc.number("eth_getTransactionCount", deployer.address, "pending")
    usdt_address, feed_address = (_created_address(deployer.address, first_nonce + i) for i in range(2))
    stock = call_bytes("mint(address,uint256)", EXCHANGE_WALLET.address, exchange_units)
    price = call_bytes("set_answer(int256)", price_usd * 10**FEED_DECIMALS)
    # Addresses follow from deployer and nonce, so all four transactions fit into one block. A block mined by hand is a
    # second ahead of the clock, and the next ones would be further ahead, which would show in the feed's `updatedAt`.
    sent = [
        deployer.send(None, call=contracts.load("tether").bytecode, gas=DEPLOY_GAS),
        deployer.send(None, call=contracts.load("price_feed").bytecode, gas=DEPLOY_GAS),
        deployer.send(usdt_address, call=stock, gas=CALL_GAS),
        deployer.send(feed_address, call=price, gas=CALL_GAS),
    ]
    rpc.call("evm_mine")
    for tx_hash in sent:
        _succeeded(rpc, tx_hash)
    return Deployment(usdt_address, feed_address)


def fund(rpc_url: str, address: str, wei: int) -> str:
    """Send `wei` from the faucet to `address`, wait until it is in a block, give the hash. A repeat sends again."""
    rpc = Rpc(rpc_url)
    tx_hash = Wallet(rpc, FAUCET.private_key).send(address, value_wei=wei)
    _succeeded(rpc, tx_hash)
    return tx_hash


def set_balance(rpc_url: str, address: str, wei: int) -> None:
    """Make the Ether of `address` exactly `wei`, by decree: no transaction, a repeat changes nothing."""
    Rpc(rpc_url).call("anvil_setBalance", address, hex(wei))


def _created_address(deployer: str, nonce: int) -> str:
    return to_checksum_address(keccak(rlp.encode([bytes.fromhex(deployer[2:]), nonce]))[12:])


def _succeeded(rpc: Rpc, tx_hash: str) -> dict[str, str]:
    receipt = rpc.wait_for_receipt(tx_hash)
    if receipt["status"] != "0x1":
        raise RpcRefused(0, f"the transaction {tx_hash} reverted")
    return receipt
