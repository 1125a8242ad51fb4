"""A paid order is looked at until it ends: only what the chain shows ends it, once, in one commit; looks never stop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from GCHostPay1.find_result import find_result
from GCHostPay1.take_request import OrderUnknown, RequestContradicts
from shared.chain import NotFinalYet, NotThisTransfer, ProvidersDisagree, Reverted
from shared.db import Connection, Database
from shared.exchange import NotFound, Unreadable
from shared.lifecycle import RequestState
from shared.messages import CheckArrival, PayBatch, SwapExecuted, SwapFailed
from shared.money import Ether, Tether
from shared.sandbox.chain import HOST_WALLET
from tests.conftest import Postgres
from tests.integration.conductor_world import (
    ETH_TX,
    REFUND_TX,
    SOME_ETH,
    SOME_USDT,
    STRANGER,
    TRACE,
    USDT_CONTRACT,
    USDT_TX,
    World,
    conductor_databases,
    unique_id_of,
)


@pytest.fixture(scope="module")
def databases(postgres: Postgres) -> Iterator[tuple[Database, Database]]:
    with conductor_databases(postgres) as opened:
        yield opened


@pytest.fixture
def world(databases: tuple[Database, Database]) -> World:
    return World.empty(databases)


def finish(world: World, asked: PayBatch, payout_hash: str | None = USDT_TX, **seen: Any) -> None:
    world.says(asked, "finished", payout_hash=payout_hash, **seen)


def is_still_watched(world: World, asked: PayBatch) -> None:
    """Nothing was concluded, and exactly one note for the next look is out."""
    assert world.state(asked) == "watching"
    assert world.order(asked)["order_status"] == "adopted"
    assert world.outstanding_looks(asked) == [world.request(asked)["polls"] + 1]
    assert world.count("arrival") == 0
    assert (world.messages(SwapExecuted), world.messages(SwapFailed)) == ([], [])


def is_parked_once(world: World, asked: PayBatch, says: str) -> None:
    """A person and the batcher were told, and exactly one note for the next look is out."""
    assert world.state(asked) == "parked"
    assert says in world.request(asked)["reason"]
    (alert,) = world.alerts("request_parked")
    assert says in alert
    (told,) = world.messages(SwapFailed, asked)
    assert (told.batch_conversion_id, told.refund_tx_hash) == (asked.batch_conversion_id, "")
    assert world.outstanding_looks(asked) == [world.request(asked)["polls"] + 1]
    assert world.request(asked)["due_at"] > world.now


# --- the notes --------------------------------------------------------------------------------------------------------


def test_each_look_leaves_exactly_one_note_for_the_next_one(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    world.tasks()
    for polls in range(1, 5):
        look = world.look(asked)
        assert world.request(asked)["polls"] == polls
        [(note, schedule_at)] = world.tasks()
        assert note == CheckArrival(unique_id_of(asked), asked.cn_api_id, polls + 1)
        assert schedule_at == look.next_look == world.now + timedelta(seconds=15)
        is_still_watched(world, asked)
        world.wait(seconds=15)


@pytest.mark.parametrize("poll", [0, 1, 2, 4, 5, 2**31 - 1])
def test_a_note_whose_number_is_not_the_next_one_reads_nothing_and_changes_nothing(world: World, poll: int) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    world.look(asked)
    world.look(asked)
    before, reads = world.everything(), world.exchange.reads
    assert world.look(asked, poll).next_look is None
    assert world.exchange.reads == reads
    assert world.everything() == before


def test_the_same_note_delivered_many_times_at_once_makes_one_look(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    for number in range(1, 4):
        with ThreadPoolExecutor(12) as pool:
            looks = list(pool.map(lambda _, n=number: world.look(asked, n), range(12)))
        assert sum(look.next_look is not None for look in looks) == 1
        assert world.request(asked)["polls"] == number
        is_still_watched(world, asked)


def test_a_note_that_is_overtaken_while_it_reads_changes_nothing(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()

    def other_is_faster() -> None:
        world.exchange.while_reading = None
        assert world.look(asked, 1).status is RequestState.REPORTED

    world.exchange.while_reading = other_is_faster
    assert world.look(asked, 1).status is RequestState.REPORTED
    assert len(world.messages(SwapExecuted)) == 1
    assert world.books()[1] == {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units}


def test_a_process_that_dies_between_reading_and_commit_has_changed_nothing(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()
    before = world.everything()

    class Killed(BaseException):
        pass

    class Dies:
        def transaction(self) -> Any:
            raise Killed

        def read(self) -> Any:
            return real.database.read()

    real = world.c
    world.c = replace(real, database=Dies())  # type: ignore[arg-type]
    with pytest.raises(Killed):
        world.look(asked, 1)
    assert world.everything() == before
    world.c = real
    assert world.look(asked, 1).status is RequestState.REPORTED


def test_a_process_that_dies_inside_the_commit_leaves_nothing_half_done(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()
    before = world.everything()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    class DyingOutbox:
        put = dies
        flush = dies

    real = world.c
    world.c = replace(real, outbox=DyingOutbox())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        world.look(asked, 1)
    assert world.everything() == before
    world.c = real
    assert world.look(asked, 1).status is RequestState.REPORTED


def test_a_note_about_nobody_or_another_order_is_refused(world: World) -> None:
    asked, other = world.a_watched_batch(), world.a_watched_batch(tx_hash="0x" + "e2" * 32)
    with pytest.raises(OrderUnknown):
        find_result(world.c, CheckArrival("nobody", asked.cn_api_id, 1), world.now, TRACE)
    with pytest.raises(RequestContradicts):
        find_result(world.c, CheckArrival(unique_id_of(asked), other.cn_api_id, 1), world.now, TRACE)


def test_a_request_that_is_not_paid_is_not_looked_at(world: World) -> None:
    asked = world.a_paying_batch()
    world.look(asked, 1)
    assert world.exchange.reads == 0
    assert world.request(asked)["polls"] == 0


@pytest.mark.parametrize(
    ("age", "pause"),
    [
        (timedelta(minutes=9, seconds=59), timedelta(seconds=15)),
        (timedelta(minutes=10), timedelta(seconds=60)),
        (timedelta(hours=2), timedelta(minutes=15)),
        (timedelta(days=6), timedelta(minutes=15)),
        (timedelta(days=7), timedelta(days=1)),
        (timedelta(days=400), timedelta(days=1)),
    ],
)
def test_looks_slow_down_with_age_and_never_stop(world: World, age: timedelta, pause: timedelta) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging")
    world.now += age
    assert world.look(asked).next_look == world.now + pause
    assert world.request(asked)["due_at"] == world.now + pause + timedelta(minutes=1)
    is_still_watched(world, asked)


# --- not finished -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["new", "waiting", "confirming", "exchanging", "sending", "a_word_of_tomorrow"])
def test_an_order_that_has_not_ended_is_looked_at_again(world: World, status: str) -> None:
    asked = world.a_watched_batch()
    world.says(asked, status, amount_to=Tether(1), payout_hash=USDT_TX)
    world.pays_usdt()
    assert world.look(asked).exchange_status == status
    is_still_watched(world, asked)
    assert world.alerts() == []


@pytest.mark.parametrize("reading", [NotFound(), Unreadable("HTTP 502", retry=True), Unreadable("key", retry=False)])
def test_an_order_that_cannot_be_read_stays_as_it_is_and_is_looked_at_again(world: World, reading: Any) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "sending", payin_hash=ETH_TX)
    world.look(asked)
    world.exchange.told[asked.cn_api_id] = reading
    world.look(asked)
    is_still_watched(world, asked)
    order = world.order(asked)
    assert (order["exchange_status"], order["payin_hash"]) == ("sending", ETH_TX)


@pytest.mark.parametrize(
    "text", ["null", "None", "", "0x", "0x1234", "pending", USDT_TX + "00", "0x" + "zz" * 32, "0x" + "٣" * 64]
)
def test_a_payout_hash_that_names_no_transaction_is_not_told_yet(world: World, text: str) -> None:
    asked = world.a_watched_batch()
    finish(world, asked, text, payin_hash=text, refund_hash=text)
    world.pays_usdt()
    world.look(asked)
    is_still_watched(world, asked)
    assert world.alerts() == []
    assert world.order(asked)["payout_hash"] is None


@pytest.mark.parametrize(
    "text", [USDT_TX.upper(), "0x" + USDT_TX[2:].upper(), USDT_TX[2:], f"  {USDT_TX}\n", USDT_TX[2:].upper()]
)
def test_a_payout_hash_in_another_spelling_is_the_same_transaction(world: World, text: str) -> None:
    asked = world.a_watched_batch()
    finish(world, asked, text)
    world.pays_usdt()
    assert world.look(asked).status is RequestState.REPORTED
    assert world.order(asked)["payout_hash"] == USDT_TX
    assert [told.usdt_tx_hash for told in world.messages(SwapExecuted)] == [USDT_TX]


def test_finished_without_a_payout_hash_is_looked_at_again(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked, None, amount_to=SOME_USDT)
    world.look(asked)
    is_still_watched(world, asked)


def test_a_hash_that_was_told_once_is_kept_when_it_is_not_told_again(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "sending", payin_hash=ETH_TX, payout_hash=USDT_TX)
    world.look(asked)
    world.says(asked, "sending", payin_hash=None, payout_hash=None)
    world.look(asked)
    order = world.order(asked)
    assert (order["payin_hash"], order["payout_hash"]) == (ETH_TX, USDT_TX)


def test_a_payout_that_is_unknown_or_not_final_on_chain_is_looked_at_again(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.look(asked)
    is_still_watched(world, asked)
    world.chain.payouts[USDT_TX] = NotFinalYet(120, 100)
    world.look(asked)
    is_still_watched(world, asked)
    world.pays_usdt()
    assert world.look(asked).status is RequestState.REPORTED


def test_providers_that_disagree_or_are_away_change_nothing_and_the_note_stays_due(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()
    before = world.everything()
    world.chain.trouble = ProvidersDisagree("receipt", {"fake:1": "one", "fake:2": "other"})
    with pytest.raises(ProvidersDisagree) as raised:
        world.look(asked, 1)
    assert raised.value.http_status == 503
    assert world.everything() == before
    world.chain.trouble = None
    assert world.look(asked, 1).status is RequestState.REPORTED


# --- the arrival ------------------------------------------------------------------------------------------------------


def test_exactly_one_transfer_of_usdt_ends_the_order_in_one_commit(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked, payin_hash=ETH_TX)
    world.pays_usdt()
    world.sender.be_away()
    look = world.look(asked)
    assert (look.status, look.exchange_status, look.next_look) == (RequestState.REPORTED, "finished", None)
    (arrival,) = world.rows("select * from arrival")
    assert (arrival["tx_hash"], arrival["log_index"], arrival["usdt_units"]) == (USDT_TX, 3, SOME_USDT.units)
    assert (str(arrival["batch_conversion_id"]), arrival["cn_api_id"]) == (asked.batch_conversion_id, asked.cn_api_id)
    assert (arrival["token_contract"], arrival["block_number"]) == (USDT_CONTRACT, 120)
    assert world.order(asked)["order_status"] == "finished"
    assert world.request(asked)["due_at"] is None
    assert world.order(asked)["due_at"] is None
    (told,) = world.messages(SwapExecuted)
    assert told == SwapExecuted(asked.batch_conversion_id, asked.cn_api_id, ETH_TX, USDT_TX, SOME_USDT.units)
    assert world.books() == (
        {"in_transit": SOME_ETH.wei, "wallet": -SOME_ETH.wei},
        {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units},
    )
    (written,) = world.rows(
        """select count(distinct id) as commits from (
               select xmin::text as id from arrival union all
               select xmin::text from hostpay_request union all
               select xmin::text from exchange_order union all
               select xmin::text from history where event in ('order_finished', 'request_reported') union all
               select xmin::text from posting where event = 'usdt_arrived' union all
               select xmin::text from outbox where message_type = 9) as written"""
    )
    assert written["commits"] == 1


def test_after_the_end_no_note_and_no_sweep_changes_anything(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()
    world.look(asked)
    before = world.everything()
    for poll in (1, 2, 3):
        assert world.look(asked, poll).status is RequestState.REPORTED
    world.wait(days=2)
    assert world.sweep().requests_redriven == 0
    assert world.everything() == before


@pytest.mark.parametrize("told", [Tether(1), Tether(SOME_USDT.units - 1), Tether(10**12), None])
def test_the_log_counts_and_not_what_the_exchange_says_it_paid(world: World, told: Tether | None) -> None:
    asked = world.a_watched_batch()
    finish(world, asked, amount_to=told)
    world.pays_usdt()
    world.look(asked)
    (arrival,) = world.rows("select usdt_units from arrival")
    assert arrival["usdt_units"] == SOME_USDT.units
    assert [message.usdt_units for message in world.messages(SwapExecuted)] == [SOME_USDT.units]


def test_a_payout_that_failed_on_chain_waits_for_a_person_and_looks_go_on(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.chain.payouts[USDT_TX] = Reverted(120, "0x" + "b1" * 32)
    world.look(asked)
    is_parked_once(world, asked, "failed on chain")
    # The exchange pays anew under another transaction.
    world.pays_usdt(tx_hash="0x" + "5e" * 32)
    finish(world, asked, "0x" + "5e" * 32)
    assert world.look(asked).status is RequestState.REPORTED
    assert [told.usdt_tx_hash for told in world.messages(SwapExecuted)] == ["0x" + "5e" * 32]


@pytest.mark.parametrize("logs", [{"to": STRANGER}, {"token": STRANGER}, None])
def test_a_payout_that_brings_us_no_usdt_waits_for_a_person(world: World, logs: dict[str, str] | None) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    if logs is None:
        world.chain.logs[USDT_TX] = []
    else:
        world.pays_usdt(**logs)  # type: ignore[arg-type]
    world.look(asked)
    is_parked_once(world, asked, "0 uncounted transfers")
    assert world.count("arrival") == 0


def test_a_log_to_another_wallet_beside_ours_is_not_counted(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt(Tether(5), log_index=2, to=STRANGER)
    world.pays_usdt(Tether(6), log_index=4, token=STRANGER)
    world.pays_usdt()
    assert world.look(asked).status is RequestState.REPORTED
    (arrival,) = world.rows("select usdt_units, log_index from arrival")
    assert (arrival["usdt_units"], arrival["log_index"]) == (SOME_USDT.units, 3)


def test_two_transfers_in_one_payout_wait_for_a_person(world: World) -> None:
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt(log_index=3)
    world.pays_usdt(log_index=4)
    world.look(asked)
    is_parked_once(world, asked, "2 uncounted transfers")
    before = world.everything()
    world.look(asked)
    after = world.everything()
    assert after["alert"] == before["alert"]
    assert len(world.messages(SwapFailed)) == 1
    assert len(after["outbox"]) == len(before["outbox"]) + 1  # the next note


def test_a_payout_that_is_counted_for_another_batch_is_not_counted_again(world: World) -> None:
    first, second = world.a_watched_batch(), world.a_watched_batch(tx_hash="0x" + "e2" * 32)
    world.pays_usdt()
    finish(world, first)
    assert world.look(first).status is RequestState.REPORTED
    finish(world, second, "0x" + USDT_TX[2:].upper())
    world.look(second)
    is_parked_once(world, second, "0 uncounted transfers")
    assert world.count("arrival") == 1
    assert world.books()[1] == {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units}


def test_two_batches_that_claim_one_payout_at_once_do_not_both_get_it(world: World) -> None:
    batches = [world.a_watched_batch(tx_hash="0x" + f"e{number}" * 32) for number in range(6)]
    world.pays_usdt()
    for batch in batches:
        finish(world, batch)
    with ThreadPoolExecutor(6) as pool:
        states = [look.status.value for look in pool.map(world.look, batches)]
    assert sorted(states) == ["parked"] * 5 + ["reported"]
    assert world.count("arrival") == 1
    assert len(world.messages(SwapExecuted)) == 1
    assert world.books()[1] == {"wallet": SOME_USDT.units, "in_transit": -SOME_USDT.units}


def test_the_second_of_two_payouts_in_one_transaction_is_found_when_the_first_is_counted(world: World) -> None:
    first, second = world.a_watched_batch(), world.a_watched_batch(tx_hash="0x" + "e2" * 32)
    world.pays_usdt(Tether(5), log_index=3)
    finish(world, first)
    world.look(first)
    world.pays_usdt(Tether(7), log_index=4)
    finish(world, second)
    assert world.look(second).status is RequestState.REPORTED
    assert [row["usdt_units"] for row in world.rows("select usdt_units from arrival order by log_index")] == [5, 7]


# --- trouble at the exchange ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "order_state"),
    [("verifying", "held"), ("hold", "held"), ("failed", "failed"), ("expired", "expired")],
)
def test_trouble_parks_once_looks_go_on_and_a_late_finish_is_reported(
    world: World, word: str, order_state: str
) -> None:
    asked = world.a_watched_batch()
    world.says(asked, word)
    world.look(asked)
    assert world.order(asked)["order_status"] == order_state
    is_parked_once(world, asked, word)
    for _ in range(3):
        world.wait(minutes=1)
        world.look(asked)
    is_parked_once(world, asked, word)
    assert world.story(asked, "order") == [f"order_{order_state}"]
    finish(world, asked)
    world.pays_usdt()
    assert world.look(asked).status is RequestState.REPORTED
    assert world.order(asked)["order_status"] == "finished"
    assert len(world.messages(SwapExecuted)) == 1
    assert world.request(asked)["reason"] is None


def test_other_trouble_of_a_parked_request_is_told_to_a_person_once(world: World) -> None:
    asked = world.a_watched_batch()
    for word in ("verifying", "failed", "failed", "verifying", "hold"):
        world.says(asked, word)
        world.look(asked)
    assert world.order(asked)["order_status"] == "held"
    assert "says hold" in world.request(asked)["reason"]
    assert ["verifying" in text or "failed" in text or "hold" in text for text in world.alerts("request_parked")] == [
        True
    ] * 3
    assert len(world.messages(SwapFailed)) == 1
    assert world.story(asked).count("request_parked") == 1


def test_a_status_that_goes_backwards_is_harmless(world: World) -> None:
    asked = world.a_watched_batch()
    for word in ("sending", "waiting", "finished", "exchanging", "confirming", "new"):
        world.says(asked, word)
        world.look(asked)
        is_still_watched(world, asked)
    finish(world, asked)
    world.pays_usdt()
    world.look(asked)
    world.says(asked, "waiting", payout_hash=None)
    world.look(asked)
    assert world.state(asked) == "reported"


def test_a_word_in_upper_case_is_understood_or_harmless(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "FINISHED", payout_hash=USDT_TX, known=None)
    world.pays_usdt()
    world.look(asked)
    is_still_watched(world, asked)


def test_a_deposit_that_is_not_ours_is_told_once_and_changes_nothing(world: World) -> None:
    asked = world.a_watched_batch()
    foreign = "0x" + "fe" * 32
    world.says(asked, "confirming", payin_hash=foreign)
    for _ in range(3):
        world.look(asked)
    (alert,) = world.alerts("deposit_is_not_ours")
    assert foreign in alert
    assert ETH_TX in alert
    is_still_watched(world, asked)


def test_an_order_that_a_second_deposit_made_is_told_once_and_changes_nothing(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "exchanging", children=("child1", "child2"))
    for _ in range(3):
        world.look(asked)
    told = world.alerts("deposit_is_not_ours")
    assert len(told) == 2
    assert "made order child1; ours is unchanged" in told[0]
    is_still_watched(world, asked)


@pytest.mark.parametrize("text", [ETH_TX, ETH_TX.upper(), ETH_TX[2:], f" {ETH_TX}"])
def test_our_own_deposit_in_any_spelling_alarms_nobody(world: World, text: str) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "confirming", payin_hash=text)
    world.look(asked)
    assert world.alerts() == []


# --- refunds ----------------------------------------------------------------------------------------------------------


def refund(world: World, asked: Any, text: str | None = REFUND_TX) -> None:
    world.says(asked, "refunded", refund_hash=text)


@pytest.mark.parametrize("short_by", [0, 1_000_000_000_000_000])
def test_a_refund_that_is_found_on_chain_ends_the_order_and_its_shortfall_is_our_cost(
    world: World, short_by: int
) -> None:
    asked = world.a_watched_batch()
    returned = SOME_ETH - Ether(short_by)
    refund(world, asked)
    world.sends_back(returned)
    assert world.look(asked).status is RequestState.REPORTED
    assert world.order(asked)["order_status"] == "refunded"
    (told,) = world.messages(SwapFailed)
    assert (told.batch_conversion_id, told.refund_tx_hash) == (asked.batch_conversion_id, REFUND_TX)
    assert world.messages(SwapExecuted) == []
    ether, usdt = world.books()
    cost = {"wallet": -short_by, "exchange_cost": short_by} if short_by else {}
    assert (ether, usdt) == (cost, {})
    assert world.story(asked)[-1] == "request_refunded"
    assert world.alerts() == []
    before = world.everything()
    world.look(asked, 2)
    assert world.everything() == before


def test_a_refund_after_trouble_ends_a_parked_request(world: World) -> None:
    asked = world.a_watched_batch()
    world.says(asked, "failed")
    world.look(asked)
    world.wait(seconds=15)
    refund(world, asked)
    world.sends_back(SOME_ETH)
    assert world.look(asked).status is RequestState.REPORTED
    assert [told.refund_tx_hash for told in world.messages(SwapFailed)] == ["", REFUND_TX]


def test_the_refund_of_an_instant_order_to_our_wallet_is_booked_and_nobody_is_told(world: World) -> None:
    asked = world.a_watched_instant()
    refund(world, asked)
    world.sends_back(SOME_ETH)
    assert world.look(asked).status is RequestState.REPORTED
    assert world.order(asked)["order_status"] == "refunded"
    assert world.books() == ({}, {})
    assert world.messages(SwapFailed) == []


def test_refunded_without_a_transaction_waits_for_a_person_and_looks_go_on(world: World) -> None:
    asked = world.a_watched_batch()
    refund(world, asked, None)
    world.look(asked)
    is_parked_once(world, asked, "names no transaction")
    refund(world, asked)
    world.sends_back(SOME_ETH)
    assert world.look(asked).status is RequestState.REPORTED


def test_a_refund_that_is_not_final_yet_is_looked_at_again(world: World) -> None:
    asked = world.a_watched_batch()
    refund(world, asked)
    world.look(asked)
    is_still_watched(world, asked)
    world.chain.ether[REFUND_TX] = NotFinalYet(130, 120)
    world.look(asked)
    is_still_watched(world, asked)


@pytest.mark.parametrize("seen", [Reverted(130, "0x" + "b2" * 32), NotThisTransfer("it pays another address")])
def test_a_refund_that_brings_us_no_ether_waits_for_a_person(world: World, seen: Any) -> None:
    asked = world.a_watched_batch()
    refund(world, asked)
    world.chain.ether[REFUND_TX] = seen
    world.look(asked)
    is_parked_once(world, asked, "brought no ETH")


@pytest.mark.parametrize(
    ("amount", "sender", "says"),
    [
        (SOME_ETH, HOST_WALLET.address, "our own wallet"),
        (SOME_ETH, HOST_WALLET.address.lower(), "our own wallet"),
        (SOME_ETH + Ether(1), STRANGER, "the order was over"),
    ],
)
def test_a_refund_that_cannot_be_this_orders_waits_for_a_person(
    world: World, amount: Ether, sender: str, says: str
) -> None:
    asked = world.a_watched_batch()
    refund(world, asked)
    world.sends_back(amount, sender=sender)
    world.look(asked)
    is_parked_once(world, asked, says)
    assert world.order(asked)["order_status"] == "adopted"
    assert world.books()[0] == {"in_transit": SOME_ETH.wei, "wallet": -SOME_ETH.wei}


@pytest.mark.parametrize("text", [REFUND_TX, "0x" + REFUND_TX[2:].upper(), REFUND_TX[2:]])
@pytest.mark.parametrize("first", [REFUND_TX, REFUND_TX.upper()])
def test_one_refund_is_not_counted_for_two_orders_however_it_is_spelled(world: World, first: str, text: str) -> None:
    one, other = world.a_watched_batch(), world.a_watched_batch(tx_hash="0x" + "e2" * 32)
    world.sends_back(SOME_ETH)
    refund(world, one, first)
    assert world.look(one).status is RequestState.REPORTED
    refund(world, other, text)
    world.look(other)
    is_parked_once(world, other, "counted for another order")
    assert world.books()[0] == {"in_transit": SOME_ETH.wei, "wallet": -SOME_ETH.wei}


def test_two_orders_that_claim_one_refund_at_once_do_not_both_get_it(world: World) -> None:
    orders = [world.a_watched_batch(tx_hash="0x" + f"e{number}" * 32) for number in range(6)]
    world.sends_back(SOME_ETH)
    for order in orders:
        refund(world, order)
    with ThreadPoolExecutor(6) as pool:
        states = [look.status.value for look in pool.map(world.look, orders)]
    assert sorted(states) == ["parked"] * 5 + ["reported"]
    assert len(world.alerts("request_parked")) == 5
    assert [row["n"] for row in world.rows("select count(*) as n from posting where event = 'refund_returned'")] == [1]


def test_a_refund_that_another_order_is_just_being_ended_with_is_waited_for_and_not_counted(world: World) -> None:
    one, other = world.a_watched_batch(), world.a_watched_batch(tx_hash="0x" + "e2" * 32)
    world.sends_back(SOME_ETH)
    refund(world, other)
    with ThreadPoolExecutor(1) as pool, world.owner.transaction() as conn:
        conn.run(
            "update exchange_order set order_status = 'refunded', refund_hash = :tx where cn_api_id = :id",
            tx=REFUND_TX,
            id=one.cn_api_id,
        )
        looking = pool.submit(world.look, other)
        wait_for_a_blocked_session(world)
        conn.run("select 1")
        not_before_the_commit = looking.done()
    assert not not_before_the_commit
    assert looking.result().status is RequestState.PARKED
    is_parked_once(world, other, "counted for another order")


def wait_for_a_blocked_session(world: World) -> None:
    """Until the database says that somebody waits for a transaction to end."""
    deadline_s = time.monotonic() + 10
    while not world.rows("select 1 as waits from pg_locks where not granted"):
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


# --- instant payouts --------------------------------------------------------------------------------------------------


def test_an_instant_payout_ends_with_its_order_finished_and_nobody_is_told(world: World) -> None:
    asked = world.a_watched_instant()
    world.says(asked, "finished", payout_hash="a transaction of another chain")
    assert world.look(asked).status is RequestState.REPORTED
    assert world.order(asked)["order_status"] == "finished"
    assert world.books() == ({"treasury": SOME_ETH.wei, "wallet": -SOME_ETH.wei}, {})
    assert world.count("arrival") == 0
    assert (world.messages(SwapExecuted), world.messages(SwapFailed)) == ([], [])
    before = world.everything()
    world.look(asked, 2)
    assert world.everything() == before


def test_trouble_of_an_instant_payout_waits_for_a_person(world: World) -> None:
    asked = world.a_watched_instant()
    world.says(asked, "hold")
    world.look(asked)
    assert world.state(asked) == "parked"
    assert world.alerts() == ["request_parked"]
    assert world.messages(SwapFailed) == []
    world.says(asked, "finished")
    assert world.look(asked).status is RequestState.REPORTED


def test_a_failed_statement_of_the_database_is_not_passed_over(world: World) -> None:
    """The books refuse what contradicts an earlier posting of the same batch; then nothing else is kept either."""
    asked = world.a_watched_batch()
    finish(world, asked)
    world.pays_usdt()

    def booked_otherwise(conn: Connection) -> None:
        conn.run(
            """insert into posting (event, subject, trace, at) values ('usdt_arrived', :batch, '', :now)""",
            batch=asked.batch_conversion_id,
            now=world.now,
        )

    with world.owner.transaction() as conn:
        booked_otherwise(conn)
    before = world.everything()
    with pytest.raises(Exception, match="posted before with other entries"):
        world.look(asked, 1)
    assert world.everything() == before
