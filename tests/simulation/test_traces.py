"""One trace from the tick to the shares, through every service, queue and log line, and the payment's link to it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from shared.db.roles import OPERATOR
from shared.lifecycle import Limits
from shared.messages import ALL_EDGES, BATCHER_TO_BATCHER, CONDUCTOR_TO_BATCHER_FAILED, UPSTREAM_TO_CONDUCTOR
from shared.ops.views import Explanation, explain
from shared.sandbox.simulator.histories import History, play
from shared.sandbox.simulator.profile import Profile
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World
from shared.telemetry import configure_logging
from tests.simulation.http_doors import HttpDoors
from tests.simulation.scripts import three_payments, three_payments_to_the_end

TRACE, SPAN = "logging.googleapis.com/trace", "logging.googleapis.com/spanId"
NOT_OF_A_CALM_SWAP = {UPSTREAM_TO_CONDUCTOR, CONDUCTOR_TO_BATCHER_FAILED, BATCHER_TO_BATCHER}
NOBODYS = ("DriveAccount", "DeliverAlert")


@contextmanager
def the_log() -> Iterator[io.StringIO]:
    """What the services log in the cloud, in place of the simulator's silence."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    written = io.StringIO()
    configure_logging("json", "INFO", "the fleet", build="", project="project-one", stream=written)
    try:
        yield written
    finally:
        root.handlers, root.level = handlers, level
        logging.captureWarnings(capture=False)
        structlog.configure(**before)


def ask(world: World, sql: str, **params: object) -> list[Any]:
    with world.session.looking():
        return list(world.session.connection.all(sql, **params))


def told(world: World, name: str) -> Explanation:
    world.session.look("explain", OPERATOR)
    try:
        return explain(world.session.connection, name, world.now, Limits())
    finally:
        world.session.leave()


def trace_of_the_batch(world: World) -> str:
    (row,) = ask(world, "select trace from history where event = 'batch_claimed'")
    return str(row["trace"])


def test_every_hop_of_a_batch_logs_under_the_one_trace_of_the_tick_that_made_it(session: Session) -> None:
    seen: dict[str, Any] = {}

    def script(world: World) -> None:
        world.enter = HttpDoors(world).enter
        three_payments_to_the_end(world)
        seen["trace"] = trace_of_the_batch(world)
        (row,) = ask(world, "select batch_conversion_id::text as id, conversion_status from batch_conversions")
        assert row["conversion_status"] == "completed"
        seen["batch"] = row["id"]
        seen["order"] = ask(world, "select cn_api_id from exchange_order")[0]["cn_api_id"]
        seen["moves"] = ask(world, "select machine, subject, event, trace from history")
        seen["payment"] = told(world, "np-1")

    with the_log() as written:
        assert play(session, 0, history=History("one trace", script, Profile())).failure is None
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    full = f"projects/project-one/traces/{seen['trace']}"

    names = (seen["batch"], seen["order"])
    of_the_batch = [line for line in lines if any(name in json.dumps(line) for name in names)]
    assert len(of_the_batch) > 20
    assert {line[TRACE] for line in of_the_batch} == {full}
    heard_of = {line["edge"] for line in lines if line.get(TRACE) == full and "edge" in line}
    assert heard_of == {edge.name for edge in ALL_EDGES if edge not in NOT_OF_A_CALM_SWAP}
    answered = [line for line in lines if line[TRACE] == full and line["message"] == "request_answered"]
    assert {line["httpRequest"]["requestUrl"] for line in answered} >= {
        "/check-threshold",
        "/",
        "/drive",
        "/swap-executed",
    }
    assert len({line[SPAN] for line in answered}) == len(answered), "one span for each call"

    own = {row["subject"]: row["trace"] for row in seen["moves"] if row["event"] == "payment_recorded"}
    assert len(own) == len(set(own.values())) == 3
    others = [row for row in seen["moves"] if row["event"] != "payment_recorded" and row["machine"] != "account"]
    assert {row["trace"] for row in others} == {seen["trace"]}
    explained: Explanation = seen["payment"]
    assert [trace.id for trace in explained.traces] == [own["1"], seen["trace"]]
    assert explained.traces[0].first == "payment_recorded"
    assert any(line.startswith(f"trace    {seen['trace']}: ") for line in explained.lines())


def test_what_the_sweeps_drive_on_keeps_the_trace_of_its_batch(session: Session) -> None:
    """Every queue is emptied at every turn: only sweeps move the batch, each with a trace of its own."""
    traces: dict[str, set[str]] = {}

    def script(world: World) -> None:
        three_payments(world)
        for _ in range(40):
            world.queue.purge()
            world.run_for(60)
        of_batch = trace_of_the_batch(world)
        for row in ask(world, "select edge, trace, message_type from outbox"):
            edge = next(edge for edge in ALL_EDGES if edge.name == row["edge"])
            kind = next(kind for kind in edge.messages if row["message_type"] == kind.TYPE)
            if kind.__name__ not in NOBODYS:
                traces.setdefault(kind.__name__, set()).add("its own" if row["trace"] == of_batch else row["trace"])

    assert play(session, 0, history=History("purged", script, Profile())).failure is None
    assert {"PayBatch", "CheckOrder", "PayOrder", "TransferFinal", "CheckArrival"} <= set(traces)
    assert set.union(*traces.values()) == {"its own"}, traces
