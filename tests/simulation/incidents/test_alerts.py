"""What a person must know reaches him, however long nobody listens, and however silent the scheduler is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from GCMicroBatchProcessor.deliver_alert import Deliveries
from shared.alerts import Accepted, NotAccepted
from shared.sandbox.simulator.fleet import attributes_replaced
from shared.sandbox.simulator.named.scenes import must, number, rows, until, until_completed
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import World

from .base_story import HOUR_S, MINUTE_S, base, base_result, plays, the_three_pay
from .marks import incident
from .process import client_of


class Ears:
    """A sink that listens or does not."""

    def __init__(self) -> None:
        self.open = True
        self.tries = 0
        self.heard: list[str] = []

    def post(self, body: bytes) -> Accepted | NotAccepted:
        self.tries += 1
        if not self.open:
            return NotAccepted("ConnectionRefusedError")
        self.heard.append(json.dumps(json.loads(body)))
        return Accepted()


def listens(world: World, ears: Ears) -> None:
    """From now on the batcher brings its alerts there."""

    def routes(_: object, made: Any) -> Any:
        return lambda batcher, *callers: made(replace(batcher, deliveries=Deliveries(ears)), *callers)

    with attributes_replaced(world, {"shared.sandbox.simulator.fleet:batcher_routes": routes}):
        world.fleet.start("batcher")


@incident("L-45")
def test_while_nobody_listens_money_goes_its_way_and_every_alert_is_heard_once_afterwards(session: Session) -> None:
    def script(world: World) -> None:
        ears = Ears()
        ears.open = False
        listens(world, ears)
        world.exchange.fates.append(Fate.HOLDS_THEN_PAYS)
        base(world)
        until_completed(world)
        base_result(world)
        world.run_for(HOUR_S)
        must(ears.tries > 3 and ears.heard == [], f"it was tried {ears.tries} times")
        told = number(world, "select count(*) from alert")
        must(told >= 1, "there is nothing to tell")
        ears.open = True
        until(world, lambda: len(ears.heard) >= told, "everything is heard", 3 * HOUR_S)
        waiting = number(world, "select count(*) from alert where delivered_at is null")
        must(len(set(ears.heard)) == len(ears.heard), "something is heard twice")
        must(waiting <= number(world, "select count(*) from alert") - told, f"{waiting} are not heard")

    plays(session, script)


@pytest.mark.usefixtures("_as_a_process")
@incident("L-45")
def test_without_a_place_for_alerts_the_batcher_says_so_loudly_and_its_health_does_not_call_them_healthy(
    capsys: pytest.CaptureFixture[str],
) -> None:
    health = client_of("GCMicroBatchProcessor").get("/health").get_json()
    said = capsys.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if "alerts_go_nowhere" in line]
    assert [(line["severity"], line["setting"]) for line in map(json.loads, lines)] == [("ERROR", "ALERT_WEBHOOK_URL")]
    assert health["components"]["alerts"] == "unknown"


@incident("I-34")
def test_a_scheduler_that_is_silent_for_some_intervals_is_told_and_work_goes_on_when_it_speaks(
    session: Session,
) -> None:
    def script(world: World) -> None:
        world.start_clockwork()
        world.run_for(30)
        world.tick()
        the_three_pay(world)
        world.run_for(60 * MINUTE_S)  # no tick in it; only the sweeps come
        silent = [row["subject"] for row in rows(world, "select subject from alert where kind = 'scheduler_silent'")]
        must(any("check-threshold" in job for job in silent), f"silent are {silent}")
        world.tick()
        until_completed(world)
        base_result(world)

    plays(session, script)
