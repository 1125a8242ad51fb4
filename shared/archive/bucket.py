"""Lines as objects of a bucket: one object per line, made only if its name is free, so that nothing is overwritten.

The bucket should have a retention policy: then not even its owner can take a copy away.
"""

from __future__ import annotations

from typing import Final, Protocol

from shared.archive.port import ArchiveBroken

_DIGITS: Final = 12


class Bucket(Protocol):
    """The little that is needed of an object store. Raises ArchiveUnavailable; strongly consistent, as GCS is."""

    def create(self, name: str, content: bytes) -> bool:
        """True once the new object is durable; False if the name is taken. Never replaces anything."""

    def names_from(self, prefix: str, first: str) -> list[str]:
        """The names with this prefix that are not before `first`, in order."""

    def read(self, name: str) -> bytes:
        """The object's content."""


class BucketLines:
    """`LineStore` in a bucket, below `prefix`. Any number of writers."""

    def __init__(self, bucket: Bucket, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def lines_from(self, log: str, number: int) -> list[bytes]:
        """As the port says. Raises ArchiveBroken if a number is missing in between."""
        names = self._bucket.names_from(self._prefix + log + "/", self._name(log, number))
        if names != [self._name(log, number + at) for at in range(len(names))]:
            raise ArchiveBroken(f"The archive {log} has a gap after its copy {number}.")
        return [self._bucket.read(name) for name in names]

    def append(self, log: str, number: int, line: bytes) -> bool:
        """As the port says. If the answer to an earlier try was lost, this one says False and the line is found."""
        return self._bucket.create(self._name(log, number), line)

    def _name(self, log: str, number: int) -> str:
        return f"{self._prefix}{log}/{number:0{_DIGITS}d}.json"
