"""Stored evidence read without trust: every field is what it must be, or it is None and a fault.

What is read here may come from any database, archive or e-mail; nothing in it can make the reader stumble.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from shared.chain.address import is_address

_HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,78}", re.ASCII)  # up to 2^256
_HEX: Final = re.compile(r"0x[0-9a-fA-F]{1,64}", re.ASCII)

# What a receipt repeats of the evidence around it, by the receipt's names.
_REPEATED: Final = {
    "transactionHash": "tx_hash",
    "blockHash": "block_hash",
    "blockNumber": "block_number",
    "status": "status",
    "gasUsed": "gas_used",
    "from": "sender",
    "to": "to",
}
# What else two nodes must say alike about one receipt; absent at some of them.
_ALIKE: Final = ("transactionIndex", "cumulativeGasUsed", "effectiveGasPrice", "logsBloom", "type", "contractAddress")


@dataclass(frozen=True, slots=True)
class Evidence:
    """`FinalConsumer.evidence()` as found: hashes and addresses in lower case, None for what could not be read."""

    tx_hash: str | None
    block_number: int | None
    block_hash: str | None
    status: int | None
    gas_used: int | None
    effective_gas_price_wei: int | None
    sender: str | None
    nonce: int | None
    to: str | None
    value_wei: int | None
    finalized_number: int | None
    finalized_hash: str | None
    receipt: Mapping[str, object]
    faults: tuple[str, ...]

    @classmethod
    def read(cls, evidence: object) -> Evidence:
        """Whatever is given; `faults` says what of it could not be read."""
        given = evidence if isinstance(evidence, Mapping) else {}
        faults = [] if isinstance(evidence, Mapping) else ["the evidence is no object with fields"]
        numbers = {name: number_in(given.get(name)) for name in _NUMBERS}
        hashes = {name: hash_in(given.get(name)) for name in _HASHES}
        sender, to = address_in(given.get("sender")), address_in(given.get("to"))
        faults += [f"{name} is no whole number" for name, number in numbers.items() if number is None]
        faults += [f"{name} is no hash" for name, text in hashes.items() if text is None]
        if sender is None:
            faults.append("sender is no address")
        if to is None and given.get("to", "missing") is not None:
            faults.append("to is no address")
        receipt = given.get("receipt")
        if not isinstance(receipt, Mapping) or not receipt:
            faults.append("there is no receipt")
            receipt = {}
        if not _are_names(given.get("agreed_providers")):
            faults.append("no provider is named that agreed")
        return cls(
            tx_hash=hashes["tx_hash"],
            block_number=numbers["block_number"],
            block_hash=hashes["block_hash"],
            status=numbers["status"],
            gas_used=numbers["gas_used"],
            effective_gas_price_wei=numbers["effective_gas_price_wei"],
            sender=sender,
            nonce=numbers["nonce"],
            to=to,
            value_wei=numbers["value_wei"],
            finalized_number=numbers["finalized_number"],
            finalized_hash=hashes["finalized_hash"],
            receipt=receipt,
            faults=tuple(faults),
        )

    def receipt_faults(self) -> list[str]:
        """Where the receipt and the fields around it differ."""
        if not self.receipt:
            return []
        faults = []
        for theirs, ours in _REPEATED.items():
            told, expected = _plain(theirs, self.receipt.get(theirs)), getattr(self, ours)
            if theirs not in self.receipt:
                faults.append(f"the receipt has no {theirs}")
            elif expected is not None and told != expected:
                faults.append(f"the receipt's {theirs} is {_shown(told)}, the evidence says {expected}")
        price_wei = self.receipt.get("effectiveGasPrice")
        if price_wei is not None and number_in(price_wei) != self.effective_gas_price_wei:
            faults.append("the receipt's effectiveGasPrice differs from the evidence")
        if number_in(self.receipt.get("transactionIndex")) is None:
            faults.append("the receipt has no transactionIndex")
        return faults

    def differences(self, other: Evidence) -> list[str]:
        """Where another reading of the same transaction differs; what this one could not read is not compared."""
        faults = []
        for name in (*_NUMBERS, *_HASHES, "sender", "to"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if not name.startswith("finalized") and mine is not None and mine != theirs:
                faults.append(f"{name} is {theirs} at the node, {mine} in the evidence")
        for name in _ALIKE:
            mine, theirs = (_plain(name, one.receipt.get(name)) for one in (self, other))
            if mine is not None and theirs is not None and mine != theirs:
                faults.append(f"the receipt's {name} is {_shown(theirs)} at the node, {_shown(mine)} in the evidence")
        if number_in(other.receipt.get("transactionIndex")) is None:
            faults.append("the node's receipt has no transactionIndex")
        if self.receipt and _logs(self.receipt) != _logs(other.receipt):
            faults.append("the receipt's logs differ")
        return faults


_NUMBERS: Final = (
    "block_number",
    "status",
    "gas_used",
    "effective_gas_price_wei",
    "nonce",
    "value_wei",
    "finalized_number",
)
_HASHES: Final = ("tx_hash", "block_hash", "finalized_hash")


def number_in(value: object) -> int | None:
    """A whole number that is not negative, as JSON number, decimal text or 0x text."""
    if type(value) is int:
        return value if value >= 0 else None
    if not isinstance(value, str):
        return None
    if _DIGITS.fullmatch(value):
        return int(value)
    return int(value, 16) if _HEX.fullmatch(value) else None


def hash_in(value: object) -> str | None:
    """A 32-byte hash as 0x text in lower case."""
    return value.lower() if isinstance(value, str) and _HASH.fullmatch(value) else None


def address_in(value: object) -> str | None:
    """An address in lower case; a wrong checksum is none."""
    return value.lower() if isinstance(value, str) and is_address(value) else None


def _are_names(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(name, str) and name for name in value)


def _plain(name: str, value: object) -> object:
    """One spelling for what providers spell in several ways."""
    if name in ("transactionHash", "blockHash"):
        return hash_in(value)
    if name in ("from", "to", "contractAddress"):
        return address_in(value)
    if name == "logsBloom":
        return value.lower() if isinstance(value, str) else None
    return number_in(value)


def _logs(receipt: Mapping[str, object]) -> object:
    """The logs in one spelling; None if there are none that could be compared."""
    logs = receipt.get("logs")
    if not isinstance(logs, list):
        return None
    return [
        (
            str(log.get("address")).lower(),
            _lowered(log.get("topics")),
            str(log.get("data")).lower(),
            number_in(log.get("logIndex")),
        )
        if isinstance(log, Mapping)
        else None
        for log in logs
    ]


def _lowered(topics: object) -> list[str]:
    return [str(topic).lower() for topic in topics] if isinstance(topics, list) else []


def _shown(value: object) -> str:
    return str(value)[:80]
