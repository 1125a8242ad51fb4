"""One Ethereum provider: a view of the model chain that may be behind, silent or untrue.

It stands in for the JSON-RPC endpoint below `shared.chain`, so the fleet's own quorum, finality and classification run
on it as in production.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final, NoReturn

from hexbytes import HexBytes
from web3.exceptions import Web3RPCError

from shared.chain import Block, decode_signed
from shared.chain.erc20 import TRANSFER_TOPIC
from shared.chain.port import TransferFields
from shared.chain.providers import Provider
from shared.sandbox.simulator.blocks import PLAIN_GAS, Mined, ModelBlock, Transaction
from shared.sandbox.simulator.dialects import refusal
from shared.sandbox.simulator.dice import Dice
from shared.sandbox.simulator.node import ModelNode
from shared.sandbox.simulator.profile import Faults

MOST_LAG: Final = 3
_TIP_WEI: Final = 10**9

decoded: Callable[[bytes], tuple[str, TransferFields, str]] = lru_cache(maxsize=256)(decode_signed)
"""Sender, fields and hash of signed bytes; one history gives the same bytes to every provider many times."""


class Contracts:
    """What the contracts on the model chain answer: a token and a price feed."""

    def __init__(self, token: str, feed: str) -> None:
        self.token = token.lower()
        self.feed = feed.lower()
        self.feed_answer = 2_500 * 10**8

    def call(self, to: str, question: bytes, block: ModelBlock) -> bytes:
        """The return bytes of a read-only call."""
        if to == self.token:
            return block.tokens.get("0x" + question[-20:].hex(), 0).to_bytes(32, "big")
        if to == self.feed and question.startswith(bytes.fromhex("feaf968c")):
            at_s = int(block.at.timestamp())
            return b"".join(word.to_bytes(32, "big") for word in (1, self.feed_answer, at_s, at_s, 1))
        return (8).to_bytes(32, "big") if to == self.feed else b""


class ModelProvider(Provider):
    """A provider of the model chain; `client` is whose words it uses. Only `ask` is the real one's."""

    def __init__(
        self,
        name: str,
        client: str,
        node: ModelNode,
        contracts: Contracts,
        faults: Faults,
        dice: Dice,
        around_send: Callable[[str, bytes], None],
        told: Callable[[str], None],
    ) -> None:
        self.name = name
        self.client = client
        self._node = node
        self._contracts = contracts
        self._faults = faults
        self._dice = dice
        self._around_send = around_send
        self._told = told
        self._secrets = []
        self.before_read: Callable[[str], None] = lambda _: None
        self._view: list[ModelBlock] = []  # by number, from the genesis block
        self._follow_to(node.head)
        node.followers.append(self.follow)

    # --- what it sees -------------------------------------------------------------------------------------------------

    def follow(self) -> None:
        """A new head: the provider has it at once, or stays up to three blocks behind."""
        target = self._node.head
        if self._dice.happens(self._faults.now.providers_lag):
            for _ in range(self._dice.between(1, MOST_LAG)):
                assert target.parent is not None
                target = target.parent
            if target.number < self._view[-1].number and self._node.is_canonical(self._view[-1]):
                return  # a node does not go back to an older block of the same chain
        self._follow_to(target)

    def _follow_to(self, target: ModelBlock) -> None:
        fresh: list[ModelBlock] = []
        block: ModelBlock | None = target
        view = self._view
        while block is not None and not (block.number < len(view) and view[block.number] is block):
            fresh.append(block)
            block = block.parent
        del view[0 if block is None else block.number + 1 :]
        view.extend(reversed(fresh))

    def _at(self, block: Block) -> ModelBlock:
        if block.number >= len(self._view) or self._view[block.number].hash != block.hash:
            self._refuse(-32000, "header for hash not found")
        return self._view[block.number]

    def _place_of(self, tx_hash: str) -> tuple[ModelBlock, Mined] | None:
        for block, mined in reversed(self._node.places.get(tx_hash, ())):
            if block.number < len(self._view) and self._view[block.number] is block:
                return block, mined
        return None

    # --- what it answers ----------------------------------------------------------------------------------------------

    def chain_id(self) -> int:
        self._read("chain id")
        return 31_337

    def block(self, which: int | str) -> Block | None:
        self._read("block")
        head = len(self._view) - 1
        number = {"latest": head, "finalized": max(head - self._node.finality, 0)}.get(str(which), which)
        assert isinstance(number, int)
        return self._view[number].as_block() if 0 <= number <= head else None

    def block_transactions(self, number: int) -> list[dict[str, Any]] | None:
        self._read("block")
        if number >= len(self._view):
            return None
        return [_body(mined) for mined in self._view[number].mined]

    def transaction(self, tx_hash: str) -> dict[str, Any] | None:
        self._read("transaction")
        found = self._place_of(tx_hash)
        return None if found is None else _body(found[1])

    def receipt(self, tx_hash: str) -> dict[str, Any] | None:
        self._read("receipt")
        found = self._place_of(tx_hash)
        if found is None or self._dice.happens(self._faults.now.receipts_missing):
            return None
        return _receipt(*found)

    def nonce_at(self, address: str, block: Block) -> int:
        self._read("nonce")
        return self._at(block).nonces.get(address.lower(), 0)

    def balance_wei(self, address: str, block: Block) -> int:
        self._read("balance")
        return self._at(block).balances.get(address.lower(), 0)

    def code_at(self, address: str, block: Block) -> bytes:
        self._read("code")
        self._at(block)
        return b"\xfe" if address.lower() in self._node.refusing else b""

    def call(self, to: str, call_data: bytes, block: Block) -> bytes:
        self._read("call")
        return self._contracts.call(to.lower(), call_data, self._at(block))

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        self._read("gas estimate")
        if to.lower() in self._node.refusing:
            self._refuse(3, "execution reverted")
        balance_wei = self._view[-1].balances.get(sender.lower(), 0)
        if balance_wei < value_wei:
            self._refuse(*refusal(self.client, "poor", balance=balance_wei, cost=value_wei))
        return PLAIN_GAS

    def fee_history(self, blocks: int) -> dict[str, Any]:
        self._read("fee history")
        last = self._view[-blocks:]
        return {
            "baseFeePerGas": [block.base_fee_wei for block in last] + [last[-1].base_fee_wei],
            "reward": [[_TIP_WEI] for _ in last],
        }

    def node_tip_wei(self) -> int:
        self._read("tip")
        return _TIP_WEI

    def send_raw(self, raw: bytes) -> str:
        """As a node does: into the mempool, or a refusal in its client's words; and what goes wrong on the way."""
        self._around_send(f"before its bytes reach {self.name}", raw)
        answer = self._receive(raw)
        self._around_send(f"after its bytes reached {self.name}", raw)
        return answer

    def without_secrets(self, text: str) -> str:
        return text

    # --- inside -------------------------------------------------------------------------------------------------------

    def _receive(self, raw: bytes) -> str:
        sender, fields, tx_hash = decoded(raw)
        if self._dice.happens(self._faults.now.sends_lost):
            self._told(f"{self.name}: {tx_hash} never arrives, the connection breaks")
            raise ConnectionError
        if self._dice.happens(self._faults.now.sends_dropped):
            self._told(f"{self.name}: takes {tx_hash}, says ok and drops it")
            return tx_hash
        kind = self._pooled(sender.lower(), fields, tx_hash)
        if self._dice.happens(self._faults.now.sends_unanswered):
            self._told(f"{self.name}: has {tx_hash} ({kind or 'ok'}), its answer is lost")
            raise TimeoutError
        self._told(f"{self.name}: {tx_hash}: {kind or 'ok'}")
        if kind is not None:
            self._refuse_as(kind, sender.lower(), fields)
        return tx_hash

    def _refuse_as(self, kind: str, sender: str, fields: TransferFields) -> NoReturn:
        head = self._view[-1]
        figures = {
            "next": head.nonces.get(sender, 0),
            "nonce": fields.nonce,
            "balance": head.balances.get(sender, 0),
            "cost": fields.value_wei + fields.gas_limit * fields.cap_wei,
        }
        self._refuse(*refusal(self.client, kind, **figures))

    def _pooled(self, sender: str, fields: TransferFields, tx_hash: str) -> str | None:
        if fields.nonce < self._view[-1].nonces.get(sender, 0):
            return "old"
        to = fields.to.lower()
        one = Transaction(
            tx_hash,
            sender,
            fields.nonce,
            to,
            fields.value_wei,
            fields.tip_wei,
            fields.cap_wei,
            fields.gas_limit,
            reverts=to in self._node.refusing or to in self._node.surprising,
        )
        if fields.nonce < self._node.head.nonces.get(sender, 0):
            return None  # this provider lags: it takes what the network has no use for any more
        return self._node.pooled(one)

    def _read(self, what: str) -> None:
        self.before_read(what)
        if self._dice.happens(self._faults.now.providers_away):
            raise TimeoutError

    def _refuse(self, code: int, text: str) -> NoReturn:
        raise Web3RPCError(text, rpc_response={"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": text}})


def as_providers(providers: Sequence[ModelProvider]) -> list[Provider]:
    return list(providers)


def _body(mined: Mined) -> dict[str, Any]:
    if mined.body is None:
        one = mined.transaction
        mined.body = {
            "hash": HexBytes(one.tx_hash),
            "from": one.sender,
            "nonce": one.nonce,
            "to": one.to,
            "value": one.value_wei,
            "gasPrice": mined.price_wei,
        }
    return mined.body


def _receipt(block: ModelBlock, mined: Mined) -> dict[str, Any]:
    if mined.receipt is None:
        one = mined.transaction
        moves = one.moves if mined.status else ()
        mined.receipt = {
            "transactionHash": HexBytes(one.tx_hash),
            "blockNumber": block.number,
            "blockHash": HexBytes(block.hash),
            "status": mined.status,
            "gasUsed": one.gas_used,
            "effectiveGasPrice": mined.price_wei,
            "logs": [
                {
                    "logIndex": mined.first_log + index,
                    "address": move.token,
                    "topics": [HexBytes(TRANSFER_TOPIC), _topic(move.sender), _topic(move.to)],
                    "data": HexBytes(move.units.to_bytes(32, "big")),
                    "removed": False,
                }
                for index, move in enumerate(moves)
            ],
        }
    return mined.receipt


def _topic(address: str) -> HexBytes:
    return HexBytes(bytes(12) + bytes.fromhex(address[2:]))
