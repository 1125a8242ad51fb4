"""What a person must know is told once, in the commit that causes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from shared.db import Alert, Database, raise_alert, refusal_recorder
from shared.db.roles import SERVICE_ROLES
from shared.money import Ether

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HELD = Alert("transfer_held", "batch_1", "The transfer of 0.04 ETH is held.", {"dedupe": "over_limit", "limit": "1"})


@dataclass(frozen=True)
class Refusal:
    service: str = "GCHostPay3"
    route: str = "/"
    caller: str = "conductor@example.iam.gserviceaccount.com"
    task_name: str = "outbox-1"
    code: str = "token_expired"
    message: str = "The token is too old."
    reference: str = "ref-1"
    at: datetime = NOW


def rows(database: Database, table: str) -> list[dict[str, object]]:
    with database.read() as conn:
        return [dict(row) for row in conn.all(f"select * from {table} order by id")]


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_the_same_trouble_is_told_once_and_another_reason_again(
    database: Database, database_as: Callable[[str], Database], role: str
) -> None:
    with database_as(role).transaction() as conn:
        assert raise_alert(conn, "GCHostPay3", HELD, NOW)
        assert not raise_alert(conn, "GCHostPay3", HELD, NOW)
        assert raise_alert(conn, "GCHostPay3", replace(HELD, evidence={"dedupe": "no_funds"}), NOW)
    told = rows(database, "alert")
    assert [row["dedupe_key"] for row in told] == ["transfer_held/batch_1/over_limit", "transfer_held/batch_1/no_funds"]
    assert told[0]["evidence"] == {"dedupe": "over_limit", "limit": "1"}
    assert (told[0]["subject"], told[0]["at"]) == ("batch_1", NOW)


def test_an_alert_is_gone_with_the_transaction_that_failed_and_was_never_in_the_log(database: Database) -> None:
    with capture_logs() as logs, pytest.raises(LookupError), database.transaction() as conn:
        raise_alert(conn, "GCHostPay3", HELD, NOW)
        raise LookupError
    assert rows(database, "alert") == []
    with database.transaction():
        pass
    assert logs == []


def test_every_alert_is_one_error_in_the_log_that_says_all_that_its_row_says(database: Database) -> None:
    alert = replace(HELD, at_risk=[Ether.parse("0.04")], rows=["transfer batch_1", "order 7"])
    with capture_logs() as logs:
        for _ in range(2):
            with database.transaction() as conn:
                raise_alert(conn, "GCHostPay3", alert, NOW)
                assert logs == [] or len(logs) == 1, "nothing is said before the commit, and a repeat says nothing"
    (line,), (row,) = logs, rows(database, "alert")
    assert (line["event"], line["log_level"]) == ("alert_raised", "error")
    same = ("kind", "subject", "dedupe_key", "evidence", "money_at_risk", "concerned_rows", "runbook", "next_step")
    assert [line[name] for name in same] == [row[name] for name in same]
    assert (line["told"], line["alert_severity"]) == (row["message"], row["severity"])


@pytest.mark.parametrize("role", SERVICE_ROLES)
def test_a_refused_task_message_is_kept_and_told(
    database: Database, database_as: Callable[[str], Database], role: str
) -> None:
    record = refusal_recorder(database_as(role))
    record(Refusal())
    record(Refusal())  # the queue did not hear our 200 and delivers again
    (kept, again) = rows(database, "refused_message")
    assert {key: value for key, value in kept.items() if key != "id"} == vars(Refusal())
    assert again["task_name"] == "outbox-1"
    assert [row["kind"] for row in rows(database, "alert")] == ["message_refused"]
