"""Nothing of the product needs the sandbox to start: production has none. Only the command line knows of it, and
imports its verbs inside the function that runs them.
"""

import ast
from collections.abc import Iterator

from shared.sandbox.check.checkout import Checkout, Finding, Source


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every import of the sandbox outside shared/ops, and every one there that is not inside a function."""
    for source in checkout.product():
        inside = {
            node for function in source.nodes if isinstance(function, ast.FunctionDef) for node in ast.walk(function)
        }
        for node in source.nodes:
            if _imports_sandbox(node) and not (source.is_in("shared/ops") and node in inside):
                yield _finding(source, node)


def _finding(source: Source, node: ast.AST) -> Finding:
    why = "import it inside the verb that needs it" if source.is_in("shared/ops") else "the product must run without it"
    return source.finding(node, __name__, f"imports the sandbox; {why}")


def _imports_sandbox(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        return any(_is_sandbox(alias.name) for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module:
        return _is_sandbox(node.module) or any(_is_sandbox(f"{node.module}.{alias.name}") for alias in node.names)
    return False


def _is_sandbox(module: str) -> bool:
    return module == "shared.sandbox" or module.startswith("shared.sandbox.")
