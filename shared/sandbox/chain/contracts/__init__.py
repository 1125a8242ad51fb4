"""The two contracts of the sandbox's chain, as Vyper source and as committed ABI and bytecode, which a test compares.

After a change of a `.vy` file: `python -m shared.sandbox.chain.contracts` writes the `.json` beside it anew (that needs
the Vyper of the development dependencies; running them needs only the JSON).

Public: Contract, load, compile_source, SOURCES.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
SOURCES = ("tether", "price_feed")


@dataclass(frozen=True)
class Contract:
    """One compiled contract: its ABI as web3 reads it, and the bytecode that creates it."""

    abi: list[dict[str, Any]]
    bytecode: bytes

    def as_json(self) -> str:
        """The text of the committed file."""
        entries = ",\n".join("    " + json.dumps(entry) for entry in self.abi)
        return f'{{\n  "abi": [\n{entries}\n  ],\n  "bytecode": "0x{self.bytecode.hex()}"\n}}\n'


@cache
def load(name: str) -> Contract:
    """The committed contract `name` (one of SOURCES)."""
    stored = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Contract(stored["abi"], bytes.fromhex(stored["bytecode"].removeprefix("0x")))


def compile_source(name: str) -> Contract:
    """What Vyper makes of the source today."""
    from vyper import compile_code  # a development dependency, and slow to import

    output = compile_code((FOLDER / f"{name}.vy").read_text(encoding="utf-8"), output_formats=["abi", "bytecode"])
    return Contract(output["abi"], bytes.fromhex(output["bytecode"].removeprefix("0x")))
