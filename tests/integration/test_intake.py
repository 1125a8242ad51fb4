"""The intake counts a payment once, however it is spelled and however often it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shared.books import Account, totals
from shared.db import Database, plain
from shared.db.roles import INTAKE
from shared.money import Ether
from tests.conftest import Postgres
from tests.integration.intake_world import (
    FIFTY,
    THIRTY,
    TWENTY,
    WITHOUT_GATEWAY,
    Answered,
    IntakeWorld,
    Raw,
    changed,
)

DatabaseAs = Callable[[str], Database]
ONE_PAYMENT = {"payout_accumulation": 1, "history": 1, "posting": 1, "book_entry": 2}


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> IntakeWorld:
    return IntakeWorld.of(reused_database, reused_database_as(INTAKE))


@pytest.fixture
def own_world(database: Database, database_as: DatabaseAs) -> IntakeWorld:
    """For tests that change the schema."""
    return IntakeWorld.of(database, database_as(INTAKE))


def test_a_payment_is_recorded_and_the_answer_says_what_is_pending(world: IntakeWorld) -> None:
    answer = world.post(FIFTY)
    assert answer.status == 200
    assert answer.body == {
        "status": "success",
        "message": "Payment recorded; it waits for the next batch",
        "accumulation_id": 1,
        "pending_usd_amount": "50.000000",
        "conversion_status": "pending",
        "duplicate": False,
    }
    row = world.only("select * from payout_accumulation")
    assert row["payment_ref"] == row["nowpayments_payment_id"] == "4479119533"
    assert (row["user_id"], row["client_id"]) == (5550001112, "-1001234567890")
    assert (row["raw_amount_text"], row["raw_outcome_text"], row["outcome_currency"]) == ("50", "0.02", "eth")
    assert (row["gross_wei"], row["fee_wei"], row["net_wei"]) == (2 * 10**16, 0, 2 * 10**16)
    assert row["due_at"] is not None
    assert world.counts() == ONE_PAYMENT


def test_the_three_webhook_bodies_of_the_upstream_add_up(world: IntakeWorld) -> None:
    answers = [world.post(line) for line in (FIFTY, THIRTY, TWENTY)]
    assert [answer.body["pending_usd_amount"] for answer in answers] == ["50.000000", "30.000000", "20.000000"]
    total = world.only("select sum(net_wei) as wei, sum(pending_usd_amount_micros) as usd from payout_accumulation")
    assert (total["wei"], total["usd"]) == (4 * 10**16, 100_000_000)


def test_a_body_without_gateway_fields_is_known_by_its_hash(world: IntakeWorld) -> None:
    first, again = world.post(WITHOUT_GATEWAY), world.post(WITHOUT_GATEWAY)
    assert (first.status, again.status) == (200, 200)
    assert (first.body["duplicate"], again.body["duplicate"]) == (False, True)
    assert first.body["accumulation_id"] == again.body["accumulation_id"]
    row = world.only("select * from payout_accumulation")
    assert row["payment_ref"].startswith("body:")
    assert (row["net_wei"], row["outcome_currency"], row["nowpayments_payment_id"]) == (None, None, None)
    assert (row["client_payout_currency"], row["client_payout_network"]) == ("usdt", "eth")
    assert world.counts() == {"payout_accumulation": 1, "history": 1}, "no ETH is known, so nothing is booked"


def test_the_same_body_in_another_spelling_is_the_same_payment(world: IntakeWorld) -> None:
    world.post(WITHOUT_GATEWAY)
    for spelling in (
        changed(WITHOUT_GATEWAY, payment_amount_usd=Raw("10.5")),
        changed(WITHOUT_GATEWAY, payment_amount_usd="1.05e1"),
        changed(WITHOUT_GATEWAY, payout_currency="usdt", payout_network="eth"),
        changed(WITHOUT_GATEWAY, wallet_address="0x2915767890a6fbf031dce70e1b80d987dc3a2922"),
        changed(WITHOUT_GATEWAY, user_id="5550001115", client_id="-1001234567890", subscription_id="19"),
        changed(WITHOUT_GATEWAY, nowpayments_payment_id=None, nowpayments_outcome_amount=None),
        changed(WITHOUT_GATEWAY, nowpayments_payment_id="", nowpayments_pay_address=""),
        changed(WITHOUT_GATEWAY, something_new={"a": [1]}),
    ):
        again = world.post(spelling)
        assert (again.status, again.body["duplicate"]) == (200, True), spelling
    assert world.counts() == {"payout_accumulation": 1, "history": 1}


def test_without_a_gateway_id_another_body_is_another_payment(world: IntakeWorld) -> None:
    other: dict[str, Any] = {
        "user_id": 1,
        "subscription_id": 20,
        "payment_timestamp": "2026-11-20T20:17:00.000008",
        "wallet_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886",
        "payout_currency": "shib",
        "payment_amount_usd": "10.51",
    }
    world.post(WITHOUT_GATEWAY)
    for field, value in other.items():
        second = world.post(changed(WITHOUT_GATEWAY, **{field: value}))
        assert (second.status, second.body["duplicate"]) == (200, False), field
    assert world.counts()["payout_accumulation"] == 1 + len(other)


def test_the_id_and_the_outcome_are_values_not_spellings(world: IntakeWorld) -> None:
    first = world.post(FIFTY)
    for payment_id in ("4479119533", Raw("4479119533")):
        for outcome in ("0.020", Raw("0.02"), Raw("2e-2"), "20e-3", "0.0200000000000000000009"):
            spelled = {"nowpayments_payment_id": payment_id, "nowpayments_outcome_amount": outcome}
            again = world.post(changed(FIFTY, payment_amount_usd=Raw("50.0"), **spelled))
            assert (again.status, again.body) == (200, first.body | {"duplicate": True}), spelled
    assert world.counts() == ONE_PAYMENT


def test_an_id_that_is_no_whole_number_is_refused_instead_of_counted_as_another_payment(world: IntakeWorld) -> None:
    world.post(FIFTY)
    for spelling in ("4.479119533e9", "4479119533.0", "4479119533e0", "-4479119533", "4.5", "1" * 65):
        again = world.post(changed(FIFTY, nowpayments_payment_id=Raw(spelling)))
        assert (again.status, again.body.get("field")) == (400, "nowpayments_payment_id"), spelling
    assert world.counts() == ONE_PAYMENT


def test_thirty_deliveries_by_twelve_threads_make_one_row(world: IntakeWorld) -> None:
    started = threading.Barrier(12)
    held = threading.local()

    def deliver(_: int) -> Answered:
        if not getattr(held, "met", False):
            held.met = True
            started.wait(timeout=20)
        return world.post(FIFTY)

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(deliver, range(30)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.body.pop("duplicate") for answer in answers) == [False] + [True] * 29
    assert all(answer.body == answers[0].body for answer in answers)
    assert world.counts() == ONE_PAYMENT


def test_twelve_different_bodies_of_one_payment_at_once_leave_one_of_them_and_eleven_conflicts(
    world: IntakeWorld,
) -> None:
    started = threading.Barrier(12)

    def deliver(cents: int) -> Answered:
        started.wait(timeout=20)
        return world.post(changed(FIFTY, payment_amount_usd=f"50.{cents:02d}"))

    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(deliver, range(12)))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 11
    (first,) = [answer for answer in answers if answer.status == 200]
    assert world.only("select pending_usd_amount_micros from payout_accumulation") == {
        "pending_usd_amount_micros": int(first.body["pending_usd_amount"].replace(".", ""))
    }
    assert world.counts() == ONE_PAYMENT | {"alert": 11}


def test_the_same_id_with_another_amount_client_or_wallet_is_a_conflict_and_the_first_stands(
    world: IntakeWorld,
) -> None:
    first = world.post(FIFTY)
    before = world.only("select * from payout_accumulation")
    others: list[dict[str, Any]] = [
        {"payment_amount_usd": "50.01"},
        {"client_id": -1001234567891},
        {"wallet_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"},
        {"nowpayments_outcome_amount": "0.03"},
        {"nowpayments_outcome_amount": None},
        {"nowpayments_outcome_currency": "btc"},
    ]
    for number, changes in enumerate(others, start=1):
        for _ in range(3):
            answer = world.post(changed(FIFTY, **changes))
            assert answer.status == 409, changes
            assert (answer.body["code"], answer.body["field"]) == ("payment_conflicts", "nowpayments_payment_id")
        assert world.counts() == ONE_PAYMENT | {"alert": number}, "each contradiction is told once"
    assert world.only("select * from payout_accumulation") == before
    alerts = world.rows("select distinct kind, subject, service from alert")
    assert alerts == [{"kind": "payment_conflicted", "subject": "1", "service": "GCAccumulator"}]
    assert world.post(FIFTY).body == first.body | {"duplicate": True}


def test_what_does_not_identify_the_payment_may_differ_in_a_repeat(world: IntakeWorld) -> None:
    world.post(FIFTY)
    again = world.post(changed(FIFTY, payment_timestamp="2026-11-20T20:14:06", subscription_id=99, user_id=7))
    assert (again.status, again.body["duplicate"]) == (200, True)


def test_a_conflict_through_a_queue_is_committed_and_answered_200_refused(world: IntakeWorld) -> None:
    world.post_as_task(FIFTY)
    answer = world.post_as_task(changed(FIFTY, payment_amount_usd=1), "outbox-2")
    assert (answer.status, answer.body["status"], answer.body["code"]) == (200, "refused", "payment_conflicts")
    refused = world.only("select route, caller, task_name, code from refused_message")
    assert refused == {
        "route": "/",
        "caller": "upstream@project.example",
        "task_name": "outbox-2",
        "code": "payment_conflicts",
    }
    assert {row["kind"] for row in world.rows("select kind from alert")} == {"payment_conflicted", "message_refused"}


def test_a_bad_field_through_a_queue_is_committed_and_answered_200_refused(world: IntakeWorld) -> None:
    for _ in range(2):
        answer = world.post_as_task(changed(FIFTY, payment_amount_usd=Raw("-1")))
        assert (answer.status, answer.body["status"], answer.body["code"]) == (200, "refused", "bad_field")
    assert world.counts() == {"refused_message": 2, "alert": 1}, "the same task is told once"


def test_the_fee_is_taken_exactly_in_usd_and_in_wei(reused_database: Database, reused_database_as: DatabaseAs) -> None:
    world = IntakeWorld.of(reused_database, reused_database_as(INTAKE), fee="15")
    assert world.post(FIFTY).body["pending_usd_amount"] == "42.500000"
    world.post(
        changed(FIFTY, nowpayments_payment_id="odd", payment_amount_usd="1.43", nowpayments_outcome_amount="0.000572")
    )
    world.post(
        changed(
            FIFTY,
            nowpayments_payment_id="tiny",
            payment_amount_usd="0.000001",
            nowpayments_outcome_amount="0.000000000000000007",
        )
    )
    rows = world.rows(
        """select payment_amount_usd_micros as gross, fee_usd_micros as fee, pending_usd_amount_micros as net,
                  fee_rate_ppm, gross_wei, fee_wei, net_wei from payout_accumulation order by id"""
    )
    assert [tuple(row.values()) for row in rows] == [
        (50_000_000, 7_500_000, 42_500_000, 150_000, 2 * 10**16, 3 * 10**15, 17 * 10**15),
        (1_430_000, 214_500, 1_215_500, 150_000, 572 * 10**12, 858 * 10**11, 4862 * 10**11),
        (1, 0, 1, 150_000, 7, 1, 6),
    ]
    with reused_database.read() as conn:
        balances = totals(conn)
    gross, fee = 2 * 10**16 + 572 * 10**12 + 7, 3 * 10**15 + 858 * 10**11 + 1
    assert balances.eth[Account.GATEWAY_RECEIVABLE] == Ether(gross)
    assert balances.eth[Account.PLATFORM_FEE] == Ether(-fee)
    assert balances.eth[Account.CLIENTS_PENDING] == Ether(fee - gross)
    assert balances.eth_sum() == Ether.zero()


def test_a_repeat_after_the_fee_changed_gets_the_first_answer(
    reused_database: Database, reused_database_as: DatabaseAs
) -> None:
    role = reused_database_as(INTAKE)
    first = IntakeWorld.of(reused_database, role, fee="15").post(FIFTY)
    again = IntakeWorld.of(reused_database, role, fee="20").post(FIFTY)
    assert again.body == first.body | {"duplicate": True}


def test_digits_beyond_the_unit_are_cut_and_the_raw_text_is_kept(world: IntakeWorld) -> None:
    amount, outcome = "49.999999999999999999999999999999", "0.019999999999999999999999999999"
    answer = world.post(changed(FIFTY, payment_amount_usd=Raw(amount), nowpayments_outcome_amount=Raw(outcome)))
    assert answer.body["pending_usd_amount"] == "49.999999"
    row = world.only("select raw_amount_text, raw_outcome_text, net_wei from payout_accumulation")
    assert row == {"raw_amount_text": amount, "raw_outcome_text": outcome, "net_wei": 19_999_999_999_999_999}


def test_an_outcome_in_another_currency_is_recorded_and_parked_with_its_reason(world: IntakeWorld) -> None:
    body = changed(FIFTY, nowpayments_outcome_currency="BTC", nowpayments_outcome_amount=Raw("1e-5"))
    answer = world.post(body)
    assert (answer.status, answer.body["conversion_status"]) == (200, "parked")
    assert "btc" in answer.body["message"]
    row = world.only("select * from payout_accumulation")
    assert (row["net_wei"], row["outcome_currency"], row["raw_outcome_text"]) == (None, "btc", "1e-5")
    assert "only ETH" in row["parked_reason"]
    assert world.counts() == {"payout_accumulation": 1, "history": 1, "alert": 1}
    again = world.post(body)
    assert again.body == answer.body | {"duplicate": True}


def test_paused_intake_answers_503_and_writes_nothing(world: IntakeWorld) -> None:
    world.write("insert into pause (stage, reason, paused_by, paused_at) values ('intake', 'a drill', 'ops', now())")
    answer = world.post(FIFTY)
    assert (answer.status, answer.body["code"]) == (503, "intake_paused")
    assert world.counts() == {}
    world.write("update pause set expires_at = '2026-03-01T11:59:59Z'")
    assert world.post(FIFTY).status == 200, "a pause that has expired holds nothing back"


def test_a_pause_of_another_stage_does_not_hold_payments_back(world: IntakeWorld) -> None:
    world.write("insert into pause (stage, reason, paused_by, paused_at) values ('batching', 'a drill', 'ops', now())")
    assert world.post(FIFTY).status == 200


def test_a_database_that_is_down_is_a_5xx_and_the_next_delivery_is_counted(own_world: IntakeWorld) -> None:
    own_world.write("alter table payout_accumulation rename to away")
    lost = own_world.post(FIFTY)
    assert lost.status >= 500
    assert "away" not in str(lost.body)
    own_world.write("alter table away rename to payout_accumulation")
    assert own_world.post(FIFTY).body["duplicate"] is False


def test_sessions_that_are_killed_cost_a_503_at_most_and_no_payment(
    own_world: IntakeWorld, postgres: Postgres, database_name: str
) -> None:
    assert own_world.post(FIFTY).status == 200
    postgres.superuser.cursor().execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = %s and datname = %s",
        (INTAKE, database_name),
    )
    answers = [own_world.post(THIRTY), own_world.post(THIRTY)]
    assert {answer.status for answer in answers} <= {200, 503}
    assert answers[-1].status == 200
    assert own_world.counts()["payout_accumulation"] == 2


def test_a_table_that_someone_locks_delays_nobody_for_ever(
    database: Database, postgres: Postgres, database_name: str
) -> None:
    server = postgres.server
    role = Database(plain(host=server.host, port=server.port, database=database_name, user=INTAKE, lock_timeout_ms=100))
    world = IntakeWorld.of(database, role)
    with world.owner.transaction() as conn:
        conn.run("lock table payout_accumulation in access exclusive mode")
        answer = world.post(FIFTY)
        assert (answer.status, answer.body["code"]) == (503, "database_contended")
    assert world.post(FIFTY).body["duplicate"] is False
    assert world.counts() == ONE_PAYMENT
    role.close()


def test_the_history_names_the_payment_and_its_amounts(world: IntakeWorld) -> None:
    world.post(FIFTY)
    row = world.only("select machine, subject, from_state, to_state, event, evidence from history")
    evidence = row.pop("evidence")
    assert row == {
        "machine": "payment",
        "subject": "1",
        "from_state": "",
        "to_state": "pending",
        "event": "payment_recorded",
    }
    assert evidence["payment_ref"] == "4479119533"
    assert evidence["net_eth"] == "0.020000000000000000 ETH/18"


def test_a_payment_whose_books_are_there_without_its_row_is_recorded_and_booked_once(world: IntakeWorld) -> None:
    assert world.post(FIFTY).status == 200
    world.write("truncate payout_accumulation cascade")
    assert world.post(FIFTY).status == 200
    counted = world.counts()
    assert (counted["payout_accumulation"], counted["posting"]) == (1, 1)


def test_a_payment_that_contradicts_its_books_is_not_recorded(world: IntakeWorld) -> None:
    assert world.post(FIFTY).status == 200
    world.write("truncate payout_accumulation cascade")
    answer = world.post(changed(FIFTY, nowpayments_outcome_amount="0.021"))
    assert (answer.status, answer.body["code"]) == (500, "posting_contradicted")
    assert "payout_accumulation" not in world.counts()
