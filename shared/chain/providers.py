"""One Ethereum provider: its answers as plain values, its troubles as `Failure`, its URL nowhere.

A provider's URL holds its key, and HTTP libraries like to repeat URLs in errors and debug lines. Therefore no foreign
exception leaves this module, not even as the cause of ours.

web3 is half a second of import that no service starts with: the first question to a provider fetches it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from shared.chain.address import to_checksum
from shared.chain.port import Block

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress
    from web3 import Web3
    from web3.exceptions import Web3RPCError
    from web3.types import BlockIdentifier, RPCEndpoint, TxParams

T = TypeVar("T")

_MAX_TEXT = 500  # characters of a provider's text that are kept
_SHORTEST_SECRET = 4  # shorter parts of a URL ("v2", "rpc") are no secrets


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one provider gave no usable answer. `code` is the JSON-RPC code if it answered with an error."""

    provider: str
    code: int | None
    text: str
    answered: bool  # the node itself said so, as JSON-RPC; else nobody knows what it did


class Provider:
    """One JSON-RPC endpoint. Every call is one HTTP request with a time-out and is never repeated here."""

    def __init__(self, name: str, url: str, timeout_s: float) -> None:
        self.name = name
        self._secrets = _secrets_of(url)
        self._url = url
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        return f"Provider({self.name})"

    def ask(self, question: Callable[[Provider], T]) -> T | Failure:
        """What `question` reads here, or the Failure that kept it from reading."""
        from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError

        try:
            return question(self)
        except ContractLogicError as error:
            # web3's own reading of a JSON-RPC error: the node executed the call, and the contract refused it.
            return Failure(self.name, None, self.without_secrets(error.message or "execution reverted"), answered=True)
        except Web3RPCError as error:
            return self._spoken(error)
        except (Web3Exception, *_NOT_JSON_RPC) as error:
            return self._unspoken(error)

    @cached_property
    def _web3(self) -> Web3:
        from shared.chain.silent_web3 import silent_web3

        return silent_web3(self._url, self._timeout_s)

    def chain_id(self) -> int:
        return int(self._web3.eth.chain_id)

    def block(self, which: int | str) -> Block | None:
        """The block of that number or tag, None if the provider has none."""
        from web3.exceptions import BlockNotFound

        try:
            found = self._web3.eth.get_block(cast("BlockIdentifier", which))
        except BlockNotFound:
            return None
        return Block(int(found["number"]), found["hash"].to_0x_hex(), datetime.fromtimestamp(found["timestamp"], UTC))

    def block_transactions(self, number: int) -> list[dict[str, Any]] | None:
        """The full transactions of the block, None if the provider has no such block."""
        from web3.exceptions import BlockNotFound

        try:
            found = self._web3.eth.get_block(number, full_transactions=True)
        except BlockNotFound:
            return None
        return [dict(cast("dict[str, Any]", transaction)) for transaction in found["transactions"]]

    def transaction(self, tx_hash: str) -> dict[str, Any] | None:
        from hexbytes import HexBytes
        from web3.exceptions import TransactionNotFound

        try:
            return dict(self._web3.eth.get_transaction(HexBytes(tx_hash)))
        except TransactionNotFound:
            return None

    def receipt(self, tx_hash: str) -> dict[str, Any] | None:
        from hexbytes import HexBytes
        from web3.exceptions import TransactionNotFound

        try:
            return dict(self._web3.eth.get_transaction_receipt(HexBytes(tx_hash)))
        except TransactionNotFound:
            return None

    def nonce_at(self, address: str, block: Block) -> int:
        return int(self._web3.eth.get_transaction_count(_checksummed(address), _pinned(block)))

    def balance_wei(self, address: str, block: Block) -> int:
        return int(self._web3.eth.get_balance(_checksummed(address), _pinned(block)))

    def code_at(self, address: str, block: Block) -> bytes:
        return bytes(self._web3.eth.get_code(_checksummed(address), _pinned(block)))

    def call(self, to: str, call_data: bytes, block: Block) -> bytes:
        """The return bytes of a read-only contract call at the block."""
        from hexbytes import HexBytes

        question: TxParams = {"to": _checksummed(to), "data": HexBytes(call_data)}
        return bytes(self._web3.eth.call(question, _pinned(block)))

    def estimate_gas(self, sender: str, to: str, value_wei: int) -> int:
        transfer = {"from": sender, "to": to, "value": value_wei}
        return int(self._web3.eth.estimate_gas(cast("TxParams", transfer)))

    def fee_history(self, blocks: int) -> dict[str, Any]:
        return dict(self._web3.eth.fee_history(blocks, "latest", [50]))

    def node_tip_wei(self) -> int:
        # Not `eth.max_priority_fee`: that one warns and computes its own when the node has none.
        told = self._web3.manager.request_blocking(cast("RPCEndpoint", "eth_maxPriorityFeePerGas"), [])
        return int(told, 16)

    def send_raw(self, raw: bytes) -> str:
        """Hand the bytes over once; the hash the node answers."""
        from hexbytes import HexBytes

        return HexBytes(self._web3.eth.send_raw_transaction(raw)).to_0x_hex()

    def as_json(self, answer: dict[str, Any]) -> dict[str, object]:
        """A web3 answer as plain JSON, to be stored as evidence."""
        from web3 import Web3

        return cast("dict[str, object]", json.loads(Web3.to_json(cast("dict[Any, Any]", answer))))

    def without_secrets(self, text: str) -> str:
        """The text with every part of the URL that could be a key replaced by stars, cut to a bounded length."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:_MAX_TEXT]

    def _spoken(self, error: Web3RPCError) -> Failure:
        told = (error.rpc_response or {}).get("error")
        if not isinstance(told, dict):
            return Failure(self.name, None, self.without_secrets(type(error).__name__), answered=False)
        return self._from_json_rpc(dict(told))

    def _from_json_rpc(self, told: dict[str, Any]) -> Failure:
        code, message = told.get("code"), told.get("message")
        return Failure(
            self.name,
            code if type(code) is int else None,
            self.without_secrets(str(message)),
            answered=True,
        )

    def _unspoken(self, error: Exception) -> Failure:
        response = getattr(error, "response", None)
        status = getattr(response, "status_code", None)
        if status is None:
            # Only the class: the text of an HTTP error repeats the URL.
            return Failure(self.name, None, type(error).__name__, answered=False)
        told = _json_rpc_error_in(response)
        if told is not None:
            return self._from_json_rpc(told)
        return Failure(self.name, None, f"HTTP {status}", answered=False)


# OSError: every error of the HTTP client. The others, beside web3's own: an answer that is not what JSON-RPC promises,
# which web3's formatters report with whatever they stumble over.
_NOT_JSON_RPC = (OSError, ValueError, TypeError, LookupError, AttributeError)


def _checksummed(address: str) -> ChecksumAddress:
    return cast("ChecksumAddress", to_checksum(address))


def _pinned(block: Block) -> BlockIdentifier:
    # EIP-1898: by hash, and only while that block is canonical. A node that lost it answers with an error, never
    # with the state of another block.
    return cast("BlockIdentifier", {"blockHash": block.hash, "requireCanonical": True})


def _json_rpc_error_in(response: Any) -> dict[str, Any] | None:
    """Some providers send a proper JSON-RPC error under HTTP 400 or 500."""
    try:
        told = response.json()
    except (OSError, ValueError):
        return None
    error = told.get("error") if isinstance(told, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("message"), str) else None


def _secrets_of(url: str) -> list[str]:
    parts = urlsplit(url)
    candidates = {url, parts.path, parts.query, parts.username or "", parts.password or "", parts.netloc}
    candidates.update(parts.path.split("/"))
    candidates.update(value for _, value in parse_qsl(parts.query))
    if parts.username:  # as the HTTP client sends it, and as a chatty node repeats it
        candidates.add(b64encode(f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()).decode())
    found = [part for part in candidates if len(part) >= _SHORTEST_SECRET]
    return sorted(found, key=len, reverse=True)
