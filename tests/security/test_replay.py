"""Everything that was ever said is said again: at once, when the work is done, and when it is too old to be opened.

Whole histories of the fleet, every call through the services' Flask applications. What an attacker can repeat is a
token that he saw; a repeat may be answered in any way, and must have no second effect.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.db import Alert, raise_alert
from shared.exchange import ExchangeStatus
from shared.messages import MESSAGE_TYPES, DeliverAlert, Message, open_sealed, seal
from shared.money import Ether
from shared.sandbox.simulator.door import Call, Heard
from shared.sandbox.simulator.fleet import KEYRING, SERVICES, Doors, identity
from shared.sandbox.simulator.named.scenes import must, number, payments_on_chain, rows, states, until, until_completed
from shared.sandbox.simulator.order_plans import Fate
from shared.sandbox.simulator.place import Place
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.silence import silence
from shared.sandbox.simulator.world import World
from tests.conftest import TEMPLATE, Postgres
from tests.security.house import House, message_kinds, token_body
from tests.simulation.http_doors import HttpDoors
from tests.simulation.incidents.base_story import SHARES, base, everything_of, plays, shares

ROLE_OF = {service: role for role, (service, _) in SERVICES.items()}
DAY_AND_MORE_S = 26 * 3600


@pytest.fixture(scope="module")
def place(postgres: Postgres) -> Iterator[Place]:
    name = postgres.create(TEMPLATE)
    yield Place(str(postgres.server.place / "socket"), postgres.server.port, postgres.server.user, name)
    postgres.drop(name)


@pytest.fixture
def session(place: Place) -> Iterator[Session]:
    with silence(), place.session() as session:
        yield session


@dataclass
class Thief:
    """Sees every token and every webhook, and can call as whoever said it first."""

    world: World
    repeats_at_once: int
    seen: list[tuple[str, Call, type[Message] | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._doors = HttpDoors(self.world)
        self.world.enter = self._enter

    def _enter(self, doors: Doors, call: Call, now: datetime) -> Heard:
        kind: type[Message] | None = None
        caller = call.caller
        if call.path not in ("/check-threshold", "/sweep") and not caller:
            opened = open_sealed(doors.routes[call.path].edges, json.loads(call.body)["token"], KEYRING, now)
            kind, caller = type(opened.message), identity(opened.edge.producer)
        heard = self._doors.enter(doors, call, now)
        if kind is not None or call.path == "/":
            kept = replace(call, caller=caller)
            self.seen.append((doors.service, kept, kind))
            for again in range(self.repeats_at_once):
                must(heard.status != 500, f"{call.path} answers {heard.body}")
                name = call.task_name and f"{call.task_name}-again-{again}"
                told = self._doors.enter(doors, replace(kept, task_name=name), now)
                must(told.status != 500, f"a repeat at {doors.service}{call.path} answers {told.body}")
        return heard

    def says_all_again(self, dice: random.Random) -> list[Heard]:
        """All of it, in another order, as new deliveries."""
        heard = []
        for number_, (service, call, _) in enumerate(dice.sample(self.seen, len(self.seen))):
            doors = self.world.fleet.doors[ROLE_OF[service]]
            name = call.task_name and f"stolen-{number_}"
            heard.append(self._doors.enter(doors, replace(call, task_name=name), self.world.now))
        return heard


def swap(world: World) -> None:
    base(world)
    world.asks_instant(1, Ether.parse("0.02"))
    until_completed(world)
    until(world, lambda: states(world, "request").count("reported") == 2, "both are reported")


def refund(world: World) -> None:
    world.exchange.fates.append(Fate.REFUNDS)
    base(world)
    until(world, lambda: states(world, "batch") == ["released"], "the payments are back")


def fence(world: World) -> None:
    model: Any = world.exchange
    honest = model._read

    def read(cn_api_id: str) -> Any:
        first = min(world.exchange.orders.values(), key=lambda order: order.number)
        seen = honest(cn_api_id)
        expired = cn_api_id == first.cn_api_id
        return replace(seen, status="expired", known=ExchangeStatus.EXPIRED) if expired else seen

    model._read = read
    base(world)
    until_completed(world)


STORIES: dict[str, tuple[Callable[[World], None], int]] = {
    "swap": (swap, 2),
    "refund": (refund, 1),
    "fence": (fence, 1),
}
"""With how many payments of the wallet each ends on chain."""


@pytest.mark.parametrize("name", STORIES)
def test_every_message_said_three_times_at_once_ends_as_if_it_was_said_once(session: Session, name: str) -> None:
    story, payments = STORIES[name]

    def script(world: World) -> None:
        Thief(world, repeats_at_once=2)
        story(world)
        must(len(payments_on_chain(world)) == payments, f"{payments_on_chain(world)} are paid")
        nonces = [row["nonce"] for row in rows(world, "select nonce from slot order by nonce")]
        must(nonces == list(range(payments)), f"the nonces are {nonces}")
        must(shares(world) == ({} if name == "refund" else SHARES), f"the shares are {shares(world)}")
        must(number(world, "select count(*) from payout_accumulation") == 3, "a payment is counted twice")

    plays(session, script)


@pytest.mark.parametrize("name", STORIES)
def test_everything_said_again_after_it_is_done_changes_nothing_and_pays_nothing(session: Session, name: str) -> None:
    story, payments = STORIES[name]

    def script(world: World) -> None:
        thief = Thief(world, repeats_at_once=0)
        story(world)
        world.run_for(1_800)
        before, sent = everything_of(world), number(world, "select count(*) from send_log")
        for round_ in range(2):
            heard = thief.says_all_again(random.Random(round_))
            must(len(heard) > 8, f"only {len(heard)} were said again")
            must({one.status for one in heard} <= {200, 400, 409, 503}, f"{[one.body for one in heard]}")
            world.run_for(1_800)
        after = everything_of(world)
        changed = [table for table in before if before[table] != after[table]]
        must(not changed, f"a repeat changed {changed}")
        must(number(world, "select count(*) from send_log") == sent, "something was sent again")
        must(len(payments_on_chain(world)) == payments, "something was paid again")

    plays(session, script)


@pytest.mark.parametrize("name", STORIES)
def test_everything_said_again_a_day_later_is_expired_refused_for_good_and_kept(session: Session, name: str) -> None:
    story, _ = STORIES[name]

    def script(world: World) -> None:
        thief = Thief(world, repeats_at_once=0)
        story(world)
        world.run_for(DAY_AND_MORE_S)
        before = everything_of(world)
        thief.seen = [(service, call, kind) for service, call, kind in thief.seen if kind is not None]
        heard = thief.says_all_again(random.Random(1))
        must({one.status for one in heard} == {200}, f"{[one.body for one in heard]}")
        must({one.body["code"] for one in heard} == {"token_expired"}, f"{[one.body for one in heard]}")
        kept = number(world, "select count(*) from refused_message where code = 'token_expired'")
        stored = [one for one in thief.seen if one[0] != "GCHostPay2"]
        must(kept == len(stored), f"{kept} of {len(stored)} are kept")
        must(before == everything_of(world), "an expired token changed something")

    plays(session, script, settles=False)


def test_the_stories_say_every_kind_of_message_but_the_one_about_alerts(session: Session) -> None:
    said: set[type[Message] | None] = set()
    for story, _ in STORIES.values():

        def script(world: World, story: Callable[[World], None] = story) -> None:
            thief = Thief(world, repeats_at_once=0)
            story(world)
            said.update(kind for _, _, kind in thief.seen)

        plays(session, script)
    assert said - {None} == set(MESSAGE_TYPES.values()) - {DeliverAlert}


def test_an_alert_that_was_delivered_is_not_delivered_again_and_an_old_token_delivers_none(house: House) -> None:
    (edge,) = (edge for edge, kind in message_kinds() if kind is DeliverAlert)
    door = next(door for door in house.doors if door.edge == edge)
    now = datetime.now().astimezone()
    with house.owner.transaction() as conn:
        raise_alert(conn, "GCHostPay3", Alert("transfer_held", "batch_1", "0.04 ETH is held", {}), now)
    (row,) = house.rows("select max(id) as id from alert")

    def says(ahead: timedelta, attempt: int = 0) -> Any:
        token = seal(edge, DeliverAlert(int(row["id"]), attempt), house.keyring, bytes(16), now + ahead)
        return house.post(door, token_body(token)).get_json()

    def hooks() -> int:
        return sum(asked.path == "/hook" for asked in house.outside.asked)

    assert says(timedelta(hours=-30))["code"] == "token_expired"
    assert hooks() == 0
    assert says(timedelta(0))["outcome"] == "delivered"
    assert hooks() == 1
    before = house.standing()
    for attempt in (0, 0, 1, 7):
        assert says(timedelta(0), attempt)["status"] == "success"
    assert hooks() == 1
    assert before == house.standing()
