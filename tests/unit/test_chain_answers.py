"""Providers' texts about a send are sorted, so that timers know what to expect; unknown stays unknown."""

import pytest

from shared.chain.answers import classify
from shared.chain.port import AnswerKind

ANVIL_1_7_1 = {
    "transaction already imported": AnswerKind.ALREADY_KNOWN,
    "nonce too low": AnswerKind.NONCE_TOO_LOW,
    "replacement transaction underpriced": AnswerKind.UNDERPRICED,
    "Insufficient funds for gas * price + value": AnswerKind.INSUFFICIENT_FUNDS,
    "max fee per gas less than block base fee": AnswerKind.FEE_TOO_LOW,
    "max priority fee per gas higher than max fee per gas": AnswerKind.UNKNOWN,
    "intrinsic gas too low": AnswerKind.UNKNOWN,
    "invalid chain id for signer": AnswerKind.UNKNOWN,
    "Failed to decode transaction": AnswerKind.UNKNOWN,
}

GETH = {
    "already known": AnswerKind.ALREADY_KNOWN,
    "nonce too low: next nonce 5, tx nonce 4": AnswerKind.NONCE_TOO_LOW,
    "replacement transaction underpriced: new tx gas fee cap 10 < 11 queued": AnswerKind.UNDERPRICED,
    "insufficient funds for gas * price + value: balance 0, tx cost 21000": AnswerKind.INSUFFICIENT_FUNDS,
    "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7": AnswerKind.FEE_TOO_LOW,
    "transaction underpriced: gas tip cap 0, minimum needed 1000000": AnswerKind.FEE_TOO_LOW,
    # A node's own ceiling says nothing about the other nodes.
    "tx fee (1.20 ether) exceeds the configured cap (1.00 ether)": AnswerKind.UNKNOWN,
    "account limit exceeded: pooled 64 txs": AnswerKind.UNKNOWN,
    "address already reserved": AnswerKind.UNKNOWN,
    "transaction indexing is in progress": AnswerKind.UNKNOWN,
}

OTHERS = {
    "AlreadyKnown": AnswerKind.ALREADY_KNOWN,
    "OldNonce": AnswerKind.NONCE_TOO_LOW,
    "ReplacementNotAllowed": AnswerKind.UNDERPRICED,
    "FeeTooLow, MaxFeePerGas too low.": AnswerKind.FEE_TOO_LOW,
    "InsufficientFunds, Account balance: 0": AnswerKind.INSUFFICIENT_FUNDS,
    "": AnswerKind.UNKNOWN,
    "execution reverted": AnswerKind.UNKNOWN,
}


@pytest.mark.parametrize(("text", "kind"), [*ANVIL_1_7_1.items(), *GETH.items(), *OTHERS.items()])
def test_a_text_has_one_meaning(text: str, kind: AnswerKind) -> None:
    assert classify(text) is kind
