"""The same chain twice: a real EVM behind the real client, and the simulator's model chain behind the same client."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from shared.chain import Chain, EthereumChain, LocalSigner, Signed, TransferFields
from shared.chain.quorum import Quorum
from shared.sandbox.chain import CHAIN_ID, EXCHANGE_WALLET, HOST_WALLET
from shared.sandbox.chain.deploy import Deployment
from shared.sandbox.chain.rpc import Rpc
from shared.sandbox.chain.wallet import Wallet
from shared.sandbox.simulator.blocks import BLOCK_S, GWEI, TokenMove, Transaction
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.profile import Faults, Profile
from shared.sandbox.simulator.provider import Contracts, ModelProvider

DEPOSIT = "0x00000000000000000000000000000000000000Ad"
SIGNER = LocalSigner(HOST_WALLET.private_key)
START = datetime(2026, 3, 1, tzinfo=UTC)
FINALITY = 2


class ChainWorld(Protocol):
    """A chain that makes blocks on command, and two providers of it."""

    @property
    def chain(self) -> Chain: ...
    @property
    def token(self) -> str: ...
    @property
    def feed(self) -> str: ...
    @property
    def refuses_ether(self) -> str: ...
    def mine(self, blocks: int = 1) -> None: ...
    def now(self) -> datetime: ...
    def pays_tokens(self, units: int) -> str: ...
    def pays_ether(self, value_wei: int) -> str: ...
    def uses_our_key(self) -> str: ...
    def forget(self, tx_hash: str) -> None: ...
    def replace_blocks(self, depth: int) -> None: ...


def finalize(world: ChainWorld) -> None:
    """What is in the mempool now is final after this."""
    world.mine(FINALITY + 1)


def a_transfer(world: ChainWorld, *, value_wei: int = 5, nonce: int | None = None, **changed: int) -> Signed:
    """Signed bytes of the wallet at its next nonce."""
    if nonce is None:
        head = world.chain.latest_heads()[0].block
        assert head is not None
        nonce = world.chain.nonce_at(SIGNER.address, head)
    fees = world.chain.fees(500 * GWEI)
    fields = {"gas_limit": 26_250, "tip_wei": fees.tip_wei, "cap_wei": fees.cap_wei} | changed
    return SIGNER.sign(TransferFields(chain_id=CHAIN_ID, nonce=nonce, to=DEPOSIT, value_wei=value_wei, **fields))


class RealChain:
    """anvil without automatic mining, two connections to it."""

    def __init__(self, url: str, contracts: Deployment) -> None:
        self._rpc = Rpc(url)
        self._rpc.call("evm_setAutomine", False)
        self.chain: Chain = EthereumChain.connect([url, f"{url}/"], None, CHAIN_ID, 3)
        self.token = contracts.usdt_address
        self.feed = contracts.feed_address
        self.refuses_ether = contracts.usdt_address

    def mine(self, blocks: int = 1) -> None:
        self._rpc.call("anvil_mine", hex(blocks))

    def now(self) -> datetime:
        newest = self._rpc.call("eth_getBlockByNumber", "latest", False)
        return datetime.fromtimestamp(int(newest["timestamp"], 16), UTC)

    def pays_tokens(self, units: int) -> str:
        return Wallet(self._rpc, EXCHANGE_WALLET.private_key).transfer_token(self.token, HOST_WALLET.address, units)

    def pays_ether(self, value_wei: int) -> str:
        return Wallet(self._rpc, EXCHANGE_WALLET.private_key).send(HOST_WALLET.address, value_wei=value_wei)

    def uses_our_key(self) -> str:
        return Wallet(self._rpc, HOST_WALLET.private_key).send(DEPOSIT, value_wei=1)

    def forget(self, tx_hash: str) -> None:
        self._rpc.call("anvil_dropTransaction", tx_hash)

    def replace_blocks(self, depth: int) -> None:
        self._rpc.call("anvil_reorg", depth, [])


class ModelChain:
    """The simulator's chain, without faults."""

    def __init__(self) -> None:
        self._now = START
        faults = Faults(Profile())
        rich = dict.fromkeys((HOST_WALLET.address, EXCHANGE_WALLET.address), 10**24)
        self._node = ModelNode(faults, Dice(0, "node"), START, FINALITY, rich, rich, lambda _: None)
        self.token = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
        self.feed = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
        self.refuses_ether = self.token
        self._node.refusing.add(self.token.lower())
        contracts = Contracts(self.token, self.feed)
        nothing: Callable[..., None] = lambda *_: None  # noqa: E731 - a callback that does nothing
        providers = [
            ModelProvider(f"model {client}", client, self._node, contracts, faults, Dice(0, client), nothing, nothing)
            for client in ("geth", "reth")
        ]
        self.chain: Chain = EthereumChain(Quorum(providers, 2), CHAIN_ID)

    def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            self._now += timedelta(seconds=BLOCK_S)
            self._node.next_block(self._now)

    def now(self) -> datetime:
        return self._now

    def pays_tokens(self, units: int) -> str:
        move = TokenMove(self.token.lower(), EXCHANGE_WALLET.address.lower(), HOST_WALLET.address.lower(), units)
        return self._from_exchange("0x" + "7a" * 32, self.token, 0, (move,))

    def pays_ether(self, value_wei: int) -> str:
        return self._from_exchange("0x" + "7b" * 32, HOST_WALLET.address, value_wei, ())

    def uses_our_key(self) -> str:
        return self._put(HOST_WALLET.address, "0x" + "7c" * 32, DEPOSIT, 1, ())

    def forget(self, tx_hash: str) -> None:
        for key, one in list(self._node.pool.items()):
            if one.tx_hash == tx_hash:
                del self._node.pool[key]

    def replace_blocks(self, depth: int) -> None:
        self._node.reorganise(depth, self._now, lose=True)

    def _from_exchange(self, tx_hash: str, to: str, value_wei: int, moves: tuple[TokenMove, ...]) -> str:
        return self._put(EXCHANGE_WALLET.address, tx_hash, to, value_wei, moves)

    def _put(self, sender: str, tx_hash: str, to: str, value_wei: int, moves: tuple[TokenMove, ...]) -> str:
        nonce = self._node.next_nonce(sender.lower())
        cap_wei = 500 * GWEI
        one = Transaction(tx_hash, sender.lower(), nonce, to.lower(), value_wei, GWEI, cap_wei, 100_000, moves=moves)
        assert self._node.pooled(one) is None
        return tx_hash
