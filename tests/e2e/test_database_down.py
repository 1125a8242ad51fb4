"""The database goes away during any route: a 5xx and nothing written; when it is back, everything goes on by itself."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from functools import partial

import pytest

from shared.money import Usd
from shared.sandbox.fleet import Fleet, FleetOptions
from shared.sandbox.fleet.start import health_of
from shared.sandbox.postgres_proxy import Moment, PostgresProxy
from tests.e2e.bodies import a_payment
from tests.e2e.doors import Door, Visitor, doors
from tests.e2e.outside import Heard
from tests.e2e.sealed import Sealer
from tests.e2e.standing import nothing_changes, quiet
from tests.e2e.swaps import Swaps
from tests.e2e.waiting import until

DOORS = [door for door in doors() if door.service != "GCHostPay2"]
"""The watcher has no database."""
WITH_DATABASE = sorted({door.service for door in DOORS})


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """As the shared fleet, with the proxy before the services' database."""
    options = FleetOptions(
        logs=tmp_path_factory.mktemp("fleet"), threshold=Usd.parse("20"), fee_percent="15", proxied_database=True
    )
    with Fleet.start(options) as running:
        yield running


@pytest.fixture
def proxy(fleet: Fleet) -> Iterator[PostgresProxy]:
    assert fleet.database_proxy is not None
    yield fleet.database_proxy
    fleet.database_proxy.heal()


def test_every_route_is_a_5xx_that_leaves_nothing_while_the_database_is_down(
    fleet: Fleet, proxy: PostgresProxy
) -> None:
    sealer = Sealer(fleet.world)
    with quiet(fleet), nothing_changes(fleet):
        proxy.go_down()
        for door in DOORS:
            as_a_task = _knock(fleet, sealer, door, "outbox-0")
            assert as_a_task.status == 503, (str(door), as_a_task)
            # Who is no task may also hear what is wrong with the message: for that no row is read.
            directly = _knock(fleet, sealer, door, "")
            assert directly.status in (400, 503), (str(door), directly)
        for service in WITH_DATABASE:
            until(f"{service} to say so", partial(_is_unhealthy, fleet, service))
        proxy.come_up()
        until("all to be well again", lambda: set(fleet.health().values()) == {"healthy"})


def test_a_payment_that_meets_a_dead_database_is_not_counted_and_its_repeat_is_counted_once(
    fleet: Fleet, proxy: PostgresProxy
) -> None:
    body = a_payment("while-down", payment_amount_usd="1", nowpayments_outcome_amount="0.0004")
    proxy.go_down()
    assert fleet.post_payment(body).status == 503
    proxy.come_up()
    for moment in Moment:
        proxy.cut_at(moment)
        assert fleet.post_payment(body).status == 503
    assert [fleet.post_payment(body).status for _ in range(3)] == [200] * 3
    assert len(Swaps(fleet).rows("select 1 from payout_accumulation where payment_ref = 'while-down'")) == 1


def test_a_database_that_goes_away_again_and_again_loses_nothing_of_a_batch(fleet: Fleet, proxy: PostgresProxy) -> None:
    """Down for half a second in every two, and each commit in between may be cut on either side."""
    swaps = Swaps(fleet)
    swaps.pay()
    batch = str(swaps.tick()["batch_conversion_id"])
    moments = itertools.cycle(Moment)
    downs = 0
    while downs < 12 and swaps.row(batch)["conversion_status"] != "completed":
        proxy.cut_at(next(moments))
        time.sleep(1.5)  # the time in which the fleet gets on with its work
        proxy.go_down()
        time.sleep(0.5)
        proxy.come_up()
        downs += 1
    proxy.heal()
    assert downs > 2
    assert set(proxy.struck) == set(Moment)
    swaps.completed(batch)
    until("nothing to be left", lambda: swaps.rows("select 1 from outbox where sent_at is null") == [])
    swaps.everything_must_be_right()


def _is_unhealthy(fleet: Fleet, service: str) -> bool:
    return health_of(fleet.urls[service]) == "unhealthy"


def _knock(fleet: Fleet, sealer: Sealer, door: Door, task_name: str) -> Heard:
    heard = Visitor.allowed(fleet, door, task_name).brings(door.good_body(sealer))
    heard.must_tell_nothing_inner()
    return heard
