"""What one test has done to its database, the next one does not see."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.db import Alert, raise_alert
from tests.conftest import Postgres

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALERT = Alert("transfer_held", "batch_1", "The transfer of 0.04 ETH is held.", {"dedupe": "over_limit"})


def test_rows_are_gone_and_the_numbers_begin_anew(postgres: Postgres) -> None:
    ids = []
    for _ in range(2):
        name = postgres.lend()
        database = postgres.connect(name)
        with database.transaction() as conn:
            assert raise_alert(conn, "GCHostPay3", ALERT, NOW)
            ids += [row["id"] for row in conn.all("select id from alert")]
        postgres.take_back(name)  # with a connection that is still open
        database.close()
    assert ids == [1, 1]


@pytest.mark.parametrize(
    "change",
    [
        "alter table alert add column more text",
        "create table more ()",
        "revoke all on alert from gcpay_executor",
        "delete from allowed_transition",
    ],
)
def test_a_changed_schema_is_seen_by_nobody_else(postgres: Postgres, change: str) -> None:
    name = postgres.lend()
    database = postgres.connect(name)
    with database.transaction() as conn:
        conn.run(change)
    database.close()
    postgres.take_back(name)
    other = postgres.lend()
    assert other != name
    postgres.take_back(other)


def test_a_change_that_was_rolled_back_is_none(postgres: Postgres) -> None:
    name = postgres.lend()
    database = postgres.connect(name)
    with pytest.raises(ZeroDivisionError), database.transaction() as conn:
        conn.run("create table more ()")
        raise ZeroDivisionError
    database.close()
    postgres.take_back(name)
    assert postgres.lend() == name
    postgres.take_back(name)
