"""What a node's answer to a send means. Texts differ per node and version, so this only tunes timers and alerts.

Nothing here may decide whether a transfer happened: "nonce too low" is as often our own earlier attempt as a stranger's
transaction, and "ok" is as often followed by silence. That question belongs to `final_consumer`.
"""

import re
from typing import Final

from shared.chain.port import AnswerKind

# First match wins. anvil 1.7.1 and geth 1.16 say these; other clients say much the same.
_TEXTS: Final[tuple[tuple[str, AnswerKind], ...]] = (
    (r"already known|already imported|known transaction|alreadyknown", AnswerKind.ALREADY_KNOWN),
    (r"nonce (is )?too low|nonce too old|oldnonce", AnswerKind.NONCE_TOO_LOW),
    (r"replacement transaction underpriced|replacementnotallowed", AnswerKind.UNDERPRICED),
    (r"insufficient (funds|balance)|insufficientfunds", AnswerKind.INSUFFICIENT_FUNDS),
    (
        r"less than block base fee|transaction underpriced|gas price (below|too low)|feetoolow|underpriced: tip",
        AnswerKind.FEE_TOO_LOW,
    ),
)
_PATTERNS: Final = tuple((re.compile(text, re.IGNORECASE), kind) for text, kind in _TEXTS)


def classify(text: str) -> AnswerKind:
    """The kind of a refusal by its text; `unknown` for whatever nobody has seen yet."""
    for pattern, kind in _PATTERNS:
        if pattern.search(text):
            return kind
    return AnswerKind.UNKNOWN
