"""`gcpay report` as a person types it, on a real database: forms, exit codes, rights, and speed."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pg8000.dbapi
import pytest
from click.testing import CliRunner

from shared.db import Database, PermissionMissing, QueryBroken
from shared.db.roles import INTAKE, OPERATOR
from shared.money import Ether, Tether, Usd
from shared.ops.cli import gcpay
from shared.ops.exits import Exit, Leave
from shared.ops.report import Period, period_of, read_report
from tests.conftest import Postgres
from tests.integration.operations_world import Operations

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MANY, BATCHES = 100_000, 100
SECONDS_AT_MOST = 5  # 0.5 on an idle machine


@pytest.fixture
def world(
    database: Database,
    database_as: Callable[[str], Database],
    database_name: str,
    postgres: Postgres,
    monkeypatch: pytest.MonkeyPatch,
) -> Operations:
    """The fleet, and an environment that names its database as an operator's does."""
    for name, value in {
        "DATABASE_HOST": str(postgres.server.host),
        "DATABASE_PORT": str(postgres.server.port),
        "DATABASE_NAME_SECRET": database_name,
        "DATABASE_USER_SECRET": OPERATOR,
    }.items():
        monkeypatch.setenv(name, value)
    return Operations.of(database, database_as)


def report(*options: str) -> tuple[int, str]:
    ended = CliRunner().invoke(gcpay, ["report", *options])
    assert ended.exception is None or isinstance(ended.exception, SystemExit | Leave), ended.exception
    if isinstance(ended.exception, Leave):
        return ended.exception.code, ended.exception.sentence
    return ended.exit_code, ended.stdout


def test_it_prints_text_json_and_csv_and_leaves_with_0_while_everything_is_explained(world: Operations) -> None:
    world.a_batch()
    code, text = report()
    assert code == Exit.OK
    assert "Unexplained: nothing" in text
    (paying,) = [line.split() for line in text.splitlines() if line.startswith("paying")]
    assert paying[:4] == ["paying", "2", "100.00", "0.04"]
    code, told = report("--json", "--since", "2026-01-01", "--until", "2026-03-02")
    assert code == Exit.OK
    said = json.loads(told)
    (paying,) = [line for line in said["lines"] if line["name"] == "paying" and line["asset"] == "ETH"]
    assert (paying["amount"], paying["base_units"], paying["rows"]) == ("0.040000000000000000", str(4 * 10**16), 2)
    code, told = report("--csv")
    assert code == Exit.OK
    rows = list(csv.DictReader(io.StringIO(told)))
    assert {row["kind"] for row in rows} == {"line", "total"}
    assert rows[-1]["kind"] == "total"


def test_a_unit_that_is_missing_in_the_books_is_told_and_exit_1(world: Operations) -> None:
    world.fleet.batcher.payments("60")
    with world.owner.transaction() as conn:
        conn.run("update payout_accumulation set net_wei = net_wei + 1, gross_wei = gross_wei + 1")
    code, text = report()
    assert code == Exit.NO
    assert "clients_pending: rows less books: -0.000000000000000001 ETH" in text


def test_what_is_parked_is_told_by_its_reason(world: Operations) -> None:
    world.a_parked_payment()
    _, text = report()
    assert "parked: it came as doge" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--json", "--csv"), "Say --json or --csv, not both."),
        (("--since", "yesterday"), "--since yesterday: say a day as 2026-03-01, an instant, or 12h or 7d."),
        (("--until", "0d"), "--until 0d: say a day"),
        (("--since", "2026-03-02", "--until", "2026-03-01"), "The period ends before it begins"),
    ],
)
def test_an_impossible_period_is_one_sentence_and_exit_2(
    world: Operations, options: tuple[str, ...], sentence: str
) -> None:
    code, said = report(*options)
    assert code == Exit.USAGE
    assert sentence in said


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, (NOW - timedelta(days=30), NOW)),
        ("12h", None, (NOW - timedelta(hours=12), NOW)),
        ("7d", "1d", (NOW - timedelta(days=7), NOW - timedelta(days=1))),
        (
            "2026-02-01",
            "2026-02-02T00:00+02:00",
            (datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 1, 22, tzinfo=UTC)),
        ),
    ],
)
def test_a_period_is_read_as_utc_and_its_end_is_not_in_it(
    since: str | None, until: str | None, expected: tuple[datetime, datetime]
) -> None:
    assert period_of(since, until, NOW) == Period(*expected)


def test_it_reads_one_snapshot_with_an_operators_rights_and_no_service_may(
    world: Operations, database_as: Callable[[str], Database]
) -> None:
    period = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))
    before = world.everything()
    with database_as(OPERATOR).read() as conn:
        first = read_report(conn, period, NOW)
        world.fleet.batcher.payments("60")
        assert read_report(conn, period, NOW) == first
        with pytest.raises(QueryBroken):  # a snapshot is for reading
            conn.run("update pause set reason = 'written'")
    assert before != world.everything()
    with database_as(INTAKE).read() as conn, pytest.raises(PermissionMissing):
        read_report(conn, period, NOW)


def test_beside_a_hundred_thousand_finished_payments_it_is_exact_and_takes_seconds(
    database: Database, database_as: Callable[[str], Database], database_name: str, postgres: Postgres
) -> None:
    finished_payments(postgres, database_name)
    period = Period(NOW - timedelta(days=1), NOW + timedelta(days=1))
    with database_as(OPERATOR).read() as conn:
        started_s = time.monotonic()
        told = read_report(conn, period, NOW)
        list(told.lines())
        took_s = time.monotonic() - started_s
    assert told.everything_is_explained
    owed = next(each for each in told.stages if each.name == "owed to clients")
    assert (owed.payments, owed.usdt) == (MANY, Tether(MANY * 1_000_000))
    assert len(told.swapped) == BATCHES
    assert told.taken[0].amount == Usd(MANY * 1_000_000)
    assert -told.balances.eth_sum() == Ether.zero()
    assert took_s < SECONDS_AT_MOST, f"{took_s:.2f} s"


def finished_payments(postgres: Postgres, name: str) -> None:
    """Payments of one dollar each, a thousand to a batch, all shared out; with their books."""
    server = postgres.server
    with closing(
        pg8000.dbapi.connect(server.user, host=server.host, port=server.port, database=name, ssl_context=False)
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SET session_replication_role = replica")  # every posting balances; checking each takes a minute
        for statement in FINISHED:
            cursor.execute(
                statement.format(
                    many=MANY, batches=BATCHES, each=MANY // BATCHES, at="timestamptz '2026-03-01 10:00+00'"
                )
            )
        connection.commit()


FINISHED = (
    """insert into batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
           total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei,
           expected_usdt_units, feed_answer, feed_decimals, usdt_arrived_units, eth_tx_hash, usdt_tx_hash, created_at,
           updated_at)
       select lpad(n::text, 32, '0')::uuid, 'completed', 'received', {each}, {each} * 1000000, 1, {each} * 4e14,
           0, {each} * 4e14, 0, {each} * 1000000, 2500, 0, {each} * 1000000, '0x', '0x', {at}, {at}
         from generate_series(1, {batches}) as n""",
    """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address,
           client_payout_currency, client_payout_network, payment_timestamp, raw_amount_text, payment_amount_usd_micros,
           fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, gross_wei, fee_wei, net_wei, conversion_status,
           batch_conversion_id, converted_usdt_amount_units, created_at, updated_at)
       select 'many-' || n, '', n, '1', '0x', 'usdt', 'eth', '', '', 1000000, 0, 0, 1000000, 4e14, 0, 4e14, 'completed',
           lpad((n / {each} + 1)::text, 32, '0')::uuid, 1000000, {at}, {at}
         from generate_series(0, {many} - 1) as n""",
    """insert into posting (event, subject, trace, at)
       select 'payment_received', 'many-' || n, 't', {at} from generate_series(0, {many} - 1) as n""",
    """insert into book_entry (posting_id, line, asset, account, amount)
       select p.id, e.line, 'ETH', e.account, e.amount
         from posting p
        cross join (values (1, 'gateway_receivable', 4e14), (2, 'clients_pending', -4e14))
              as e (line, account, amount)""",
    """insert into posting (event, subject, trace, at)
       select 'usdt_arrived', batch_conversion_id::text, 't', {at} from batch_conversions
       union all select 'usdt_distributed', batch_conversion_id::text, 't', {at} from batch_conversions""",
    """insert into book_entry (posting_id, line, asset, account, amount)
       select p.id, e.line, e.asset, e.account, e.amount
         from posting p
         join (values ('usdt_arrived', 1, 'USDT', 'wallet', {each} * 1e6),
                      ('usdt_arrived', 2, 'USDT', 'in_transit', {each} * -1e6),
                      ('usdt_distributed', 1, 'ETH', 'treasury', {each} * -4e14),
                      ('usdt_distributed', 2, 'ETH', 'clients_pending', {each} * 4e14),
                      ('usdt_distributed', 3, 'USDT', 'in_transit', {each} * 1e6),
                      ('usdt_distributed', 4, 'USDT', 'clients_owed', {each} * -1e6))
              as e (event, line, asset, account, amount) on e.event = p.event""",
    "analyze",
)
