"""Nothing is left for later in the code: what is not done is an issue, what is there works."""

import re
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

# Put together, so that this file does not find itself.
_WORDS = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK", "NotImplemented" + "Error", "not yet " + "implemented"]
_UNFINISHED = re.compile(r"\b(" + "|".join(_WORDS) + r")\b")
_CODE = (".py", ".sql", ".toml", ".vy", ".sh", ".yml", ".yaml", ".tf")


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every line of code with such a word."""
    for source in checkout.sources:
        if source.path.endswith(_CODE) or source.path in {"gcpay", ".ci/run"}:
            for number, line in source.lines():
                if found := _UNFINISHED.search(line):
                    yield source.finding(number, __name__, f"{found.group(0)} in the code")
