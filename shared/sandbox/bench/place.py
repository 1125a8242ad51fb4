"""Where it is measured: a PostgreSQL with its default durability, on a disk, with the fleet's schema and rights."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from shared.db import Database, bootstrap_roles, migrate, plain
from shared.db.roles import OWNER
from shared.sandbox.fleet import Ports
from shared.sandbox.postgres import EmbeddedPostgres, PostgresFailed, program

REPOSITORY: Final = Path(__file__).resolve().parents[3]
DATABASE: Final = "gcpay"
LIMITS: Final = "limits"
"""The database of the limits' own tables."""
CLIENTS: Final = 8
_SLOW_MS: Final = 600_000
_TPS: Final = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Place:
    """A running server with two databases: the fleet's own, and the limits'."""

    server: EmbeddedPostgres
    folder: Path
    ports: Ports

    def database(self, role: str, name: str = DATABASE) -> Database:
        """As a service of this role gets it, with production's time-outs."""
        connect = plain(host=self.server.host, port=self.server.port, database=name, user=role)
        return Database(connect, pool_size=CLIENTS)

    @contextmanager
    def preparing(self, name: str = DATABASE) -> Iterator[Database]:
        """As the superuser, without time-outs: for what comes before a measurement, and for the limits."""
        connect = plain(
            host=self.server.host,
            port=self.server.port,
            database=name,
            user=self.server.user,
            statement_timeout_ms=_SLOW_MS,
        )
        with closing(Database(connect, pool_size=1)) as database:
            yield database

    def vacuum(self, *tables: str) -> None:
        """What autovacuum does when it comes round; done before each measurement, so that it does not come in one."""
        command = ["vacuumdb", "--analyze", "--quiet", *(f"--table={table}" for table in tables), DATABASE]
        self._run(command)

    def pgbench(self, script: str, seconds: int, clients: int = CLIENTS) -> float:
        """Transactions per second of a pgbench script in the limits' database, simple protocol."""
        path = self.folder / "limit.pgbench"
        path.write_text(script, encoding="utf-8")
        command = ["pgbench", "--no-vacuum", "--protocol=simple", f"--client={clients}", "--jobs=2"]
        told = self._run([*command, f"--time={seconds}", f"--file={path}", LIMITS])
        found = _TPS.search(told)
        if found is None:
            raise PostgresFailed(f"pgbench did not say how fast it was: {told[-500:]}")
        return float(found[1])

    def _run(self, command: list[str]) -> str:
        where = [f"--host={self.server.host}", f"--port={self.server.port}", f"--username={self.server.user}"]
        done = subprocess.run(
            [program(command[0]), *where, *command[1:]], capture_output=True, text=True, check=False, cwd=self.folder
        )
        if done.returncode != 0:
            raise PostgresFailed(f"{command[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout


@contextmanager
def durable_place() -> Iterator[Place]:
    """A place that is gone afterwards. /var/tmp is on a disk even where the temporary folder is in memory."""
    folder = Path(tempfile.mkdtemp(prefix="gcpay-bench-", dir="/var/tmp"))
    folder.chmod(0o755)
    ports = Ports.free()
    try:
        with EmbeddedPostgres.start(folder, ports.postgres, durable=True) as server:
            yield place_on(server, folder, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_on(server: EmbeddedPostgres, folder: Path, ports: Ports) -> Place:
    """A place on a server that runs already; it has none of the two databases yet. `ports.postgres` is the server's."""
    server.create_database(DATABASE)
    server.create_database(LIMITS)
    place = Place(server, folder, ports)
    with place.preparing() as superuser, superuser.transaction() as conn:
        bootstrap_roles(conn, login=True)
        conn.script(f"ALTER DATABASE {DATABASE} OWNER TO {OWNER}")
    with closing(place.database(OWNER)) as owner:
        migrate(owner, REPOSITORY / "migrations", datetime.now(UTC))
    return place
