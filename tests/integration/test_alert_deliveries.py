"""An alert reaches the people on call: after its commit, until it is accepted, and without anybody waiting for it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from GCMicroBatchProcessor.deliver_alert import MOST_HANDED_OUT, Deliveries, alerts_are_heard
from shared.alerts import Accepted, NotAccepted, Webhook
from shared.db import Alert, Database, raise_alert
from shared.db.roles import BATCHER, INTAKE
from shared.lifecycle import Limits
from shared.messages import BATCHER_TO_BATCHER, BATCHER_TO_CONDUCTOR, DeliverAlert, open_sealed, seal
from shared.money import Ether, Tether, Usd
from shared.queue import Destination, Outbox, Sealer
from tests.integration.alert_sink import AlertSink, alert_sink
from tests.integration.batcher_world import BATCHER_IDENTITY, KEYRING, Answered, BatcherWorld

DatabaseAs = Callable[[str], Database]
HELD = Alert("transfer_held", "batch_1", "0.04 ETH is held <!channel>", {"dedupe": "limit"}, (Ether.parse("0.04"),))
TASK = {"X-CloudTasks-TaskName": "outbox-1"}


@pytest.fixture
def sink() -> Iterator[AlertSink]:
    with alert_sink() as sink:
        yield sink


@pytest.fixture
def world(reused_database: Database, reused_database_as: DatabaseAs, sink: AlertSink) -> BatcherWorld:
    world = BatcherWorld.of(reused_database, reused_database_as(BATCHER))
    destinations = {
        BATCHER_TO_CONDUCTOR: Destination("gchostpay1-batch-queue", "https://conductor.test"),
        BATCHER_TO_BATCHER: Destination("microbatch-alert-queue", "https://batcher.test"),
    }
    outbox = Outbox(world.batcher.database, world.sender, Sealer(KEYRING, destinations), world.batcher.new_id)
    world.with_batcher(replace(world.batcher, outbox=outbox, deliveries=Deliveries(Webhook(sink.url, 0.5))))
    return world


def raised(world: BatcherWorld, alert: Alert = HELD) -> int:
    with world.batcher.database.transaction() as conn:
        raise_alert(conn, "GCHostPay3", alert, world.now)
    return int(world.only("select max(id) as id from alert")["id"])


def handed_out(world: BatcherWorld) -> list[bytes]:
    """The bodies of the tasks that a sweep makes for alerts."""
    assert world.sweep().status == 200
    return [task.body for task in world.sender.take() if task.queue == "microbatch-alert-queue"]


def told(world: BatcherWorld, body: bytes) -> Answered:
    return world.post("/deliver-alert", body, BATCHER_IDENTITY, TASK)


def delivery(world: BatcherWorld, alert_id: int) -> tuple[bool, int]:
    row = world.only("select delivered_at, delivery_attempts from alert where id = :id", id=alert_id)
    return row["delivered_at"] is not None, row["delivery_attempts"]


def test_an_alert_becomes_one_task_and_one_call_with_the_whole_record(world: BatcherWorld, sink: AlertSink) -> None:
    alert_id = raised(world)
    (body,) = handed_out(world)
    assert told(world, body).body == {"status": "success", "alert_id": alert_id, "outcome": "delivered"}
    assert delivery(world, alert_id) == (True, 1)
    (heard,) = sink.heard
    assert heard["alert"] == {
        "id": alert_id,
        "kind": "transfer_held",
        "severity": "warning",
        "service": "GCHostPay3",
        "subject": "batch_1",
        "message": "0.04 ETH is held <!channel>",
        "money_at_risk": ["0.040000000000000000 ETH"],
        "rows": ["transfer batch_1"],
        "next_step": "approve or void it",
        "runbook": "deploy/runbooks/transfer_held.md",
        "dedupe_key": "transfer_held/batch_1/limit",
        "at": world.now.isoformat(),
    }
    assert "Money at risk: 0.040000000000000000 ETH" in heard["text"]
    assert "<!channel>" not in heard["text"]  # a text from outside calls nobody
    assert "a-secret-path" not in json.dumps(heard)


def test_an_accepted_alert_is_never_sent_again(world: BatcherWorld, sink: AlertSink) -> None:
    raised(world)
    (body,) = handed_out(world)
    told(world, body)
    assert told(world, body).body["outcome"] == "not_due"  # the queue delivers twice
    raised(world)  # the same trouble again is no new alert
    for _ in range(5):
        world.wait(hours=2)
        assert handed_out(world) == []
    assert len(sink.heard) == 1


def test_an_alert_of_a_transaction_that_failed_is_never_delivered(world: BatcherWorld, sink: AlertSink) -> None:
    with pytest.raises(LookupError), world.batcher.database.transaction() as conn:
        raise_alert(conn, "GCHostPay3", HELD, world.now)
        raise LookupError
    assert handed_out(world) == []
    assert sink.heard == []


@pytest.mark.parametrize("answer", [500, 404, 429, 302, 307, 199, "hang", "drip", "cut"])
def test_what_is_not_accepted_is_sent_again_until_it_is(
    world: BatcherWorld, sink: AlertSink, answer: int | str
) -> None:
    alert_id = raised(world)
    sink.answers = answer
    (body,) = handed_out(world)
    began = time.monotonic()
    assert (told(world, body).status, told(world, body).body["outcome"]) == (200, "not_due")
    assert time.monotonic() - began < 3
    assert delivery(world, alert_id) == (False, 1)
    assert handed_out(world) == []  # not before its time
    world.wait(minutes=1)
    (again,) = handed_out(world)
    assert told(world, again).body["outcome"] == "not_accepted"
    world.wait(minutes=1)
    assert handed_out(world) == []  # the second wait is longer
    world.wait(minutes=1)
    sink.answers = 204
    (last,) = handed_out(world)
    assert told(world, last).body["outcome"] == "delivered"
    assert delivery(world, alert_id) == (True, 3)
    assert sink.ids == [alert_id] * 3  # no redirect was followed: nothing else arrived


def test_the_waits_double_up_to_an_hour_and_never_end(world: BatcherWorld, sink: AlertSink) -> None:
    raised(world)
    sink.answers = 500
    waits = []
    for _ in range(10):
        minutes = 0
        while not (bodies := handed_out(world)):
            world.wait(minutes=1)
            minutes += 1
        waits.append(minutes)
        assert told(world, bodies[0]).body["outcome"] == "not_accepted"
    assert waits == [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_sink_that_nobody_answers_for_costs_nothing_but_time(world: BatcherWorld) -> None:
    alert_id = raised(world)
    world.with_batcher(replace(world.batcher, deliveries=Deliveries(Webhook("http://127.0.0.1:1/x", 0.5))))
    (body,) = handed_out(world)
    assert told(world, body).body["outcome"] == "not_accepted"
    assert delivery(world, alert_id) == (False, 1)


def test_a_task_that_was_lost_is_made_anew_and_the_late_one_sends_nothing(world: BatcherWorld, sink: AlertSink) -> None:
    raised(world)
    (lost,) = handed_out(world)
    world.wait(minutes=1)
    (made_anew,) = handed_out(world)
    assert told(world, made_anew).body["outcome"] == "delivered"
    assert told(world, lost).body["outcome"] == "not_due"
    assert len(sink.heard) == 1


def test_a_process_that_died_after_the_call_sends_the_same_id_once_more(world: BatcherWorld, sink: AlertSink) -> None:
    alert_id = raised(world)
    (body,) = handed_out(world)
    told(world, body)
    world.write("update alert set delivered_at = null, next_delivery_at = :at", at=world.now)  # it never marked it
    (again,) = handed_out(world)
    assert told(world, again).body["outcome"] == "delivered"
    assert sink.ids == [alert_id, alert_id]


def test_of_two_deliverers_at_once_one_sends(world: BatcherWorld, sink: AlertSink) -> None:
    raised(world)
    (body,) = handed_out(world)
    barrier, outcomes = threading.Barrier(2), []

    def deliver() -> None:
        barrier.wait()
        outcomes.append(told(world, body).body["outcome"])

    threads = [threading.Thread(target=deliver) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["delivered", "not_due"]
    assert len(sink.heard) == 1


def test_two_sweeps_at_once_make_one_task(world: BatcherWorld) -> None:
    raised(world)
    barrier = threading.Barrier(2)

    def sweep() -> None:
        barrier.wait()
        assert world.sweep().status == 200

    threads = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([task for task in world.sender.take() if task.queue == "microbatch-alert-queue"]) == 1


def test_the_third_thread_does_not_wait_for_a_hanging_sink(world: BatcherWorld, sink: AlertSink) -> None:
    for number in range(3):
        raised(world, replace(HELD, subject=f"batch_{number}"))
    bodies = handed_out(world)
    two_wait = threading.Barrier(3)
    sink.before_answer = two_wait.wait
    sink.answers = "hang"
    waiting = [threading.Thread(target=told, args=(world, body)) for body in bodies[:2]]
    for thread in waiting:
        thread.start()
    two_wait.wait(5)
    began = time.monotonic()
    refused = told(world, bodies[2])
    tick = world.tick()
    assert (refused.status, refused.body["code"], tick.status) == (503, "sink_busy", 200)
    assert time.monotonic() - began < 0.4  # neither the third task nor the money path waits
    sink.before_answer = None
    for thread in waiting:
        thread.join()
    sink.answers = 200
    assert told(world, bodies[2]).body["outcome"] == "delivered"  # nothing of its attempt was spent


def test_a_flood_goes_out_in_portions_and_the_worst_comes_first(world: BatcherWorld) -> None:
    for number in range(MOST_HANDED_OUT + 5):
        raised(world, replace(HELD, subject=f"batch_{number}"))
    worst = raised(world, Alert("transfer_foreign", "batch_x", "somebody else has the key", {}))
    world.sweep()
    tasks = [task for task in world.sender.take() if task.queue == "microbatch-alert-queue"]
    assert len(tasks) == MOST_HANDED_OUT
    opened = [
        open_sealed(BATCHER_TO_BATCHER, json.loads(task.body)["token"], KEYRING, world.now).message for task in tasks
    ]
    assert DeliverAlert(worst, 0) in opened
    assert len(handed_out(world)) == 6


def test_alerts_go_out_while_the_exchange_cannot_be_read(world: BatcherWorld, sink: AlertSink) -> None:
    world.payments("100")
    world.exchange.before_asked = lambda: (_ for _ in ()).throw(ConnectionError())
    world.tick()
    world.exchange.unreadable |= {"range", "estimate"}
    raised(world)
    world.wait(hours=1)
    assert world.sweep().status == 503
    (body,) = [task.body for task in world.sender.take() if task.queue == "microbatch-alert-queue"][:1]
    assert told(world, body).body["outcome"] == "delivered"
    assert len(sink.heard) == 1


def test_without_a_webhook_alerts_stay_rows(world: BatcherWorld, sink: AlertSink) -> None:
    alert_id = raised(world)
    (body,) = handed_out(world)
    world.with_batcher(replace(world.batcher, deliveries=None))
    assert told(world, body).body["outcome"] == "no_webhook"
    world.wait(hours=1)
    assert handed_out(world) == []
    assert (delivery(world, alert_id), sink.heard) == ((False, 0), [])


def test_a_message_about_an_alert_that_is_not_there_is_refused(world: BatcherWorld, sink: AlertSink) -> None:
    token = seal(BATCHER_TO_BATCHER, DeliverAlert(999, 0), KEYRING, bytes(16), world.now)
    refused = told(world, json.dumps({"token": token}).encode())
    assert (refused.status, refused.body["code"]) == (200, "alert_unknown")
    assert (world.alerts(), sink.heard) == (["message_refused"], [])


def test_health_says_when_an_alert_is_not_heard_for_too_long(world: BatcherWorld) -> None:
    database = world.batcher.database
    assert alerts_are_heard(database, Limits(), world.now)
    raised(world)
    world.wait(minutes=14)
    assert alerts_are_heard(database, Limits(), world.now)
    world.wait(minutes=1)
    assert not alerts_are_heard(database, Limits(), world.now)


def test_every_asset_is_told_with_its_symbol(world: BatcherWorld, reused_database_as: DatabaseAs) -> None:
    alert = Alert(
        "payment_parked", "7", "parked", {}, (Usd.parse("1.5"), Tether.parse("2")), ("payment 7", "payment 8")
    )
    with reused_database_as(INTAKE).transaction() as conn:
        raise_alert(conn, "GCAccumulator", alert, world.now)
    row = world.only("select money_at_risk, concerned_rows, severity from alert")
    assert row["money_at_risk"] == ["1.500000 USD", "2.000000 USDT"]
    assert (row["concerned_rows"], row["severity"]) == (["payment 7", "payment 8"], "warning")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (200, Accepted()),
        (204, Accepted()),
        (301, NotAccepted("answered 301")),
        (500, NotAccepted("answered 500")),
        ("hang", NotAccepted("no answer in time")),
        ("drip", NotAccepted("no answer in time")),
    ],
)
def test_a_call_of_the_webhook_ends_in_time_whatever_the_other_side_does(
    sink: AlertSink, answer: int | str, expected: Accepted | NotAccepted
) -> None:
    sink.answers = answer
    began = time.monotonic()
    webhook = Webhook(sink.url, 0.3)
    assert webhook.post(b'{"alert": {"id": 1}}') == expected
    assert time.monotonic() - began < 1.5
    assert "secret" not in repr(webhook)
