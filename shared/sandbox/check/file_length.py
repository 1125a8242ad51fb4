"""A file of more than 400 lines hides a concept that has no name yet; find its noun and give it a file.

A test file may have 800: it is a list of sentences about one thing, and reads well as long as it stays about one thing.
"""

from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_MOST_LINES = 400
_MOST_LINES_OF_TESTS = 800


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every Python file that is longer."""
    for source in checkout.python():
        most = _MOST_LINES_OF_TESTS if source.is_in("tests") else _MOST_LINES
        count = source.text.count("\n")
        if count > most:
            yield source.finding(most, __name__, f"{count} lines; which noun is missing?")
