"""Only shared/db commits and rolls back, so that everything a handler decides stands or falls together."""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every call of commit or rollback outside shared/db. Tests may do it to play the database's part."""
    for source in checkout.python():
        if source.is_in("shared/db", "tests"):
            continue
        for node in source.nodes:
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"commit", "rollback"}
            ):
                yield source.finding(node, __name__, f"calls {node.func.attr}(); use Database.transaction()")
