"""What the predecessor's payout reader may see: credited USDT, no dollar that was not swapped, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.db import Database, PermissionMissing
from shared.db.roles import COMPAT_READER
from shared.lifecycle import PaymentState
from shared.lifecycle.reactions import Reaction
from tests.conftest import Postgres

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KIT = (Path(__file__).parents[2] / "deploy" / "compat_reader.sql").read_text()
CLIENTS = ("-1001234567890", "-1009999999999", "-1000000000001")
# As the reader asks, word for word; where clients are registered is not in this database.
THE_READERS_SELECT = """
    select pa.client_id, pa.client_wallet_address, pa.client_payout_currency, pa.client_payout_network,
           sum(pa.accumulated_amount_usdt) as total_usdt, count(*) as payment_count, mc.payout_threshold_usd
      from payout_accumulation pa
      join main_clients_database mc on pa.client_id = mc.closed_channel_id
     where pa.is_paid_out = false
     group by pa.client_id, pa.client_wallet_address, pa.client_payout_currency, pa.client_payout_network,
              mc.payout_threshold_usd
    having sum(pa.accumulated_amount_usdt) >= mc.payout_threshold_usd
     order by 1, 2"""
CLIENTS_TABLE = """
    create table {schema}.main_clients_database (
        closed_channel_id varchar(14) unique, payout_threshold_usd numeric(10, 2)
    );
    insert into {schema}.main_clients_database values ('-1001234567890', 50.00), ('-1009999999999', 5.00),
           ('-1000000000001', 0.00)"""


@pytest.fixture
def reader(database_as: Callable[[str], Database]) -> Database:
    return database_as(COMPAT_READER)


def a_batch(conn: Any) -> UUID:
    batch = uuid4()
    conn.run(
        """insert into public.batch_conversions (batch_conversion_id, conversion_status, funding, payment_count,
               total_pending_usd_micros, threshold_usd_micros, members_wei, dust_in_wei, ordered_wei, dust_out_wei,
               expected_usdt_units, feed_answer, feed_decimals, created_at, updated_at)
           values (:batch, 'swapping', 'received', 1, 1, 1, 1, 0, 1, 0, 1, 1, 8, :now, :now)""",
        batch=batch,
        now=NOW,
    )
    return batch


def a_payment(conn: Any, status: PaymentState, usd_micros: int, share: int | None, client: str, batch: UUID) -> None:
    conn.run(
        """insert into public.payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address,
               client_payout_currency, client_payout_network, payment_timestamp, raw_amount_text,
               payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, conversion_status,
               parked_reason, batch_conversion_id, converted_usdt_amount_units, created_at, updated_at)
           values (:ref, '', 1, :client, '0xabc', 'shib', 'eth', '2026-03-01T00:00:00', '1', :usd, 0, 0, :usd, :status,
               :parked, :batch, :share, :now, :now)""",
        ref=str(uuid4()),
        client=client,
        usd=usd_micros,
        status=status.value,
        parked="a person looks at it" if status is PaymentState.PARKED else None,
        batch=batch if status in (PaymentState.SWAPPING, PaymentState.COMPLETED) else None,
        share=share,
        now=NOW,
    )


def many_payments(owner: Database, dice: Random) -> int:
    """Payments in every state, of many sizes; the sum of the shares that were credited."""
    credited = 0
    with owner.transaction() as conn:
        batch = a_batch(conn)
        for _ in range(dice.randint(1, 25)):
            status = dice.choice(list(PaymentState))
            share = dice.choice([0, 1, 999_999, dice.randrange(10**9), 9 * 10**15 - 1])
            done = status is PaymentState.COMPLETED
            credited += share if done else 0
            dollars = dice.choice([1, 1_000_000, dice.randrange(1, 10**9)])
            a_payment(conn, status, dollars, share if done else None, dice.choice(CLIENTS), batch)
    return credited


@pytest.mark.parametrize("seed", range(12))
def test_whatever_state_payments_are_in_the_sum_shown_is_the_sum_of_credited_shares(
    database: Database, reader: Database, seed: int
) -> None:
    credited = many_payments(database, Random(seed))
    with reader.read() as conn:
        rows = conn.all(
            "select conversion_status, accumulated_amount_usdt::text as usdt from payout_accumulation"
            " where is_paid_out = false"
        )
    assert sum((Decimal(row["usdt"]) for row in rows), Decimal()) * 10**6 == credited
    assert {row["conversion_status"] for row in rows} <= {"completed"}


@pytest.mark.parametrize("status", [state for state in PaymentState if state is not PaymentState.COMPLETED])
def test_no_row_can_be_made_whose_dollars_would_be_shown(database: Database, status: PaymentState) -> None:
    """The view rests on a rule of the table: a share stands only in a completed row, and in each of them."""
    with pytest.raises(Reaction, match="payment_has_a_share_when_completed"), database.transaction() as conn:
        a_payment(conn, status, 1_000_000, 850_000, "-1001234567890", a_batch(conn))
    with pytest.raises(Reaction, match="payment_has_a_share_when_completed"), database.transaction() as conn:
        a_payment(conn, PaymentState.COMPLETED, 1_000_000, None, "-1001234567890", a_batch(conn))


def test_the_readers_own_select_finds_who_is_due(database: Database, reader: Database) -> None:
    with database.transaction() as conn:
        batch = a_batch(conn)
        conn.script(CLIENTS_TABLE.format(schema="compat"))
        conn.script(f"grant select on compat.main_clients_database to {COMPAT_READER}")
        for client, share in (
            ("-1001234567890", 30_000_000),
            ("-1001234567890", 20_000_001),
            ("-1009999999999", 4_999_999),
        ):
            a_payment(conn, PaymentState.COMPLETED, 60_000_000, share, client, batch)
        a_payment(conn, PaymentState.PENDING, 900_000_000, None, "-1009999999999", batch)
    with reader.read() as conn:
        rows = conn.all(THE_READERS_SELECT.replace("as total_usdt", "::text as total_usdt"))
    assert [(row["client_id"], row["total_usdt"], row["payment_count"]) for row in rows] == [
        ("-1001234567890", "50.00000100", 2)
    ]


THE_READERS_UPDATE = """
    update payout_accumulation
       set is_paid_out = true, payout_batch_id = :batch, paid_out_at = '2026-03-01 12:00:00'
     where client_id = :client and is_paid_out = false"""


@pytest.fixture
def at_home(database: Database) -> Iterator[Any]:
    """The reader's own database, with the fleet's view as it comes over the wire, as its role finds the names."""
    with database.transaction() as conn:
        conn.script("create schema fleet_remote; create schema reader_public")
        conn.script("create view fleet_remote.payout_accumulation as select * from compat.payout_accumulation")
        conn.script(KIT)
        conn.script(CLIENTS_TABLE.format(schema="reader_public"))
        batch = a_batch(conn)
        for client, share in ((CLIENTS[0], 30_000_000), (CLIENTS[0], 20_000_001), (CLIENTS[1], 5_000_000)):
            a_payment(conn, PaymentState.COMPLETED, 60_000_000, share, client, batch)
        a_payment(conn, PaymentState.SWAPPING, 900_000_000, None, CLIENTS[0], batch)
        conn.script("set local search_path = fleet, reader_public")
        yield conn


def due(conn: Any) -> list[tuple[str, str]]:
    rows = conn.all(THE_READERS_SELECT.replace("as total_usdt", "::text as total_usdt"))
    return [(row["client_id"], row["total_usdt"]) for row in rows]


def test_at_home_the_reader_marks_whom_it_paid_and_finds_nobody_due_twice(at_home: Any) -> None:
    assert due(at_home) == [(CLIENTS[0], "50.00000100"), (CLIENTS[1], "5.00000000")]
    assert at_home.run(THE_READERS_UPDATE, batch="payout-1", client=CLIENTS[0]) == 2
    assert due(at_home) == [(CLIENTS[1], "5.00000000")]
    assert at_home.run(THE_READERS_UPDATE, batch="payout-2", client=CLIENTS[0]) == 0
    a_payment(at_home, PaymentState.COMPLETED, 90_000_000, 70_000_000, CLIENTS[0], a_batch(at_home))
    assert due(at_home) == [(CLIENTS[0], "70.00000000"), (CLIENTS[1], "5.00000000")]


def test_it_does_so_over_the_wire_from_a_database_of_its_own(
    database: Database, database_name: str, postgres: Postgres
) -> None:
    with database.transaction() as conn:
        a_payment(conn, PaymentState.COMPLETED, 60_000_000, 50_000_000, CLIENTS[0], a_batch(conn))
        a_payment(conn, PaymentState.PENDING, 60_000_000, None, CLIENTS[1], a_batch(conn))
    home = postgres.connect(name := postgres.create(), postgres.server.user)
    server = postgres.server
    try:
        with home.transaction() as conn:
            conn.script(
                f"""create extension postgres_fdw;
                    create server fleet foreign data wrapper postgres_fdw
                        options (host '{server.host}', port '{server.port}', dbname '{database_name}');
                    create user mapping for current_user server fleet options (user '{COMPAT_READER}');
                    create schema fleet_remote;
                    import foreign schema compat limit to (payout_accumulation) from server fleet into fleet_remote;
                    {KIT}
                    {CLIENTS_TABLE.format(schema="public")};
                    set local search_path = fleet, public"""
            )
            assert due(conn) == [(CLIENTS[0], "50.00000000")]
            assert conn.run(THE_READERS_UPDATE, batch="payout-1", client=CLIENTS[0]) == 1
            assert due(conn) == []
    finally:
        home.close()
        postgres.drop(name)


@pytest.mark.parametrize(
    "change",
    [
        "accumulated_amount_usdt = 1000000, is_paid_out = true, payout_batch_id = 'b', paid_out_at = created_at",
        "accumulated_amount_usdt = 1000000",
        "is_paid_out = false",
        "is_paid_out = true",  # without saying with which payout
    ],
)
def test_at_home_nothing_but_a_mark_can_be_written(at_home: Any, change: str) -> None:
    with pytest.raises(Reaction), at_home.savepoint():
        at_home.run(f"update payout_accumulation set {change} where client_id = '{CLIENTS[0]}'")
    assert due(at_home) == [(CLIENTS[0], "50.00000100"), (CLIENTS[1], "5.00000000")]


def test_at_home_a_mark_is_not_taken_back(at_home: Any) -> None:
    at_home.run(THE_READERS_UPDATE, batch="payout-1", client=CLIENTS[0])
    with pytest.raises(Reaction), at_home.savepoint():
        at_home.run("update payout_accumulation set is_paid_out = false where is_paid_out")


def test_without_its_own_database_the_reader_pays_nobody(reader: Database) -> None:
    """Clients are registered elsewhere: pointed here as it is, it fails in front of everything else, and loudly."""
    with pytest.raises(Reaction), reader.read() as conn:
        conn.all(THE_READERS_SELECT)


def statements_that_write() -> Iterator[str]:
    for view in ("payout_accumulation", "compat.payout_accumulation", "public.payout_accumulation"):
        yield f"update {view} set is_paid_out = true"
        yield f"update {view} set conversion_status = 'completed'"
        yield f"delete from {view}"
        yield f"insert into {view} default values"


@pytest.mark.parametrize("statement", list(statements_that_write()))
def test_it_writes_nothing(database: Database, reader: Database, statement: str) -> None:
    many_payments(database, Random(1))
    with pytest.raises(Reaction), reader.transaction() as conn:
        conn.run(statement)


def test_it_reads_one_view_and_no_table(database: Database, reader: Database) -> None:
    with database.read() as conn:
        names = [
            row["name"]
            for row in conn.all(
                """select relnamespace::regnamespace::text || '.' || relname as name from pg_class
                    where relkind in ('r', 'v') and relnamespace::regnamespace::text in ('public', 'compat')"""
            )
        ]
    assert len(names) > 20
    for name in names:
        try:
            with reader.read() as conn:
                conn.all(f"select 1 as one from {name}")
        except PermissionMissing:
            assert name != "compat.payout_accumulation"
        else:
            assert name == "compat.payout_accumulation"


def test_nobody_else_is_given_the_view(database: Database) -> None:
    with database.read() as conn:
        rows = conn.all(
            """select coalesce(role.rolname, 'PUBLIC')::text as role, acl.privilege_type::text as what
                 from pg_class rel cross join aclexplode(rel.relacl) acl
                 left join pg_roles role on role.oid = acl.grantee
                where rel.relnamespace = 'compat'::regnamespace and acl.grantee <> rel.relowner"""
        )
    assert rows == [{"role": COMPAT_READER, "what": "SELECT"}]
