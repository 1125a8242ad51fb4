"""The generated documents as files: what they should be, what differs, and writing them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from shared.sandbox.documents.blocks import BLOCKS

_BLOCK: Final = re.compile(r"<!-- from the code: (?P<name>[a-z]+) -->\n.*?<!-- end -->", re.DOTALL)


def readme_with_blocks(root: Path, text: str) -> str:
    """`text` with every block between its two comments made anew. ValueError unless each block is there once."""
    seen: list[str] = []

    def make(match: re.Match[str]) -> str:
        name = match["name"]
        if name not in BLOCKS:
            raise ValueError(f"README.md asks for a block {name}, which nobody makes")
        seen.append(name)
        return f"<!-- from the code: {name} -->\n{BLOCKS[name](root)}\n<!-- end -->"

    made = _BLOCK.sub(make, text)
    if sorted(seen) != sorted(BLOCKS):
        raise ValueError(f"README.md must hold each block once: {', '.join(BLOCKS)}; it holds {', '.join(seen)}")
    return made


def openapi_text() -> str:
    """The OpenAPI document of the five services, from their route tables."""
    from shared.http import openapi_document
    from shared.sandbox.documents.routes import service_descriptions

    return json.dumps(openapi_document(service_descriptions()), indent=2, sort_keys=True) + "\n"


_DOCUMENTS: Final[dict[str, Callable[[Path], str]]] = {
    "README.md": lambda root: readme_with_blocks(root, (root / "README.md").read_text(encoding="utf-8")),
    "deploy/openapi.json": lambda _root: openapi_text(),
}


def stale_documents(root: Path) -> list[str]:
    """The documents that differ from the code, by path."""
    return [path for path, make in _DOCUMENTS.items() if _read(root / path) != make(root)]


def write_documents(root: Path) -> list[str]:
    """Makes every document anew; the paths of those that changed."""
    stale = stale_documents(root)
    for path in stale:
        (root / path).write_text(_DOCUMENTS[path](root), encoding="utf-8")
    return stale


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
