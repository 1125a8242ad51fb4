"""Ten thousand payments in one batch: a few statements, a few seconds, and still exact."""

from __future__ import annotations

import time
from collections.abc import Callable
from uuid import UUID

from GCMicroBatchProcessor.batcher import MOST_MEMBERS
from shared.db import Database
from shared.db.roles import BATCHER
from shared.money import Ether
from tests.integration.batcher_world import BatcherWorld

SECONDS_AT_MOST = 10  # about two on an idle machine


def test_ten_thousand_payments_are_claimed_and_shared_out_within_seconds(
    reused_database: Database, reused_database_as: Callable[[str], Database]
) -> None:
    world = BatcherWorld.of(reused_database, reused_database_as(BATCHER))
    world.with_terms(guard={"max_transfer": Ether.parse("1000")})
    world.write(
        """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address,
               client_payout_currency, client_payout_network, payment_timestamp, raw_amount_text,
               payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, gross_wei, fee_wei,
               net_wei, conversion_status, created_at, updated_at)
           select 'scale-' || n, '', n, '1', '0x', 'usdt', 'eth', '', '', 1000000 + n, 0, 0, 1000000 + n,
               (1000000 + n)::numeric * 400000000, 0, (1000000 + n)::numeric * 400000000, 'pending', :now, :now
             from generate_series(1, :many) as n""",
        many=MOST_MEMBERS + 5,
        now=world.now,
    )
    started_s = time.monotonic()
    answer = world.tick()
    claimed_s = time.monotonic() - started_s
    assert (answer.status, answer.body["payment_count"]) == (200, MOST_MEMBERS)
    assert world.column("select count(*) from payout_accumulation where conversion_status = 'pending'") == [5]
    batch = UUID(answer.body["batch_conversion_id"])
    report = world.is_paid(batch, "9700.000001")
    started_s = time.monotonic()
    assert world.report(report).status == 200
    shared_s = time.monotonic() - started_s
    row = world.only(
        """select sum(converted_usdt_amount_units) as units, count(*) as n, min(converted_usdt_amount_units) as least
             from payout_accumulation where conversion_status = 'completed'"""
    )
    assert (row["units"], row["n"]) == (9_700_000_001, MOST_MEMBERS)
    assert row["least"] > 0
    assert claimed_s + shared_s < SECONDS_AT_MOST, f"claimed in {claimed_s:.2f} s, shared out in {shared_s:.2f} s"


def test_ten_thousand_payments_without_ether_are_parked_in_one_go(
    reused_database: Database, reused_database_as: Callable[[str], Database]
) -> None:
    world = BatcherWorld.of(reused_database, reused_database_as(BATCHER))
    world.write(
        """insert into payout_accumulation (payment_ref, request_hash, user_id, client_id, client_wallet_address,
               client_payout_currency, client_payout_network, payment_timestamp, raw_amount_text,
               payment_amount_usd_micros, fee_rate_ppm, fee_usd_micros, pending_usd_amount_micros, conversion_status,
               created_at, updated_at)
           select 'scale-' || n, '', n, '1', '0x', 'usdt', 'eth', '', '', 1000000, 0, 0, 1000000, 'pending', :now, :now
             from generate_series(1, :many) as n""",
        many=MOST_MEMBERS,
        now=world.now,
    )
    started_s = time.monotonic()
    assert world.tick().body["outcome"] == "below_threshold"
    assert time.monotonic() - started_s < SECONDS_AT_MOST
    assert world.column("select count(*) from history where event = 'payment_parked'") == [MOST_MEMBERS]
    assert world.alerts() == ["payment_parked"]
