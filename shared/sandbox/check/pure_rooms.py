"""The pure rooms decide with what they are given: no clock, no environment, no chance, no third party.

What they answer can then be repeated, in a test and in an inquiry a year later.
"""

import ast
import sys
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding, Source

_PURE = ("shared/money", "shared/lifecycle", "shared/messages")
_IMPURE_MODULES = {"os", "time", "random", "secrets", "socket", "subprocess", "pathlib", "io", "tempfile", "logging"}
_IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "urandom", "getenv", "open", "print", "input"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every import and call in a pure room that reaches outside."""
    for source in checkout.python(*_PURE):
        for node in source.nodes:
            for module in _imported(node):
                root = module.split(".")[0]
                if root in _IMPURE_MODULES:
                    yield source.finding(node, __name__, f"imports {module}: take its answer as an argument")
                elif root != "shared" and root not in sys.stdlib_module_names:
                    yield source.finding(node, __name__, f"imports {module}: standard library only")
            yield from _calls(source, node)


def _calls(source: Source, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _IMPURE_CALLS:
            yield source.finding(node, __name__, f"calls {name}(): take its answer as an argument")


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module]
    return []
