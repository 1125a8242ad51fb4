"""`gcpay report` over whole histories: exact figures on a calm day, and nothing unexplained on any day."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from shared.books import Account
from shared.db import Connection
from shared.db.roles import OPERATOR
from shared.exchange import OrderRequest
from shared.money import Ether, Tether, Usd
from shared.ops.report import Period, Report, Stage, read_report, totals_of
from shared.ops.report.lines import Line, Money
from shared.ops.report.show import as_csv, as_json, as_text
from shared.sandbox.simulator.exchange import ModelOrder
from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import START, World
from tests.simulation.scripts import three_payments_to_the_end

BASE = (("50", "0.02"), ("30", "0.012"), ("20", "0.008"))
SEEDS = range(2000, 2024)
EVERY_S = 90
FOREVER = Period(START - timedelta(days=1), START + timedelta(days=400))


@contextmanager
def as_operator(session: Session) -> Iterator[Connection]:
    """The rows as they are now, with an operator's rights."""
    session.look("the report", OPERATOR)
    try:
        yield session.connection
    finally:
        session.leave()


def report_of(world: World, period: Period = FOREVER) -> Report:
    with as_operator(world.session) as conn:
        return read_report(conn, period, world.now)


def played(session: Session, script: Callable[[World], None], seed: int = 1) -> None:
    ending = play(session, seed, history=History("a report", script, seed=seed))
    assert ending.failure is None, ending.failure


def pays_exactly(world: World, usdt: str) -> None:
    """Every order brings so much."""
    opened = world.exchange.open

    def open_(request: OrderRequest) -> ModelOrder:
        order = opened(request)
        order.expected = Tether.parse(usdt)
        order.plan = replace(order.plan, fate=Fate.PAYS, payout_ppm=1_000_000)
        return order

    world.exchange.open = open_  # type: ignore[method-assign]


def stage(report: Report, name: str) -> Stage:
    (found,) = [each for each in report.stages if each.name == name]
    return found


def filled(report: Report) -> set[str]:
    return {each.name for each in report.stages if each.payments}


def standing(report: Report, asset: type[Money]) -> dict[str, str]:
    return {
        line.name: str(line.amount)
        for line in report.standing
        if isinstance(line.amount, asset) and not line.amount.is_zero()
    }


def test_base_is_told_exactly_at_every_stage(session: Session) -> None:
    seen: list[Report] = []

    def script(world: World) -> None:
        pays_exactly(world, "82.45")
        for number, (usd, eth) in enumerate(BASE, start=1):
            world.pays(number, Usd.parse(usd), Ether.parse(eth))
        world.run_for(90)
        seen.append(report_of(world))
        world.start_clockwork()
        world.tick()
        seen.append(report_of(world))
        world.run_for(600)
        seen.append(report_of(world))
        seen.append(report_of(world, Period(FOREVER.since, START + timedelta(seconds=1))))

    played(session, script)
    pending, claimed, done, first_second = seen
    assert all(report.everything_is_explained for report in seen)
    assert filled(pending) == {"pending"}
    assert stage(pending, "pending") == Stage("pending", 3, Usd.parse("85"), Ether.parse("0.034"), Tether.zero(), START)
    assert (stage(claimed, "paying").usd, stage(claimed, "paying").eth) == (Usd.parse("85"), Ether.parse("0.034"))
    assert filled(claimed) == {"paying"}
    assert filled(done) == {"owed to clients"}
    owed = stage(done, "owed to clients")
    assert (owed.payments, owed.usdt, owed.eth, owed.usd) == (3, Tether.parse("82.45"), Ether.zero(), Usd.zero())
    (batch,) = done.swapped
    assert (batch.payments, batch.weight, batch.ordered) == (3, Usd.parse("85"), Ether.parse("0.034"))
    assert (batch.at_feed, batch.arrived) == (Usd.parse("85"), Tether.parse("82.45"))
    assert batch.spread == Tether.parse("82.45") - batch.quoted
    assert batch.to_feed_ppm == -30_000
    assert batch.gas.is_positive()
    assert standing(done, Tether) == {"wallet": "82.45 USDT", "clients_owed": "-82.45 USDT"}
    sent = Ether.parse("10") - Ether.parse("0.034") - batch.gas
    assert standing(done, Ether) == {
        "wallet": str(sent),
        "gateway_receivable": "0.04 ETH",
        "platform_fee": "-0.006 ETH",
        "gas": str(batch.gas),
        "treasury": "-10 ETH",
    }
    assert [str(line.amount) for line in done.taken] == ["100.00 USD", "15.00 USD", "85.00 USD"]
    assert [str(line.amount) for line in first_second.taken] == ["100.00 USD", "15.00 USD", "85.00 USD"]
    assert first_second.swapped == []
    moved = {line.name: str(line.amount) for line in done.moved}
    assert moved["payment_received: gateway_receivable"] == "0.04 ETH"
    assert moved["transfer_settled: in_transit"] == "0.034 ETH"
    assert moved["usdt_distributed: clients_owed"] == "-82.45 USDT"
    text = as_text(done)
    assert "Unexplained: nothing" in text
    assert "against the quote" in text
    assert "against the feed (85.00 USD) -3.00 %" in text


def test_a_wallet_that_holds_another_amount_than_the_books_is_unexplained(session: Session) -> None:
    seen: list[Report] = []

    def script(world: World) -> None:
        three_payments_to_the_end(world)
        balances = report_of(world).balances
        eth, usdt = balances.eth[Account.WALLET], balances.usdt[Account.WALLET]
        with as_operator(world.session) as conn:
            seen.append(read_report(conn, FOREVER, world.now, (eth, usdt)))
            seen.append(read_report(conn, FOREVER, world.now, (eth, usdt + Tether(1))))

    played(session, script)
    right, wrong = seen
    assert right.everything_is_explained
    assert not wrong.everything_is_explained
    assert "wallet: chain less books: 0.000001 USDT" in as_text(wrong)
    assert "The chain was not asked" not in as_text(right)


def test_the_totals_of_csv_and_json_are_the_sums_of_their_own_lines(session: Session) -> None:
    seen: list[Report] = []

    def script(world: World) -> None:
        three_payments_to_the_end(world)
        seen.append(report_of(world))

    played(session, script)
    (report,) = seen
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    from_csv = sums([(row["group"], row["asset"], int(row["base_units"])) for row in rows if row["kind"] == "line"])
    totals = {
        (row["group"], row["asset"]): (int(row["rows"]), int(row["base_units"]))
        for row in rows
        if row["kind"] == "total"
    }
    assert from_csv == totals
    assert len(totals) > 10
    for row in rows:
        kind = {"USD": Usd, "ETH": Ether, "USDT": Tether}[row["asset"]]
        assert kind.parse_signed(row["amount"]).base_units == int(row["base_units"])
        assert row["unit"] == {"USD": "micros", "ETH": "wei", "USDT": "units"}[row["asset"]]
    told = json.loads(as_json(report))
    assert sums([(line["group"], line["asset"], int(line["base_units"])) for line in told["lines"]]) == totals
    assert told["ok"] is True


def sums(lines: Sequence[tuple[str, str, int]]) -> dict[tuple[str, str], tuple[int, int]]:
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for group, asset, units in lines:
        count, total = found.get((group, asset), (0, 0))
        found[group, asset] = (count + 1, total + units)
    return found


def test_in_no_history_at_no_moment_is_a_unit_unexplained(session: Session) -> None:
    """Whatever goes wrong: rows and books agree, account by account, and every total is the sum of its lines."""
    looked: list[int] = []
    stages: set[str] = set()

    def look(world: World) -> None:
        if world.session.inside is not None:
            return
        report = report_of(world)
        wrong = [f"{each.account}: {each.rows_say} or {each.books_say}" for each in report.unexplained]
        assert report.everything_is_explained, (world.seed, world.now, wrong)
        assert Ether.total(line.amount for line in report.standing if isinstance(line.amount, Ether)).is_zero()
        assert Tether.total(line.amount for line in report.standing if isinstance(line.amount, Tether)).is_zero()
        assert report.totals() == totals_of(report.lines())
        looked.append(world.seed)
        stages.update(name.partition(":")[0] for name in filled(report))

    def look_often(world: World) -> None:
        for at_s in range(EVERY_S, 4 * 3_600, EVERY_S):
            world.after(at_s, lambda: look(world))

    for seed in SEEDS:
        play(session, seed, prepare=look_often)
    assert len(looked) > 200
    assert len(set(looked)) == len(SEEDS)
    assert stages >= {"pending", "paying", "at the exchange", "refund awaited", "parked", "owed to clients"}


def test_a_payment_without_its_posting_is_unexplained_to_the_wei(session: Session) -> None:
    seen: list[Report] = []

    def script(world: World) -> None:
        world.pays(1, Usd.parse("50"), Ether.parse("0.02"))
        world.run_for(90)
        with world.session.looking():
            world.session.connection.run(
                "update payout_accumulation set net_wei = net_wei + 1, gross_wei = gross_wei + 1"
            )
            seen.append(read_report(world.session.connection, FOREVER, world.now))
            world.session.connection.run(
                "update payout_accumulation set net_wei = net_wei - 1, gross_wei = gross_wei - 1"
            )

    played(session, script)
    (report,) = seen
    assert not report.everything_is_explained
    (wrong,) = [each for each in report.unexplained if not each.difference.is_zero()]
    assert (wrong.account, wrong.difference) == ("clients_pending", Ether(-1))
    assert "Unexplained: 1 amount(s)" in as_text(report)
    assert Line("unexplained", "clients_pending: rows less books", Ether(-1)) in list(report.lines_unexplained())
