"""Where copies of signed bytes are kept in memory: for tests and the simulator. Two things that a real place may do
wrong, it does on command: to be away, and to have lost or changed what it held.
"""

from __future__ import annotations

import threading

from shared.archive import ArchiveUnavailable, HashChainedArchive


class MemoryLines:
    """`LineStore` in memory. `away`: it can be neither read nor written."""

    def __init__(self) -> None:
        self.logs: dict[str, list[bytes]] = {}
        self.away = False
        self._lock = threading.Lock()

    def lines_from(self, log: str, number: int) -> list[bytes]:
        """As the port says."""
        self._answer()
        return self.logs.get(log, [])[number - 1 :]

    def append(self, log: str, number: int, line: bytes) -> bool:
        """As the port says."""
        self._answer()
        with self._lock:
            lines = self.logs.setdefault(log, [])
            if len(lines) != number - 1:
                return False
            lines.append(line)
            return True

    def _answer(self) -> None:
        if self.away:
            raise ArchiveUnavailable("The archive does not answer.")


class FakeBucket:
    """`Bucket` in memory. `lose_answers`: objects are made, and nobody is told."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away = False
        self.lose_answers = False
        self._lock = threading.Lock()

    def create(self, name: str, content: bytes) -> bool:
        """As the port says."""
        self._answer()
        with self._lock:
            if name in self.objects:
                return False
            self.objects[name] = content
        if self.lose_answers:
            raise ArchiveUnavailable("The answer was lost.")
        return True

    def names_from(self, prefix: str, first: str) -> list[str]:
        """As the port says."""
        self._answer()
        return sorted(name for name in self.objects if name.startswith(prefix) and name >= first)

    def read(self, name: str) -> bytes:
        """As the port says."""
        self._answer()
        return self.objects[name]

    def _answer(self) -> None:
        if self.away:
            raise ArchiveUnavailable("The bucket does not answer.")


def fake_archive() -> HashChainedArchive:
    """An archive that ends with its process."""
    return HashChainedArchive(MemoryLines())
