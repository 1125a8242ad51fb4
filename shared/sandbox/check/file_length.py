"""A file of more than 400 lines hides a concept that has no name yet; find its noun and give it a file."""

from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_MOST_LINES = 400


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every Python file that is longer, in the product, the sandbox and the tests alike."""
    for source in checkout.python():
        count = source.text.count("\n")
        if count > _MOST_LINES:
            yield source.finding(_MOST_LINES, __name__, f"{count} lines; which noun is missing?")
