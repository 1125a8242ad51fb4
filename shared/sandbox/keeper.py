"""Keeps one foreign program (PostgreSQL, anvil) alive exactly as long as the process that started it.

Such a program knows nothing of us, so nobody would stop it when its owner is killed. The keeper stands between:
its standard input is a pipe held by the owner alone; when the pipe closes - the owner stopped it, crashed, or was
killed - the keeper asks the program to end and waits. If the keeper itself is killed, Linux signals the program
(PR_SET_PDEATHSIG). The keeper runs in its own session, so that Ctrl-C in a terminal reaches the owner only, which
then stops things in its own order. A pipe and not a death signal from the owner, because a death signal is bound to
the *thread* that started the program, and does not exist on every platform.

Public: Kept. Run as a file, standard library only: it starts in some 20 ms.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
GRACE_S = 10


@dataclass(frozen=True)
class Kept:
    """A foreign program under its keeper.

    `alive` says whether it runs; `stop()` ends it (stop signal, then kill after 10 s) and is harmless when repeated.
    """

    keeper: subprocess.Popen[bytes]

    @classmethod
    def start(
        cls, command: list[str], *, log: BinaryIO, stop_signal: signal.Signals, user: str | None = None, cwd: Path
    ) -> Kept:
        """Start `command` (as system user `user`, when given), both outputs going to `log`."""
        keeper = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(int(stop_signal)), user or "", *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=cwd,
            start_new_session=True,
        )
        return cls(keeper)

    @property
    def alive(self) -> bool:
        return self.keeper.poll() is None

    def stop(self) -> None:
        if self.keeper.stdin is not None:
            self.keeper.stdin.close()
        self.keeper.wait(timeout=GRACE_S + 5)


def keep(stop_signal: int, user: str, command: list[str]) -> int:
    """Run `command` until it ends or standard input closes; the exit code is the command's."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            ignored, signal.SIG_IGN
        )  # only the pipe ends the keeper, so that it always takes its program along
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        user=user or None,
        group=_group_of(user),
        extra_groups=[] if user else None,
        preexec_fn=lambda: _prepare_child(stop_signal),  # noqa: PLW1509  one thread only at this point
    )
    threading.Thread(target=_end_when_orphaned, args=(child, stop_signal), daemon=True).start()
    return child.wait()


def _group_of(user: str) -> int | None:
    if not user:
        return None
    import pwd

    return pwd.getpwnam(user).pw_gid


def _prepare_child(stop_signal: int) -> None:
    """Runs in the child after the change of user, which would have cleared the death signal."""
    for restored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(restored, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, stop_signal)


def _end_when_orphaned(child: subprocess.Popen[bytes], stop_signal: int) -> None:
    while os.read(0, 4096):
        pass
    child.send_signal(stop_signal)
    try:
        child.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(keep(int(sys.argv[1]), sys.argv[2], sys.argv[3:]))
