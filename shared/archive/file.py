"""Lines in files: one file per log in one folder, one JSON object per line, on disk before anything is answered."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from shared.archive.port import ArchiveBroken, ArchiveUnavailable

_ONLY_OURS: Final = 0o600  # the bytes are spendable, if only once and for what they say
_SUFFIX: Final = ".jsonl"
_FIRST_LOOK: Final = 1 << 16


class FileLines:
    """`LineStore` on a disk that outlives the database. Several processes of one machine may write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def lines_from(self, log: str, number: int) -> list[bytes]:
        """As the port says. Read from the end, because what is asked for is nearly always there."""
        try:
            with self._path(log).open("rb") as opened:
                return _lines_from(opened.fileno(), number)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArchiveUnavailable(f"The archive cannot be read: {error.strerror}.") from error

    def append(self, log: str, number: int, line: bytes) -> bool:
        """As the port says. What a writer that died left half-written at the end is overwritten."""
        try:
            with self._locked(log) as descriptor:
                whole, last = _tail(descriptor)
                if last + 1 != number:
                    return False
                os.ftruncate(descriptor, whole)
                os.lseek(descriptor, whole, os.SEEK_SET)
                _write_all(descriptor, line + b"\n")
                os.fsync(descriptor)
        except OSError as error:
            raise ArchiveUnavailable(f"The archive cannot be written: {error.strerror}.") from error
        return True

    @contextmanager
    def _locked(self, log: str) -> Iterator[int]:
        """The file, made durable when new; nobody else writes meanwhile. The lock ends with its holder."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path(log), os.O_RDWR | os.O_CREAT, _ONLY_OURS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_size == 0:
                _sync_folder(self._folder)
            yield descriptor
        finally:
            os.close(descriptor)

    def _path(self, log: str) -> Path:
        return self._folder / f"{log}{_SUFFIX}"


def _lines_from(descriptor: int, number: int) -> list[bytes]:
    """The whole lines from this number on; ever larger parts of the end are read until it is among them."""
    size = os.fstat(descriptor).st_size
    length = _FIRST_LOOK
    while True:
        start = max(size - length, 0)
        # What follows the last line end was never finished, so nobody was told that it is kept.
        lines = os.pread(descriptor, size - start, start).split(b"\n")[:-1]
        if start > 0:
            lines = lines[1:]  # it began before the part
        first = _number_of(lines[0]) if lines else 0
        if start == 0 or (lines and first <= number):
            return lines[max(number - max(first, 1), 0) :]
        length *= 4


def _tail(descriptor: int) -> tuple[int, int]:
    """Where the last whole line ends, and its number; (0, 0) when there is none."""
    size = os.fstat(descriptor).st_size
    length = _FIRST_LOOK
    while True:
        start = max(size - length, 0)
        part = os.pread(descriptor, size - start, start)
        end = part.rfind(b"\n")
        before = part.rfind(b"\n", 0, max(end, 0))
        if end >= 0 and (before >= 0 or start == 0):
            return start + end + 1, _number_of(part[before + 1 : end])
        if start == 0:
            return 0, 0
        length *= 4


def _number_of(line: bytes) -> int:
    try:
        return int(json.loads(line)["number"])
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveBroken("A line of the archive is not a copy.") from error


def _write_all(descriptor: int, text: bytes) -> None:
    while text:
        text = text[os.write(descriptor, text) :]


def _sync_folder(folder: Path) -> None:
    """A new name is durable only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
