"""`./gcpay` as a person runs it, and everything that it starts.

Each run gets a temporary folder of its own, short enough for a socket's path. The sandbox hands TMPDIR on to all its
processes, so the folder's name in a process's environment tells whose it is, even when its parent is long dead.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psutil

from tests.e2e.waiting import until

ROOT = Path(__file__).parents[2]
GCPAY = ROOT / "gcpay"
_ENDS_S = 180.0
_GONE_S = 10.0
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

    popen: subprocess.Popen[str]
    place: Path

    @classmethod
    def start(cls, *arguments: str) -> Self:
        """Run `./gcpay ARGUMENTS` on a terminal's settings but in a pipe; returns at once."""
        place = Path(tempfile.mkdtemp(prefix="e2e-"))
        place.chmod(0o755)  # so that PostgreSQL's user gets in when we are root, and its cluster lies here too
        env = {name: os.environ[name] for name in _KEPT if name in os.environ}
        popen = subprocess.Popen(
            [GCPAY, *arguments],
            cwd=ROOT,
            env=env | {"TMPDIR": str(place), "TERM": "xterm-256color"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return cls(popen, place)

    def end(self, patience_s: float = _ENDS_S) -> Ended:
        """Wait for its end."""
        out, err = self.popen.communicate(timeout=patience_s)
        return Ended(self.popen.returncode, out, err)

    def processes(self) -> list[psutil.Process]:
        """All that lives of this run, however deep, whoever its parent is now; the command itself too."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def wait_for_processes(self, at_least: int) -> list[psutil.Process]:
        """Its processes, as soon as there are that many. No child of it may go without its mark."""

        def enough() -> list[psutil.Process]:
            assert self.popen.poll() is None, self.popen.communicate()
            found = self.processes()
            return found if len(found) >= at_least else []

        found = until(f"{at_least} processes", enough)
        children = psutil.Process(self.popen.pid).children(recursive=True)
        assert {child.pid for child in children if child.is_running()} <= {each.pid for each in self.processes()}
        return found

    def must_leave_no_process(self) -> None:
        """Within ten seconds nothing is left of it."""
        until("all processes to end", lambda: not self._alive(), _GONE_S)

    def left_on_disk(self) -> list[str]:
        """What is still in its temporary folder."""
        return sorted(str(path.relative_to(self.place)) for path in self.place.rglob("*") if path.is_file())

    def clean_up(self) -> None:
        """Kill what a failed test has left, by its mark, and remove the folder."""
        for process in self.processes():
            with _gone_is_fine():
                process.send_signal(signal.SIGKILL)
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()
        self.popen.wait()
        shutil.rmtree(self.place, ignore_errors=True)

    def _alive(self) -> list[str]:
        names = []
        for process in self.processes():
            with _gone_is_fine():
                names.append(f"{process.pid} {' '.join(process.cmdline())}")
        return names

    def _is_ours(self, process: psutil.Process) -> bool:
        with _gone_is_fine():
            return process.environ().get("TMPDIR") == str(self.place) and process.status() != psutil.STATUS_ZOMBIE
        return False


@contextmanager
def running(*arguments: str) -> Iterator[Running]:
    """A command for the length of a block; nothing of it outlives the block."""
    run = Running.start(*arguments)
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
