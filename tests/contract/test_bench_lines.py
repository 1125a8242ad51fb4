"""Every line of the benchmark measures something, on a few rows; that it is fast is for the benchmark to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.sandbox.bench import intake, start, transfers
from shared.sandbox.bench.batches import Batches
from shared.sandbox.bench.fill import Fill
from shared.sandbox.bench.place import DATABASE, LIMITS, Place, place_on
from shared.sandbox.bench.plot import plot
from shared.sandbox.bench.report import Line, Report
from shared.sandbox.bench.soak import soak
from shared.sandbox.fleet import Ports
from shared.sandbox.postgres import EmbeddedPostgres
from shared.sandbox.simulator.silence import silence

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROUNDS = 1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("bench")
    with EmbeddedPostgres.start() as server, silence():
        yield place_on(server, folder, replace(Ports.free(), postgres=server.port))


@pytest.fixture(scope="module")
def fill(place: Place) -> Fill:
    return Fill(place, NOW)


def figures(line: Line, name: str) -> None:
    """It has as many rounds as were asked for, and both figures of each are there."""
    assert line.name == name
    assert len(line.rounds) == ROUNDS
    assert all(ours > 0 and limit > 0 for ours, limit in line.rounds)


def value(place: Place, sql: str) -> object:
    with place.preparing() as database, database.read() as conn:
        row = conn.one(sql)
        assert row is not None
        (one,) = row.values()
        return one


def test_the_batchers_lines(place: Place, fill: Fill) -> None:
    batches = Batches(place, fill, (40, 20), ROUNDS)
    pending = list(batches.pending((1_000, 2_000)))
    assert [line.size for line in pending] == [20, 40]
    figures(pending[0], "pending")
    assert pending[0].beside["growth"] > 0
    assert value(place, "select count(*) from payout_accumulation where conversion_status = 'completed'") == 2_000
    claimed = list(batches.claim())
    assert [line.size for line in claimed] == [40, 20]
    for line in claimed:
        figures(line, "claim")
    shared = list(batches.distribution())
    for line in shared:
        figures(line, "distribution")


def test_what_is_made_by_the_thousand_keeps_the_rules_that_were_off_meanwhile(place: Place, fill: Fill) -> None:
    fill.finished(100)
    fill.swapping(5)
    broken = """select (select count(*) from batch_member m left join payout_accumulation p on p.id = m.payment_id
                         where p.id is null or p.batch_conversion_id <> m.batch_conversion_id)
                     + (select count(*) from payout_accumulation p
                          left join batch_conversions b using (batch_conversion_id)
                         where p.batch_conversion_id is not null and b.batch_conversion_id is null)
                     + (select count(*) from history h
                          left join allowed_transition a using (machine, from_state, to_state, event)
                         where a.machine is null)
                     + (select count(*) from (select posting_id from book_entry group by posting_id, asset
                                              having sum(amount) <> 0) as wrong)
                     + (select count(*) from arrival a
                          left join exchange_order o using (cn_api_id) where o.id is null)"""
    assert value(place, broken) == 0


def test_the_executors_line_and_why_there_is_no_other(place: Place, fill: Fill) -> None:
    reserve, batched = transfers.measure(place, fill, ROUNDS, 18, 1)
    figures(reserve, "reserve")
    assert value(place, "select count(*) from attempt") == 18 + 16
    assert (batched.ratio, batched.reached) == (None, "no")
    assert "no batched reservation" in batched.missing


def test_the_line_of_the_start_times_the_services_that_do_not_sign() -> None:
    (line,) = start.measure(ROUNDS, ("GCHostPay2",))
    figures(line, "start")
    assert set(line.beside) == {"GCHostPay2"}
    assert start.NOT_SIGNING == ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2")


def test_the_intakes_line_posts_to_the_real_service(place: Place) -> None:
    before = value(place, "select count(*) from payout_accumulation")
    (line,) = intake.measure(place, ROUNDS, 1)
    figures(line, "intake")
    assert line.beside["p99_ms"] >= line.beside["p50_ms"] > 0
    assert value(place, "select count(*) from payout_accumulation") > before  # type: ignore[operator]
    with place.preparing(LIMITS) as database, database.read() as conn:
        row = conn.one("select count(*) as n from payment")
    assert row is not None
    assert row["n"] > 0


def test_a_soak_brings_every_payment_home_over_a_restart(place: Place, tmp_path: Path) -> None:
    with EmbeddedPostgres.start(tmp_path / "durable", durable=True) as server:
        durable = place_on(server, tmp_path, replace(Ports.free(), postgres=server.port))
        with intake.serving(durable, instances=1) as running:
            found = soak(durable, running, 2, 20)
    assert found.outcome.accepted == found.rows == found.distinct_accepted
    assert found.outcome.accepted >= 20
    assert found.errors_outside == 0
    gone, back = found.down_s
    assert 0 < gone < back


def test_a_report_can_be_drawn(tmp_path: Path) -> None:
    lines = (
        Line("claim", [(90.0, 50.0)], 10_000),
        Line("start", [(0.2, 1.0)]),
        Line("reserve_batched", (), missing="x"),
    )
    plot(Report(lines, {"date": "2026-03-01"}, {}, quick=True), tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_a_place_has_the_fleets_schema_and_nothing_of_its_own_in_it(place: Place) -> None:
    assert value(place, "select count(*) from pg_tables where schemaname = 'public' and tablename = 'slot'") == 1
    assert {DATABASE, LIMITS} == {"gcpay", "limits"}
