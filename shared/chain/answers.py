"""What a node's refusal means: one table for geth, nethermind, erigon, besu, reth, anvil and those who host them.

The texts decide, because the codes are shared: -32000 is everything at geth, -32003 is "rejected" at reth and "gas" at
besu, -32005 is a gas limit at besu and a rate limit at hosts. A code decides alone only where nobody uses it otherwise.
What could mean two things stays `unknown`. The texts with their places in the clients' sources are in
tests/unit/fixtures/answers.

Nothing here may decide whether a transfer happened: "nonce too low" is as often our own earlier attempt as a stranger's
transaction, and "ok" is as often followed by silence. That question belongs to `final_consumer`.
"""

import re
from collections.abc import Iterable
from typing import Final

from shared.chain.port import AnswerKind


def _said(*texts: str) -> re.Pattern[str]:
    """One of these, where a node's sentence begins or after a prefix ("INTERNAL_ERROR: ..."), and as whole words."""
    return re.compile(rf"(?:^|[:,] )(?:{'|'.join(texts)})(?!\w)", re.IGNORECASE)


# First match wins. "Execution reverted" comes first: what follows it is the contract's text, which may say anything.
_TEXTS: Final[tuple[tuple[AnswerKind, re.Pattern[str]], ...]] = (
    (AnswerKind.REVERTED, re.compile(r"\brevert(?:ed)?\b", re.IGNORECASE)),
    # Counts as accepted, hence the whole sentence: at most the hash may follow.
    (
        AnswerKind.ALREADY_KNOWN,
        _said(
            r"(?:already known|alreadyknown|known transaction|transaction already imported|existing txn with same hash)"
            r"(?::? ?\[?(?:0x)?[0-9a-f]*\]?)?$"
        ),
    ),
    (AnswerKind.NONCE_TOO_LOW, _said("nonce too low", "oldnonce")),
    (
        AnswerKind.UNDERPRICED,
        _said("replacement transaction underpriced", "replacementnotallowed", "could not replace existing tx"),
    ),
    (
        AnswerKind.WRONG_CHAIN,
        _said("invalid chain id", "wrong chainid", "chainid not supported", "chainid is required"),
    ),
    (AnswerKind.WRONG_CHAIN, _said("invalidtxchainid", "incompatible eip-155 transaction")),
    (
        AnswerKind.SENDER_RESERVED,
        _said(
            "address already reserved",
            "authority already reserved",
            "eip-7702 transaction with authority already reserved",
            "in-flight transaction limit reached for delegated accounts",
            "gapped-nonce tx from delegated accounts",
            "pending transaction type conflict",
            "pendingtxsof(?:conflicting|other)type",
            "delegation nonce gap",
            "notcurrentnoncefordelegation",
            "delegation authority has pending transaction",
            "delegatorhaspendingtx",
            "can't replace blob-txn with a non-blob-txn",
            "sender (?:is )?not an eoa",
            "senderiscontract",
        ),
    ),
    (
        AnswerKind.INSUFFICIENT_FUNDS,
        _said("insufficient funds", "insufficientfunds", "upfront cost exceeds account balance"),
    ),
    (
        AnswerKind.GAS_TOO_LOW,
        _said(
            "intrinsic gas too low",
            "intrinsicgas",
            "intrinsic gas exceeds gas limit",
            # anvil calls both ends "too high" and tells them apart in the detail only.
            "intrinsic gas too high -- (?:callgascostmorethangaslimit|gasfloormorethangaslimit)",
        ),
    ),
    (
        AnswerKind.GAS_TOO_HIGH,
        _said(
            "exceeds block gas limit",
            "exceeds max transaction gas limit",
            "(?:transaction )?gas limit (?:is )?too high",
            "intrinsic gas too high",
            "gas limit reached",
            "gaslimitexceeded",
            "txgaslimitcapexceeded",
            "transaction gas limit exceeds block gas limit",
            "transaction gas limit is greater than the block gas limit",
        ),
    ),
    (
        AnswerKind.FEE_OVER_NODE_CAP,
        _said(r"tx fee \([^)]*\) exceeds the configured cap", "transaction fee cap exceeded"),
    ),
    (
        AnswerKind.FEE_TOO_LOW,
        _said(
            "transaction underpriced",
            "underpriced",
            "fee too low",
            "feetoolow(?:tocompete)?",
            "max fee per gas less than block base fee",
            "transaction gas price below minimum",
            "transaction priority fee below minimum required priority fee",
            "gas price below configured minimum gas price",
            "gas price below current base fee",
        ),
    ),
    (AnswerKind.ACCOUNT_LIMIT, _said("account limit exceeded", "spammer")),
    (
        AnswerKind.NONCE_TOO_HIGH,
        _said(
            "nonce too high",
            "noncegap",
            "nonce too far in future",
            "noncetoofarinfuture",
            "transaction nonce is too distant from current sender nonce",
            "an invalid transaction with a lower nonce exists",
            "future transaction tries to replace pending",
        ),
    ),
    (AnswerKind.POOL_FULL, _said("txpool is full", "(?:pending|basefee|queued) sub-pool is full")),
    (
        AnswerKind.NOT_READY,
        _said(
            "transaction indexing is in progress",
            "node is syncing",
            "syncing",
            "initial sync is still in progress",
            "transaction pool not enabled",
            "world state unavailable",
            "header not found",
        ),
    ),
    (
        AnswerKind.UNREADABLE,
        _said(
            "failed to decode (?:signed )?transaction",
            "empty transaction data",
            "rlp",
            "rlptoolong",
            "typed transaction too short",
            "transaction type not supported",
            "unsupported transaction type",
            "invalid transaction type",
            "invalid sender",
            "invalid (?:transaction )?signature",
            "invalidtxsignature",
            "failed to recover sender",
            "failedtoresolvesender",
        ),
    ),
    (
        AnswerKind.RATE_LIMITED,
        re.compile(
            r"\brate[ -]limit|request rate exceeded|daily request count exceeded|too many requests|"
            r"request limit reached|exceeded its (?:compute units|throughput)",
            re.IGNORECASE,
        ),
    ),
)

# What execution-apis and the hosting providers gave a code of its own.
_CODES: Final[dict[int, AnswerKind]] = {
    3: AnswerKind.REVERTED,
    429: AnswerKind.RATE_LIMITED,
    -38010: AnswerKind.NONCE_TOO_LOW,
    -38011: AnswerKind.NONCE_TOO_HIGH,
    -38012: AnswerKind.FEE_TOO_LOW,
    -38013: AnswerKind.GAS_TOO_LOW,
    -38014: AnswerKind.INSUFFICIENT_FUNDS,
    -38015: AnswerKind.GAS_TOO_HIGH,
}


def classify(text: str, code: int | None = None) -> AnswerKind:
    """The kind of a refusal by its text, else by its code; `unknown` for whatever nobody has seen yet."""
    for kind, pattern in _TEXTS:
        if pattern.search(text):
            return kind
    return _CODES.get(code, AnswerKind.UNKNOWN) if code is not None else AnswerKind.UNKNOWN


def gist(kinds: Iterable[AnswerKind]) -> AnswerKind:
    """What one send to several providers comes to: the kind that tells most; `unknown` if nobody said anything."""
    told = set(kinds)
    return next((kind for kind in AnswerKind if kind in told), AnswerKind.UNKNOWN)
