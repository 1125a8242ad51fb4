"""Every package folder says in its docstring what it is for: it is the map that a newcomer reads first."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from shared.sandbox.check.checkout import SERVICES, Checkout, Finding


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every folder with Python files in it that has no __init__.py, or one that says nothing."""
    sources = {source.path: source for source in checkout.python("shared", "tests", *SERVICES)}
    for folder in sorted({str(PurePosixPath(path).parent) for path in sources}):
        init = sources.get(f"{folder}/__init__.py")
        if init is None:
            yield Finding(folder, 1, __name__.rpartition(".")[2], "a folder of Python files without __init__.py")
        elif not ast.get_docstring(init.tree):
            yield init.finding(1, __name__, "the package does not say what it is for")
