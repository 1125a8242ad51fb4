"""A schema that is not the code's, rows that somebody holds, and many at once: on real connections of a real server."""

from __future__ import annotations

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest

from shared.db import Database, PermissionMissing, plain
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, INTAKE
from shared.money import Usd
from tests.conftest import Postgres
from tests.integration.batcher_world import BatcherWorld
from tests.integration.intake_world import FIFTY, OUR_WALLET, USDT_CONTRACT, WITHOUT_GATEWAY, IntakeWorld, changed
from tests.migration.test_queries_prepare import QUERIES

from .environment import SERVICES
from .marks import incident
from .process import client_of

DatabaseAs = Callable[[str], Database]


@pytest.fixture
def intake(database: Database, database_as: DatabaseAs) -> IntakeWorld:
    return IntakeWorld.of(database, database_as(INTAKE))


@pytest.fixture
def batcher(database: Database, database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(database, database_as(BATCHER))


def columns_of(database: Database, table: str) -> list[str]:
    with database.read() as conn:
        found = conn.all(
            """select column_name::text as name from information_schema.columns
                where table_schema = 'public' and table_name = :t""",
            t=table,
        )
    return [row["name"] for row in found]


def define(world: BatcherWorld, sql: str) -> None:
    with world.owner.transaction() as conn:
        conn.script(sql)


def at_once(how_many: int, act: Callable[[], Any]) -> list[Any]:
    """So many threads do it in the same moment; what each got."""
    barrier, got = Barrier(how_many), []

    def one() -> None:
        barrier.wait()
        got.append(act())

    threads = [Thread(target=one) for _ in range(how_many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return got


# --- schema -----------------------------------------------------------------------------------------------------------


@incident("I-29", "L-46")
def test_a_tick_on_a_schema_without_one_of_its_columns_never_finds_too_little(
    database: Database, database_as: DatabaseAs
) -> None:
    world = BatcherWorld.of(database, database_as(BATCHER))
    world.payments("50", "30", "20")
    world.pause_batching()
    assert world.tick().status == 200
    needed = set()
    for column in columns_of(database, "payout_accumulation"):
        world.write(f"alter table payout_accumulation rename column {column} to gone")
        answer = world.tick()
        assert answer.status >= 500 or world.outcomes()[-1] == "paused", (column, answer)
        if answer.status >= 500:
            needed.add(column)
        world.write(f"alter table payout_accumulation rename column gone to {column}")
    assert {"id", "conversion_status", "pending_usd_amount_micros", "net_wei"} <= needed
    assert set(world.outcomes()) == {"paused"}
    assert world.tick().status == 200


@incident("I-22", "I-53")
def test_without_the_column_that_tells_a_duplicate_nothing_is_credited(intake: IntakeWorld) -> None:
    for column in ("payment_ref", "request_hash", "conversion_status"):
        intake.write(f"alter table payout_accumulation rename column {column} to gone")
        for _ in range(2):
            assert intake.post(FIFTY).status >= 500
        intake.write(f"alter table payout_accumulation rename column gone to {column}")
        assert intake.counts() == {}
    assert intake.post(FIFTY).body["duplicate"] is False
    assert intake.post(FIFTY).body["duplicate"] is True
    assert intake.counts()["payout_accumulation"] == 1


@incident("I-30")
def test_a_payment_with_the_facts_of_the_first_stage_only_is_recorded(intake: IntakeWorld) -> None:
    assert intake.post(WITHOUT_GATEWAY).body["conversion_status"] == "pending"
    row = intake.only("select * from payout_accumulation")
    later = ("batch_conversion_id", "converted_usdt_amount_units", "conversion_tx_hash", "usdt_tx_hash", "net_wei")
    assert [row[name] for name in later] == [None] * len(later)


@incident("I-30")
def test_a_payment_that_cannot_be_written_is_not_acknowledged_and_is_taken_when_it_can(intake: IntakeWorld) -> None:
    intake.write("alter table payout_accumulation add constraint never check (false) not valid")
    assert intake.post(FIFTY).status >= 500
    assert intake.counts() == {}
    intake.write("alter table payout_accumulation drop constraint never")
    assert intake.post(FIFTY).body["duplicate"] is False


@incident("I-54", "I-29")
def test_every_statement_of_the_fleet_prepares_on_the_migrated_schema_and_not_on_a_smaller_one(
    database: Database,
) -> None:
    assert len(QUERIES) > 50
    for number, (_, query) in enumerate(QUERIES):
        with database.transaction() as conn:
            conn.script(f"PREPARE incident_{number} AS {query.text}")
    with database.transaction() as conn:
        conn.script("ALTER TABLE payout_accumulation RENAME COLUMN net_wei TO accumulated_eth")
    broken = 0
    for number, (_, query) in enumerate(QUERIES):
        try:
            with database.transaction() as conn:
                conn.script(f"PREPARE smaller_{number} AS {query.text}")
        except Exception:  # noqa: BLE001 - whichever it is, it was noticed
            broken += 1
    assert broken >= 3


@incident("I-69")
def test_an_error_of_the_database_tells_the_caller_nothing_of_it(intake: IntakeWorld) -> None:
    intake.write("alter table payout_accumulation rename to hidden_away")
    answer = intake.post(FIFTY)
    assert answer.status >= 500
    told = str(answer.body)
    assert not [word for word in ("payout", "hidden", "relation", "select", "INSERT", "pg8000") if word in told]
    assert answer.body["reference"]


# --- many at once -----------------------------------------------------------------------------------------------------


@incident("I-05", "I-21", "L-25")
def test_deliveries_of_one_payment_in_one_instant_are_one_row_and_no_error(intake: IntakeWorld) -> None:
    for payment in range(8):
        body = changed(FIFTY, nowpayments_payment_id=f"round-{payment}")
        answers = at_once(8, lambda body=body: intake.post(body))  # type: ignore[misc]
        assert {answer.status for answer in answers} == {200}
        assert [answer.body["duplicate"] for answer in answers].count(False) == 1
    assert intake.counts()["payout_accumulation"] == 8


@incident("L-05")
def test_ticks_in_one_instant_make_one_batch(batcher: BatcherWorld) -> None:
    batcher.payments("50", "30", "20")
    answers = at_once(8, batcher.tick)
    made = [answer for answer in answers if answer.status == 200 and answer.body["batch_created"]]
    assert len(made) == 1
    assert {answer.status for answer in answers} <= {200, 503}
    assert batcher.exchange.asked == 1
    assert len(batcher.rows("select 1 from batch_conversions")) == 1


@incident("L-15", "L-61")
def test_when_one_share_cannot_be_written_none_is_and_the_next_delivery_writes_all(batcher: BatcherWorld) -> None:
    batch = batcher.a_batch("50", "30", "20")
    report = batcher.is_paid(batch, "97")
    define(
        batcher,
        """create function no_share_for_b() returns trigger language plpgsql as
           $$ begin if new.id = 2 and new.converted_usdt_amount_units is not null then
                raise exception 'not this one'; end if; return new; end $$""",
    )
    batcher.write(
        "create trigger no_share before update on payout_accumulation for each row execute function no_share_for_b()"
    )
    assert batcher.report(report).status >= 500
    assert batcher.shares() == [None, None, None]
    assert batcher.statuses() == ["swapping"] * 3
    assert batcher.batch()["conversion_status"] == "swapping"
    batcher.write("drop trigger no_share on payout_accumulation")
    assert batcher.report(report).status == 200
    assert batcher.shares() == [48_500_000, 29_100_000, 19_400_000]


@incident("L-61")
def test_a_row_that_silently_stays_as_it_was_stops_the_distribution(batcher: BatcherWorld) -> None:
    batch = batcher.a_batch("50", "30", "20")
    report = batcher.is_paid(batch, "97")
    define(
        batcher,
        """create function skip_b() returns trigger language plpgsql as
           $$ begin if new.id = 2 then return null; end if; return new; end $$""",
    )
    batcher.write("create trigger skip before update on payout_accumulation for each row execute function skip_b()")
    assert batcher.report(report).status >= 500
    assert batcher.shares() == [None, None, None]
    batcher.write("drop trigger skip on payout_accumulation")
    assert batcher.report(report).status == 200
    assert batcher.shares() == [48_500_000, 29_100_000, 19_400_000]


@incident("L-68")
def test_two_orders_of_one_user_in_one_channel_keep_their_own_amounts(intake: IntakeWorld) -> None:
    ten = changed(FIFTY, nowpayments_payment_id="first", payment_amount_usd="10", subscription_id=1)
    thirty = changed(FIFTY, nowpayments_payment_id="second", payment_amount_usd="30", subscription_id=2)
    for body in (thirty, ten, thirty, ten, ten, thirty):
        assert intake.post(body).status == 200
    kept = intake.rows("select payment_ref, payment_amount_usd_micros as usd from payout_accumulation order by id")
    assert [(row["payment_ref"], row["usd"]) for row in kept] == [("second", 30_000_000), ("first", 10_000_000)]


@incident("L-78")
def test_while_somebody_holds_a_row_callers_are_told_in_time_and_complete_later(
    database: Database, postgres: Postgres, database_name: str
) -> None:
    server = postgres.server
    role = Database(
        plain(host=server.host, port=server.port, database=database_name, user=BATCHER, lock_timeout_ms=100)
    )
    world = BatcherWorld.of(database, role)
    batch = world.a_batch("50", "30", "20")
    report = world.is_paid(batch, "97")
    with world.owner.transaction() as conn:
        conn.all("select 1 from batch_conversions for update")
        for _ in range(3):
            assert world.report(report).status == 503
    assert world.report(report).status == 200
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    role.close()


@incident("L-78")
def test_hundreds_of_calls_need_no_more_connections_than_the_first(intake: IntakeWorld) -> None:
    def connections() -> int:
        row = intake.only("select count(*) as n from pg_stat_activity where datname = current_database()")
        return int(row["n"])

    intake.post(FIFTY)
    before = connections()
    for call in range(300):
        assert intake.post(FIFTY if call % 3 else changed(FIFTY, user_id=0)).status in (200, 400)
    assert connections() == before


# --- settings that decide ---------------------------------------------------------------------------------------------


@incident("I-63")
def test_a_threshold_holds_from_the_start_of_the_service_on_and_stands_on_every_tick_and_batch(
    batcher: BatcherWorld,
) -> None:
    batcher.payments("30", "20")
    assert batcher.tick().body["threshold"] == "100.000000"
    batcher.with_terms(threshold=Usd.parse("10"))  # as after a new deployment
    answer = batcher.tick()
    assert (answer.body["threshold"], answer.body["batch_created"]) == ("10.000000", True)
    assert batcher.batch()["threshold_usd_micros"] == 10_000_000
    told = batcher.column("select threshold_usd_micros from threshold_check order by id")
    assert told == [100_000_000, 10_000_000]


@incident("I-15")
def test_the_fee_that_was_applied_stands_on_every_payment(database: Database, database_as: DatabaseAs) -> None:
    for fee, ppm in (("15", 150_000), ("0", 0), ("2.5", 25_000)):
        world = IntakeWorld.of(database, database_as(INTAKE), fee=fee)
        assert world.post(changed(FIFTY, nowpayments_payment_id=f"fee-{ppm}")).status == 200
        row = world.only("select fee_rate_ppm, fee_usd_micros from payout_accumulation order by id desc limit 1")
        assert (row["fee_rate_ppm"], row["fee_usd_micros"]) == (ppm, 50 * ppm)


# --- what comes in ----------------------------------------------------------------------------------------------------

WALLETS = {
    "a wrong checksum": "0x2915767890A6FbF031DCe70E1b80D987Dc3a2923",
    "one letter in the other case": "0x2915767890a6FbF031DCe70E1b80D987Dc3a2922",
    "39 digits": "0x2915767890A6FbF031DCe70E1b80D987Dc3a292",
    "41 digits": "0x2915767890A6FbF031DCe70E1b80D987Dc3a29222",
    "the zero address": "0x" + "0" * 40,
    "a bitcoin address": "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "a newline after it": "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922\n",
    "a blank before it": " 0x2915767890A6FbF031DCe70E1b80D987Dc3a2922",
    "a letter that looks alike": "0x2915767890А6FbF031DCe70E1b80D987Dc3a2922",
    "no 0x": "2915767890A6FbF031DCe70E1b80D987Dc3a2922",
    "a name": "vitalik.eth",
    "our own wallet": OUR_WALLET,
    "our own wallet in lower case": OUR_WALLET.lower(),
    "the contract of the token": USDT_CONTRACT,
    "the contract of the token in lower case": USDT_CONTRACT.lower(),
}


@pytest.mark.parametrize("wallet", WALLETS.values(), ids=list(WALLETS))
@incident("I-19")
def test_a_clients_wallet_that_cannot_be_one_is_refused_at_the_door(intake: IntakeWorld, wallet: str) -> None:
    answer = intake.post(changed(FIFTY, wallet_address=wallet))
    assert (answer.status, answer.body["field"]) == (400, "wallet_address")
    assert intake.counts() == {}


@incident("I-19")
def test_a_clients_wallet_with_its_checksum_or_all_in_lower_case_is_taken(intake: IntakeWorld) -> None:
    wallet = "0x2915767890A6FbF031DCe70E1b80D987Dc3a2922"
    for spelling, payment in ((wallet, "one"), (wallet.lower(), "two")):
        assert intake.post(changed(FIFTY, wallet_address=spelling, nowpayments_payment_id=payment)).status == 200
    kept = intake.rows("select client_wallet_address as wallet from payout_accumulation")
    assert {row["wallet"] for row in kept} == {wallet}


HOSTILE = (
    "'; drop table payout_accumulation; --",
    "%s %(x)s {0} \\",
    "a\x00b",
    'x" or "1"="1',
    "$1 :now",
    "x" * 60_000,
)
TEXTS = (
    *("wallet_address", "payout_currency", "payout_network", "payment_timestamp", "nowpayments_payment_id"),
    *("nowpayments_pay_address", "nowpayments_outcome_amount", "nowpayments_outcome_currency", "payment_amount_usd"),
    *("user_id", "client_id", "subscription_id"),
)


@pytest.mark.parametrize("field", TEXTS)
@incident("I-72")
def test_no_text_is_anything_but_a_value(intake: IntakeWorld, field: str) -> None:
    before = intake.only("select count(*) as n from pg_tables where schemaname = 'public'")["n"]
    for text in HOSTILE:
        body = changed(changed(FIFTY, payout_network="btc"), **{field: text})
        answer = intake.post(body)
        assert answer.status in (200, 400, 413), (field, answer)
        if answer.status == 200:
            column = {"wallet_address": "client_wallet_address"}.get(field, field)
            assert intake.only(f"select {column} as kept from payout_accumulation")["kept"] == text
            intake.write("truncate payout_accumulation cascade")
    assert intake.only("select count(*) as n from pg_tables where schemaname = 'public'")["n"] == before


# --- rights and health ------------------------------------------------------------------------------------------------

FORBIDDEN = {
    INTAKE: ("select 1 from transfer", "update batch_conversions set reason = ''", "delete from payout_accumulation"),
    BATCHER: ("insert into slot select * from slot", "select raw from attempt", "update arrival set usdt_units = 1"),
    CONDUCTOR: (
        "update transfer set value_wei = 1",
        "insert into attempt select * from attempt",
        "delete from history",
    ),
    EXECUTOR: ("update exchange_order set amount_wei = 1", "update payout_accumulation set net_wei = 1"),
}


@pytest.mark.parametrize("role", FORBIDDEN)
@incident("L-70")
def test_a_services_role_reads_and_writes_what_it_needs_and_nothing_else(database_as: DatabaseAs, role: str) -> None:
    database = database_as(role)
    for sql in FORBIDDEN[role]:
        with pytest.raises(PermissionMissing), database.transaction() as conn:
            conn.run(sql)


@pytest.mark.parametrize("service", ["GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay3"])
@pytest.mark.usefixtures("_as_a_process")
@incident("I-22", "I-54")
def test_a_service_on_a_schema_that_is_older_than_its_code_says_that_it_cannot_do_its_job(
    service: str, postgres: Postgres, database_name: str, database: Database, tmp_path: Any
) -> None:
    """A new revision that is not healthy gets no traffic, so no code meets a schema without its columns."""
    server = {"DATABASE_HOST": postgres.server.host, "DATABASE_PORT": str(postgres.server.port)}
    role = {"GCAccumulator": INTAKE, "GCMicroBatchProcessor": BATCHER, "GCHostPay1": CONDUCTOR}.get(service, EXECUTOR)
    more = {"DATABASE_NAME_SECRET": database_name, "DATABASE_USER_SECRET": role, "SIGNED_BYTES_ARCHIVE": str(tmp_path)}
    assert client_of(service, **server, **more).get("/health").get_json()["components"]["schema"] == "healthy"
    with database.transaction() as conn:
        conn.run("delete from schema_migration where name = (select max(name) from schema_migration)")
    health = client_of(service, **server, **more).get("/health")
    assert (health.status_code, health.get_json()["components"]["schema"]) == (503, "unhealthy")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.usefixtures("_as_a_process")
@incident("I-58")
def test_a_service_that_cannot_do_its_job_says_so_and_lives(service: str, tmp_path: Any) -> None:
    client = client_of(service, SIGNED_BYTES_ARCHIVE=str(tmp_path))
    health = client.get("/health")
    assert health.status_code == 503
    told = health.get_json()
    assert told["status"] == "unhealthy"
    vital = "exchange" if service == "GCHostPay2" else "database"
    # The tries of one question to the exchange may take longer than a health check waits: then it cannot say.
    words = {"unhealthy", "unknown"} if vital == "exchange" else {"unhealthy"}
    assert told["components"][vital] in words
    assert "127.0.0.1" not in health.get_data(as_text=True)
    assert client.get("/live").status_code == 200


@pytest.mark.usefixtures("_as_a_process")
@incident("I-58")
def test_a_third_party_that_is_away_is_told_and_does_not_stop_a_service(postgres: Postgres, database_name: str) -> None:
    server = {"DATABASE_HOST": postgres.server.host, "DATABASE_PORT": str(postgres.server.port)}
    client = client_of(
        "GCMicroBatchProcessor", DATABASE_NAME_SECRET=database_name, DATABASE_USER_SECRET=BATCHER, **server
    )
    health = client.get("/health")
    assert health.status_code == 200
    components = health.get_json()["components"]
    assert components["database"] == "healthy"
    assert {components["chain"], components["exchange"]} <= {"unhealthy", "unknown"}
