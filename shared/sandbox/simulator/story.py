"""The money story of a history: who did what, when, under names that stay the same on every machine.

Serial numbers, uuids and hashes become "payment 1", "batch A", "order 1", "tx a", in the order in which they are first
told of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from string import ascii_lowercase, ascii_uppercase
from typing import Any, Final

_TX: Final = re.compile(r"0x[0-9a-f]{64}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ORDER: Final = re.compile(r"(?<![\w.])[0-9a-f]{14}\b")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}\b")
_URL: Final = re.compile(r"https://(\w+)\.fleet\.example(\S*)")
_TOLD_EVIDENCE: Final = ("reason", "ordered", "amount", "arrived", "returned", "nonce", "tx_hash", "block_number")


class Story:
    """Lines of a history. With `listening` off nothing is kept, and nothing costs time."""

    def __init__(self, start: datetime, *, listening: bool) -> None:
        self._start = start
        self._names: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self.listening = listening
        self.lines: list[str] = []

    def tell(self, now: datetime, text: str) -> None:
        """One line, in the words of the story."""
        if self.listening:
            seconds = int((now - self._start).total_seconds())
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
            self.lines.append(f"{clock}  {self.words(text)}")

    def tell_moves(self, now: datetime, moves: Sequence[tuple[str, tuple[str, ...], str, str]]) -> None:
        """What a committed transaction wrote into the history: machine, subjects, event and evidence of each move."""
        for machine, subjects, event, evidence in moves:
            names = ", ".join(self.subject(machine, subject) for subject in subjects)
            self.tell(now, f"    {names}: {event}{_facts(json.loads(evidence))}")

    def subject(self, machine: str, subject: str) -> str:
        """The name of what a machine moved."""
        if machine == "batch":
            return self.name("batch", subject)
        if machine == "account":
            return "the wallet"
        if machine in ("request", "transfer"):
            return f"{machine} of {self.words(subject.removeprefix('batch_'))}"
        return self.name({"order": "attempt"}.get(machine, machine), subject)

    def name(self, kind: str, raw: str) -> str:
        """The stable name of something, given when it is first told of."""
        key = f"{kind}:{raw}" if raw.isdigit() else raw
        known = self._names.get(key)
        if known is None:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            known = self._names[key] = f"{kind} {_numeral(kind, self._counts[kind])}"
        return known

    def words(self, text: str) -> str:
        """The text with every id, hash and address under its name."""
        text = _URL.sub(lambda found: f"{found[1]} {found[2]}", text)
        text = _TX.sub(lambda found: self.name("tx", found[0]), text)
        text = _UUID.sub(lambda found: self.name("batch", found[0]), text)
        text = _ADDRESS.sub(lambda found: self.name("address", found[0].lower()), text)
        return _ORDER.sub(lambda found: self.name("order", found[0]), text)


def _facts(evidence: dict[str, Any]) -> str:
    told = [f"{name} {evidence[name]}" for name in _TOLD_EVIDENCE if evidence.get(name) not in (None, "")]
    return f" ({', '.join(told)})" if told else ""


def _numeral(kind: str, number: int) -> str:
    letters = {"batch": ascii_uppercase, "tx": ascii_lowercase}.get(kind)
    if letters is None:
        return str(number)
    text = ""
    while number:
        number, index = divmod(number - 1, len(letters))
        text = letters[index] + text
    return text
