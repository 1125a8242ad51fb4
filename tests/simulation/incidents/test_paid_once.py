"""Whatever is delivered twice, killed, or answered to nobody: a batch's ETH leaves once, and leaves."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.db import DatabaseUnreachable
from shared.messages import CheckArrival, PayBatch, TransferFinal
from shared.money import Ether, Usd
from shared.queue import TaskUnclear
from shared.sandbox.simulator.door import Call
from shared.sandbox.simulator.exchange import Lost
from shared.sandbox.simulator.fleet import UPSTREAM
from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.interruptions import SimCrash
from shared.sandbox.simulator.named import NAMED
from shared.sandbox.simulator.named.scenes import (
    fault,
    has_bytes,
    is_out,
    killed_once,
    must,
    number,
    payments_on_chain,
    rows,
    stands_still_once,
    states,
    until,
    until_completed,
    when_first,
)
from shared.sandbox.simulator.people import webhook_body
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import START, World

from .base_story import (
    DAY_S,
    HOUR_S,
    OF_A_BATCH,
    SHARES,
    alerts,
    base,
    base_result,
    everything_of,
    payment_states,
    plays,
    same,
    says,
    shares,
    the_three_pay,
    watch_tasks,
)
from .marks import incident

OF_THE_PREDECESSOR = [history for history in NAMED if history.name.startswith("L-")]


@pytest.mark.parametrize("history", OF_THE_PREDECESSOR, ids=lambda history: history.name)
def test_the_incident_has_another_end_here(session: Session, history: History) -> None:
    failure = play(session, 0, history=history).failure
    if failure is not None:
        told = play(session, 0, history=history, listening=True).lines[-40:]
        raise AssertionError("\n".join([f"{history.name}: {failure.invariant}: {failure.detail}", *told]))


# --- payments ---------------------------------------------------------------------------------------------------------


def delivers(world: World, payment: int, usd: str, ether: str) -> int:
    """One delivery of a webhook; its answer's status, 0 when the intake was killed on the way."""
    raw = webhook_body(payment, Usd.parse(usd), Ether.parse(ether), "eth", START)
    heard = world.call("intake", Call("/", raw, UPSTREAM, "0" * 32))
    return 0 if heard is None else heard.status


@pytest.mark.parametrize("how", ["answered", "killed after its commit", "the answer to its commit is lost"])
@incident("I-05", "L-24", "L-25")
def test_a_payment_that_is_delivered_twelve_times_is_one_row(session: Session, how: str) -> None:
    def script(world: World) -> None:
        if how == "killed after its commit":
            killed_once(world, "intake", lambda where: where == "after its commit")
        elif how != "answered":
            fault(world, commits_unclear=500)
        world.pays(1, Usd.parse("50"), Ether.parse("0.020"))
        answers = [delivers(world, 1, "50", "0.020") for _ in range(12)]
        fault(world, commits_unclear=0)
        must(set(answers) <= {200, 503} and 200 in answers, f"the repeats are answered {answers}")
        world.pays(2, Usd.parse("30"), Ether.parse("0.012"))
        world.pays(3, Usd.parse("20"), Ether.parse("0.008"))
        must(number(world, "select count(*) from payout_accumulation where payment_ref = 'np-1'") == 1, "it has rows")
        must(number(world, "select count(*) from posting where subject = 'np-1'") == 1, "it is booked twice")
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-24")
def test_the_same_payment_over_another_amount_is_refused_and_told(session: Session) -> None:
    def script(world: World) -> None:
        world.pays(1, Usd.parse("50"), Ether.parse("0.020"))
        must(delivers(world, 1, "51", "0.020") == 409, "another amount in dollars is taken")
        must(delivers(world, 1, "50", "0.021") == 409, "another amount in ether is taken")
        must(alerts(world) == ["payment_conflicted"] * 2, f"people were told {alerts(world)}")
        must(number(world, "select count(*) from payout_accumulation") == 1, "there are more rows")

    plays(session, script)


@pytest.mark.parametrize("step", range(1, 5))
@incident("L-25", "L-30", "I-53", "L-08")
def test_while_the_database_is_away_in_the_middle_no_payment_is_credited_and_then_exactly_once(
    session: Session, step: int
) -> None:
    def script(world: World) -> None:
        away_at(world, "intake", step)
        answers = [delivers(world, 1, "50", "0.020") for _ in range(5)]
        must(answers[-1] == 200 and answers.count(503) == 1 and set(answers) <= {200, 503}, f"it is answered {answers}")
        must(number(world, "select count(*) from payout_accumulation") == 1, "it is not one row")
        world.pays(1, Usd.parse("50"), Ether.parse("0.020"))

    plays(session, script)


@incident("L-30", "L-25")
def test_the_intake_is_killed_at_every_place_and_the_gateways_repeat_is_counted_once(session: Session) -> None:
    def script(world: World) -> None:
        for payment in range(1, 7):
            points: Any = world.interruptions
            first = points.passed + (payment + 1) // 2
            points.crash_at = [first]
            answers = [delivers(world, payment, "5", "0.002") for _ in range(3)]
            must(answers[-1] == 200, f"payment {payment} is answered {answers}")
            world.pays(payment, Usd.parse("5"), Ether.parse("0.002"))
        must(number(world, "select count(*) from payout_accumulation") == 6, "a payment is missing, or twice there")

    plays(session, script)


# --- the wallet -------------------------------------------------------------------------------------------------------


@incident("I-06")
def test_a_receipt_that_nobody_shows_for_an_hour_never_makes_a_second_transaction(session: Session) -> None:
    def script(world: World) -> None:
        when_first(world, lambda: is_out(world), lambda: fault(world, receipts_missing=1000, tasks_twice=300))
        base(world)
        world.run_for(HOUR_S)
        must(number(world, "select next_nonce from account") == 1, "a second nonce was used")
        must(states(world, "transfer") == ["live"], f"without a receipt it is {states(world, 'transfer')}")
        fault(world, receipts_missing=0, tasks_twice=0)
        until_completed(world)
        base_result(world)
        (settled,) = rows(world, "select evidence ->> 'tx_hash' as tx_hash from slot")
        must(payments_on_chain(world) == [settled["tx_hash"]], "it is settled with another hash")

    plays(session, script)


@pytest.mark.parametrize("how", ["cut", "answers lost"])
@incident("I-09")
def test_every_write_after_the_broadcast_fails_and_the_intent_is_there_from_before_it(
    session: Session, how: str
) -> None:
    def script(world: World) -> None:
        trouble = {"database_away": 1000} if how == "cut" else {"commits_unclear": 700}
        when_first(world, lambda: is_out(world), lambda: fault(world, **trouble))
        base(world)
        world.run_for(HOUR_S // 2)
        (attempt,) = rows(world, "select nonce, tx_hash, octet_length(raw) as bytes from attempt order by seq limit 1")
        must(attempt["nonce"] == 0 and attempt["bytes"] > 100, f"the intent is {attempt}")
        fault(world, database_away=0, commits_unclear=0)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-28")
def test_for_a_day_nothing_leaves_and_few_tasks_are_made_and_the_same_bytes_leave_in_the_end(session: Session) -> None:
    def script(world: World) -> None:
        when_first(world, lambda: has_bytes(world), lambda: fault(world, sends_lost=1000, tasks_not_made=700))
        base(world)
        world.run_for(DAY_S)
        must(states(world, "transfer") == ["live"], f"the transfer is {states(world, 'transfer')}")
        must(number(world, "select count(*) from send_log") > 10, "nobody counted the tries")
        must(number(world, "select next_nonce from account") == 1, "there is a second nonce")
        must("request_overdue" in alerts(world), f"people were told {alerts(world)}")
        fault(world, sends_lost=0, tasks_not_made=0)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("L-27")
def test_every_task_is_made_and_every_answer_about_it_is_lost(session: Session) -> None:
    def script(world: World) -> None:
        create = world.queue.create
        lost: set[str] = set()

        def unanswered(**task: Any) -> object:
            made = create(**task)
            place = f"{task['queue']} {task['url']}"
            if place not in lost:
                lost.add(place)
                raise TaskUnclear("The task service did not say whether the task was made.")
            return made

        world.queue.create = unanswered  # type: ignore[assignment, method-assign]
        base(world)
        until_completed(world)
        base_result(world)
        must(len(lost) >= 6, f"only answers of {lost} were lost")

    plays(session, script)


@pytest.mark.parametrize("edge", OF_A_BATCH, ids=lambda edge: edge.name)
@incident("L-27")
def test_on_one_edge_no_answer_about_a_task_ever_comes_back_for_ten_minutes(session: Session, edge: Any) -> None:
    def script(world: World) -> None:
        create, until_then = world.queue.create, world.now + timedelta(minutes=10)

        def unanswered(**task: Any) -> object:
            made = create(**task)
            if task["url"].endswith(f"{edge.consumer}.fleet.example{edge.route}") and world.now < until_then:
                raise TaskUnclear("The task service did not say whether the task was made.")
            return made

        world.queue.create = unanswered  # type: ignore[assignment, method-assign]
        base(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("I-20", "L-02")
def test_every_message_again_ten_times_at_once_after_minutes_and_after_the_end_changes_nothing(
    session: Session,
) -> None:
    def script(world: World) -> None:
        kept: list[Any] = []
        watch_tasks(world, lambda task, opened: kept.append((task, opened)))
        base(world)
        until_completed(world)
        base_result(world)
        world.run_for(60)
        before = everything_of(world)
        for wait_s in (0, 240, 6 * HOUR_S):
            world.run_for(wait_s)
            for task, opened in kept:
                for _ in range(10 if wait_s == 0 else 1):
                    heard = world.call(
                        opened.edge.consumer, Call(opened.edge.route, task.body, "", "0" * 32, task.name)
                    )
                    must(heard is not None and heard.status == 200, f"{opened.edge.name} is answered {heard}")
        same(before, everything_of(world))
        must(len(kept) >= 8, f"only {len(kept)} messages were there")

    plays(session, script)


@incident("I-20", "L-09")
def test_every_message_at_every_other_route_is_refused(session: Session) -> None:
    def script(world: World) -> None:
        kept: dict[str, Any] = {}
        watch_tasks(world, lambda task, opened: kept.setdefault(opened.edge.name, (task, opened)))
        base(world)
        world.asks_instant(1, Ether.parse("0.02"))
        until_completed(world)
        world.run_for(HOUR_S)
        before = everything_of(world)
        tried = 0
        for task, opened in kept.values():
            for role, doors in world.fleet.doors.items():
                for path, route in doors.routes.items():
                    if route.body != "token" or opened.edge in route.edges:
                        continue
                    heard = world.call(role, Call(path, task.body, "", "0" * 32))
                    must(heard is not None and heard.status == 401, f"{opened.edge.name} at {role}{path}: {heard}")
                    tried += 1
        must(tried >= 50, f"only {tried} pairs were tried")
        same(before, everything_of(world))

    plays(session, script)


# --- batches and orders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 3])
@incident("I-08", "L-13")
def test_orders_whose_answers_are_lost_are_never_funded(session: Session, times: int) -> None:
    def script(world: World) -> None:
        world.exchange.lost_answers.extend([Lost.AFTER_IT_IS_OPENED] * times)
        base(world)
        until_completed(world)
        base_result(world)
        must(len(world.exchange.orders) == times + 1, f"{len(world.exchange.orders)} orders were opened")
        kept = [row["order_status"] for row in rows(world, "select order_status from exchange_order order by id")]
        must(kept == ["unknown"] * times + ["finished"], f"the attempts are {kept}")

    plays(session, script)


@pytest.mark.parametrize("how", ["killed", "database away", "answer to the commit lost"])
@incident("I-08", "L-38")
def test_the_answer_about_an_order_is_there_and_cannot_be_written_down(session: Session, how: str) -> None:
    def script(world: World) -> None:
        asked: list[int] = []
        create = world.exchange.create

        def created(request: Any) -> Any:
            asked.append(1)
            if len(asked) == 1:
                if how == "database away":
                    fault(world, database_away=1000)
                elif how != "killed":
                    fault(world, commits_unclear=1000)
            return create(request)

        world.exchange.create = created  # type: ignore[method-assign]
        if how == "killed":
            killed_once(world, "batcher", lambda where: where == "after it asked the exchange for an order")
        base(world)
        fault(world, database_away=0, commits_unclear=0)
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("part", range(3))
@incident("L-38")
def test_a_tick_is_killed_at_each_of_its_places(session: Session, part: int) -> None:
    def script(world: World, point: int) -> None:
        the_three_pay(world)
        world.start_clockwork()
        world.run_for(30)
        points: Any = world.interruptions
        places.append(points.passed)
        points.crash_at = [points.passed + point]
        world.tick()
        world.tick()
        until_completed(world)
        base_result(world)
        opened = len(world.exchange.orders)
        must(number(world, "select count(*) from exchange_order") >= opened, f"{opened} orders are opened unwritten")

    places: list[int] = []
    for point in range(1 + part, 20, 3):
        plays(session, partial(script, point=point))
    assert len(places) >= 6


@incident("L-05", "I-34")
def test_fifty_ticks_at_once_make_one_batch(session: Session) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        world.start_clockwork()
        world.run_for(30)
        answers = [world.tick() for _ in range(50)]
        made = [heard for heard in answers if heard is not None and heard.body.get("batch_created")]
        must(len(made) == 1 and len(answers) == 50, f"{len(made)} batches were made")
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("where", ["for its range", "for a quote", "for an order"])
@incident("L-05")
def test_a_tick_that_hangs_at_the_exchange_while_twenty_others_come_makes_one_batch(
    session: Session, where: str
) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        world.start_clockwork()
        world.run_for(30)
        stands_still_once(
            world,
            "batcher",
            lambda place: place == f"before it asks the exchange {where}",
            600,
            meanwhile=lambda: [world.tick() for _ in range(20)],
        )
        world.tick()
        must(len(states(world, "batch")) == 1, f"there are {len(states(world, 'batch'))} batches")
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("step", range(1, 10))
@incident("L-06")
def test_a_payment_that_comes_in_the_middle_of_a_tick_is_wholly_in_or_still_pending(
    session: Session, step: int
) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        world.start_clockwork()
        world.run_for(30)
        seen: list[str] = []

        def is_step(where: str) -> bool:
            seen.append(where)
            return len(seen) == step

        stands_still_once(
            world,
            "batcher",
            is_step,
            0,
            meanwhile=lambda: world.pays(4, Usd.parse("40"), Ether.parse("0.016")),
            certain=step <= 6,
        )
        world.tick()
        (batch,) = rows(world, "select payment_count, members_wei, ordered_wei from batch_conversions")
        members = number(world, "select sum(p.net_wei) from payout_accumulation p where conversion_status = 'swapping'")
        must(int(batch["members_wei"]) == int(batch["ordered_wei"]) == members, f"{batch} for {members} wei")
        until_completed(world)
        told = shares(world)
        if batch["payment_count"] == 3:
            must({ref: told[ref] for ref in SHARES} == SHARES and "np-4" not in told, f"the shares are {told}")
            must(payment_states(world)[3:] in ([], ["pending"]), "the late one is neither in nor pending")
        else:
            must(sum(told.values()) == 97_000_000 * 56 // 40 and len(told) == 4, f"the shares are {told}")

    plays(session, script)


@incident("L-08")
def test_a_batch_that_is_asked_for_twice_while_it_is_unpaid_is_one_request_and_one_payment(session: Session) -> None:
    def script(world: World) -> None:
        asked: list[PayBatch] = []

        def again(task: Any, opened: Any) -> None:
            if isinstance(opened.message, PayBatch) and not asked:
                asked.append(opened.message)
                for number_ in range(5):
                    heard = says(world, opened.edge, opened.message, f"again-{number_}")
                    must(heard.status == 200, f"it is answered {heard}")

        watch_tasks(world, again)
        base(world)
        must(number(world, "select count(*) from hostpay_request") <= 1, "there are more requests")
        until_completed(world)
        base_result(world)
        must(bool(asked), "nobody asked")

    plays(session, script)


@pytest.mark.parametrize("step", range(1, 4))
@incident("L-08")
def test_with_the_database_away_a_batchs_request_is_a_5xx_and_taken_once_when_it_is_back(
    session: Session, step: int
) -> None:
    def script(world: World) -> None:
        statuses: list[int] = []
        queue: Any = world.queue
        deliver = queue._deliver

        def watched(task: Any) -> int | None:
            status: int | None = deliver(task)
            if "//conductor." in task.url:
                statuses.append(status or 0)
            return status

        queue._deliver = watched
        away_at(world, "conductor", step)
        base(world)
        until_completed(world)
        base_result(world)
        must(number(world, "select count(*) from hostpay_request") == 1, "there are two requests")
        must(set(statuses) <= {200, 503}, f"it was answered {statuses}")
        must(503 in statuses or step > 1, f"it was answered {statuses}")  # later steps: what it needed is committed

    plays(session, script)


@incident("L-59")
def test_a_payments_result_and_each_look_that_come_ten_times_are_one_watch_and_one_distribution(
    session: Session,
) -> None:
    def script(world: World) -> None:
        repeated: list[str] = []

        def again(task: Any, opened: Any) -> None:
            if isinstance(opened.message, TransferFinal | CheckArrival) and len(repeated) < 60:
                for _ in range(10):
                    repeated.append(opened.edge.name)
                    says(world, opened.edge, opened.message, f"again-{len(repeated)}")

        watch_tasks(world, again)
        base(world)
        until(world, lambda: len(repeated) >= 40, "the result and some looks came")
        looks = [task for task in world.queue.waiting.values() if task.url.endswith("/retry-callback-check")]
        must(len(looks) <= 2, f"{len(looks)} looks are planned")
        until_completed(world)
        base_result(world)
        must(len(set(repeated)) == 2, f"only {set(repeated)} came again")
        must(number(world, "select polls from hostpay_request") < 20, "every repeat was a look")
        must(number(world, "select count(*) from posting where event = 'usdt_distributed'") == 1, "it is shared twice")

    plays(session, script)


# --- distribution -----------------------------------------------------------------------------------------------------


@incident("L-15", "L-61")
def test_the_batcher_is_killed_at_every_place_of_the_distribution(session: Session) -> None:
    hit: list[str] = []
    for place in range(1, 5):

        def script(world: World, place: int = place) -> None:
            seen: list[str] = []

            def is_place(where: str) -> bool:
                if number(world, "select count(*) from arrival") == 0:
                    return False
                seen.append(where)
                return len(seen) == place

            points: Any = world.interruptions
            passes = points.point

            def point(where: str) -> None:
                if points.running[-1:] == ["batcher"] and is_place(where):
                    hit.append(where)
                    raise SimCrash(where)
                passes(where)

            points.point = point
            base(world)
            until_completed(world)
            base_result(world)
            (row,) = rows(
                world,
                "select sum(pending_usd_amount_micros) as weight, sum(converted_usdt_amount_units) as share"
                " from payout_accumulation",
            )
            must((int(row["weight"]), int(row["share"])) == (100_000_000, 97_000_000), f"the columns say {row}")

        plays(session, script)
    assert {"before its commit", "after its commit"} <= set(hit)


def away_at(world: World, role: str, step: int) -> None:
    """The database is away when this service begins its step-th transaction, once."""
    points: Any = world.interruptions
    passes = points.pause
    begun: list[str] = []

    def pause(where: str) -> None:
        if where == "before a transaction" and points.running[-1:] == [role]:
            begun.append(where)
            if len(begun) == step:
                raise DatabaseUnreachable("No connection to the database.")
        passes(where)

    points.pause = pause
