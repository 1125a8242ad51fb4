"""How one connection is opened: through the Cloud SQL connector in production, plainly elsewhere.

Both give the same driver connection with the same limits, so there is one code path above. The server cancels what
runs or waits too long; the socket gives up a little later, because a lost network tells nobody.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any

import pg8000.dbapi
from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from shared.db.errors import DatabaseUnreachable
from shared.db.pool import Connect

if TYPE_CHECKING:
    from shared.db.settings import DatabaseSettings

# The server refuses (no such database, too many sessions, starting up), or there is no server.
_REFUSED = (InterfaceError, DatabaseError, OSError)
_CONNECT_TIMEOUT_S = 5
_SOCKET_MARGIN_S = 5  # after the server should have cancelled the statement itself
_KEEPALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}  # seconds, seconds, probes
_IDLE_IN_TRANSACTION_MS = 60_000  # a stopped process lets go of its locks; no handler works this long


def connector(
    settings: DatabaseSettings, application_name: str, make_cloud_sql: Callable[[], Any] | None = None
) -> Connect:
    """The way to open a connection that the settings ask for; `make_cloud_sql` stands in for Google's connector."""
    if settings.cloud_sql_connection_name:
        return _through_cloud_sql(settings, application_name, make_cloud_sql or _google_connector)
    return plain(
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name_secret.get_secret_value(),
        user=settings.database_user_secret.get_secret_value(),
        password=_password(settings),
        statement_timeout_ms=settings.database_statement_timeout_ms,
        lock_timeout_ms=settings.database_lock_timeout_ms,
        application_name=application_name,
    )


def plain(
    *,
    host: str,
    port: int,
    database: str,
    user: str,
    password: str | None = None,
    statement_timeout_ms: int = 5_000,
    lock_timeout_ms: int = 2_000,
    application_name: str = "gcpay",
) -> Connect:
    """Opens connections over TCP, or over a Unix socket when `host` is the absolute path of its folder. No TLS."""
    where: dict[str, Any] = {"host": host, "port": port}
    if host.startswith("/"):
        where = {"unix_sock": f"{host}/.s.PGSQL.{port}"}

    def connect() -> CoreConnection:
        try:
            raw = pg8000.dbapi.connect(
                user,
                database=database,
                password=password,
                ssl_context=False,  # None would build a CA context on every connect: 18 ms instead of 2
                timeout=_CONNECT_TIMEOUT_S,
                application_name=application_name,
                startup_params=_limits(statement_timeout_ms, lock_timeout_ms),
                **where,
            )
        except _REFUSED as error:
            raise DatabaseUnreachable("No connection to the database.") from error
        return _bounded(raw, statement_timeout_ms)

    return connect


def _through_cloud_sql(settings: DatabaseSettings, application_name: str, make_cloud_sql: Callable[[], Any]) -> Connect:
    made: dict[int, Any] = {}  # one connector per process: its thread and its keys do not survive a fork
    making = Lock()
    password = _password(settings)
    how: dict[str, Any] = {"enable_iam_auth": True} if password is None else {"password": password}

    def connect() -> CoreConnection:
        # Imported at the first connection: 0.4 s that nobody pays at start.
        from aiohttp import ClientError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.sql.connector.exceptions import CloudSQLConnectionError, DnsResolutionError

        away = (GoogleAuthError, ClientError, CloudSQLConnectionError, DnsResolutionError)
        try:
            with making:
                cloud_sql = made.get(os.getpid()) or made.setdefault(os.getpid(), make_cloud_sql())
            raw = cloud_sql.connect(
                settings.cloud_sql_connection_name,
                "pg8000",
                user=settings.database_user_secret.get_secret_value(),
                db=settings.database_name_secret.get_secret_value(),
                ip_type=settings.database_ip_type,
                application_name=application_name,
                startup_params=_limits(settings.database_statement_timeout_ms, settings.database_lock_timeout_ms),
                **how,
            )
        except (*_REFUSED, *away) as error:
            raise DatabaseUnreachable("No connection to the database.") from error
        return _bounded(raw, settings.database_statement_timeout_ms)

    return connect


def _google_connector() -> Any:
    from google.cloud.sql.connector import Connector

    # lazy: keys are renewed when a connection is opened, because CPU is throttled between requests.
    return Connector(refresh_strategy="lazy")


def _password(settings: DatabaseSettings) -> str | None:
    secret = settings.database_password_secret
    return secret.get_secret_value() if secret is not None else None


def _limits(statement_timeout_ms: int, lock_timeout_ms: int) -> dict[str, str]:
    return {
        "statement_timeout": str(statement_timeout_ms),
        "lock_timeout": str(lock_timeout_ms),
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_MS),
        "TimeZone": "UTC",
    }


def _bounded(raw: CoreConnection, statement_timeout_ms: int) -> CoreConnection:
    """Gives the connection's socket its own limit, sends small packets at once, and notices a peer that vanished.

    Without TCP_NODELAY a large parameter array waits 40 ms for an acknowledgement.
    """
    wire: socket.socket = raw._usock  # noqa: SLF001 - the driver has no public way to its socket
    wire.settimeout(statement_timeout_ms / 1000 + _SOCKET_MARGIN_S)
    if wire.family in (socket.AF_INET, socket.AF_INET6):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option, value in _KEEPALIVE.items():
            if hasattr(socket, option):  # Linux has all three, other systems some
                wire.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return raw
