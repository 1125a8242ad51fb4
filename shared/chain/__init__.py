"""Ethereum as the fleet sees it: providers that must agree, one kind of transaction, no verdict before finality.

Ports and values:  `Chain`, `Signer`; `Block`, `Head`, `Included`, `FinalConsumer`, `TokenTransfer`, `EtherReceived`,
                   `NotFound`, `NotFinalYet`, `Reverted`, `NotThisTransfer`, `SendAnswer`, `AnswerKind`, `Fees`,
                   `TransferFields`, `Signed`, `Arrivals`, `EtherArrival`.
Real ones:         `EthereumChain` with its `ProviderRecord`s, `ChainSettings`.
Signers:           `LocalSigner`, `KmsSigner`, `CarefulSigner` with its `SigningRecord` (`Promise`, `equivocates`);
                   `decode_signed`, `check_signed`.
Answers and fees:  `classify`, `gist`, `ADVICE` (`Advice`, `Pace`); `bumped`, `AtCeiling`, `is_outbid`, `pressure_at`.
Proof:             `check_offline`, `check_online`.
Addresses:         `is_address`, `to_checksum`, `same_address`, `keccak`.
Trouble:           `ProvidersUnavailable`, `ProvidersDisagree`, `WrongChain`, `FeesTooHigh`, `TransferWouldFail`,
                   `PriceUnusable`, `SignedBytesDiffer`, `SignerUnavailable`, `SignerLied`, `Equivocation`.

Names are fetched when they are first used: web3 costs half a second of start, and intake only checks addresses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from shared.chain.address import is_address, keccak, same_address, to_checksum
    from shared.chain.advice import ADVICE, Advice, Pace
    from shared.chain.answers import classify, gist
    from shared.chain.bump import AtCeiling, bumped, is_outbid, pressure_at
    from shared.chain.careful import CarefulSigner, Promise, SigningRecord, equivocates
    from shared.chain.ethereum import EthereumChain
    from shared.chain.kms import KmsSigner
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
    from shared.chain.proof import check_offline, check_online
    from shared.chain.record import ProviderRecord
    from shared.chain.settings import ChainSettings
    from shared.chain.signer import LocalSigner, check_signed, decode_signed
    from shared.chain.trouble import (
        Equivocation,
        FeesTooHigh,
        PriceUnusable,
        ProvidersDisagree,
        ProvidersUnavailable,
        SignedBytesDiffer,
        SignerLied,
        SignerUnavailable,
        TransferWouldFail,
        WrongChain,
    )

__all__ = [
    "ADVICE",
    "Advice",
    "AnswerKind",
    "Arrivals",
    "AtCeiling",
    "Block",
    "CarefulSigner",
    "Chain",
    "ChainSettings",
    "Equivocation",
    "EtherArrival",
    "EtherReceived",
    "EthereumChain",
    "Fees",
    "FeesTooHigh",
    "FinalConsumer",
    "Head",
    "Included",
    "KmsSigner",
    "LocalSigner",
    "NotFinalYet",
    "NotFound",
    "NotThisTransfer",
    "Pace",
    "PriceUnusable",
    "Promise",
    "ProviderRecord",
    "ProvidersDisagree",
    "ProvidersUnavailable",
    "Reverted",
    "SendAnswer",
    "Signed",
    "SignedBytesDiffer",
    "Signer",
    "SignerLied",
    "SignerUnavailable",
    "SigningRecord",
    "TokenTransfer",
    "TransferFields",
    "TransferWouldFail",
    "WrongChain",
    "bumped",
    "check_offline",
    "check_online",
    "check_signed",
    "classify",
    "decode_signed",
    "equivocates",
    "gist",
    "is_address",
    "is_outbid",
    "keccak",
    "pressure_at",
    "same_address",
    "to_checksum",
]

_ELSEWHERE: Final = {
    "ADVICE": "advice",
    "Advice": "advice",
    "AtCeiling": "bump",
    "CarefulSigner": "careful",
    "ChainSettings": "settings",
    "Equivocation": "trouble",
    "EthereumChain": "ethereum",
    "FeesTooHigh": "trouble",
    "KmsSigner": "kms",
    "LocalSigner": "signer",
    "Pace": "advice",
    "PriceUnusable": "trouble",
    "Promise": "careful",
    "ProviderRecord": "record",
    "ProvidersDisagree": "trouble",
    "ProvidersUnavailable": "trouble",
    "SignedBytesDiffer": "trouble",
    "SignerLied": "trouble",
    "SignerUnavailable": "trouble",
    "SigningRecord": "careful",
    "TransferWouldFail": "trouble",
    "WrongChain": "trouble",
    "bumped": "bump",
    "check_offline": "proof",
    "check_online": "proof",
    "check_signed": "signer",
    "classify": "answers",
    "decode_signed": "signer",
    "equivocates": "careful",
    "gist": "answers",
    "is_address": "address",
    "is_outbid": "bump",
    "keccak": "address",
    "pressure_at": "bump",
    "same_address": "address",
    "to_checksum": "address",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'port')}"), name)
