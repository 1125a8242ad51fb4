"""`./gcpay` as a person runs it, and everything that it starts.

Each run gets a temporary folder of its own, short enough for a socket's path. The sandbox hands TMPDIR on to all its
processes, so the folder's name in a process's environment tells whose it is, even when its parent is long dead. Only
PostgreSQL's own children write their titles over their environment: they are known by their parent, and remembered.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from tests.e2e.waiting import until, until_none

ROOT = Path(__file__).parents[2]
GCPAY = ROOT / "gcpay"
_ENDS_S = 180.0
_GONE_S = 30.0
_OUT, _ERR = "standard-output", "standard-error"
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """What --json said; nothing else may stand on standard output."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Running:
    """A command under way. `place` is its own temporary folder."""

    popen: subprocess.Popen[bytes]
    place: Path
    _seen: set[psutil.Process] = field(default_factory=set)

    @classmethod
    def start(cls, *arguments: str, under: Sequence[str] = ()) -> Self:
        """Run `./gcpay ARGUMENTS`, by way of the command `under`; returns at once. Its output goes into files."""
        place = Path(tempfile.mkdtemp(prefix="e2e-"))
        place.chmod(0o755)  # so that PostgreSQL's user gets in when we are root, and its cluster lies here too
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        with (place / _OUT).open("wb") as out, (place / _ERR).open("wb") as err:
            popen = subprocess.Popen(
                [*under, str(GCPAY), *arguments],
                cwd=ROOT,
                env=env | {"TMPDIR": str(place), "TERM": "xterm-256color"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        return cls(popen, place)

    def end(self, patience_s: float = _ENDS_S) -> Ended:
        """Wait for its end."""
        code = self.popen.wait(patience_s)
        return Ended(code, (self.place / _OUT).read_text(), self.told_so_far())

    def told_so_far(self) -> str:
        """What stands on standard error by now."""
        return (self.place / _ERR).read_text()

    def processes(self) -> list[psutil.Process]:
        """All that lives of this run, however deep, whoever its parent is now; the command itself too."""
        parents: dict[psutil.Process, int] = {}
        for process in psutil.process_iter():
            with _gone_is_fine():
                if process.status() != psutil.STATUS_ZOMBIE:
                    parents[process] = process.ppid()
        ours = {process for process in parents if process in self._seen or self._is_marked(process)}
        while more := {each for each in parents if parents[each] in {one.pid for one in ours}} - ours:
            ours |= more
        self._seen.update(ours)
        return list(ours)

    def wait_for_processes(self, at_least: int) -> None:
        """Return as soon as it has so many processes."""

        def enough() -> bool:
            assert self.popen.poll() is None, self.told_so_far()
            return len(self.processes()) >= at_least

        until(f"{at_least} processes", enough)

    def must_leave_no_process(self) -> None:
        """Soon nothing is left of it: in ten seconds, or a little later where the processors have much else to do."""
        until_none("all processes to end", self._alive, _GONE_S)

    def left_on_disk(self) -> list[str]:
        """What is still in its temporary folder, but for its output."""
        return sorted({path.name for path in self.place.iterdir()} - {_OUT, _ERR})

    def clean_up(self) -> None:
        """Kill what a failed test has left, by its mark, and remove the folder."""
        for process in self.processes():
            with _gone_is_fine():
                process.send_signal(signal.SIGKILL)
        self.popen.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def _alive(self) -> list[str]:
        names = []
        for process in self.processes():
            with _gone_is_fine():
                names.append(f"{process.pid} {' '.join(process.cmdline())}")
        return names

    def _is_marked(self, process: psutil.Process) -> bool:
        with _gone_is_fine():
            return bool(process.environ().get("TMPDIR") == str(self.place))
        return False


@contextmanager
def running(*arguments: str, under: Sequence[str] = ()) -> Iterator[Running]:
    """A command for the length of a block; nothing of it outlives the block."""
    run = Running.start(*arguments, under=under)
    try:
        yield run
    finally:
        run.clean_up()


def run(*arguments: str) -> Ended:
    """Run a command to its end; it must clean up after itself."""
    with running(*arguments) as command:
        ended = command.end()
        command.must_leave_no_process()
        assert command.left_on_disk() == []
        return ended


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    """A process may end while it is looked at, and another user's may not be looked at."""
    try:
        yield
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
