"""A few connections per process, handed out one per transaction.

Made lazily and forgotten after a fork, so that no two processes ever talk on one socket. There is no separate ping:
the BEGIN of a transaction shows a dead connection, and then the next one is tried, because nothing has happened yet.
"""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable
from threading import BoundedSemaphore, Lock

from pg8000.core import CoreConnection

from shared.db.connection import Connection
from shared.db.errors import DatabaseUnreachable, PoolExhausted

# Firewalls between a service and Cloud SQL forget quiet connections without a word; asking one would hang.
_IDLE_AT_MOST_S = 300

Connect = Callable[[], CoreConnection]
"""Opens one connection to the database, or raises `DatabaseUnreachable`."""


class Pool:
    """At most `size` connections; who finds none free waits `wait_s` seconds, then gets `PoolExhausted`."""

    def __init__(self, connect: Connect, size: int, wait_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._connect = connect
        self._clock = clock
        self._size = size
        self._wait_s = wait_s
        self._idle: list[tuple[Connection, float]] = []  # with the moment it came back; the last one first out
        self._inherited: list[Connection] = []
        self._start_empty()
        pool = weakref.ref(self)
        os.register_at_fork(after_in_child=lambda: _forget_after_fork(pool))

    def begin(self, mode: str | None) -> Connection:
        """A connection with a transaction of this mode begun; give it back with `give_back`.

        None: nothing is begun, the one statement to come is a transaction by itself.
        """
        if not self._free.acquire(timeout=self._wait_s):
            raise PoolExhausted("All connections to the database are busy.")
        try:
            return self._begin(mode)
        except BaseException:
            self._free.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Takes the connection back; one that is not usable any more is closed."""
        try:
            if connection.usable:
                with self._lock:
                    self._idle.append((connection, self._clock()))
            else:
                connection.close()
        finally:
            self._free.release()

    def close(self) -> None:
        """Closes the idle connections; the pool can be used again."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _begin(self, mode: str | None) -> Connection:
        while (connection := self._take_idle()) is not None:
            try:
                _begin_on(connection, mode)
            except DatabaseUnreachable:
                connection.close()  # it died while it was idle (server restart, network): try the next
            else:
                return connection
        connection = Connection(self._connect())
        try:
            _begin_on(connection, mode)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take_idle(self) -> Connection | None:
        with self._lock:
            connection, since = self._idle.pop() if self._idle else (None, 0.0)
        if connection is not None and self._clock() - since > _IDLE_AT_MOST_S:
            connection.close()
            self.close()  # the others have been idle for longer still
            return None
        return connection

    def _start_empty(self) -> None:
        self._lock = Lock()
        self._free = BoundedSemaphore(self._size)
        self._idle = []

    def forget(self) -> None:
        """In a forked child: the parent's connections are kept untouched (closing would end *its* sessions)."""
        self._inherited += [connection for connection, _ in self._idle]
        self._start_empty()


def _begin_on(connection: Connection, mode: str | None) -> None:
    if mode is None:
        connection.begin_alone()
    else:
        connection.begin(mode)


def _forget_after_fork(pool: weakref.ref[Pool]) -> None:
    if (inherited := pool()) is not None:
        inherited.forget()
