"""The database as the fleet sees it: a transaction, a consistent read, a ping. The only place that commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.db.connect import connector
from shared.db.connection import Connection
from shared.db.pool import Connect, Pool
from shared.db.queries import Query
from shared.lifecycle.reactions import TryLater

if TYPE_CHECKING:
    from shared.db.settings import DatabaseSettings

_WRITE = "ISOLATION LEVEL READ COMMITTED READ WRITE"
_READ = "ISOLATION LEVEL REPEATABLE READ READ ONLY"
_PING = Query.of("select 1 as alive", "ping", "shared/db")


class Database:
    """Transactions on a small pool of connections. One object per process; threads may share it."""

    def __init__(self, connect: Connect, *, pool_size: int = 8, pool_wait_s: float = 2) -> None:
        self._pool = Pool(connect, pool_size, pool_wait_s)

    @classmethod
    def from_settings(cls, settings: DatabaseSettings, application_name: str = "gcpay") -> Database:
        """The database that the environment names: Cloud SQL, or host and port. Connects at first use."""
        return cls(connector(settings, application_name), pool_size=settings.database_pool_size)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commits when the block ends, takes everything back when it raises.

        Raises `TryLater` (nothing was committed), `CommitUnknown` (nobody knows: observe, never do it anew) and
        `ConstraintViolated`, also at the commit itself, for rules that are checked there.
        """
        connection = self._pool.begin(_WRITE)
        try:
            try:
                yield connection
            except BaseException:
                connection.roll_back()
                raise
            connection.commit()
        finally:
            self._pool.give_back(connection)

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """For one statement that is a whole transaction: a single round trip, committed when it returns.

        A second statement in the block is `QueryBroken`. Raises what `transaction()` raises.
        """
        connection = self._pool.begin(None)
        try:
            yield connection
        finally:
            connection.end_alone()
            self._pool.give_back(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot for all queries of the block; nothing can be written."""
        connection = self._pool.begin(_READ)
        try:
            yield connection
        finally:
            connection.roll_back()
            self._pool.give_back(connection)

    def ping(self) -> bool:
        """Whether the database answers a query now; never raises for a database that is away."""
        try:
            with self.read() as connection:
                return connection.fetch_one(_PING, {}) is not None
        except TryLater:
            return False

    def close(self) -> None:
        """Closes the idle connections."""
        self._pool.close()
