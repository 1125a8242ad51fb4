"""A few connections per process: shared by threads, never by processes, replaced when they are old."""

from __future__ import annotations

import os
import threading

import pytest

from shared.db import (
    PoolExhausted,
    plain,
)
from shared.db.pool import Pool
from shared.db.roles import OWNER
from tests.conftest import Postgres


def test_who_finds_all_connections_busy_is_told_to_come_back(postgres: Postgres, database_name: str) -> None:
    database = postgres.connect(database_name, pool_size=1, pool_wait_s=0.05)
    with database.transaction(), pytest.raises(PoolExhausted), database.transaction():
        pass
    assert database.ping()
    database.close()


def test_a_forked_child_opens_its_own_connections(postgres: Postgres, database_name: str) -> None:
    database = postgres.connect(database_name, pool_size=1)
    pid = "select pg_backend_pid() as pid"
    with database.read() as conn:
        parents = conn.all(pid)[0]["pid"]
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child
        with database.read() as conn:
            os.write(writer, str(conn.all(pid)[0]["pid"]).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    childs = int(os.read(reader, 100))
    os.close(reader)
    assert childs != parents
    with database.read() as conn:
        assert conn.all(pid)[0]["pid"] == parents
    database.close()


def test_a_connection_that_was_idle_for_long_is_replaced_without_asking_it(
    postgres: Postgres, database_name: str
) -> None:
    now = [1_000.0]
    opener = plain(host=postgres.server.host, port=postgres.server.port, database=database_name, user=OWNER)
    pool = Pool(opener, 3, 1, clock=lambda: now[0])
    first, second = pool.begin(""), pool.begin("")
    for connection in (first, second):
        connection.roll_back()
        pool.give_back(connection)
    now[0] += 299
    third = pool.begin("")
    assert third is second
    third.roll_back()
    pool.give_back(third)
    now[0] += 301
    fourth = pool.begin("")
    assert fourth not in (first, second)
    assert not first.usable
    assert not second.usable
    fourth.roll_back()
    pool.give_back(fourth)
    pool.close()


def test_many_threads_share_few_connections(postgres: Postgres, database_name: str) -> None:
    database = postgres.connect(database_name, pool_size=3, pool_wait_s=10)
    seen: set[int] = set()

    def work() -> None:
        for _ in range(10):
            with database.read() as conn:
                seen.add(conn.all("select pg_backend_pid() as pid")[0]["pid"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 1 <= len(seen) <= 3
    database.close()
