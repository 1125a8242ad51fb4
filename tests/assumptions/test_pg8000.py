"""What `shared/db` believes of pg8000 and of the Cloud SQL connector's use of it. A new version must still do it."""

from __future__ import annotations

import contextlib
import inspect
import socket
from collections.abc import Iterator

import pg8000.dbapi
import pytest
from google.cloud.sql.connector import Connector
from google.cloud.sql.connector.pg8000 import connect as connect_as_the_connector_does
from pg8000.converters import make_params
from pg8000.core import CoreConnection
from pg8000.exceptions import DatabaseError, InterfaceError

from tests.conftest import Postgres


@pytest.fixture
def raw(postgres: Postgres, database_name: str) -> Iterator[pg8000.dbapi.Connection]:
    connection = pg8000.dbapi.connect(
        "gcpay_owner",
        host=postgres.server.host,
        port=postgres.server.port,
        database=database_name,
        ssl_context=False,
        startup_params={"statement_timeout": "4321", "lock_timeout": "1234", "TimeZone": "UTC"},
    )
    yield connection
    with contextlib.suppress(InterfaceError, OSError):  # some tests leave a dead one
        connection.close()


def sqlstate(raw: CoreConnection, sql: str) -> str:
    with pytest.raises(DatabaseError) as caught:
        raw.execute_simple(sql)
    return str(caught.value.args[0]["C"])


def test_every_server_error_is_one_class_with_the_sqlstate_in_its_first_argument(raw: CoreConnection) -> None:
    assert sqlstate(raw, "select * from no_such_table") == "42P01"
    assert sqlstate(raw, "select 1/0") == "22012"
    assert sqlstate(raw, "insert into pause (stage) values ('x')") == "23502"


def test_a_violated_rule_comes_with_its_name_and_table(raw: CoreConnection) -> None:
    with pytest.raises(DatabaseError) as caught:
        raw.execute_simple("insert into pause values ('nowhere', 'x', 'y', '2026-01-01', null)")
    assert caught.value.args[0]["n"] == "pause_names_a_stage"
    assert caught.value.args[0]["t"] == "pause"


def test_limits_given_at_the_start_hold(raw: CoreConnection) -> None:
    rows = raw.execute_simple("select current_setting('statement_timeout'), current_setting('lock_timeout')").rows
    assert rows == [["4321ms", "1234ms"]]


def test_the_state_of_the_transaction_is_known_without_asking(raw: CoreConnection) -> None:
    raw.execute_simple("BEGIN")
    assert raw._transaction_status == b"T"
    sqlstate(raw, "select 1/0")
    assert raw._transaction_status == b"E"
    raw.execute_simple("ROLLBACK")
    assert raw._transaction_status == b"I"


def test_commit_of_a_failed_transaction_raises_though_the_server_calls_it_a_rollback(raw: CoreConnection) -> None:
    raw.execute_simple("BEGIN")
    sqlstate(raw, "select 1/0")
    with pytest.raises(InterfaceError, match="in failed transaction block"):
        raw.execute_simple("COMMIT")


def test_a_prepared_statement_is_run_by_name_and_keeps_its_columns(raw: CoreConnection) -> None:
    name, columns, readers = raw.prepare_statement("select $1::int as one, $2::text as two", ())
    for number in range(3):
        context = raw.execute_named(name, make_params(raw.py_types, (number, "x")), columns, readers, "select")
        assert context.rows == [[number, "x"]]
        assert context.row_count == 1
    assert [column["name"] for column in columns] == ["one", "two"]
    raw.close_prepared_statement(name)


def test_a_statement_without_rows_tells_how_many_it_wrote(raw: CoreConnection) -> None:
    name, columns, readers = raw.prepare_statement("delete from pause where stage = $1", ())
    context = raw.execute_named(name, ("intake",), columns, readers, "delete")
    assert columns is None
    assert context.rows is None
    assert context.row_count == 0


def test_adapters_belong_to_one_connection(raw: CoreConnection, postgres: Postgres) -> None:
    raw.register_in_adapter(1700, lambda text: f"numeric {text}")
    assert raw.execute_simple("select 1.5::numeric").rows == [["numeric 1.5"]]
    other = postgres.superuser.cursor()
    other.execute("select 1.5::numeric")
    assert str(other.fetchone()[0]) == "1.5"


def test_a_killed_session_is_an_interface_error(raw: CoreConnection, postgres: Postgres) -> None:
    pid = raw.execute_simple("select pg_backend_pid()").rows[0][0]
    postgres.superuser.cursor().execute("select pg_terminate_backend(%s, 2000)", (pid,))
    with pytest.raises((InterfaceError, OSError)):
        raw.execute_simple("select 1")


def test_the_socket_can_be_given_a_limit_and_then_the_connection_is_lost(raw: CoreConnection) -> None:
    raw._usock.settimeout(0.1)
    with pytest.raises((InterfaceError, OSError)):
        raw.execute_simple("select pg_sleep(1)")


def test_ssl_context_false_speaks_plainly_and_none_would_ask_for_tls() -> None:
    assert inspect.signature(pg8000.dbapi.connect).parameters["ssl_context"].default is None


def test_the_cloud_sql_connector_hands_extra_keywords_to_the_driver(postgres: Postgres, database_name: str) -> None:
    parameters = inspect.signature(Connector.connect).parameters
    assert parameters["kwargs"].kind is inspect.Parameter.VAR_KEYWORD
    wire = socket.create_connection((postgres.server.host, postgres.server.port))
    raw = connect_as_the_connector_does(
        "127.0.0.1",
        wire,  # type: ignore[arg-type] # the server has no TLS; the driver treats both sockets alike
        user="gcpay_owner",
        db=database_name,
        application_name="gcpay-test",
        startup_params={"statement_timeout": "999"},
    )
    rows = raw.execute_simple("select current_setting('statement_timeout'), current_setting('application_name')").rows
    assert rows == [["999ms", "gcpay-test"]]
    assert isinstance(raw, CoreConnection)
    raw.close()


def test_the_cloud_sql_connector_takes_the_settings_we_give_it() -> None:
    assert {"refresh_strategy", "credentials", "ip_type", "enable_iam_auth"} <= set(
        inspect.signature(Connector.__init__).parameters
    )
    source = inspect.getsource(Connector.connect_async)
    assert 'kwargs.pop("ip_type"' in source
    assert 'kwargs.pop("enable_iam_auth"' in source
