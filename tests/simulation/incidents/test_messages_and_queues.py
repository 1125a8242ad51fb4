"""Messages that are late, cut, foreign or lost, and queues that are not there: the work is in rows and goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from GCHostPay3.approvals import NotApprovable, approve_held
from GCHostPay3.executor import Task
from GCHostPay3.routes import routes_of as executor_routes
from shared.exchange import ExchangeStatus
from shared.messages import (
    ALL_EDGES,
    CONDUCTOR_TO_EXECUTOR,
    CONDUCTOR_TO_WATCHER,
    UPSTREAM_TO_CONDUCTOR,
    WATCHER_TO_CONDUCTOR,
    CheckOrder,
    Edge,
    InstantPayout,
    Keyring,
    Message,
    MessageInvalid,
    OrderChecked,
    PayOrder,
    TokenExpired,
    open_sealed,
    seal,
)
from shared.money import Ether
from shared.sandbox.simulator.door import Call
from shared.sandbox.simulator.fleet import KEYRING, SCHEDULER, WALLET, attributes_replaced, base_url
from shared.sandbox.simulator.named.scenes import (
    fault,
    must,
    number,
    rows,
    states,
    until,
    until_completed,
)
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import START, World
from tests.simulation.http_doors import HttpDoors

from .base_story import (
    DAY_S,
    DELIVERS_ALERTS,
    EDGES,
    HOUR_S,
    MINUTE_S,
    OF_A_BATCH,
    SHARES,
    alerts,
    base,
    base_result,
    nothing_is_sent,
    payment_states,
    plays,
    refusals,
    settled,
    shares,
    the_three_pay,
    watch_tasks,
)
from .marks import incident
from .test_paid_once import away_at


def by_name(edge: Edge) -> str:
    return edge.name


def late_once(world: World, edge: Edge, seconds: int) -> list[str]:
    """The first task of this edge is delivered so much later than it was due."""
    queue: Any = world.queue
    schedule = queue._schedule
    held: list[str] = []

    def later(task: Any, due: Any) -> None:
        if not held and task.url == base_url(edge.consumer) + edge.route and _edge_of(world, task) == edge:
            held.append(task.name)
            due += timedelta(seconds=seconds)
        schedule(task, due)

    queue._schedule = later
    return held


def _edge_of(world: World, task: Any) -> Edge:
    return open_sealed(ALL_EDGES, json.loads(task.body)["token"], KEYRING, max(world.now, task.due)).edge


# --- lateness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", OF_A_BATCH, ids=by_name)
@incident("I-24", "I-56")
def test_a_task_that_first_comes_after_a_day_less_a_minute_costs_time_only(session: Session, edge: Edge) -> None:
    def script(world: World) -> None:
        late_once(world, edge, DAY_S - MINUTE_S)
        base(world)
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("I-24", "I-56")
def test_every_hop_fails_at_first_and_comes_again_six_hours_later(session: Session) -> None:
    def script(world: World) -> None:
        queue: Any = world.queue
        deliver = queue._deliver
        failed: set[str] = set()

        def once_more(task: Any) -> int | None:
            place = _edge_of(world, task).name
            if place in failed:
                status: int | None = deliver(task)
                return status
            failed.add(place)
            world.at(world.now + timedelta(hours=6), lambda: deliver(task))
            return 200  # as far as this queue is concerned; the second delivery is on the agenda

        queue._deliver = once_more
        base(world)
        until(world, lambda: states(world, "batch") == ["completed"], "the batch is completed", 4 * DAY_S)
        base_result(world)
        must(len(failed) >= 7, f"only {failed} failed")

    plays(session, script)


@pytest.mark.parametrize("edge", OF_A_BATCH, ids=by_name)
@incident("I-24")
def test_work_that_has_expired_is_kept_and_told_once_and_the_sweep_goes_on(session: Session, edge: Edge) -> None:
    def script(world: World) -> None:
        held = late_once(world, edge, 26 * HOUR_S)
        base(world)
        world.run_for(27 * HOUR_S)
        base_result(world)
        settled(world)
        if held and edge.consumer != "watcher":  # who keeps nothing; whoever asked it asks again
            kept = rows(world, "select code, task_name from refused_message")
            must([row["code"] for row in kept] == ["token_expired"], f"kept are {kept}")
            must(alerts(world).count("message_refused") == 1, f"people were told {alerts(world)}")

    plays(session, script, settles=False)


@incident("L-63")
def test_a_captured_token_is_refused_after_forty_five_days_and_for_ever(session: Session) -> None:
    def script(world: World) -> None:
        kept: dict[str, Any] = {}
        watch_tasks(world, lambda task, opened: kept.setdefault(opened.edge.name, (task, opened)))
        base(world)
        until_completed(world)
        for days in (2, 45, 46, 91):
            now = START + timedelta(days=days, hours=12)
            for task, opened in kept.values():
                with pytest.raises(TokenExpired):
                    open_sealed([opened.edge], json.loads(task.body)["token"], KEYRING, now)
        ids = {opened.message_id for _, opened in kept.values()}
        must(len(ids) == len(kept) >= 7, f"{len(ids)} ids for {len(kept)} messages")

    plays(session, script)


NEW_SECRET = "the next secret of the model fleet"
OLD_SECRETS = ("the secret of the model fleet", "the secret of its upstream")


@pytest.mark.parametrize("overlaps", [True, False])
@incident("L-64")
def test_a_rotation_accepts_old_messages_while_both_keys_are_known_and_refuses_them_after(
    session: Session, overlaps: bool
) -> None:
    old, external = OLD_SECRETS
    keyring = Keyring(internal=[NEW_SECRET, *([old] if overlaps else [])], external=[external])

    def script(world: World) -> None:
        base(world)
        if overlaps:
            until_completed(world)
            base_result(world)
            return
        world.run_for(600)
        nothing_is_sent(world)
        must(set(refusals(world)) == {"token_foreign"}, f"refused were {refusals(world)}")
        must(payment_states(world) == ["swapping"] * 3, "the payments are lost")

    rotated = {"shared.sandbox.simulator.door:KEYRING": lambda _, __: keyring}
    plays(session, script, replaced=rotated, settles=overlaps)


# --- ids and contents -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 16, 36, 42, 64, 65, 255, 256])
@incident("I-23")
def test_an_id_arrives_byte_by_byte_or_is_refused_at_the_first_hop(length: int) -> None:
    unique_id = ("0123456789abcdefghijklmnopqrstuvwxyz" * 8)[:length]
    messages: list[tuple[Edge, Callable[[], Message]]] = [
        (UPSTREAM_TO_CONDUCTOR, lambda: InstantPayout(unique_id, "613c822e844358", "eth", "eth", 1, WALLET)),
        (
            CONDUCTOR_TO_WATCHER,
            lambda: CheckOrder(unique_id, "613c822e844358", "eth", "eth", "usdt", "eth", 1, WALLET, WALLET),
        ),
        (WATCHER_TO_CONDUCTOR, lambda: OrderChecked(unique_id, "613c822e844358", "payable", "waiting", "it waits")),
        (
            CONDUCTOR_TO_EXECUTOR,
            lambda: PayOrder(unique_id, "instant", "613c822e844358", "eth", "eth", 1, WALLET),
        ),
    ]
    for edge, make in messages:
        if length > 64:
            with pytest.raises(MessageInvalid):
                make()
            continue
        token = seal(edge, make(), KEYRING, bytes(16), START)
        message: Any = open_sealed([edge], token, KEYRING, START).message
        assert message.unique_id == unique_id


@pytest.mark.parametrize("unique_id", ["", "näme", "a b", "a\n", "a\x00b", "пример"])
@incident("I-23")
def test_an_id_that_is_no_plain_text_is_refused_at_the_first_hop(unique_id: str) -> None:
    with pytest.raises(MessageInvalid):
        InstantPayout(unique_id, "613c822e844358", "eth", "eth", 1, WALLET)


@incident("I-23")
def test_forty_two_characters_of_a_batchs_id_are_the_same_in_every_row(session: Session) -> None:
    def script(world: World) -> None:
        base(world)
        until_completed(world)
        base_result(world)
        (row,) = rows(
            world,
            """select r.unique_id as request, t.unique_id as transfer, s.unique_id as slot, h.subject
                 from hostpay_request r, transfer t, slot s, history h
                where h.machine = 'transfer' and h.event = 'transfer_settled'""",
        )
        must(len(set(row.values())) == 1 and len(row["slot"]) == 42, f"the ids are {row}")

    plays(session, script)


@incident("I-48")
def test_a_status_answer_says_which_row_and_what_is_paid_is_the_rows(session: Session) -> None:
    names = set(OrderChecked.__dataclass_fields__)
    assert not any("amount" in name or "address" in name for name in names), names

    def script(world: World) -> None:
        paid: list[Any] = []
        watch_tasks(
            world, lambda _, opened: paid.append(opened.message) if isinstance(opened.message, PayOrder) else None
        )
        base(world)
        until_completed(world)
        base_result(world)
        (order,) = rows(world, "select amount_wei, payin_address from exchange_order")
        told = {(message.amount_wei, message.payin_address) for message in paid}
        must(told == {(int(order["amount_wei"]), order["payin_address"])}, f"{told} was asked for, the row is {order}")

    plays(session, script)


@incident("L-60", "I-28")
def test_every_address_that_a_service_can_call_is_served_and_takes_that_edge(session: Session) -> None:
    def script(world: World) -> None:
        for edge in ALL_EDGES:
            route = world.fleet.doors[edge.consumer].routes.get(edge.route)
            must(route is not None and edge in route.edges, f"{edge.name} leads nowhere")

    plays(session, script)


@pytest.mark.parametrize("context", ["threshold", "", "INSTANT", "accumulation"])
@incident("L-60", "I-28")
def test_a_kind_of_work_that_is_not_known_is_refused_before_anything_is_paid(context: str) -> None:
    with pytest.raises(MessageInvalid, match="context"):
        PayOrder("payout-1", context, "613c822e844358", "eth", "eth", 1, WALLET)


# --- every way, through the real doors --------------------------------------------------------------------------------


@incident("I-27", "I-28", "I-42", "I-55", "I-68")
def test_every_route_and_every_edge_is_gone_through_with_real_messages_over_http(session: Session) -> None:
    gone: set[str] = set()
    called: set[str] = set()
    served: set[str] = set()

    def watched(world: World) -> None:
        served.update(f"{of.service} {path}" for of in world.fleet.doors.values() for path in of.routes)
        served.discard(f"GCMicroBatchProcessor {DELIVERS_ALERTS}")
        doors = HttpDoors(world)

        def enter(of: Any, call: Any, now: Any) -> Any:
            heard = doors.enter(of, call, now)
            if heard.status == 200 and heard.body.get("status") != "refused":
                called.add(f"{of.service} {call.path}")
            return heard

        world.enter = enter
        create = world.queue.create

        def created(**task: Any) -> object:
            opened = open_sealed(ALL_EDGES, json.loads(task["body"])["token"], KEYRING, world.now + timedelta(hours=1))
            must(task["url"] == task["audience"] + opened.edge.route or task["url"] == task["audience"], f"{task}")
            must(task["queue"] == opened.edge.queue, f"{opened.edge.name} goes through {task['queue']}")
            return create(**task)

        world.queue.create = created  # type: ignore[assignment, method-assign]
        watch_tasks(world, lambda _, opened: gone.add(opened.edge.name))

    def swap(world: World) -> None:
        watched(world)
        base(world)
        world.asks_instant(1, Ether.parse("0.02"))
        until_completed(world)
        base_shares(world)
        until(world, lambda: states(world, "request").count("reported") == 2, "both are reported")

    def refund(world: World) -> None:
        watched(world)
        world.exchange.fates.append(Fate.REFUNDS)
        base(world)
        until(world, lambda: states(world, "batch") == ["released"], "the payments are back")

    def fence(world: World) -> None:
        watched(world)
        model: Any = world.exchange
        honest = model._read
        expired = {"status": "expired", "known": ExchangeStatus.EXPIRED}
        model._read = lambda cn: replace(honest(cn), **(expired if len(world.exchange.orders) < 2 else {}))
        base(world)
        until_completed(world)
        must(len(world.exchange.orders) == 2, "the order that expired unpaid was not replaced")

    for script in (swap, refund, fence):
        plays(session, script)
    assert gone == {edge.name for edge in EDGES}
    assert called == served


def base_shares(world: World) -> None:
    must(shares(world) == SHARES, f"the shares are {shares(world)}")


# --- queues -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("queue", sorted({edge.queue for edge in OF_A_BATCH}))
@incident("I-43", "L-39")
def test_while_a_queue_does_not_exist_the_work_stays_in_its_rows_and_goes_on_when_it_does(
    session: Session, queue: str
) -> None:
    def script(world: World) -> None:
        unchecked: Any = world
        statuses: list[int] = []
        unchecked._judge = lambda role, call, heard: statuses.append(heard.status)
        world.queue.missing.add(queue)
        base(world)
        world.run_for(HOUR_S // 2)
        must(number(world, "select count(*) from outbox where sent_at is null") > 0 or 500 in statuses, "it is lost")
        world.queue.missing.clear()
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("after_s", [0, 6, 12, 30, 60, 100, 140])
@incident("I-35")
def test_every_queue_is_purged_at_any_moment_and_the_rows_make_every_task_anew(session: Session, after_s: int) -> None:
    def script(world: World) -> None:
        base(world)
        world.run_for(after_s)
        world.queue.purge()
        until_completed(world)
        base_result(world)

    plays(session, script)


@incident("I-35", "L-54")
def test_a_bad_task_among_good_ones_is_delivered_once_kept_and_told_and_delays_nobody(session: Session) -> None:
    def script(world: World) -> None:
        delivered: list[str] = []
        queue: Any = world.queue
        deliver = queue._deliver

        def watched_(task: Any) -> int | None:
            delivered.append(task.name)
            status: int | None = deliver(task)
            return status

        queue._deliver = watched_
        the_three_pay(world)
        for bad, token in enumerate(("garbage", "", "AAAA" * 40, base64_of_nothing())):
            for edge in OF_A_BATCH:
                body = json.dumps({"token": token}).encode()
                url = base_url(edge.consumer) + edge.route
                world.queue.put_direct(f"bad-{bad}-{edge.name}", edge.queue, url, body, "0" * 32)
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        until_completed(world)
        base_result(world)
        world.run_for(3 * HOUR_S)
        bad_ones = [name for name in delivered if name.startswith("bad-")]
        must(len(bad_ones) == len(set(bad_ones)) == 4 * len(OF_A_BATCH), "a bad task came again")
        kept = refusals(world)
        with_database = [edge for edge in OF_A_BATCH if edge.consumer != "watcher"]
        must(len(kept) == 4 * len(with_database), f"kept are {len(kept)}")
        must(set(kept) <= {"token_malformed", "token_version_unsupported", "token_foreign"}, f"kept are {set(kept)}")
        must(alerts(world).count("message_refused") == len(kept), "not each was told")

    plays(session, script)


def base64_of_nothing() -> str:
    return "AQ" + "A" * 80


@incident("L-39")
def test_no_task_can_be_made_for_an_hour_and_the_sweeps_finish_without_a_second_order(session: Session) -> None:
    def script(world: World) -> None:
        fault(world, tasks_not_made=1000)
        base(world)
        world.run_for(2 * HOUR_S)
        must(payment_states(world) == ["swapping"] * 3, f"the payments are {payment_states(world)}")
        must("batch_parked" in alerts(world), f"people were told {alerts(world)}")
        fault(world, tasks_not_made=0)
        until_completed(world)
        base_result(world)
        must(len(world.exchange.orders) == 1, "a second order was opened")

    plays(session, script)


@incident("L-40")
def test_a_transfer_that_may_not_leave_waits_with_its_reason_and_a_person_lets_it_go_once(session: Session) -> None:
    def script(world: World) -> None:
        base(world)
        world.run_for(HOUR_S)
        nothing_is_sent(world)
        (transfer,) = rows(world, "select unique_id, transfer_status, reason from transfer")
        must(transfer["transfer_status"] == "held" and "over_transfer_limit" in transfer["reason"], f"{transfer}")
        must(len(transfer["unique_id"]) == 42, f"its id is {transfer['unique_id']}")
        must(states(world, "batch") == ["parked"], f"the batch is {states(world, 'batch')}")
        told = alerts(world)
        must({"transfer_held", "request_parked", "batch_parked"} & set(told) != set(), f"people were told {told}")
        must(payment_states(world) == ["swapping"] * 3, "the payments are not its own any more")
        executor = _executor_of(world)
        approve_held(executor, transfer["unique_id"], "a person", "it is right", Task(world.now, "0" * 32))
        with pytest.raises(NotApprovable):
            approve_held(executor, transfer["unique_id"], "a person", "and again", Task(world.now, "0" * 32))
        until_completed(world)
        base_result(world)

    limits = {"executor.terms": lambda _, made: replace(made, max_transfer=Ether.parse("0.03"))}
    plays(session, script, replaced=limits)


def _executor_of(world: World) -> Any:
    """The executor that runs now, as its service was put together."""
    found: list[Any] = []
    made = executor_routes

    def routes(_: object, __: object) -> Any:
        def of(executor: Any, *callers: Any) -> Any:
            found.append(executor)
            return made(executor, *callers)

        return of

    with attributes_replaced(world, {"shared.sandbox.simulator.fleet:executor_routes": routes}):
        world.fleet.start("executor")
    return found[0]


# --- a database that is away ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", range(1, 4))
@incident("L-46", "I-29")
def test_a_tick_that_cannot_read_answers_5xx_and_decides_nothing(session: Session, step: int) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        world.start_clockwork()
        away_at(world, "batcher", step)
        heard = world.tick()
        must(heard is not None and heard.status == 503, f"the scheduler is told {heard}")
        must(number(world, "select count(*) from threshold_check") == 0, "the tick has a result")
        world.run_for(30)
        heard = world.tick()
        must(heard is not None and heard.body["batch_created"] is True, f"the next one answers {heard}")
        until_completed(world)
        base_result(world)

    plays(session, script)


@pytest.mark.parametrize("role", ["batcher", "conductor", "executor"])
@incident("L-46")
def test_a_sweep_that_cannot_read_answers_5xx_and_the_next_one_goes_on(session: Session, role: str) -> None:
    def script(world: World) -> None:
        the_three_pay(world)
        fault(world, database_away=1000)
        heard = world.call(role, Call("/sweep", b"", SCHEDULER, "0" * 32))
        must(heard is not None and heard.status == 503, f"the scheduler is told {heard}")
        fault(world, database_away=0)
        heard = world.call(role, Call("/sweep", b"", SCHEDULER, "0" * 32))
        must(heard is not None and heard.status == 200, f"the scheduler is told {heard}")
        world.start_clockwork()
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)
