"""One tick of the scheduler: below, at and over the threshold, held back, or not able to read; and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.books import Account
from shared.db import Database
from shared.db.roles import BATCHER
from shared.exchange import Limits as Range
from shared.exchange import QuoteRefused, RefusalKind
from shared.money import Ether, Percent, Price, Tether, Usd
from shared.sandbox.fakes_chain import GWEI
from tests.integration.batcher_world import BatcherWorld

DatabaseAs = Callable[[str], Database]


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


@pytest.fixture
def own_world(database: Database, database_as: DatabaseAs) -> BatcherWorld:
    """For tests that change the schema."""
    return BatcherWorld.of(database, database_as(BATCHER))


def test_nothing_pending_is_below_the_threshold_and_leaves_a_row(world: BatcherWorld) -> None:
    answer = world.tick()
    assert answer.status == 200
    assert answer.body == {
        "status": "success",
        "outcome": "below_threshold",
        "message": "100.00 USD more is needed to reach the threshold",
        "total_pending": "0.000000",
        "threshold": "100.000000",
        "batch_created": False,
    }
    row = world.only("select * from threshold_check")
    assert (row["outcome"], row["total_pending_usd_micros"], row["batch_conversion_id"]) == ("below_threshold", 0, None)


def test_a_micro_dollar_below_the_threshold_nothing_is_claimed_and_nobody_is_asked(world: BatcherWorld) -> None:
    world.chain.away = True
    world.payments("50", "49.999999")
    answer = world.tick()
    assert (answer.status, answer.body["outcome"]) == (200, "below_threshold")
    assert answer.body["message"] == "0.000001 USD more is needed to reach the threshold"
    assert world.statuses() == ["pending", "pending"]
    assert world.exchange.asked == 0


def test_at_exactly_the_threshold_a_batch_is_formed_and_its_order_adopted(world: BatcherWorld) -> None:
    ids = world.payments("50", "30", "20")
    answer = world.tick()
    assert answer.status == 200
    batch = world.batch()
    assert answer.body == {
        "status": "success",
        "outcome": "batch_created",
        "message": "the order is adopted",
        "total_pending": "100.000000",
        "threshold": "100.000000",
        "batch_created": True,
        "batch_conversion_id": str(batch["batch_conversion_id"]),
        "cn_api_id": "fake0000000001",
        "payment_count": 3,
    }
    assert (batch["conversion_status"], batch["payment_count"], batch["funding"]) == ("swapping", 3, "received")
    assert batch["ordered_wei"] == batch["members_wei"] == 4 * 10**16
    assert (batch["dust_in_wei"], batch["dust_out_wei"]) == (0, 0)
    assert (batch["expected_usdt_units"], batch["feed_answer"], batch["feed_decimals"]) == (
        97_000_000,
        250_000_000_000,
        8,
    )
    assert world.statuses() == ["swapping"] * 3
    members = world.rows("select payment_id, weight_usd_micros, wei, live from batch_member order by payment_id")
    assert [tuple(member.values()) for member in members] == [
        (ids[0], 50_000_000, 2 * 10**16, True),
        (ids[1], 30_000_000, 12 * 10**15, True),
        (ids[2], 20_000_000, 8 * 10**15, True),
    ]
    (row,) = world.rows("select outcome, batch_conversion_id from threshold_check")
    assert row == {"outcome": "batch_created", "batch_conversion_id": batch["batch_conversion_id"]}
    world.books()


def test_the_adopted_order_and_its_message_say_the_same(world: BatcherWorld) -> None:
    batch = world.a_batch("60", "40")
    order = world.adopted(batch)
    (opened,) = world.exchange.orders
    assert opened.request.amount == Ether(order["amount_wei"]) == Ether(4 * 10**16)
    assert opened.request.refund_address == order["refund_address"]
    assert opened.request.payout_address == order["payout_address"]
    (message,) = world.messages()
    assert message.batch_conversion_id == str(batch)
    assert (message.cn_api_id, message.payin_address) == (order["cn_api_id"], order["payin_address"])
    assert message.amount_wei == order["amount_wei"]
    assert order["due_at"] is not None, "an adopted order waits, so it has a deadline"
    assert world.story("batch", batch) == ["batch_claimed", "batch_swapping"]
    assert world.story("order", order["id"]) == ["order_sending", "order_created", "order_adopted"]
    assert world.story("payment", 1) == ["payment_claimed"]


def test_a_second_tick_finds_nothing_left(world: BatcherWorld) -> None:
    world.a_batch("60", "40")
    assert world.tick().body["outcome"] == "below_threshold"
    assert world.exchange.asked == 1


def test_claim_members_and_intent_are_committed_before_the_exchange_is_asked(world: BatcherWorld) -> None:
    seen: dict[str, Any] = {}

    def look() -> None:
        seen["batch"] = world.batch()["conversion_status"]
        seen["payments"] = world.statuses()
        seen["members"] = world.column("select sum(wei) from batch_member")
        seen["orders"] = world.order_statuses()
        seen["booked"] = world.column("select event from posting where event = 'batch_ordered'")
        seen["messages"] = world.column("select count(*) from outbox")

    world.exchange.before_asked = look
    world.a_payment("40")
    world.a_payment("60", "0.024000000000000001")  # a wei of dust, so that there is something to book
    world.tick()
    assert seen == {
        "batch": "pending",
        "payments": ["swapping", "swapping"],
        "members": [4 * 10**16 + 1],
        "orders": ["sending"],
        "booked": ["batch_ordered"],
        "messages": [0],
    }


def test_adoption_and_its_message_are_one_commit(own_world: BatcherWorld) -> None:
    seen: list[Any] = []
    own_world.exchange.before_next_answer(
        lambda: seen.append((own_world.order_statuses(), own_world.column("select count(*) from outbox")))
    )
    own_world.write("create unique index no_message on outbox ((1)) where edge is not null")
    own_world.write(
        """insert into outbox values (gen_random_uuid(), 'x', 'x', 1, '\\x00112233445566778899aabbccddeeff', '', '',
               now(), now())"""
    )
    own_world.payments("60", "40")
    assert own_world.tick().status == 500
    assert seen == [(["sending"], [1])]
    assert own_world.order_statuses() == ["sending"], "without its message the order is not adopted"
    assert own_world.batch()["conversion_status"] == "pending"


def test_a_lost_task_call_changes_nothing_and_the_sweep_makes_the_task(world: BatcherWorld) -> None:
    world.sender.be_away()
    batch = world.a_batch("60", "40")
    assert world.messages() == []
    world.wait(seconds=40)
    assert world.sweep().body["tasks_made"] == 1
    assert [message.batch_conversion_id for message in world.messages()] == [str(batch)]


def test_paused_batching_claims_nothing_and_says_why(world: BatcherWorld) -> None:
    world.payments("60", "40")
    world.pause_batching(expires_at=world.now + timedelta(hours=1))
    answer = world.tick()
    assert (answer.status, answer.body["outcome"]) == (200, "paused")
    assert "a drill" in answer.body["message"]
    assert world.statuses() == ["pending", "pending"]
    world.wait(hours=1, seconds=1)
    assert world.tick().body["outcome"] == "batch_created"


def test_a_pause_that_comes_while_the_tick_reads_still_holds_the_claim_back(world: BatcherWorld) -> None:
    world.payments("60", "40")
    world.exchange.before_quoted = world.pause_batching
    answer = world.tick()
    assert (answer.status, answer.body["batch_created"]) == (200, False)
    assert world.statuses() == ["pending", "pending"]


# --- the price guard --------------------------------------------------------------------------------------------------


def test_a_quote_beyond_its_band_holds_the_batch_back_and_at_the_edge_it_does_not(world: BatcherWorld) -> None:
    world.payments("60", "40")
    world.exchange.pays = Tether.parse("94.999999")
    held = world.tick()
    assert (held.status, held.body["outcome"], held.body["batch_created"]) == (200, "quote_outside_band", False)
    assert world.statuses() == ["pending", "pending"]
    world.exchange.pays = Tether.parse("105.000001")
    assert world.tick().body["outcome"] == "quote_outside_band"
    assert world.alerts() == ["batch_held_back"], "one trouble a day is told once"
    world.wait(days=1)
    world.tick()
    assert world.alerts() == ["batch_held_back"] * 2
    world.exchange.pays = Tether.parse("95")
    assert world.tick().body["outcome"] == "batch_created"


def test_ether_that_is_not_worth_its_payments_is_not_ordered(world: BatcherWorld) -> None:
    world.a_payment("100", "0.035999")
    assert world.tick().body["outcome"] == "order_value_outside_band"
    world.write("update payout_accumulation set gross_wei = 36000000000000000, net_wei = 36000000000000000")
    assert world.tick().body["outcome"] == "batch_created"


def test_more_ether_than_its_payments_are_worth_is_not_ordered_either(world: BatcherWorld) -> None:
    world.a_payment("100", "0.0441")
    assert world.tick().body["outcome"] == "order_value_outside_band"
    assert world.statuses() == ["pending"]


def test_the_exchanges_range_is_kept_to_the_wei(world: BatcherWorld) -> None:
    world.payments("60", "40")
    ordered = Ether.parse("0.04")
    world.exchange.limits = Range(ordered + Ether(1), None)
    assert world.tick().body["outcome"] == "below_exchange_minimum"
    world.exchange.limits = Range(ordered, ordered - Ether(1))
    assert world.tick().body["outcome"] == "above_exchange_maximum"
    assert world.statuses() == ["pending", "pending"]
    world.exchange.limits = Range(ordered, ordered)
    assert world.tick().body["outcome"] == "batch_created"


def test_gas_beyond_its_share_holds_the_batch_back(world: BatcherWorld) -> None:
    world.payments("60", "40")
    world.chain.base_fee_wei = 100 * GWEI  # 201 gwei would be the cap; the ceiling makes it 200
    answer = world.tick()
    assert (answer.status, answer.body["outcome"]) == (200, "gas_too_dear")
    world.chain.base_fee_wei = 300 * GWEI
    assert world.tick().body["outcome"] == "gas_too_dear", "a fee over the ceiling is a reason, not a failure"
    world.chain.base_fee_wei = 75 * GWEI  # cap 151 gwei x 26,250 = 0.00396375 ETH of 0.04
    assert world.tick().body["outcome"] == "batch_created"


@pytest.mark.parametrize("kind", [RefusalKind.PAIR_INACTIVE, RefusalKind.OUT_OF_RANGE])
def test_a_pair_that_the_exchange_does_not_trade_now_is_a_reason(world: BatcherWorld, kind: RefusalKind) -> None:
    world.payments("60", "40")
    world.exchange.refuses = QuoteRefused("range", kind, "not now")
    answer = world.tick()
    assert (answer.status, answer.body["outcome"]) == (200, "exchange_quotes_nothing")
    assert world.statuses() == ["pending", "pending"]
    assert world.alerts() == ["batch_held_back"]


@pytest.mark.parametrize("kind", [RefusalKind.KEY_REFUSED, RefusalKind.RATE_LIMITED, RefusalKind.BAD_REQUEST])
def test_limits_that_may_not_be_read_are_unread_and_so_a_5xx(world: BatcherWorld, kind: RefusalKind) -> None:
    world.payments("60", "40")
    world.exchange.refuses = QuoteRefused("range", kind, "no")
    answer = world.tick()
    assert (answer.status, answer.body["code"]) == (503, "quote_refused")
    assert world.statuses() == ["pending", "pending"]
    assert world.alerts() == ([] if kind is RefusalKind.RATE_LIMITED else ["batch_held_back"])


def test_what_cannot_be_read_is_a_5xx_and_claims_nothing(own_world: BatcherWorld) -> None:
    own_world.payments("60", "40")

    def fails(code: str) -> None:
        answer = own_world.tick()
        assert (answer.status, answer.body["code"]) == (503, code)
        assert own_world.statuses() == ["pending", "pending"]

    own_world.chain.away = True
    fails("providers_unavailable")
    own_world.chain.away = False
    own_world.chain.price = None
    fails("price_unusable")
    own_world.chain.price = Price(2_500, 0)
    for question in ("range", "estimate"):
        own_world.exchange.unreadable = {question}
        fails("exchange_unreadable")
    own_world.exchange.unreadable = set()
    own_world.write("alter table book_entry rename to away")
    assert own_world.tick().status == 500, "dust that cannot be read is not zero"
    own_world.write("alter table away rename to book_entry")
    assert own_world.exchange.asked == 0
    assert own_world.outcomes() == []
    assert own_world.tick().body["outcome"] == "batch_created"


# --- the transfer limit -----------------------------------------------------------------------------------------------


def test_over_the_transfer_limit_the_first_by_id_are_taken_and_the_rest_next_tick(world: BatcherWorld) -> None:
    world.with_terms(guard={"max_transfer": Ether.parse("0.05")})
    world.payments("60", "40", "50", "70", "5.01")
    first = world.tick()
    assert (first.body["payment_count"], first.body["total_pending"]) == (2, "225.010000")
    assert world.statuses() == ["swapping", "swapping", "pending", "pending", "pending"]
    second = world.tick()
    assert second.body["payment_count"] == 2, "50 and 70 are 0.048 ETH; 5.01 more would not fit under 0.05"
    assert world.statuses()[2:] == ["swapping", "swapping", "pending"]
    assert world.column("select ordered_wei from batch_conversions order by created_at, ordered_wei") == [
        4 * 10**16,
        48 * 10**15,
    ]


def test_an_order_of_exactly_the_limit_is_formed_although_dust_is_carried(world: BatcherWorld) -> None:
    world.with_terms(threshold=Usd.parse("10"))
    world.a_payment("10", "0.004000000000000009")
    world.tick()
    assert world.batch()["dust_out_wei"] == 9
    world.with_terms(guard={"max_transfer": Ether.parse("0.04")})
    world.a_payment("100", "0.04")
    answer = world.tick()
    assert answer.body["outcome"] == "batch_created", "what is ordered is within the limit; the dust goes on"
    batch = world.batch(world.column("select batch_conversion_id from exchange_order where id = 2")[0])
    assert (batch["ordered_wei"], batch["dust_in_wei"], batch["dust_out_wei"]) == (4 * 10**16, 9, 9)


def test_a_payment_that_alone_is_over_the_limit_is_parked_and_holds_nobody_up(world: BatcherWorld) -> None:
    world.with_terms(guard={"max_transfer": Ether.parse("0.05")})
    world.payments("500", "60", "40")
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["payment_count"]) == ("batch_created", 2)
    assert world.statuses() == ["parked", "swapping", "swapping"]
    reason = world.only("select parked_reason from payout_accumulation where id = 1")["parked_reason"]
    assert "transfer limit" in reason
    assert world.alerts() == ["payment_parked"]


def test_a_payment_whose_ether_is_far_off_its_dollars_is_parked_alone_and_the_others_go_on(world: BatcherWorld) -> None:
    world.a_payment("60", "0.24")  # ten times what 60 USD are
    world.payments("60", "40")
    world.a_payment("10", "0.000000000000000004")
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["payment_count"]) == ("batch_created", 2)
    assert world.statuses() == ["parked", "swapping", "swapping", "parked"]
    assert Ether(world.batch()["ordered_wei"]) == Ether.parse("0.04")
    reason = world.only("select parked_reason from payout_accumulation where id = 1")["parked_reason"]
    assert "its 0.24 ETH is worth 600.00 USD by the price feed, it was reported as 60.00 USD" in reason
    alerts = world.rows("select kind, subject, money_at_risk from alert order by id")
    assert [(alert["kind"], alert["subject"]) for alert in alerts] == [("payment_parked", "1"), ("payment_parked", "4")]
    assert [alert["money_at_risk"] for alert in alerts] == [["60.000000 USD"], ["10.000000 USD"]]
    assert world.story("payment", 1) == ["payment_parked"]


def test_what_is_parked_alone_no_longer_lifts_the_total_over_the_threshold(world: BatcherWorld) -> None:
    world.a_payment("60", "0.24")
    world.payments("60", "30")
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["total_pending"]) == ("below_threshold", "90.000000")
    assert world.statuses() == ["parked", "pending", "pending"]
    assert world.alerts() == ["payment_parked"]


def test_a_row_with_our_own_wallet_is_parked_alone_however_it_came_in(world: BatcherWorld) -> None:
    world.payments("60", "60", "40")
    wallet = world.batcher.terms.payout_address.lower()
    world.write("update payout_accumulation set client_wallet_address = :wallet where id = 1", wallet=wallet)
    assert world.tick().body["payment_count"] == 2
    assert world.statuses() == ["parked", "swapping", "swapping"]
    reason = world.only("select parked_reason from payout_accumulation where id = 1")["parked_reason"]
    assert reason == "the client's wallet is our own: nobody can be paid there"
    assert world.alerts() == ["payment_parked"]


# --- funding ----------------------------------------------------------------------------------------------------------


def test_funding_received_parks_payments_of_which_nobody_said_how_much_ether_came(world: BatcherWorld) -> None:
    world.a_payment_of(Usd.parse("70"), None)
    world.payments("60", "40")
    world.a_payment_of(Usd.parse("70"), None)
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["payment_count"]) == ("batch_created", 2)
    assert world.statuses() == ["parked", "swapping", "swapping", "parked"]
    assert "did not say" in world.only("select parked_reason from payout_accumulation where id = 1")["parked_reason"]
    assert world.story("payment", 1) == ["payment_parked"]
    alert = world.only("select kind, subject, message from alert")
    assert (alert["kind"], alert["subject"]) == ("payment_parked", "1")
    assert alert["message"].startswith("2 payment(s) worth 140.00 USD are parked: ")
    assert alert["message"].endswith("(1, 4)")


def test_parked_payments_do_not_lift_the_total_over_the_threshold(world: BatcherWorld) -> None:
    world.a_payment_of(Usd.parse("70"), None)
    world.payments("60")
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["total_pending"]) == ("below_threshold", "60.000000")


def test_funding_quoted_needs_no_ether_and_its_members_sum_to_the_order_exactly(world: BatcherWorld) -> None:
    world.with_terms(funding="quoted")
    for usd in ("33.333333", "33.333334", "33.333333"):
        world.a_payment_of(Usd.parse(usd), None)
    answer = world.tick()
    assert answer.body["outcome"] == "batch_created"
    batch = world.batch()
    # 100 USD at the exchange's 2,425: 0.04123711340... ETH, cut to 8 decimals.
    assert batch["ordered_wei"] == batch["members_wei"] == 41_237_110_000_000_000
    assert (batch["funding"], batch["dust_in_wei"], batch["dust_out_wei"]) == ("quoted", 0, 0)
    weis = world.column("select wei from batch_member order by payment_id")
    assert sum(weis) == batch["ordered_wei"]
    assert weis[1] > weis[0] >= weis[2] >= weis[0] - 1, "by weight, and a wei that is left over goes to the lower id"
    assert world.books().eth[Account.TREASURY] == Ether(batch["ordered_wei"]), "the platform advances the crypto"


def test_funding_quoted_keeps_the_transfer_limit(world: BatcherWorld) -> None:
    world.with_terms(funding="quoted", guard={"max_transfer": Ether.parse("0.04")})
    for _ in range(3):
        world.a_payment_of(Usd.parse("48.5"), None)
    answer = world.tick()
    assert (answer.body["outcome"], answer.body["payment_count"]) == ("batch_created", 2)
    assert world.batch()["ordered_wei"] == 4 * 10**16
    assert world.statuses() == ["swapping", "swapping", "pending"]


def test_a_narrow_band_refuses_what_a_wide_one_takes(world: BatcherWorld) -> None:
    world.with_terms(guard={"quote_band": Percent.parse("2.9999")})
    world.payments("60", "40")
    assert world.tick().body["outcome"] == "quote_outside_band"
    world.with_terms(guard={"quote_band": Percent.parse("3")})
    assert world.tick().body["outcome"] == "batch_created"
