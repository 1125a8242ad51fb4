"""Only shared/http catches everything. A catch-all elsewhere turns "we do not know" into "it did not happen"."""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding

_EVERYTHING = {"Exception", "BaseException"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every bare except and every except of Exception that does not raise on."""
    for source in checkout.python():
        if source.is_in("shared/http", "tests"):
            continue
        for node in source.nodes:
            if isinstance(node, ast.ExceptHandler) and _catches_everything(node) and not _raises_on(node):
                yield source.finding(node, __name__, "catches everything; name the errors you expect")


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(node, ast.Name) and node.id in _EVERYTHING for node in ast.walk(handler.type))


def _raises_on(handler: ast.ExceptHandler) -> bool:
    """`except BaseException: tidy up; raise` hides nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None
