"""Who may call what: nobody without a proven identity, nobody a route that is not his, and what he is told."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from shared.http import create_service
from shared.http.identity import IdentityVerifier
from shared.money import Ether, Usd
from shared.sandbox.chain.accounts import HOST_WALLET
from shared.sandbox.simulator.fleet import KEYRING, SCHEDULER, SERVICES, UPSTREAM, identity
from shared.sandbox.simulator.named.scenes import must, rows, until_completed
from shared.sandbox.simulator.people import webhook_body
from shared.sandbox.simulator.session import Session
from shared.sandbox.simulator.world import START, World
from tests.unit.http_world import ISSUER, KnownKeys, Service, as_task, bearer, foreign_key, issuer_key, settings, token

from .base_story import alerts, base, everything_of, plays, same, watch_tasks
from .marks import incident

FORGED = webhook_body(99, Usd.parse("500"), Ether.parse("0.2"), "eth", START)
STRANGER = "somebody@elsewhere.example"


class Entrances:
    """The five services' applications with the whole entrance of production, identity included."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._clients = {role: self._client(role) for role in SERVICES}
        self.routes = [(role, path) for role, doors in world.fleet.doors.items() for path in doors.routes]

    def post(self, role: str, path: str, headers: dict[str, str], body: bytes = FORGED) -> Any:
        return self._clients[role].post(path, data=body, headers=headers)

    def allowed(self, role: str, path: str) -> tuple[str, ...]:
        return tuple(self.world.fleet.doors[role].routes[path].callers)

    def _client(self, role: str) -> FlaskClient:
        doors = self.world.fleet.doors[role]
        app = create_service(
            settings(service_url=audience(role), service_identity=identity(role)),
            role,
            list(doors.routes.values()),
            [],
            doors.refuse,
            keyring=KEYRING,
            clock=lambda: self.world.now,
            verifier=IdentityVerifier([audience(role)], [ISSUER], KnownKeys(issuer_key())),
        )
        return app.test_client()


def audience(role: str) -> str:
    return f"https://{role}.example"


def no_identities(role: str) -> dict[str, dict[str, str]]:
    """Headers that prove nobody, by what is wrong with them."""
    own = audience(role)
    now_s = int(time.time())
    return {
        "none": {},
        "empty": {"Authorization": ""},
        "random": {"Authorization": "Bearer " + "A" * 200},
        "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="},
        "another audience": bearer(SCHEDULER, "https://elsewhere.example"),
        "another service's audience": bearer(SCHEDULER, audience("watcher" if role != "watcher" else "intake")),
        "expired": bearer(SCHEDULER, own, iat=now_s - 7_200, exp=now_s - 3_600),
        "unverified e-mail": bearer(SCHEDULER, own, email_verified=False),
        "another issuer": bearer(SCHEDULER, own, iss="https://evil.example"),
        "another key": {"Authorization": f"Bearer {foreign_key().mint(SCHEDULER, own)}"},
    }


@incident("I-07")
def test_without_a_proven_identity_every_route_is_401_and_leaves_no_row(session: Session) -> None:
    def script(world: World) -> None:
        entrances = Entrances(world)
        before = everything_of(world)
        for role, path in entrances.routes:
            for wrong, headers in no_identities(role).items():
                answer = entrances.post(role, path, headers)
                must(answer.status_code == 401, f"{role}{path} with {wrong} answers {answer.status_code}")
        same(before, everything_of(world))
        must(alerts(world) == [] and rows(world, "select 1 as n from refused_message") == [], "something is stored")

    plays(session, script)


@incident("I-07", "I-31")
def test_every_route_is_open_to_its_own_callers_and_403_to_every_other_account(session: Session) -> None:
    def script(world: World) -> None:
        entrances = Entrances(world)
        accounts = [STRANGER, SCHEDULER, UPSTREAM, *map(identity, SERVICES)]
        before = everything_of(world)
        pairs = {"open": 0, "shut": 0}
        for role, path in entrances.routes:
            for account in accounts:
                answer = entrances.post(role, path, bearer(account, audience(role)), b'{"token": "garbage"}')
                if account in entrances.allowed(role, path):
                    pairs["open"] += 1
                    must(answer.status_code in (200, 400), f"{account} at {role}{path}: {answer.status_code}")
                else:
                    pairs["shut"] += 1
                    must(answer.status_code == 403, f"{account} at {role}{path}: {answer.status_code}")
        must(pairs["open"] >= len(entrances.routes) and pairs["shut"] > 70, f"{pairs} were tried")
        changed = {table for table, kept in everything_of(world).items() if kept != before[table]}
        must(not changed, f"rows changed in {changed}")

    plays(session, script)


@pytest.mark.parametrize(
    "forwarded", ["127.0.0.1", "10.0.0.1, 127.0.0.1", "1.1.1.1,2.2.2.2,10.0.0.1,127.0.0.1", "::1", "fd00::1, ::1"]
)
@incident("I-38")
def test_no_forwarded_address_stands_in_for_an_identity(session: Session, forwarded: str) -> None:
    def script(world: World) -> None:
        entrances = Entrances(world)
        for role, path in entrances.routes:
            headers = {"X-Forwarded-For": forwarded, "X-Real-Ip": forwarded, "Forwarded": f"for={forwarded}"}
            must(entrances.post(role, path, headers).status_code == 401, f"{role}{path} is open")
            headers |= bearer(STRANGER, audience(role))
            must(entrances.post(role, path, headers).status_code == 403, f"{role}{path} is open")

    plays(session, script)


GARBAGE = {
    "nothing": b"",
    "no JSON": b"\xff\x00{",
    "a list": b"[]",
    "no token": b"{}",
    "a number": b'{"token": 5}',
    "garbage": b'{"token": "garbage"}',
    "too long": b'{"token": "' + b"A" * 40_000 + b'"}',
}


@incident("L-54")
def test_garbage_is_one_4xx_for_a_caller_and_one_kept_refusal_for_a_queue(session: Session) -> None:
    def script(world: World) -> None:
        entrances = Entrances(world)
        kept = 0
        for role, path in entrances.routes:
            if world.fleet.doors[role].routes[path].body == "ignored":
                continue
            caller = bearer(entrances.allowed(role, path)[0], audience(role))
            for what, body in GARBAGE.items():
                answer = entrances.post(role, path, caller, body)
                must(400 <= answer.status_code < 500, f"{what} at {role}{path}: {answer.status_code}")
                queued = entrances.post(role, path, caller | {"X-CloudTasks-TaskName": f"{role}{path}{what}"}, body)
                must(queued.status_code == 200, f"{what} at {role}{path} as a task: {queued.status_code}")
                must(queued.get_json()["status"] == "refused", f"{what} at {role}{path}: {queued.get_json()}")
                kept += role != "watcher"
        stored = len(rows(world, "select 1 as n from refused_message"))
        must(stored == kept == alerts(world).count("message_refused"), f"{stored} of {kept} are kept")

    plays(session, script)


@incident("I-57")
def test_no_row_no_task_and_no_answer_holds_a_secret(session: Session) -> None:
    secrets = [
        HOST_WALLET.private_key.removeprefix("0x"),
        "the secret of the model fleet",
        "the secret of its upstream",
    ]

    def script(world: World) -> None:
        said: list[str] = []
        watch_tasks(world, lambda task, _: said.append(task.body.decode()))
        call = world.enter

        def entered(*arguments: Any) -> Any:
            heard = call(*arguments)
            said.append(json.dumps(heard.body, default=str))
            return heard

        world.enter = entered
        base(world)
        world.asks_instant(1, Ether.parse("0.02"))
        until_completed(world)
        for table in world.session.tables:
            said.extend(str(row) for row in rows(world, f"select * from {table}"))
        text = "\n".join(said)
        for secret in secrets:
            for start in range(len(secret) - 15):
                must(secret[start : start + 16] not in text, "a part of a secret is told")
        must(len(said) > 100, f"only {len(said)} texts were searched")

    plays(session, script)


@incident("I-62")
def test_every_refusal_is_one_line_with_its_code_and_one_with_its_status() -> None:
    with capture_logs() as lines:
        service = Service()
        refused = {
            "no identity": service.post("/", token()),
            "another account": service.post("/", token(), bearer(STRANGER)),
            "no token": service.post("/", {}, bearer()),
            "garbage": service.post("/", {"token": "garbage"}, bearer()),
            "another edge": service.post("/json", b"[", bearer()),
        }
        for answer in refused.values():
            assert 400 <= answer.status_code < 500
        as_tasks = service.post("/", {"token": "garbage"}, as_task())
        assert as_tasks.status_code == 200
    told = [line for line in lines if line["event"] in ("call_refused", "message_refused")]
    answered = [line for line in lines if line["event"] == "request_answered"]
    assert len(told) == len(answered) == len(refused) + 1
    assert all(line["code"] and line["reason"] for line in told)
    statuses = [answer.status_code for answer in (*refused.values(), as_tasks)]
    assert [line["http_status"] for line in answered] == statuses


@pytest.mark.parametrize(
    "inner", ["relation payout_accumulation does not exist", "https://rpc.example/v2/s3cret", "KeyError"]
)
@incident("I-69")
def test_a_caller_learns_a_reference_and_nothing_of_what_went_wrong_inside(inner: str) -> None:
    service = Service()
    service.raises = RuntimeError(inner)
    answer = service.post("/", token(), bearer())
    assert answer.status_code == 500
    text = answer.get_data(as_text=True)
    assert inner not in text
    assert "Traceback" not in text
    assert answer.get_json()["reference"]
