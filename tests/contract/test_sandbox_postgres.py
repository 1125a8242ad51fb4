"""The sandbox's PostgreSQL: real, private, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pg8000.native
import psutil
import pytest

from shared.sandbox.postgres import EmbeddedPostgres, PostgresFailed, reclaim
from shared.sandbox.postgres_place import PLACE_PREFIX, SYSTEM_USER

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres.start() as running:
        yield running


@contextlib.contextmanager
def connect(server: EmbeddedPostgres, database: str = "postgres") -> Iterator[pg8000.native.Connection]:
    connection = pg8000.native.Connection(server.user, host=server.host, port=server.port, database=database)
    try:
        yield connection
    finally:
        with contextlib.suppress(pg8000.native.InterfaceError, OSError):  # the server may have ended the session
            connection.close()


def test_the_owner_is_a_superuser_without_a_password_on_loopback_only(server: EmbeddedPostgres) -> None:
    with connect(server) as connection:
        [[addresses, superuser]] = connection.run(
            "select current_setting('listen_addresses'), rolsuper from pg_roles where rolname = current_user"
        )
    assert (addresses, superuser) == ("127.0.0.1", True)
    assert "ready to accept connections" in server.log.read_text()


def test_a_sandbox_cluster_does_not_wait_for_the_disk(server: EmbeddedPostgres) -> None:
    with connect(server) as connection:
        assert connection.run("show fsync") == [["off"]]


def test_text_is_utf8_ordered_by_code_point_and_time_is_utc(server: EmbeddedPostgres) -> None:
    with connect(server) as connection:
        assert connection.run("show server_encoding") == [["UTF8"]]
        assert connection.run("show timezone") == [["UTC"]]
        assert connection.run("select 'a' < 'B', lower('Ä')") == [[False, "ä"]]


def test_a_copied_database_has_the_rows_of_its_template(server: EmbeddedPostgres) -> None:
    server.create_database("original")
    with connect(server, "original") as connection:
        connection.run("create table note (words text)")
        connection.run("insert into note values ('kept')")
    server.create_database("copy", template="original")
    with connect(server, "copy") as connection:
        assert connection.run("select words from note") == [["kept"]]
    server.drop_database("copy")
    server.drop_database("original")


def test_dropping_ends_sessions_and_an_absent_database_is_fine(server: EmbeddedPostgres) -> None:
    server.create_database("doomed")
    with connect(server, "doomed") as connection:
        connection.run("select 1")
        server.drop_database("doomed")
        with pytest.raises((pg8000.native.InterfaceError, pg8000.native.DatabaseError)):
            connection.run("select 1")
    server.drop_database("doomed")


def test_a_durable_cluster_keeps_its_rows_and_a_sandbox_cluster_starts_empty(tmp_path: Path) -> None:
    with EmbeddedPostgres.start(tmp_path, durable=True) as first:
        first.create_database("kept")
        with connect(first) as connection:
            assert connection.run("show fsync") == [["on"]]
    with EmbeddedPostgres.start(tmp_path, durable=True) as second, connect(second, "kept") as connection:
        assert connection.run("select 1") == [[1]]
    with EmbeddedPostgres.start(tmp_path) as third, connect(third) as connection:
        assert connection.run("select count(*) from pg_database where datname = 'kept'") == [[0]]
    # A cluster made under a name of the temporary folder is the caller's, like one in his own folder.
    assert (third.place / "pgdata").exists()
    if (tmp_path / "postgres").is_symlink():
        _remove_stand_in(third)


def test_one_directory_has_one_server(tmp_path: Path) -> None:
    with EmbeddedPostgres.start(tmp_path) as running:
        with pytest.raises(PostgresFailed, match=f"process {os.getpid()} already runs a PostgreSQL on"):
            EmbeddedPostgres.start(tmp_path)
        with connect(running) as connection:
            assert connection.run("select 1") == [[1]]
    if (tmp_path / "postgres").is_symlink():
        _remove_stand_in(running)


def test_a_port_in_use_is_told_with_its_number(server: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresFailed, match=rf"did not start on port {server.port}(?s:.)*Address already in use"):
        EmbeddedPostgres.start(port=server.port)


def test_stopping_twice_is_harmless_and_removes_the_temporary_cluster() -> None:
    running = EmbeddedPostgres.start()
    running.stop()
    running.stop()
    assert not running.place.exists()


OWNER_SCRIPT = """
import sys, time
from shared.sandbox.postgres import EmbeddedPostgres
server = EmbeddedPostgres.start()
print(server.port, server.place, flush=True)
time.sleep(60)
"""


def test_a_killed_owner_leaves_no_server_and_the_next_start_takes_its_folder_away() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER_SCRIPT], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    with owner:
        assert owner.stdout is not None
        port, place = owner.stdout.readline().split()
        processes = _processes_under(place)
        assert processes
        owner.send_signal(signal.SIGKILL)
    _wait_until_gone(processes)
    with pytest.raises(pg8000.native.InterfaceError):
        pg8000.native.Connection("postgres", host="127.0.0.1", port=int(port))
    reclaim()  # a start elsewhere on this machine may have done it already
    assert not Path(place).exists()


def test_an_ordinary_user_needs_no_system_user() -> None:
    script = "import os; from shared.sandbox.postgres import EmbeddedPostgres\n"
    script += "with EmbeddedPostgres.start() as s: s.create_database('mine'); print(os.geteuid(), s.port)"
    # As root the test itself becomes somebody else, who may read Python wherever root has installed it.
    somebody = ["setpriv", f"--reuid={SYSTEM_USER}", f"--regid={SYSTEM_USER}", "--clear-groups"]
    somebody += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    done = subprocess.run(
        [*(somebody if os.geteuid() == 0 else []), sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] != "0"


def test_a_folder_the_system_user_cannot_reach_is_stood_in_for_and_keeps_its_permissions(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres.start(closed / "cluster") as running, connect(running) as connection:
        assert connection.run("select 1") == [[1]]
    assert closed.stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert running.place.name.startswith(PLACE_PREFIX)
        assert (closed / "cluster" / "postgres").resolve() == Path(tempfile.gettempdir(), running.place.name).resolve()
        _remove_stand_in(running)


def test_a_temporary_folder_that_is_closed_to_others_is_no_obstacle(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    script = "from shared.sandbox.postgres import EmbeddedPostgres\n"
    script += "with EmbeddedPostgres.start() as s: s.create_database('mine')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(closed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert list(closed.iterdir()) == []
    assert closed.stat().st_mode & 0o777 == 0o700


def _remove_stand_in(stopped: EmbeddedPostgres) -> None:
    """The stand-in lives outside of pytest's own folder: take it away as a person would."""
    subprocess.run(["rm", "-rf", str(stopped.place)], check=True)


def _processes_under(place: str) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if place in " ".join(_command_line(process))]


def _command_line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _wait_until_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    time.sleep(0.1)
