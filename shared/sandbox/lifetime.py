"""The life of one sandbox process: it says when it is ready, ends on SIGTERM, and never outlives its parent.

Every process of the sandbox calls `die_with_parent()` first, then serves, then `announce_ready(port=...)`, then
waits on the object that `stop_on_signals()` gave it. A foreign program (a database server, a chain node) cannot
call that, so it is started as `guarded(argv)`: a small Python process that watches the parent on its behalf.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

LISTEN_VARIABLE = "SANDBOX_LISTEN_ADDRESS"
"""Where the sandbox's HTTP servers listen: 127.0.0.1 unless set. In a container: all of its own network."""
READY_FILE_VARIABLE = "SANDBOX_READY_FILE"
"""A file that is made together with the ready line, for whoever cannot see the line: a container's health check."""
PARENT_PID_VARIABLE = "SANDBOX_PARENT_PID"
"""Set by whoever starts a sandbox process, so that a parent who dies before the child has looked is noticed too."""

_POLL_S = 0.2
_LAST_RESORT_S = 3.0
_LINUX_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Send this process SIGTERM once its parent is gone; end it hard if it is still there 3 s later.

    A repeat only starts a second watcher. Polling is used rather than the kernel's parent-death signal, because
    that signal fires when the parent's *thread* ends and orchestrators start processes from pool threads.
    """
    parent = int(os.environ.pop(PARENT_PID_VARIABLE, "0")) or os.getppid()
    threading.Thread(target=_outlive_nobody, args=(parent,), name="parent-watch", daemon=True).start()


def announce_ready(**facts: object) -> None:
    """Print the one JSON line on standard output that says: I listen now, on these ports."""
    sys.stdout.write(json.dumps({"ready": True, "pid": os.getpid(), **facts}) + "\n")
    sys.stdout.flush()
    if READY_FILE_VARIABLE in os.environ:
        Path(os.environ[READY_FILE_VARIABLE]).touch()


def listen_address() -> str:
    """Where a server of the sandbox listens."""
    return os.environ.get(LISTEN_VARIABLE, "127.0.0.1")


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Around the opening of ports: one that cannot be had ends the process with a sentence instead of a traceback."""
    try:
        yield
    except OSError as error:
        sys.exit(f"cannot listen: {error.strerror or error}")


class StopRequest:
    """Waits for SIGTERM or SIGINT. Made by `stop_on_signals` on the main thread."""

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe()

    def wait(self) -> None:
        """Return when a stop was asked for, also when that was before this call."""
        os.read(self._read_end, 1)

    def ask(self) -> None:
        """Ask for the stop. A write to a pipe is safe in a signal handler; setting an Event there is not."""
        os.write(self._write_end, b".")


def stop_on_signals() -> StopRequest:
    """Turn SIGTERM and SIGINT into a request that the main thread can wait for."""
    request = StopRequest()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: request.ask())
    return request


def guarded(argv: Sequence[str], stop_signal: str = "TERM") -> list[str]:
    """The command that runs a foreign program so that it dies with our process; `stop_signal` is what it gets.

    PostgreSQL, for instance, wants INT: on TERM it waits for its clients to leave.
    """
    return [sys.executable, "-m", "shared.sandbox.lifetime", stop_signal, *argv]


def _outlive_nobody(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL_S)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_LAST_RESORT_S)
    os._exit(1)


def _guard(stop_signal: signal.Signals, argv: Sequence[str]) -> int:
    """Run `argv` as a child; pass a stop on to it; give its exit code."""
    parent = int(os.environ.pop(PARENT_PID_VARIABLE, "0")) or os.getppid()
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: asked.append(number))
    child = subprocess.Popen(list(argv), preexec_fn=_killed_with_this_thread())
    give_up_at: float | None = None
    while (code := _wait_briefly(child)) is None:
        if give_up_at is None and (asked or os.getppid() != parent):
            child.send_signal(stop_signal)
            give_up_at = time.monotonic() + _LAST_RESORT_S
        if give_up_at is not None and time.monotonic() > give_up_at:
            child.kill()
    return code if code >= 0 else 128 - code


def _wait_briefly(child: subprocess.Popen[bytes]) -> int | None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(timeout=_POLL_S / 4)
    return None


def _killed_with_this_thread() -> Callable[[], None] | None:
    """On Linux the kernel ends the child even if this guard is killed outright. The guard has one thread, so the
    rule that the signal follows the thread does no harm here."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def before_exec() -> None:
        prctl(_LINUX_PR_SET_PDEATHSIG, signal.SIGKILL)

    return before_exec


if __name__ == "__main__":
    sys.exit(_guard(signal.Signals[f"SIG{sys.argv[1]}"], sys.argv[2:]))
