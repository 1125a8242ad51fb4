"""Writes down what today's code asks, when it is released: `python -m tests.migration.released [CHECKOUT]`."""

from __future__ import annotations

import sys
from pathlib import Path

from . import FOLDER, ROOT, statements_of, written


def main(checkout: Path) -> None:
    """Writes the file of the release, or says that it is there; a release is written once."""
    version = max(path.name[:4] for path in (checkout / "migrations").glob("[0-9]*.sql"))
    target = FOLDER / f"{version}.sql"
    if target.exists():
        sys.exit(f"{target.name} is there: what was released is never changed.")
    statements = statements_of(checkout)
    target.write_text("\n".join(written(statements, version)) + "\n", encoding="utf-8")
    sys.stdout.write(f"{target.name}: {len(statements)} statements\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
