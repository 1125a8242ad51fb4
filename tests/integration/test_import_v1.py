"""The predecessor's open payments come over once, as the intake would have recorded them; what was swapping waits."""

from __future__ import annotations

import csv
import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import pytest
import structlog

from shared.books import totals
from shared.db import Database
from shared.db.roles import INTAKE, OPERATOR, OWNER
from shared.lifecycle import Limits
from shared.lifecycle.reactions import Reaction
from shared.money import Percent
from shared.ops.acts import Doing, NotAllowed, Performed, perform, retry
from shared.ops.acts.log import entries, verify_chain
from shared.ops.cli import gcpay
from shared.ops.exits import Exit, Leave
from shared.ops.upgrade import ExportWrong, Imported, RowsRefused, Terms, import_v1, read_export, release_v1
from shared.ops.views import explain, parked, parked_lines
from tests.conftest import Postgres
from tests.integration.batcher_world import BatcherWorld
from tests.integration.intake_world import (
    FIFTY,
    OUR_WALLET,
    TABLES,
    THIRTY,
    USDT_CONTRACT,
    WITHOUT_GATEWAY,
    IntakeWorld,
)

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
BATCH, OTHER_BATCH = "e0514205-7c3e-4c52-9e1f-8d0f4a1d2b3c", "0b6f9a52-53b5-4a3e-8f2e-5f7cf0f7a111"
WALLET = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"
# The payments of the intake's tests as the predecessor kept them, its fee of 15 % taken: rows 1, 2 and 4.
FIFTY_ROW = {"id": "1", "user_id": "5550001112", "payment_timestamp": "2026-11-20 20:14:05.123456"}
THIRTY_ROW = {
    "id": "2",
    "user_id": "5550001113",
    "client_id": "-1001234567891",
    "client_wallet_address": "0x57f31ad4b64095347f87edb1675566daff5ec886",
    "client_payout_currency": "shib",
    "subscription_id": "18",
    "payment_amount_usd": "30.00",
    "accumulated_amount_usdt": "25.50000000",
    "payment_timestamp": "2026-11-20 20:15:41.000001",
    "nowpayments_payment_id": "4479119534",
    "nowpayments_outcome_amount": "0.012000000000000000",
}
SWAPPING_ROW = {
    "id": "3",
    "conversion_status": "swapping",
    "batch_conversion_id": BATCH,
    "nowpayments_payment_id": "4479119535",
}
WITHOUT_GATEWAY_ROW = {
    "id": "4",
    "user_id": "5550001115",
    "subscription_id": "19",
    "payment_amount_usd": "10.50",
    "accumulated_amount_usdt": "8.92500000",
    "payment_timestamp": "2026-11-20 20:17:00.000007",
    "nowpayments_payment_id": "",
    "nowpayments_pay_address": "",
    "nowpayments_outcome_amount": "",
}
DONE_ROW = {
    "id": "5",
    "conversion_status": "completed",
    "batch_conversion_id": OTHER_BATCH,
    "accumulated_amount_usdt": "41.22500012",
    "nowpayments_payment_id": "4479119000",
}


def a_row(**said: str) -> dict[str, str]:
    return {
        "id": "1",
        "client_id": "-1001234567890",
        "user_id": "5550001112",
        "subscription_id": "17",
        "payment_amount_usd": "50.00",
        "payment_currency": "usd",
        "payment_timestamp": "2026-11-20 20:14:05.123456",
        "accumulated_amount_usdt": "42.50000000",
        "eth_to_usdt_rate": "",
        "client_wallet_address": WALLET,
        "client_payout_currency": "usdt",
        "client_payout_network": "eth",
        "is_paid_out": "f",
        "conversion_status": "pending",
        "batch_conversion_id": "",
        "nowpayments_payment_id": "4479119533",
        "nowpayments_pay_address": "0x57f31ad4b64095347F87eDB1675566DAfF5EC886",
        "nowpayments_outcome_amount": "0.020000000000000000",
    } | said


def a_batch(batch: str = BATCH, **said: str) -> dict[str, str]:
    return {
        "batch_conversion_id": batch,
        "total_eth_usd": "42.50000000",
        "threshold_at_creation": "40.00",
        "cn_api_id": "613c822e844358",
        "payin_address": "0x9Ee01E2e0Cc2Cc1c6a1F8aA7F7b37dD0A5a1e5c7",
        "conversion_status": "swapping",
        "actual_usdt_received": "",
        "conversion_tx_hash": "",
        "created_at": "2026-11-20 20:30:00",
    } | said


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass
class Takeover:
    """An intake that is about to begin, and what the predecessor left."""

    owner: Database
    operator: Database
    intake: IntakeWorld
    folder: Path
    reports: list[Imported] = field(default_factory=list)

    def exports(self, *rows: dict[str, str], batches: list[dict[str, str]] | None = None) -> None:
        (self.folder / "payout_accumulation.csv").write_text(as_csv([a_row(**row) for row in rows]))
        (self.folder / "batch_conversions.csv").write_text(as_csv(batches or [a_batch(), a_batch(OTHER_BATCH)]))

    def imports(
        self, *, yes: bool = True, refused: int = 0, outcome_currency: str = "eth", meanwhile: Any = None
    ) -> Performed:
        terms = Terms(Percent.parse("15"), outcome_currency, refused, (OUR_WALLET, USDT_CONTRACT))
        act = import_v1(read_export(self.folder), terms, yes=yes, told=self.reports.append)

        def acted(step: Any) -> Any:
            acting = act(step)
            if meanwhile is not None:
                meanwhile()
            return acting

        return perform(self._doing(self.owner, yes=yes), acted)

    def does(self, act: Any, *, yes: bool = True) -> Performed:
        return perform(self._doing(self.operator, yes=yes), act)

    def _doing(self, database: Database, *, yes: bool) -> Doing:
        return Doing(database, "Ada", "the predecessor has stopped", yes, NOW, "t" * 32, uuid4)

    def payments(self) -> list[Any]:
        return self.intake.rows("select * from payout_accumulation order by id")

    def owner_does(self, sql: str) -> None:
        with self.owner.transaction() as conn:
            conn.script(sql)

    def everything(self) -> list[Any]:
        tables = (*TABLES, "operator_log")
        return [self.intake.rows(f"select t::text as row from {table} t order by 1") for table in tables]

    def refusals(self) -> list[tuple[str, str, str]]:
        return [(each.row, each.field, each.rule) for each in self.reports[-1].refused]


@pytest.fixture
def takeover(database: Database, database_as: Callable[[str], Database], tmp_path: Path) -> Takeover:
    intake = IntakeWorld.of(database, database_as(INTAKE), fee="15")
    return Takeover(database, database_as(OPERATOR), intake, tmp_path)


def written_by(rows: list[Any]) -> list[dict[str, Any]]:
    """What must be the same whoever wrote a payment: everything but when, and from which row of the predecessor."""
    kept_as = ("raw_amount_text", "raw_outcome_text")
    without = ("id", "created_at", "updated_at", "due_at", "v1_row_id", *kept_as)
    return [{name: value for name, value in row.items() if name not in without} for row in rows]


# --- pending ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "body"), [(FIFTY_ROW, FIFTY), (THIRTY_ROW, THIRTY), (WITHOUT_GATEWAY_ROW, WITHOUT_GATEWAY)]
)
def test_a_pending_row_is_the_payment_that_the_intake_would_have_recorded(
    takeover: Takeover, row: dict[str, str], body: str
) -> None:
    """Also its key: the webhook that comes once more after the import is a repeat, and changes nothing."""
    takeover.exports(row)
    takeover.imports()
    imported = takeover.payments()
    books = takeover.intake.rows("select account, amount from book_entry order by 1, 2")
    answer = takeover.intake.post(body)
    assert (answer.status, answer.body["duplicate"], answer.body["conversion_status"]) == (200, True, "pending")
    with takeover.owner.transaction() as conn:
        for table in ("history", "book_entry", "posting", "payout_accumulation"):
            conn.run(f"delete from {table}")
    assert takeover.intake.post(body).body["duplicate"] is False
    assert written_by(takeover.payments()) == written_by(imported)
    assert takeover.intake.rows("select account, amount from book_entry order by 1, 2") == books


def test_its_history_says_where_it_came_from_and_the_log_who_took_it(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW)
    performed = takeover.imports()
    [told] = takeover.intake.rows("select event, to_state, evidence from history")
    assert (told["event"], told["to_state"]) == ("payment_recorded", "pending")
    evidence = told["evidence"]
    assert (evidence["imported_from_v1_row"], evidence["by"], evidence["operator_log"]) == (1, "Ada", 1)
    assert evidence["pending_as_it_stood"] == "42.50000000"
    assert evidence["file"] == takeover.reports[0].export.hashes["payout_accumulation.csv"] == performed.subject
    with takeover.operator.read() as conn:
        assert verify_chain(conn).number == 1
        [entry] = entries(conn)
    assert (entry["action"], entry["by_whom"]) == ("import-v1", "Ada")
    assert "1 pending row(s) become pending payments worth 42.50 USD" in entry["done"]


def test_digits_beyond_the_unit_are_cut_and_kept_as_text(takeover: Takeover) -> None:
    takeover.exports({"payment_amount_usd": "1.36", "accumulated_amount_usdt": "1.15175098"})
    takeover.imports()
    [row] = takeover.payments()
    assert (row["payment_amount_usd_micros"], row["fee_usd_micros"], row["pending_usd_amount_micros"]) == (
        1_360_000,
        208_250,
        1_151_750,
    )
    [told] = takeover.intake.rows("select evidence ->> 'pending_as_it_stood' as text from history")
    assert told["text"] == "1.15175098"


def test_a_row_without_gateway_eth_is_pending_and_the_next_tick_decides(
    takeover: Takeover, database: Database, database_as: Callable[[str], Database]
) -> None:
    """BATCH_FUNDING=received parks it, as it parks one that the intake recorded; so the report says beforehand."""
    takeover.exports(WITHOUT_GATEWAY_ROW)
    takeover.imports()
    assert any("BATCH_FUNDING=received" in line for line in takeover.reports[-1].lines())
    batcher = BatcherWorld.of(database, database_as("gcpay_batcher"))
    batcher.tick()
    [row] = takeover.payments()
    assert row["conversion_status"] == "parked"
    assert "ETH" in row["parked_reason"]


def test_crypto_other_than_eth_is_parked_as_the_intake_would_park_it(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW)
    takeover.imports(outcome_currency="doge")
    [row] = takeover.payments()
    assert (row["conversion_status"], row["net_wei"], row["v1_batch_conversion_id"]) == ("parked", None, None)
    body = FIFTY.replace(
        '"nowpayments_outcome_amount"', '"nowpayments_outcome_currency": "doge", "nowpayments_outcome_amount"'
    )
    assert takeover.intake.post(body).body["duplicate"] is True


# --- swapping ---------------------------------------------------------------------------------------------------------


def test_a_swapping_row_is_parked_with_its_batch_and_order_and_a_person_is_told(takeover: Takeover) -> None:
    takeover.exports(SWAPPING_ROW)
    takeover.imports()
    [row] = takeover.payments()
    assert (row["conversion_status"], str(row["v1_batch_conversion_id"])) == ("parked", BATCH)
    for said in (BATCH, "613c822e844358", "0x9Ee01E2e0Cc2Cc1c6a1F8aA7F7b37dD0A5a1e5c7", "may have been paid"):
        assert said in row["parked_reason"]
    [told] = takeover.intake.rows("select evidence from history")
    assert told["evidence"]["v1_batch"]["cn_api_id"] == "613c822e844358"
    assert told["evidence"]["v1_batch"]["total_eth_usd"] == "42.50000000"
    [alert] = takeover.intake.rows("select kind, money_at_risk, concerned_rows from alert")
    assert (alert["kind"], alert["money_at_risk"]) == ("payment_parked", ["42.500000 USD"])


def test_no_tick_and_no_retry_lets_it_be_paid_a_second_time(
    takeover: Takeover, database: Database, database_as: Callable[[str], Database]
) -> None:
    takeover.exports(SWAPPING_ROW | {"payment_amount_usd": "500.00", "accumulated_amount_usdt": "425.00"})
    takeover.imports()
    with pytest.raises(NotAllowed, match=f"gcpay release-v1 {BATCH}"):
        takeover.does(retry("4479119535"))
    for role in (OPERATOR, OWNER, "gcpay_batcher"):  # not even by hand
        with pytest.raises(Reaction, match="payment_of_a_v1_batch_is_parked"), database_as(role).transaction() as conn:
            conn.run("update payout_accumulation set conversion_status = 'pending', parked_reason = null")
    batcher = BatcherWorld.of(database, database_as("gcpay_batcher"))
    assert batcher.tick().body["batch_created"] is False
    assert [row["conversion_status"] for row in takeover.payments()] == ["parked"]


def test_a_person_who_knows_that_the_order_was_never_paid_releases_the_batch_as_a_whole(takeover: Takeover) -> None:
    takeover.exports(
        SWAPPING_ROW,
        SWAPPING_ROW | {"id": "7", "nowpayments_payment_id": "4479119537"},
        SWAPPING_ROW | {"id": "8", "nowpayments_payment_id": "4479119538", "batch_conversion_id": OTHER_BATCH},
    )
    takeover.imports()
    rehearsed = takeover.does(release_v1(BATCH), yes=False)
    assert [row["conversion_status"] for row in takeover.payments()] == ["parked"] * 3
    assert "they are paid twice" in rehearsed.done[-1]
    takeover.does(release_v1(BATCH))
    assert [row["conversion_status"] for row in takeover.payments()] == ["pending", "pending", "parked"]
    moves = takeover.intake.rows("select event, evidence from history where event = 'payment_unparked'")
    assert [(move["evidence"]["by"], move["evidence"]["operator_log"]) for move in moves] == [("Ada", 2)] * 2
    for nothing in (BATCH, str(uuid4()), "no-batch"):
        with pytest.raises(NotAllowed):
            takeover.does(release_v1(nothing))
    takeover.imports()
    assert len(takeover.reports[-1].there) == 3, "what was released stays imported"


def test_one_for_which_no_eth_arrived_is_never_released(takeover: Takeover) -> None:
    takeover.exports(SWAPPING_ROW, SWAPPING_ROW | WITHOUT_GATEWAY_ROW | {"conversion_status": "swapping"})
    takeover.imports(outcome_currency="doge")
    assert "1 stay parked: what arrived for them was not ETH" in takeover.does(release_v1(BATCH)).done
    assert [row["conversion_status"] for row in takeover.payments()] == ["parked", "pending"]
    with pytest.raises(NotAllowed, match="no payment waits for which ETH arrived"):
        takeover.does(release_v1(BATCH))


def test_what_may_be_done_is_said_where_people_look(takeover: Takeover) -> None:
    takeover.exports(SWAPPING_ROW)
    takeover.imports()
    with takeover.operator.read() as conn:
        told = list(parked_lines(parked(conn, Limits()), NOW))
        explained = list(explain(conn, "4479119535", NOW, Limits()).lines())
    for lines in (told, explained):
        assert any(f"gcpay release-v1 {BATCH}" in line for line in lines)
        assert not any("gcpay retry" in line for line in lines)


def test_one_that_was_delivered_once_more_since_is_stopped(takeover: Takeover) -> None:
    """A webhook that came again found an intake that did not know the predecessor's row: it would be swapped twice."""
    takeover.intake.post(FIFTY)
    takeover.exports(FIFTY_ROW | {"conversion_status": "swapping", "batch_conversion_id": BATCH})
    takeover.imports()
    [row] = takeover.payments()
    assert (row["conversion_status"], str(row["v1_batch_conversion_id"]), row["v1_row_id"]) == ("parked", BATCH, 1)
    events = [told["event"] for told in takeover.intake.rows("select event from history order by id")]
    assert events == ["payment_recorded", "payment_parked"]
    before = takeover.everything()
    takeover.imports()
    assert takeover.everything()[:-1] == before[:-1], "and only once"


def test_one_that_is_parked_here_for_another_reason_cannot_be_retried_either(takeover: Takeover) -> None:
    takeover.intake.post(FIFTY)
    takeover.owner_does("update payout_accumulation set conversion_status = 'parked', parked_reason = 'too large'")
    takeover.exports(FIFTY_ROW | {"conversion_status": "swapping", "batch_conversion_id": BATCH})
    takeover.imports()
    with pytest.raises(NotAllowed, match=f"gcpay release-v1 {BATCH}"):
        takeover.does(retry("4479119533"))


A_BATCH_OF_OURS = """
    insert into batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
        total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei,
        expected_usdt_units, feed_answer, feed_decimals, created_at, updated_at)
    select gen_random_uuid(), 'swapping', 'received', 1, 1, 1, 1, 0, 1, 0, 1, 1, 8, created_at, updated_at
      from payout_accumulation"""


@pytest.mark.parametrize("status", ["swapping", "completed"])
def test_one_that_is_swapped_here_already_is_refused_because_only_people_can_help(
    takeover: Takeover, status: str
) -> None:
    takeover.intake.post(FIFTY)
    takeover.owner_does(A_BATCH_OF_OURS)
    share = "null" if status == "swapping" else "1"
    takeover.owner_does(
        f"""update payout_accumulation set conversion_status = '{status}', converted_usdt_amount_units = {share},
                   batch_conversion_id = (select batch_conversion_id from batch_conversions)"""
    )
    takeover.exports(FIFTY_ROW | {"conversion_status": "swapping", "batch_conversion_id": BATCH})
    with pytest.raises(RowsRefused):
        takeover.imports()
    [(_, field, rule)] = takeover.refusals()
    assert (field, rule.partition(" here as payment")[0]) == ("conversion_status", f"is swapping, and {status}")


# --- once, whole, or not at all ---------------------------------------------------------------------------------------


def test_a_rehearsal_shows_the_control_totals_and_leaves_nothing(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW, THIRTY_ROW, SWAPPING_ROW, WITHOUT_GATEWAY_ROW, DONE_ROW)
    before = takeover.everything()
    takeover.imports(yes=False)
    assert takeover.everything() == before
    report = takeover.reports[-1]
    told = {name: (total.rows, total.text) for name, total in report.totals().items()}
    assert told == {
        "completed": (1, "41.22500012"),
        "pending": (3, "76.92500000"),
        "swapping": (1, "42.50000000"),
    }
    by_client = {name: (total.rows, total.text) for name, total in report.totals_by_client().items()}
    assert by_client == {"-1001234567890": (3, "93.92500000"), "-1001234567891": (1, "25.50000000")}
    assert (str(report.worth("pending")), str(report.worth("swapping"))) == ("76.925 USD", "42.50 USD")
    assert report.ether().wei == (20 + 12 + 20) * 10**15 * 85 // 100
    assert report.left == 1


def test_what_is_imported_is_what_the_rehearsal_showed(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW, THIRTY_ROW, SWAPPING_ROW, WITHOUT_GATEWAY_ROW, DONE_ROW)
    rehearsed = takeover.imports(yes=False)
    performed = takeover.imports()
    assert performed.done == rehearsed.done
    [row] = takeover.intake.rows(
        """select sum(pending_usd_amount_micros)::bigint as usd, sum(net_wei) as wei, count(*) as n
             from payout_accumulation"""
    )
    report = takeover.reports[-1]
    assert row["usd"] == report.worth("pending").micros + report.worth("swapping").micros == 119_425_000
    assert (row["n"], row["wei"]) == (4, report.ether().wei)
    with takeover.owner.read() as conn:
        balances = totals(conn)
    assert balances.eth_sum().is_zero()
    assert {account.value: ether.wei for account, ether in balances.eth.items() if not ether.is_zero()} == {
        "gateway_receivable": 52 * 10**15,
        "clients_pending": -report.ether().wei,
        "platform_fee": -(52 * 10**15 - report.ether().wei),
    }


def test_a_second_run_imports_nothing(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW, SWAPPING_ROW, WITHOUT_GATEWAY_ROW)
    takeover.imports()
    before = takeover.everything()
    takeover.imports()
    assert takeover.everything()[:-1] == before[:-1], "but for its own entry in the operator log"
    assert (len(takeover.reports[-1].taken), len(takeover.reports[-1].there)) == (0, 3)


def test_rows_that_came_later_are_imported_by_another_run(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW)
    takeover.imports()
    takeover.exports(FIFTY_ROW, THIRTY_ROW)
    takeover.imports()
    assert [row["v1_row_id"] for row in takeover.payments()] == [1, 2]


@pytest.mark.parametrize(
    ("said", "field", "rule"),
    [
        ({"id": ""}, "id", "is missing"),
        ({"client_id": "channel"}, "client_id", "must be a whole number of at least"),
        ({"user_id": "0"}, "user_id", "must be a whole number of at least 1"),
        ({"subscription_id": "-1"}, "subscription_id", "must be a whole number"),
        ({"payment_amount_usd": "0.00"}, "payment_amount_usd", "must be at least 0.000001"),
        ({"payment_amount_usd": "NaN"}, "payment_amount_usd", "must be a finite number"),
        ({"payment_currency": "eur"}, "payment_currency", "must be usd"),
        ({"payment_timestamp": "yesterday"}, "payment_timestamp", "must be a date and time"),
        ({"accumulated_amount_usdt": ""}, "accumulated_amount_usdt", "is missing"),
        ({"accumulated_amount_usdt": "-42.5"}, "accumulated_amount_usdt", "must not be negative"),
        ({"accumulated_amount_usdt": "50.01"}, "accumulated_amount_usdt", "must not be above payment_amount_usd"),
        ({"accumulated_amount_usdt": "41.225"}, "accumulated_amount_usdt", "must be payment_amount_usd less 15 %"),
        ({"client_wallet_address": "0x2915767890A6FbF031DCe70E1b80D987Dc3a2923"}, "client_wallet_address", "checksum"),
        ({"client_wallet_address": "0x" + "0" * 40}, "client_wallet_address", "must not be the zero address"),
        ({"client_wallet_address": OUR_WALLET}, "client_wallet_address", "it is a wallet of the platform"),
        ({"client_wallet_address": USDT_CONTRACT.lower()}, "client_wallet_address", "or the USDT contract"),
        ({"client_payout_currency": ""}, "client_payout_currency", "is missing"),
        ({"client_payout_network": "e t h"}, "client_payout_network", "must be a ticker"),
        ({"is_paid_out": "t"}, "is_paid_out", "the client was paid before anything was swapped"),
        ({"conversion_status": "failed"}, "conversion_status", "must be one of pending, swapping, completed"),
        ({"batch_conversion_id": BATCH}, "batch_conversion_id", "must be empty while it is pending"),
        ({"conversion_status": "swapping"}, "batch_conversion_id", "must name a batch of the other file"),
        (SWAPPING_ROW | {"batch_conversion_id": str(uuid4())}, "batch_conversion_id", "must name a batch"),
        ({"nowpayments_payment_id": "44 79"}, "nowpayments_payment_id", "must be a text of at most 64"),
        ({"nowpayments_outcome_amount": "0"}, "nowpayments_outcome_amount", "must be more than 0"),
        ({"nowpayments_outcome_amount": "1e6"}, "nowpayments_outcome_amount", "at most 10000 ETH"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused_by_field_and_stops_the_import(
    takeover: Takeover, said: dict[str, str], field: str, rule: str
) -> None:
    takeover.exports(THIRTY_ROW, {"id": "9"} | said)
    before = takeover.everything()
    with pytest.raises(RowsRefused, match=r"1 row\(s\) are refused, not 0"):
        takeover.imports()
    [refusal] = takeover.reports[-1].refused
    assert refusal.field == field
    assert rule in refusal.rule
    assert takeover.everything() == before, "nothing half done"
    takeover.imports(refused=1)
    assert [row["v1_row_id"] for row in takeover.payments()] == [2], "left behind, because somebody said so"


def test_one_payment_that_the_predecessor_counted_twice_comes_once(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW, FIFTY_ROW | {"id": "6"}, FIFTY_ROW)
    takeover.imports(refused=2)
    assert takeover.refusals() == [
        ("6", "nowpayments_payment_id", "names the payment of row 1 again: it is counted once"),
        ("1", "id", "stands twice in the file"),
    ]
    assert len(takeover.payments()) == 1


def test_a_row_that_changed_since_it_was_imported_is_refused(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW)
    takeover.imports()
    takeover.exports(FIFTY_ROW | {"payment_amount_usd": "60.00", "accumulated_amount_usdt": "51.00"})
    with pytest.raises(RowsRefused):
        takeover.imports()
    assert "with another id, amount, client or wallet" in takeover.refusals()[0][2]


def test_a_delivery_meanwhile_waits_and_is_then_a_repeat(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW)
    answers: list[Any] = []
    posting = threading.Thread(target=lambda: answers.append(takeover.intake.post(FIFTY)))

    def meanwhile() -> None:
        posting.start()
        posting.join(0.3)
        assert answers == [], "the intake waits until the import is committed"

    takeover.imports(meanwhile=meanwhile)
    posting.join(30)
    assert (answers[0].status, answers[0].body["duplicate"]) == (200, True)
    assert len(takeover.payments()) == 1


def test_what_fails_in_the_middle_leaves_nothing(takeover: Takeover) -> None:
    takeover.exports(FIFTY_ROW, THIRTY_ROW)
    before = takeover.everything()

    def fails() -> None:
        raise OSError("the connection is gone")

    with pytest.raises(OSError, match="is gone"):
        takeover.imports(meanwhile=fails)
    assert takeover.everything() == before


@pytest.mark.parametrize("seed", range(6))
def test_every_row_is_taken_there_left_or_refused_and_the_sums_agree(takeover: Takeover, seed: int) -> None:
    """Whatever the predecessor left: each row once, and what stands here afterwards is what was counted."""
    dice = Random(seed)
    rows = [any_row(dice, number) for number in range(1, dice.randint(2, 30))]
    takeover.exports(*rows)
    for _ in range(2):
        takeover.imports(yes=False)
        takeover.imports(refused=len(takeover.reports[-1].refused))
        report = takeover.reports[-1]
        parts = (len(report.taken), len(report.there), report.left, len(report.refused))
        assert sum(parts) == len(rows), parts
        assert sum(total.rows for total in report.totals().values()) == len(rows)
        assert sum(total.units for total in report.totals().values()) == sum(
            int(row["accumulated_amount_usdt"].replace(".", "")) for row in rows
        )
    expected = {row["id"]: row for row in rows if row["conversion_status"] in ("pending", "swapping")}
    refused = {refusal.row for refusal in report.refused}
    stands = takeover.payments()
    assert {str(row["v1_row_id"]) for row in stands} == set(expected) - refused
    for row in stands:
        was = expected[str(row["v1_row_id"])]
        assert row["pending_usd_amount_micros"] == int(was["accumulated_amount_usdt"].replace(".", "")) // 100
        assert row["conversion_status"] == ("pending" if was["conversion_status"] == "pending" else "parked")


def any_row(dice: Random, number: int) -> dict[str, str]:
    cents = dice.randint(100, 10_000)
    status = dice.choice(["pending", "pending", "swapping", "completed", "failed"])
    pending = cents * 85 * 10**4 + dice.randint(0, 99)  # of the eighth decimal
    return {
        "id": str(number),
        "conversion_status": status,
        "batch_conversion_id": BATCH if status in ("swapping", "completed") else "",
        "payment_amount_usd": f"{cents // 100}.{cents % 100:02}",
        "accumulated_amount_usdt": f"{pending // 10**8}.{pending % 10**8:08}",
        "is_paid_out": dice.choice(["f"] * 9 + ["t"]),
        "nowpayments_payment_id": f"44{number}" if dice.random() < 0.8 else "",
        "nowpayments_outcome_amount": f"0.{dice.randint(1, 10**15):018}" if dice.random() < 0.8 else "",
        "payment_timestamp": f"2026-11-20 20:14:05.{number:06}",
    }


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (None, "cannot be read"),
        (b"id,client_id\n1,2\n", "has no column user_id, subscription_id"),
        (b"", "has no column id"),
        (b"\xff\xfe", "is not UTF-8"),
        (as_csv([a_row()]).replace(",usdt,eth,", ",usdt,").encode(), "line 2 has 17 values, not 18"),
        (as_csv([a_row()]).replace(WALLET, '"0x').encode(), "is not CSV"),
    ],
)
def test_a_file_that_psql_did_not_write_is_refused_whole(takeover: Takeover, content: bytes | None, rule: str) -> None:
    takeover.exports(FIFTY_ROW)
    path = takeover.folder / "payout_accumulation.csv"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ExportWrong, match=f"^payout_accumulation.csv .*{rule}"):
        takeover.imports(yes=False)


def test_an_export_of_october_without_the_gateways_columns_is_read(takeover: Takeover) -> None:
    rows = [a_row(**WITHOUT_GATEWAY_ROW)]
    for row in rows:
        for column in [column for column in row if column.startswith("nowpayments")]:
            del row[column]
    takeover.exports(FIFTY_ROW)
    (takeover.folder / "payout_accumulation.csv").write_text(as_csv(rows))
    takeover.imports()
    assert [row["net_wei"] for row in takeover.payments()] == [None]


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(
    postgres: Postgres, database_name: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], None]]:
    """Lets a command connect as a role. What a command sets up for its log is taken back."""

    def connect_as(role: str) -> None:
        for name, value in {
            "DATABASE_HOST": str(postgres.server.host),
            "DATABASE_PORT": str(postgres.server.port),
            "DATABASE_NAME_SECRET": database_name,
            "DATABASE_USER_SECRET": role,
            "HOST_WALLET_ETH_ADDRESS": OUR_WALLET,
            "HOST_WALLET_USDT_ADDRESS": OUR_WALLET,
            "USDT_CONTRACT_ADDRESS": USDT_CONTRACT,
        }.items():
            monkeypatch.setenv(name, value)

    root = logging.getLogger()
    before = list(root.handlers), root.level
    yield connect_as
    root.handlers, root.level = before
    structlog.reset_defaults()


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        gcpay.main([*arguments, "--by", "Ada", "--reason", "takeover"], standalone_mode=False)
    return int(left.value.code or 0)


def test_the_command_rehearses_tells_the_totals_and_does_it_on_yes(
    takeover: Takeover, environment: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    environment(OWNER)
    takeover.exports(FIFTY_ROW, SWAPPING_ROW, DONE_ROW, {"id": "9", "is_paid_out": "t"})
    verb = ("import-v1", "--from", str(takeover.folder), "--fee", "15")
    assert run(*verb) == Exit.NO
    told = capsys.readouterr().out
    assert "pending                   2                85.00000000" in told
    assert "refused: row 9: is_paid_out must be f: the client was paid before anything was swapped" in told
    assert f"if never: gcpay release-v1 {BATCH}" in told
    assert told.endswith("Nothing was imported. Say --yes to do it.\n")
    assert run(*verb, "--yes") == Exit.NO
    assert "Nothing was imported: 1 row(s) are refused, not 0" in capsys.readouterr().out
    assert takeover.payments() == []
    assert run(*verb, "--yes", "--refused", "1", "--json") == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["changed"], said["entry"]["number"], said["pending"], said["parked"]) == (
        True,
        1,
        "42.500000",
        "42.500000",
    )
    assert len(takeover.payments()) == 2
    environment(OPERATOR)
    assert run("release-v1", BATCH, "--yes") == Exit.OK
    assert [row["conversion_status"] for row in takeover.payments()] == ["pending", "pending"]


def test_after_an_import_the_report_explains_every_unit(
    takeover: Takeover, environment: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    takeover.exports(FIFTY_ROW, THIRTY_ROW, SWAPPING_ROW, WITHOUT_GATEWAY_ROW)
    takeover.imports()
    environment(OPERATOR)
    with pytest.raises(SystemExit) as left:
        gcpay.main(["report"], standalone_mode=False)
    assert left.value.code == Exit.OK, capsys.readouterr().out


def test_an_operator_may_not_import(takeover: Takeover, environment: Callable[[str], None]) -> None:
    environment(OPERATOR)
    takeover.exports(FIFTY_ROW)
    with pytest.raises(Leave, match="connect as their owner"):
        gcpay.main(
            ["import-v1", "--from", str(takeover.folder), "--fee", "15", "--by", "Ada", "--reason", "x", "--yes"],
            standalone_mode=False,
        )
