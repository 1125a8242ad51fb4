"""One adopted order per batch, whatever the exchange answers and wherever the process dies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest

from GCMicroBatchProcessor.batcher import MOST_ORDER_ATTEMPTS, REDRIVE_AFTER
from shared.books import Account
from shared.db import Database
from shared.db.roles import BATCHER
from shared.exchange import Created, Mismatch, Order, OrderMismatch, RefusalKind, RefusedByExchange, Unclear
from shared.money import Ether, Price
from tests.integration.batcher_world import BatcherWorld, ProcessDied

DatabaseAs = Callable[[str], Database]
UNCLEAR = Unclear("time-out", maybe_created=True)
PAYIN = "0x57f31ad4b64095347F87eDB1675566DAfF5EC886"


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs) -> BatcherWorld:
    return BatcherWorld.of(reused_database, reused_database_as(BATCHER))


@pytest.fixture
def own_world(database: Database, database_as: DatabaseAs) -> BatcherWorld:
    """For tests that change the schema."""
    return BatcherWorld.of(database, database_as(BATCHER))


def die() -> None:
    raise ProcessDied


def late(world: BatcherWorld) -> None:
    world.wait(seconds=int(REDRIVE_AFTER.total_seconds()) + 1)


def test_an_unclear_answer_leaves_the_batch_pending_and_the_answer_has_no_order(world: BatcherWorld) -> None:
    world.exchange.answer_next(UNCLEAR)
    world.payments("60", "40")
    answer = world.tick()
    assert (answer.status, answer.body["outcome"], answer.body["cn_api_id"]) == (200, "batch_created", None)
    assert "unclear" in answer.body["message"]
    assert world.batch()["conversion_status"] == "pending"
    assert world.order_statuses() == ["unknown"]
    assert world.statuses() == ["swapping", "swapping"]
    assert world.messages() == []


def test_the_sweep_makes_the_second_attempt_and_only_that_one_is_paid(world: BatcherWorld) -> None:
    world.exchange.answer_next(UNCLEAR)
    world.payments("60", "40")
    world.tick()
    assert world.sweep().body["batches_redriven"] == 0, "not before it is late"
    late(world)
    assert world.sweep().body["batches_redriven"] == 1
    assert world.order_statuses() == ["unknown", "adopted"]
    assert world.batch()["conversion_status"] == "swapping"
    (message,) = world.messages()
    assert message.cn_api_id == "fake0000000002"
    assert world.column("select attempt_no from exchange_order order by id") == [1, 2]
    late(world)
    world.sweep()
    assert world.exchange.asked == 2


def test_after_five_unclear_answers_the_batch_is_parked_and_nobody_is_asked_again(world: BatcherWorld) -> None:
    for _ in range(MOST_ORDER_ATTEMPTS):
        world.exchange.answer_next(UNCLEAR)
    world.payments("60", "40")
    world.tick()
    for _ in range(MOST_ORDER_ATTEMPTS + 3):
        late(world)
        assert world.sweep().status == 200
    assert world.exchange.asked == MOST_ORDER_ATTEMPTS
    batch = world.batch()
    assert batch["conversion_status"] == "parked"
    assert "unclear" in batch["reason"]
    assert world.alerts() == ["batch_parked"]
    assert world.order_statuses() == ["unknown"] * MOST_ORDER_ATTEMPTS
    assert world.statuses() == ["swapping", "swapping"]
    assert world.messages() == []


def test_five_crashes_while_asking_park_the_batch_too(world: BatcherWorld) -> None:
    world.exchange.before_asked = die
    world.payments("60", "40")
    assert world.tick().status == 500
    for _ in range(MOST_ORDER_ATTEMPTS + 2):
        late(world)
        world.sweep()
    assert world.exchange.asked == MOST_ORDER_ATTEMPTS
    assert world.batch()["conversion_status"] == "parked"
    assert world.order_statuses() == ["unknown"] * MOST_ORDER_ATTEMPTS


def test_a_crash_between_the_claim_and_the_question_is_made_good_by_the_sweep(world: BatcherWorld) -> None:
    world.exchange.before_asked = die
    world.payments("60", "40")
    assert world.tick().status == 500
    assert world.order_statuses() == ["sending"]
    assert world.outcomes() == []
    world.exchange.before_asked = None
    assert world.tick().body["outcome"] == "below_threshold", "the payments are taken, for nobody else"
    assert world.sweep().body["batches_redriven"] == 0
    late(world)
    world.sweep()
    assert world.order_statuses() == ["unknown", "adopted"]
    assert len(world.exchange.orders) == 1
    assert len(world.messages()) == 1
    world.books()


def test_a_crash_between_the_answer_and_its_adoption_leaves_an_orphan_that_is_never_paid(world: BatcherWorld) -> None:
    world.exchange.before_next_answer(die)
    world.payments("60", "40")
    assert world.tick().status == 500
    late(world)
    world.sweep()
    assert len(world.exchange.orders) == 2
    assert world.order_statuses() == ["unknown", "adopted"]
    assert [message.cn_api_id for message in world.messages()] == ["fake0000000002"]
    assert world.column("select cn_api_id from exchange_order order by id") == [None, "fake0000000002"]


def test_an_answer_that_comes_after_the_sweep_gave_the_attempt_up_is_abandoned(world: BatcherWorld) -> None:
    def another_process_sweeps() -> None:
        late(world)
        world.sweep()

    world.exchange.before_next_answer(another_process_sweeps)
    world.payments("60", "40")
    answer = world.tick()
    assert (answer.status, answer.body["cn_api_id"]) == (200, None)
    assert "too late" in answer.body["message"]
    rows = world.rows(
        "select attempt_no, order_status, cn_api_id, due_at is null as rests from exchange_order order by id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (1, "abandoned", "fake0000000001", True),
        (2, "adopted", "fake0000000002", False),
    ]
    assert [message.cn_api_id for message in world.messages()] == ["fake0000000002"]
    assert world.story("order", 1) == ["order_sending", "order_unclear", "order_abandoned"]


@pytest.mark.parametrize(
    "answer",
    [
        UNCLEAR,
        RefusedByExchange(RefusalKind.TOO_SMALL, "too small"),
        OrderMismatch("wrong0000000001", (Mismatch("fromAmount", "1", "2"),)),
    ],
)
def test_no_late_answer_of_any_kind_disturbs_the_attempt_that_took_over(world: BatcherWorld, answer: object) -> None:
    def another_process_sweeps() -> None:
        world.exchange.before_asked = None
        late(world)
        world.sweep()

    world.payments("60", "40")
    world.exchange.before_asked = another_process_sweeps
    world.exchange.answer_next(Created(Order("other0000000001", PAYIN, Ether(4 * 10**16), None)))
    world.exchange.answer_next(answer)  # type: ignore[arg-type]
    assert world.tick().status == 200
    assert world.order_statuses() == ["unknown", "adopted"]
    assert world.batch()["conversion_status"] == "swapping"
    assert world.statuses() == ["swapping", "swapping"]


def test_a_refusal_gives_the_payments_back_with_their_wei_and_reverses_the_books(world: BatcherWorld) -> None:
    world.exchange.answer_next(RefusedByExchange(RefusalKind.PAIR_INACTIVE, "not now"))
    world.a_payment("60")
    world.a_payment("40", "0.016000000000000007")
    before = world.books()
    answer = world.tick()
    assert (answer.status, answer.body["cn_api_id"], answer.body["batch_created"]) == (200, None, True)
    batch = world.batch()
    assert (batch["conversion_status"], batch["due_at"]) == ("released", None)
    assert "pair_inactive" in batch["reason"]
    assert world.order_statuses() == ["refused"]
    assert world.statuses() == ["pending", "pending"]
    rows = world.rows(
        "select batch_conversion_id, net_wei, due_at is null as rests from payout_accumulation order by id"
    )
    assert [tuple(row.values()) for row in rows] == [(None, 24 * 10**15, False), (None, 16 * 10**15 + 7, False)]
    assert world.column("select live from batch_member") == [False, False]
    assert world.books() == before
    assert world.column("select event from posting where event like 'batch%' order by id") == [
        "batch_ordered",
        "batch_released",
    ]
    assert world.story("payment", 1) == ["payment_claimed", "payment_released"]
    assert world.alerts() == ["batch_released"]
    assert world.messages() == []
    late(world)
    assert world.sweep().body["batches_redriven"] == 0
    assert world.tick().body["cn_api_id"] == "fake0000000002", "the same payments again, in a new batch"
    assert world.column("select count(*) from batch_member where live") == [2]


def test_an_answer_that_contradicts_the_request_is_abandoned_with_an_alert_and_tried_anew(world: BatcherWorld) -> None:
    mismatch = OrderMismatch("wrong0000000001", (Mismatch("payoutAddress", "0xours", "0xtheirs"),))
    world.exchange.answer_next(mismatch)
    world.payments("60", "40")
    answer = world.tick()
    assert answer.body["cn_api_id"] is None
    assert world.order_statuses() == ["abandoned"]
    assert world.column("select cn_api_id from exchange_order") == ["wrong0000000001"]
    assert world.alerts() == ["order_abandoned"]
    assert world.messages() == []
    late(world)
    world.sweep()
    assert world.order_statuses() == ["abandoned", "adopted"]


def test_an_order_id_that_is_ours_already_is_never_adopted_twice(world: BatcherWorld) -> None:
    first = world.a_batch("60", "40")
    again = Created(Order("fake0000000001", PAYIN, Ether(4 * 10**16), "97"))
    world.exchange.answer_next(again)
    world.payments("60", "40")
    assert world.tick().status == 500
    assert world.order_statuses() == ["adopted", "sending"]
    late(world)
    assert world.sweep().status == 200
    assert world.order_statuses() == ["adopted", "unknown", "adopted"]
    assert len({message.cn_api_id for message in world.messages()}) == 2
    assert world.adopted(first)["cn_api_id"] == "fake0000000001"


def test_a_commit_that_fails_after_the_answer_is_made_good_by_the_sweep(own_world: BatcherWorld) -> None:
    own_world.exchange.before_next_answer(lambda: own_world.write("alter table outbox rename to away"))
    own_world.payments("60", "40")
    assert own_world.tick().status == 500
    own_world.write("alter table away rename to outbox")
    late(own_world)
    assert own_world.sweep().status == 200
    assert own_world.order_statuses() == ["unknown", "adopted"]


def test_a_new_attempt_meets_the_market_anew_and_waits_while_it_is_outside_its_bands(world: BatcherWorld) -> None:
    world.exchange.answer_next(UNCLEAR)
    world.payments("60", "40")
    world.tick()
    world.chain.price = Price(2_000, 0)
    for _ in range(MOST_ORDER_ATTEMPTS + 1):
        late(world)
        assert world.sweep().status == 200
    assert world.exchange.asked == 1, "no attempt is spent while the guard forbids it"
    assert world.batch()["conversion_status"] == "pending"
    assert world.alerts() == ["batch_held_back"]
    world.chain.price = Price(2_500, 0)
    late(world)
    world.sweep()
    assert world.order_statuses() == ["unknown", "adopted"]


def test_while_the_exchange_cannot_be_read_no_attempt_is_spent_and_other_batches_are_looked_after(
    world: BatcherWorld,
) -> None:
    world.exchange.answer_next(UNCLEAR)
    world.payments("60", "40")
    world.tick()
    world.wait(seconds=1)
    swapping = world.a_batch("50", "30", "20")
    world.is_paid(swapping, "97")
    late(world)
    world.exchange.unreadable = {"range"}
    answer = world.sweep()
    assert (answer.status, answer.body["code"]) == (503, "exchange_unreadable")
    assert world.batch(swapping)["conversion_status"] == "completed"
    assert world.exchange.asked == 2
    world.exchange.unreadable = set()
    assert world.sweep().status == 200
    assert world.order_statuses() == ["unknown", "finished", "adopted"]


def test_a_batch_of_which_a_payment_is_gone_gives_nothing_back(world: BatcherWorld) -> None:
    def tamper() -> None:
        world.write(
            """update payout_accumulation set conversion_status = 'parked', parked_reason = 'x',
                   batch_conversion_id = null where id = 1"""
        )

    world.exchange.before_asked = tamper
    world.exchange.answer_next(RefusedByExchange(RefusalKind.TOO_SMALL, "no"))
    world.payments("60", "40")
    answer = world.tick()
    assert (answer.status, answer.body["code"]) == (500, "members_do_not_add_up")
    assert world.statuses() == ["parked", "swapping"]


def test_one_sweep_asks_for_one_order_and_the_next_for_the_next(world: BatcherWorld) -> None:
    for _ in range(2):
        world.exchange.answer_next(UNCLEAR)
        world.payments("60", "40")
        world.tick()
    late(world)
    assert world.sweep().body["batches_redriven"] == 1
    assert world.exchange.asked == 3
    assert world.sweep().body["batches_redriven"] == 1
    assert sorted(world.order_statuses()) == ["adopted", "adopted", "unknown", "unknown"]


def test_a_lost_request_is_sent_again_until_the_conductor_has_it(world: BatcherWorld) -> None:
    batch = world.a_batch("60", "40")
    lost = world.messages()
    late(world)
    world.sweep()
    again = world.messages()
    assert again == lost, "the same order, a new message"
    assert world.column("select count(*) from outbox") == [2]
    world.a_request(batch, status="watching")
    late(world)
    world.sweep()
    assert world.messages() == []


def test_a_lost_report_is_made_good_by_the_sweep(world: BatcherWorld) -> None:
    batch = world.a_batch("50", "30", "20")
    world.is_paid(batch, "97")
    late(world)
    assert world.sweep().body["batches_redriven"] == 1
    assert world.shares() == [48_500_000, 29_100_000, 19_400_000]
    assert world.batch(batch)["conversion_status"] == "completed"


def test_a_batch_that_cannot_be_shared_out_is_told_once_and_does_not_stop_the_others(world: BatcherWorld) -> None:
    broken, sound = world.a_batch("60", "40"), world.a_batch("70", "30")
    world.is_paid(broken, "97", order_status="held")
    world.is_paid(sound, "97")
    for _ in range(2):
        late(world)
        assert world.sweep().status == 200
    assert world.batch(broken)["conversion_status"] == "swapping"
    assert world.batch(sound)["conversion_status"] == "completed"
    assert world.alerts() == ["distribution_forbidden"]


def test_a_sweep_of_many_late_batches_reaches_each(world: BatcherWorld) -> None:
    batches: list[UUID] = [world.a_batch("100") for _ in range(3)]
    world.messages()
    late(world)
    world.sweep()
    assert {message.batch_conversion_id for message in world.messages()} == {str(batch) for batch in batches}
    assert world.column("select min(due_at) from batch_conversions") == [world.now + timedelta(minutes=2)]


def test_the_dust_of_a_released_batch_is_carried_again(world: BatcherWorld) -> None:
    world.a_payment("100", "0.040000000000000009")
    world.tick()
    assert world.books().eth[Account.DUST] == Ether(-9)
    world.exchange.answer_next(RefusedByExchange(RefusalKind.TOO_SMALL, "no"))
    world.a_payment("100", "0.040000009999999995")
    world.tick()
    assert world.books().eth[Account.DUST] == Ether(-9), "as before the batch that was given back"
    world.tick()
    (last,) = world.rows("select * from batch_conversions where conversion_status = 'swapping' and dust_in_wei > 0")
    assert (last["dust_in_wei"], last["ordered_wei"], last["dust_out_wei"]) == (9, 40_000_010_000_000_000, 4)
    assert world.books().eth[Account.DUST] == Ether(-4)
