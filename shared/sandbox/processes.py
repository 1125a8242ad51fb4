"""Starting and stopping the processes of a sandbox, so that none is ever left behind.

Each process gets its own session: Ctrl-C in the terminal reaches only the orchestrator, which then stops everything in
reverse order. If the orchestrator itself is killed, the processes notice (`lifetime.die_with_parent`).
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from shared.sandbox.lifetime import PARENT_PID_VARIABLE

ROOT = Path(__file__).resolve().parents[2]
"""Where the project's packages are; processes start there unless told otherwise."""
_READY_S = 30.0
_GRACE_S = 5.0
_POLL_S = 0.02
_TAIL_BYTES = 2000
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartFailed(Exception):
    """A sandbox process ended or stayed silent before it was ready; the message carries the end of its log."""


@dataclass
class Process:
    """One running process of the sandbox. `ready` holds what its ready line said (ports)."""

    name: str
    log_path: Path
    popen: subprocess.Popen[bytes]
    ready: dict[str, object] = field(default_factory=dict)
    ready_when: Callable[[], bool] | None = None
    _announced: threading.Event = field(default_factory=threading.Event)
    _reader: threading.Thread | None = None

    @classmethod
    def spawn(
        cls,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        ready_when: Callable[[], bool] | None = None,
        cwd: Path | None = None,
    ) -> Self:
        """Start it and return at once; follow with `wait_ready`. Several may start side by side this way.

        `env` replaces the environment when given; `cwd` is the project's root unless given. Without `ready_when` the
        process must print the ready line; with it, standard output just goes to the log and the question is asked
        until it is answered with yes.
        """
        log_path = log_path or Path(os.devnull)
        environment = {**(os.environ if env is None else env), PARENT_PID_VARIABLE: str(os.getpid())}
        with log_path.open("ab") as log:
            popen = subprocess.Popen(
                list(argv),
                env=environment,
                cwd=cwd or ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if ready_when is None else log,
                stderr=log,
                start_new_session=True,
            )
        process = cls(name, log_path, popen, ready_when=ready_when)
        if popen.stdout is not None:
            process._reader = threading.Thread(
                target=process._read_output, args=(popen.stdout,), name=f"output-of-{name}", daemon=True
            )
            process._reader.start()
        return process

    @classmethod
    def start(
        cls,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        ready_when: Callable[[], bool] | None = None,
        cwd: Path | None = None,
        timeout_s: float = _READY_S,
    ) -> Self:
        """`spawn` and `wait_ready` in one."""
        process = cls.spawn(name, argv, env, log_path, ready_when, cwd)
        process.wait_ready(timeout_s)
        return process

    def wait_ready(self, timeout_s: float = _READY_S) -> dict[str, object]:
        """Return the ready line's facts. Raises StartFailed, with the process stopped, when it never comes."""
        give_up_at = time.monotonic() + timeout_s
        while not self._is_ready():
            if self.popen.poll() is not None:
                self._fail(f"{self.name} ended with exit code {self.popen.returncode} before it was ready")
            if time.monotonic() > give_up_at:
                self._fail(f"{self.name} was not ready after {timeout_s:g} s")
        return self.ready

    def port(self, name: str = "port") -> int:
        """A port from the ready line."""
        value = self.ready[name]
        assert isinstance(value, int)
        return value

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.popen.poll() is None

    def log_tail(self) -> str:
        """The last 2,000 bytes of its log, for a message to a person."""
        if not self.log_path.is_file():
            return ""
        return self.log_path.read_bytes()[-_TAIL_BYTES:].decode(errors="replace")

    def stop(self, grace_s: float = _GRACE_S) -> int:
        """SIGTERM, then after `grace_s` SIGKILL, then SIGKILL to whatever is left of its group. Gives the exit code.

        A repeat does nothing and gives the same code.
        """
        if self.popen.poll() is None:
            self.popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(grace_s)
        # The session's group id is the pid of the process we started; only its own children can be in it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        code = self.popen.wait()
        if self._reader is not None:
            self._reader.join()
            self._reader = None
        return code

    def _is_ready(self) -> bool:
        if self.ready_when is None:
            return self._announced.wait(_POLL_S)
        if self.popen.poll() is None and self.ready_when():
            return True
        time.sleep(_POLL_S)
        return False

    def _fail(self, message: str) -> None:
        self.stop(grace_s=1.0)
        tail = self.log_tail()
        raise StartFailed(f"{message}; its log ends:\n{tail}" if tail else message)

    def _read_output(self, output: IO[bytes]) -> None:
        """Take the first ready line; everything else on standard output belongs to the log."""
        with output, self.log_path.open("ab") as log:
            for line in output:
                facts = None if self._announced.is_set() else _ready_line(line)
                if facts is None:
                    log.write(line)
                    log.flush()
                else:
                    self.ready = facts
                    self._announced.set()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """While this block cleans up, Ctrl-C, SIGTERM and SIGHUP change nothing: asking twice must not leave half of it.

    Off the main thread, where Python handles no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _not_ignored(*_ENDING_SIGNALS)}
    try:
        yield
    finally:
        for number, previous in before.items():
            # What the block has set anew stays: a group that ends in it puts back what was before the group.
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, previous)


@contextlib.contextmanager
def ended_once() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block like Ctrl-C does, and only the first of the three counts: those that follow
    cannot get between the first one and the cleaning up. A block within another changes nothing.

    Off the main thread, where Python handles no signals, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = [number for number in _not_ignored(*_ENDING_SIGNALS) if signal.getsignal(number) is not _end_once]
    before = {number: signal.signal(number, _end_once) for number in ours}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


class ProcessGroup:
    """Context manager that stops everything it started, last first, whatever ends the block.

    SIGTERM and SIGHUP end the block like Ctrl-C does; while the group stops, none of the three can interrupt it.
    """

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self._lock = threading.Lock()
        self._signals = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._signals.enter_context(ended_once())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with undisturbed():
            self.stop()
            self._signals.close()

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        ready_when: Callable[[], bool] | None = None,
        cwd: Path | None = None,
    ) -> Process:
        """`Process.spawn`, remembered. Safe from several threads."""
        # Under the lock, so that no process can be started and not yet remembered while the group stops.
        with self._lock:
            process = Process.spawn(name, argv, env, log_path, ready_when, cwd)
            self.processes.append(process)
        return process

    def start(
        self,
        name: str,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        ready_when: Callable[[], bool] | None = None,
        cwd: Path | None = None,
        timeout_s: float = _READY_S,
    ) -> Process:
        """`Process.start`, remembered."""
        process = self.spawn(name, argv, env, log_path, ready_when, cwd)
        process.wait_ready(timeout_s)
        return process

    def end(self, process: Process) -> None:
        """Stop one of its processes and forget it: its number may soon be somebody else's."""
        with self._lock:
            process.stop()
            self.processes.remove(process)

    def stop(self) -> None:
        """Stop all, last started first. A repeat does nothing."""
        with self._lock:
            while self.processes:
                self.processes[-1].stop()
                self.processes.pop()


def _not_ignored(*numbers: signal.Signals) -> list[signal.Signals]:
    """Without those that our caller has us ignore: under nohup a hang-up ends nothing."""
    return [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]


def _end_once(number: int, _frame: FrameType | None) -> None:
    for each in _ENDING_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)


def _ready_line(line: bytes) -> dict[str, object] | None:
    try:
        facts = json.loads(line)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) and facts.get("ready") is True else None
