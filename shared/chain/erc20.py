"""The two things the fleet reads from an ERC-20 contract: a balance, and Transfer logs. Pure encoding, no network.

USDT's `transfer` returns nothing and may take a fee, so neither return values nor requested amounts count: only the
Transfer log of what really reached the wallet does.
"""

from collections.abc import Iterator
from typing import Final

from shared.chain.address import same_address, to_checksum
from shared.chain.finality import Log, Sighting
from shared.chain.port import TokenTransfer

# keccak("Transfer(address,address,uint256)")
TRANSFER_TOPIC: Final = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
_BALANCE_OF: Final = bytes.fromhex("70a08231")  # keccak("balanceOf(address)")[:4]
_WORD: Final = 32


def balance_of(address: str) -> bytes:
    """Call data that asks a token for the balance of the address."""
    return _BALANCE_OF + bytes.fromhex(address[2:]).rjust(_WORD, b"\0")


def one_word(answer: bytes) -> int:
    """The single uint256 that a contract answered. ValueError for anything else: a wrong address answers nothing."""
    if len(answer) != _WORD:
        raise ValueError(f"expected one word of 32 bytes, got {len(answer)} bytes")
    return int.from_bytes(answer, "big")


def transfers_to(sighting: Sighting, token: str, to: str) -> list[TokenTransfer]:
    """The token's Transfer logs to the address, in log order. Zero amounts and foreign contracts are left out."""
    return [moved for moved in _transfers(sighting, token) if same_address(moved.to, to)]


def transfers_from(sighting: Sighting, token: str, sender: str) -> list[TokenTransfer]:
    """The same for what left the address; what it sent to itself moved nothing and is left out."""
    return [
        moved
        for moved in _transfers(sighting, token)
        if same_address(moved.sender, sender) and not same_address(moved.to, sender)
    ]


def _transfers(sighting: Sighting, token: str) -> Iterator[TokenTransfer]:
    for log in sorted(sighting.logs, key=lambda log: log.index):
        if _is_transfer(log) and same_address(log.address, token):
            yield TokenTransfer(
                tx_hash=sighting.tx_hash,
                log_index=log.index,
                block_number=sighting.block_number,
                block_hash=sighting.block_hash,
                sender=_address_in(log.topics[1]),
                to=_address_in(log.topics[2]),
                units=int.from_bytes(log.content, "big"),
            )


def _is_transfer(log: Log) -> bool:
    return (
        not log.removed
        and len(log.topics) == 3
        and log.topics[0] == TRANSFER_TOPIC
        and len(log.content) == _WORD
        and any(log.content)
    )


def _address_in(topic: str) -> str:
    return to_checksum("0x" + topic[-40:])
