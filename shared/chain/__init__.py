"""Ethereum as the fleet sees it: providers that must agree, one kind of transaction, no verdict before finality.

Ports and values:  `Chain`, `Signer`; `Block`, `Head`, `Included`, `FinalConsumer`, `TokenTransfer`, `EtherReceived`,
                   `NotFound`, `NotFinalYet`, `Reverted`, `NotThisTransfer`, `SendAnswer`, `AnswerKind`, `Fees`,
                   `TransferFields`, `Signed`, `Arrivals`, `EtherArrival`.
Real ones:         `EthereumChain`, `LocalSigner`, `decode_signed`, `check_signed`, `ChainSettings`.
Addresses:         `is_address`, `to_checksum`, `same_address`, `keccak`.
Trouble:           `ProvidersUnavailable`, `ProvidersDisagree`, `WrongChain`, `FeesTooHigh`, `TransferWouldFail`,
                   `PriceUnusable`, `SignedBytesDiffer`.

Names are fetched when they are first used: web3 costs half a second of start, and intake only checks addresses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shared.chain.address import is_address, keccak, same_address, to_checksum
    from shared.chain.ethereum import EthereumChain
    from shared.chain.port import (
        AnswerKind,
        Arrivals,
        Block,
        Chain,
        EtherArrival,
        EtherReceived,
        Fees,
        FinalConsumer,
        Head,
        Included,
        NotFinalYet,
        NotFound,
        NotThisTransfer,
        Reverted,
        SendAnswer,
        Signed,
        Signer,
        TokenTransfer,
        TransferFields,
    )
    from shared.chain.settings import ChainSettings
    from shared.chain.signer import LocalSigner, check_signed, decode_signed
    from shared.chain.trouble import (
        FeesTooHigh,
        PriceUnusable,
        ProvidersDisagree,
        ProvidersUnavailable,
        SignedBytesDiffer,
        TransferWouldFail,
        WrongChain,
    )

__all__ = [
    "AnswerKind",
    "Arrivals",
    "Block",
    "Chain",
    "ChainSettings",
    "EtherArrival",
    "EtherReceived",
    "EthereumChain",
    "Fees",
    "FeesTooHigh",
    "FinalConsumer",
    "Head",
    "Included",
    "LocalSigner",
    "NotFinalYet",
    "NotFound",
    "NotThisTransfer",
    "PriceUnusable",
    "ProvidersDisagree",
    "ProvidersUnavailable",
    "Reverted",
    "SendAnswer",
    "Signed",
    "SignedBytesDiffer",
    "Signer",
    "TokenTransfer",
    "TransferFields",
    "TransferWouldFail",
    "WrongChain",
    "check_signed",
    "decode_signed",
    "is_address",
    "keccak",
    "same_address",
    "to_checksum",
]

_ELSEWHERE: Final = {
    "ChainSettings": "settings",
    "EthereumChain": "ethereum",
    "FeesTooHigh": "trouble",
    "LocalSigner": "signer",
    "PriceUnusable": "trouble",
    "ProvidersDisagree": "trouble",
    "ProvidersUnavailable": "trouble",
    "SignedBytesDiffer": "trouble",
    "TransferWouldFail": "trouble",
    "WrongChain": "trouble",
    "check_signed": "signer",
    "decode_signed": "signer",
    "is_address": "address",
    "keccak": "address",
    "same_address": "address",
    "to_checksum": "address",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'port')}"), name)
