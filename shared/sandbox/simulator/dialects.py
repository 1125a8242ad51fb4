"""How the clients say no. The same refusal has six spellings; none of them may decide about money."""

from __future__ import annotations

from typing import Final

# What is refused, by client: JSON-RPC code and text. Sources: geth core/txpool/errors.go and core/error.go,
# nethermind AcceptTxResult.cs, erigon txpoolcfg.go, besu TransactionInvalidReason and JsonRpcErrorConverter,
# reth crates/transaction-pool/src/error.rs, anvil (tried, facts building-blocks C).
DIALECTS: Final[dict[str, dict[str, tuple[int, str]]]] = {
    "geth": {
        "known": (-32000, "already known"),
        "old": (-32000, "nonce too low: next nonce {next}, tx nonce {nonce}"),
        "underpriced": (-32000, "replacement transaction underpriced"),
        "poor": (-32000, "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}"),
        "cheap": (-32000, "transaction underpriced: tip needed 1, tip permitted 0"),
    },
    "nethermind": {
        "known": (-32010, "AlreadyKnown"),
        "old": (-32010, "OldNonce, Current nonce: {next}, nonce of rejected tx: {nonce}."),
        "underpriced": (-32010, "ReplacementNotAllowed, new transaction has to have higher fees"),
        "poor": (-32010, "InsufficientFunds, Account balance: {balance}, cumulative cost: {cost}"),
        "cheap": (-32010, "FeeTooLow, MaxFeePerGas too low."),
    },
    "erigon": {
        "known": (-32000, "already known"),
        "old": (-32000, "nonce too low"),
        "underpriced": (-32000, "replacement transaction underpriced"),
        "poor": (-32000, "insufficient funds for gas * price + value"),
        "cheap": (-32000, "underpriced: tip too low"),
    },
    "besu": {
        "known": (-32000, "Known transaction"),
        "old": (-32001, "Nonce too low"),
        "underpriced": (-32000, "Replacement transaction underpriced"),
        "poor": (-32004, "Upfront cost exceeds account balance"),
        "cheap": (-32009, "Gas price below configured minimum gas price"),
    },
    "reth": {
        "known": (-32000, "already known"),
        "old": (-32000, "nonce too low: next nonce {next}, tx nonce {nonce}"),
        "underpriced": (-32000, "replacement transaction underpriced"),
        "poor": (-32003, "insufficient funds for gas * price + value: have {balance} want {cost}"),
        "cheap": (-32000, "transaction underpriced"),
    },
    "anvil": {
        "known": (-32003, "transaction already imported"),
        "old": (-32003, "nonce too low"),
        "underpriced": (-32003, "replacement transaction underpriced"),
        "poor": (-32003, "Insufficient funds for gas * price + value"),
        "cheap": (-32003, "max fee per gas less than block base fee"),
    },
}
CLIENTS: Final = tuple(sorted(DIALECTS))


def refusal(client: str, kind: str, **figures: int) -> tuple[int, str]:
    """The code and the text with which a client refuses."""
    code, text = DIALECTS[client][kind]
    return code, text.format(**figures)
