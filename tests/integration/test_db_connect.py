"""Ways to the database: through the Cloud SQL connector, over TCP, over a Unix socket; the same limits on all."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pg8000.dbapi
import pytest
from pg8000.exceptions import InterfaceError

from shared.db import (
    Database,
    DatabaseUnreachable,
    plain,
)
from shared.db.connect import connector
from shared.db.roles import OWNER
from shared.db.settings import DatabaseSettings
from tests.conftest import Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PAUSE = "insert into pause (stage, reason, paused_by, paused_at) values ('intake', 'x', 'y', :now)"


class FakeCloudSql:
    """Stands in for Google's connector: records what it is asked for, and connects to the test server."""

    def __init__(self, postgres: Postgres) -> None:
        self.postgres = postgres
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self.down = False

    def connect(self, *args: Any, **kwargs: Any) -> Any:
        self.asked.append((args, dict(kwargs)))
        if self.down:
            raise InterfaceError("no way to the instance")
        for name in ("enable_iam_auth", "ip_type"):
            kwargs.pop(name, None)
        server = self.postgres.server
        return pg8000.dbapi.connect(
            kwargs.pop("user"),
            host=server.host,
            port=server.port,
            database=kwargs.pop("db"),
            ssl_context=False,
            **kwargs,
        )


def cloud_settings(database_name: str, **more: Any) -> DatabaseSettings:
    names = {"cloud_sql_connection_name": "p:r:i", "database_name_secret": database_name, "database_user_secret": OWNER}
    return DatabaseSettings(**(names | more))


def test_production_goes_through_the_cloud_sql_connector_with_the_same_limits(
    postgres: Postgres, database_name: str
) -> None:
    cloud = FakeCloudSql(postgres)
    database = Database(connector(cloud_settings(database_name), "gcpay-test", lambda: cloud))
    with database.transaction() as conn:
        conn.run(PAUSE, now=NOW)
        limits = conn.all("select current_setting('statement_timeout') as s, current_setting('lock_timeout') as l")
    assert limits == [{"s": "5s", "l": "2s"}]
    (args, kwargs) = cloud.asked[0]
    assert args == ("p:r:i", "pg8000")
    assert kwargs["enable_iam_auth"] is True
    assert kwargs["ip_type"] == "private"
    assert "password" not in kwargs
    database.close()


def test_a_password_switches_iam_off_and_a_connector_that_fails_is_try_later(
    postgres: Postgres, database_name: str
) -> None:
    cloud = FakeCloudSql(postgres)
    cloud.down = True
    settings = cloud_settings(database_name, database_password_secret="hidden")
    database = Database(connector(settings, "gcpay-test", lambda: cloud))
    with pytest.raises(DatabaseUnreachable), database.transaction():
        pass
    assert cloud.asked[0][1]["password"] == "hidden"
    assert "enable_iam_auth" not in cloud.asked[0][1]
    assert "hidden" not in repr(settings)


def test_settings_name_exactly_one_database() -> None:
    with pytest.raises(ValueError, match="either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST"):
        cloud_settings("x", database_host="127.0.0.1")
    with pytest.raises(ValueError, match="either CLOUD_SQL_CONNECTION_NAME or DATABASE_HOST"):
        cloud_settings("x", cloud_sql_connection_name="")


def test_settings_lead_to_a_plain_connection_outside_the_cloud(postgres: Postgres, database_name: str) -> None:
    settings = cloud_settings(
        database_name,
        cloud_sql_connection_name="",
        database_host=postgres.server.host,
        database_port=postgres.server.port,
        database_statement_timeout_ms=1234,
    )
    database = Database.from_settings(settings, "gcpay-test")
    with database.read() as conn:
        row = conn.one(
            """select current_setting('statement_timeout') as s, current_setting('application_name') as a,
                      current_setting('TimeZone') as z"""
        )
    assert row == {"s": "1234ms", "a": "gcpay-test", "z": "UTC"}
    database.close()


def test_a_unix_socket_is_named_by_its_folder(postgres: Postgres, database_name: str) -> None:
    server = postgres.server
    database = Database(plain(host=str(server.place / "socket"), port=server.port, database=database_name, user=OWNER))
    assert database.ping()
    database.close()
