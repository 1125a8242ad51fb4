"""A file is named after what it does. A name that fits anything soon holds anything."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from shared.sandbox.check.checkout import Checkout, Finding

_NEVER_PART = {"manager", "managers", "handler", "handlers", "helper", "helpers", "util", "utils"}
_NEVER_WHOLE = {"common", "core", "base", "processor", "data", "misc", "tools", "functions"}


def find(checkout: Checkout) -> Iterator[Finding]:
    """Give every Python or SQL file, and every folder of them, with such a name."""
    for source in checkout.sources:
        if not source.path.endswith((".py", ".sql")):
            continue
        path = PurePosixPath(source.path)
        for name in [*path.parts[:-1], path.stem]:
            parts = set(name.lower().removeprefix("test_").split("_"))
            if parts & _NEVER_PART or name.lower() in _NEVER_WHOLE:
                yield source.finding(1, __name__, f"{name!r} says nothing; name it after what it does")
