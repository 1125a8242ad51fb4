"""Everything between the services goes wrong, one way after the other, and each time the result is the same.

Every test runs a real batch on one running fleet; at the end chain, rows and books are looked at as a whole.
"""

from __future__ import annotations

import itertools
import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.db import Database, plain, roles
from shared.messages import (
    ALL_EDGES,
    CONDUCTOR_TO_EXECUTOR,
    WATCHER_TO_CONDUCTOR,
    Edge,
    decode_body,
    edge_named,
)
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.chaos.act import kill_workers
from shared.sandbox.fleet import Fleet
from shared.sandbox.fleet.environment import API_KEY, DATABASE_NAME
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.tasks import Fault, FaultKind
from tests.e2e.bodies import a_payment
from tests.e2e.doors import Door, Visitor, doors, token_body
from tests.e2e.sealed import Sealer
from tests.e2e.standing import quiet, standing
from tests.e2e.swaps import Swaps

_OFF_THE_WAY = ("/swap-failed", "/deliver-alert")
OF_A_BATCH = [edge for edge in ALL_EDGES if edge.secret == "internal" and edge.route not in _OFF_THE_WAY]
"""The edges that every batch uses on its way to the shares."""


@pytest.fixture(scope="module")
def swaps(fleet: Fleet) -> Iterator[Swaps]:
    made = Swaps(fleet)
    yield made
    for batch in made.batches:
        made.must_be_right(batch)
    made.everything_must_be_right()


def test_every_task_delivered_four_times_at_once_pays_once(swaps: Swaps) -> None:
    with swaps.tasks_go_wrong(Fault(FaultKind.DUPLICATE, count=None, copies=3)):
        swaps.pay()
        swaps.completed(swaps.ticks_at_once(12))


def test_the_same_payment_with_two_amounts_at_once_is_counted_once_with_one_of_them(swaps: Swaps) -> None:
    amounts = {"1": "0.0004", "2": "0.0008"}
    bodies = [
        a_payment("e2e-two-amounts", payment_amount_usd=usd, nowpayments_outcome_amount=ether)
        for usd, ether in amounts.items()
    ] * 8
    with ThreadPoolExecutor(len(bodies)) as at_once:
        statuses = sorted(answer.status or 0 for answer in at_once.map(swaps.fleet.post_payment, bodies))
    assert statuses == [200] * 8 + [409] * 8
    rows = swaps.rows("select 1 from payout_accumulation where payment_ref = 'e2e-two-amounts'")
    assert len(rows) == 1


def test_the_answer_to_every_made_task_is_lost_and_the_sweeps_finish_the_work(swaps: Swaps) -> None:
    """The client is told "unavailable" or nothing at all; the task exists, and is made under the same name again."""
    with swaps.tasks_go_wrong(
        Fault(FaultKind.LOSE_CREATE_ANSWER, url=_target(swaps, CONDUCTOR_TO_EXECUTOR), answer="SILENCE"),
        Fault(FaultKind.LOSE_CREATE_ANSWER, count=None),
    ):
        swaps.swap(sweeping=True)


def test_the_answers_of_the_services_are_lost_and_every_task_comes_again_and_once_more_late(swaps: Swaps) -> None:
    lost = [Fault(FaultKind.LOSE_DISPATCH_ANSWER, queue=edge.queue, url=_target(swaps, edge)) for edge in OF_A_BATCH]
    late = Fault(FaultKind.DUPLICATE, count=None, concurrent=False, delay_s=0.2)
    with swaps.tasks_go_wrong(*lost, late):
        swaps.swap()


def test_the_first_task_of_every_edge_is_lost_and_the_sweeps_find_what_waits(swaps: Swaps) -> None:
    faults = [Fault(FaultKind.LOSE_TASK, queue=edge.queue, url=_target(swaps, edge)) for edge in OF_A_BATCH]
    with swaps.tasks_go_wrong(*faults):
        swaps.swap(sweeping=True)


def test_the_exchange_drops_its_answer_and_the_orphan_is_never_funded(swaps: Swaps) -> None:
    """The order exists there and its id is unknown here: the next attempt is adopted, the first is let alone."""
    before = swaps.orders_of_exchange()
    swaps.exchange("POST", "/faults", {"name": "drop_after_commit", "route": "create"})
    swaps.pay()
    tick = swaps.tick()
    assert tick["cn_api_id"] is None
    assert tick["message"]
    batch = swaps.completed(str(tick["batch_conversion_id"]), sweeping=True)

    attempts = swaps.rows(
        "select attempt_no, order_status, cn_api_id from exchange_order where batch_conversion_id = :id order by 1",
        id=batch["batch_conversion_id"],
    )
    assert [(each["attempt_no"], each["order_status"]) for each in attempts] == [(1, "unknown"), (2, "finished")]
    orders = {name: order for name, order in swaps.orders_of_exchange().items() if name not in before}
    adopted = orders.pop(str(attempts[1]["cn_api_id"]))
    (orphan,) = orders.values()
    assert adopted["payin_hash"] == batch["eth_tx_hash"]
    assert (orphan["payin_hash"], orphan["received"], orphan["paid_usdt_units"]) == (None, None, None)
    assert orphan["expected_wei"] == adopted["expected_wei"] == str(batch["ordered_wei"])


def test_workers_are_killed_and_connections_cut_all_the_while_and_the_batch_is_paid_once(swaps: Swaps) -> None:
    swaps.pay()
    batch = str(swaps.tick()["batch_conversion_id"])
    killed = cut = 0
    for service in itertools.cycle(["GCHostPay1", "", "GCHostPay3", "GCMicroBatchProcessor", "GCHostPay2"]):
        if swaps.row(batch)["conversion_status"] != "swapping" or killed >= 12:
            break
        if service:
            killed += kill_workers(swaps.fleet, service)
        else:
            cut += _cut_connections(swaps.fleet)
        swaps.sweep()
    assert killed >= 2  # how many fit in before the batch ends is the speed of the machine
    assert cut >= 1
    swaps.completed(batch, sweeping=True)


def test_every_message_of_a_finished_batch_sent_anew_changes_nothing(swaps: Swaps) -> None:
    """Whoever holds the keys replays what was said, message by message: nothing is paid, shared out or sent again."""
    batch = swaps.completed(swaps.batches[-1]) if swaps.batches else swaps.swap()
    sealer = Sealer(swaps.fleet.world)
    with quiet(swaps.fleet):
        before = standing(swaps.fleet)
        said = swaps.rows(
            "select edge, message_type, body from outbox where created_at >= :since order by created_at",
            since=batch["created_at"],
        )
        assert {row["edge"] for row in said} >= {edge.name for edge in OF_A_BATCH if edge != WATCHER_TO_CONDUCTOR}
        for row in said:
            edge = edge_named(row["edge"])
            token = sealer.good(edge, decode_body(row["message_type"], row["body"]))
            heard = Visitor.allowed(swaps.fleet, _door(edge), f"outbox-{secrets.token_hex(8)}").brings(
                token_body(token)
            )
            heard.must_tell_nothing_inner()
            assert heard.status == 200, (edge.name, heard)
    after = standing(swaps.fleet)
    # The executor looks at its wallet again, which takes and gives back the lease in the wallet's row.
    assert set(before.changed_tables(after)) <= {"account"}
    swaps.everything_must_be_right()


def test_every_line_of_the_services_logs_is_json_and_none_tells_a_secret(swaps: Swaps) -> None:
    world = swaps.fleet.world
    secret = [world.internal_key, world.upstream_key, API_KEY, HOST_WALLET.private_key.removeprefix("0x"), "eyJ"]
    for service in SERVICES:
        log = (swaps.fleet.options.logs / f"{service}.log").read_text(encoding="utf-8")
        lines = [json.loads(line) for line in log.splitlines()]
        assert {"severity", "time", "message"} <= set.intersection(*(set(line) for line in lines))
        assert [word[:6] for word in secret if word in log] == []


def _door(edge: Edge) -> Door:
    return next(door for door in doors() if door.edge == edge)


def _target(swaps: Swaps, edge: Edge) -> str:
    """The address of an edge's consumer, as a fault names it."""
    return swaps.fleet.urls[_door(edge).service] + edge.route


def _cut_connections(fleet: Fleet) -> int:
    """End every session that a service has at the database."""
    opener = plain(host="127.0.0.1", port=fleet.options.ports.postgres, database=DATABASE_NAME, user="postgres")
    superuser = Database(opener, pool_size=1)
    try:
        with superuser.transaction() as conn:
            return len(
                conn.all(
                    "select pg_terminate_backend(pid) from pg_stat_activity where usename = any(:roles)",
                    roles=list(roles.SERVICE_ROLES),
                )
            )
    finally:
        superuser.close()
