"""The archive's logic over any store of numbered lines: each line carries the hash of the one before it.

A change, a gap or a line in between breaks the chain. That lines are missing at the end, or that all of them were
written anew, is seen by the place that the database remembers: its number and its hash must be there.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Final, Protocol

from shared.archive.port import ArchiveBroken, ArchiveUnavailable, Head
from shared.archive.record import ArchivedAttempt

_BEGINNING: Final = "0" * 64
_TRIES: Final = 20


class LineStore(Protocol):
    """Numbered lines of named logs, somewhere durable; numbers begin at 1. Raises ArchiveUnavailable, ArchiveBroken."""

    def lines_from(self, log: str, number: int) -> list[bytes]:
        """The line of this number and all that follow, in order; what was only half written does not count."""

    def append(self, log: str, number: int, line: bytes) -> bool:
        """True once the line is durable under its number; False if another line has that number already."""


class HashChainedArchive:
    """`Archive` over a `LineStore`. Holds nothing itself: threads and processes may share a store."""

    def __init__(self, store: LineStore) -> None:
        self._store = store

    def keep(self, attempt: ArchivedAttempt, known: Head | None) -> Head:
        """As the port says."""
        attempt.check()
        for _ in range(_TRIES):
            newer = self.after(attempt.account, attempt.chain_id, known)
            there = next((head for head in newer if head.tx_hash == attempt.tx_hash), None)
            if there is not None:
                return there
            head, line = _line_after(newer[-1] if newer else known, attempt)
            if self._store.append(_log(attempt.account, attempt.chain_id), head.number, line):
                return head
        raise ArchiveUnavailable("Other writers were faster every time; nothing was kept.")

    def after(self, account: str, chain_id: int, known: Head | None) -> Sequence[Head]:
        """As the port says."""
        log = _log(account, chain_id)
        if known is None:
            return [head for head, _ in _checked(self._store.lines_from(log, 1), 1, _BEGINNING)]
        lines = self._store.lines_from(log, known.number)
        if not lines:
            raise ArchiveBroken(f"The archive lacks its copy {known.number}: it is shorter than it was.")
        (first, _), *_ = _checked(lines[:1], known.number, None)
        if first != known:
            raise ArchiveBroken(f"Copy {known.number} of the archive is another one than it was.")
        return [head for head, _ in _checked(lines[1:], known.number + 1, known.line_hash)]

    def read(self, account: str, chain_id: int) -> Sequence[ArchivedAttempt]:
        """As the port says."""
        lines = self._store.lines_from(_log(account, chain_id), 1)
        copies = [ArchivedAttempt.from_json(copy) for _, copy in _checked(lines, 1, _BEGINNING)]
        for copy in copies:
            if (copy.account.lower(), copy.chain_id) != (account.lower(), chain_id):
                raise ArchiveBroken(f"The archive of {account} holds a copy of {copy.account}.")
        return copies


def _log(account: str, chain_id: int) -> str:
    return f"{chain_id}-{account.lower()}"


def _line_after(last: Head | None, attempt: ArchivedAttempt) -> tuple[Head, bytes]:
    copy = attempt.to_json()
    number, previous = (1, _BEGINNING) if last is None else (last.number + 1, last.line_hash)
    line_hash = _hash(number, previous, copy)
    envelope = {"number": number, "previous": previous, "hash": line_hash, "copy": copy}
    return Head(number, line_hash, attempt.tx_hash), json.dumps(envelope, separators=(",", ":")).encode()


def _checked(lines: Sequence[bytes], first: int, previous: str | None) -> list[tuple[Head, str]]:
    """The lines from number `first` on, each with its copy; `previous` None: that of the first line is taken as told.

    Raises ArchiveBroken.
    """
    checked = []
    for number, line in enumerate(lines, start=first):
        try:
            envelope = json.loads(line)
            told = (envelope["number"], envelope["previous"], envelope["hash"])
            copy = envelope["copy"]
            tx_hash = json.loads(copy)["tx_hash"]
        except (ValueError, KeyError, TypeError) as error:
            raise ArchiveBroken(f"Copy {number} of the archive is not a copy.") from error
        line_hash = _hash(number, previous or str(told[1]), copy)
        if told != (number, previous or told[1], line_hash):
            raise ArchiveBroken(f"Copy {number} of the archive is not what was written, or not where it was.")
        checked.append((Head(number, line_hash, str(tx_hash)), copy))
        previous = line_hash
    return checked


def _hash(number: int, previous: str, copy: str) -> str:
    return hashlib.sha256(f"{number}\n{previous}\n{copy}".encode()).hexdigest()
