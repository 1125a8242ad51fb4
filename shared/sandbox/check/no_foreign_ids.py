"""No secret and no id of the system this one replaces in any file: both would be used by accident one day.

The ids are known here by their hashes only, so that the rule does not itself carry what it keeps out.
"""

import hashlib
import re
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

FOREIGN = {
    "88205238f2a1962992f3eb4dc0e2bb14ba37b12ec451cc03866c4d6991149f7d",
    "9e4ffa8d750854779e3136d5ed73ba3b5f254d4f25fcc3a8f54eb3cb5a7e6189",
    "14357d97bf803b1e25e18dc5ca5b73883fa2137a476bc567d66a731259dab58b",
}
_WORD = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
_LOOKS_LIKE_AN_ID = re.compile(r"\d{12}|[a-z]+-\d{6}|[a-z]{8,16}psql")
_SECRETS = {
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
    "a Google API key": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a Google access token": re.compile(r"\bya29\.[0-9A-Za-z_-]{20,}"),
    "a node provider's address with its key": re.compile(
        r"https://[\w.-]*(?:alchemy|infura|quiknode)[\w.-]*/\S*[0-9A-Za-z_-]{20,}"
    ),
}
_WALLET_KEY = re.compile(r"private_?key\W{1,6}(?:0x)?[0-9a-f]{64}\b", re.IGNORECASE)


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every line with a secret or a foreign id. The sandbox may hold its toy chain's wallet keys."""
    for source in checkout.sources:
        if source.path == "requirements.lock":
            continue  # hashes only; no_addresses looks at the rest
        for number, line in source.lines():
            for what, pattern in _SECRETS.items():
                if pattern.search(line):
                    yield source.finding(number, __name__, f"{what} in a file")
            if _WALLET_KEY.search(line) and not source.is_in("shared/sandbox", "tests"):
                yield source.finding(number, __name__, "a wallet's key in a file")
            if any(_is_foreign(word) for word in _WORD.findall(line)):
                yield source.finding(number, __name__, "an id of the system that this one replaces")


def _is_foreign(word: str) -> bool:
    candidates = {word, *word.split("-")}
    return any(
        _LOOKS_LIKE_AN_ID.fullmatch(each) and hashlib.sha256(each.encode()).hexdigest() in FOREIGN
        for each in candidates
    )
