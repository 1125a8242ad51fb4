"""The five services' real applications in one process, on a real database, with everything around them on loopback.

Made by each service's own `create_app` from production's settings: identity tokens are fetched from and checked against
an issuer, tasks are made by the genuine client, and the outside (exchange, Ethereum nodes, webhook) says what a test
wants it to say.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from google.cloud.tasks_v2.types import Queue, Task
from werkzeug.test import TestResponse

from shared.db import Connection, Database, roles
from shared.http import description_of
from shared.http.routing import Route
from shared.http.settings import settings_class_of
from shared.messages import ALL_EDGES, Edge, Keyring, Message
from shared.sandbox.faulty_http import Asked, FaultyServer, Told, told_json
from shared.sandbox.fleet.environment import LOCATION, PROJECT, World
from shared.sandbox.fleet.identities import SERVICES, Identities
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.fleet.ports import Ports
from shared.sandbox.identity import IdentityClient, IdentityService
from shared.sandbox.tasks.service import TaskService
from shared.telemetry.redaction import forget_concealed
from tests.conftest import Postgres

USDT = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
FEED = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
UPSTREAM_SIGNING_KEY = "the secret with which a webhook of the security suite signs"
JSON_TYPE = {"Content-Type": "application/json"}
_QUEUES = f"projects/{PROJECT}/locations/{LOCATION}/queues"
_TABLES = "select tablename::text as name from pg_tables where schemaname = 'public' order by 1"
_WHOLE = (
    "select '{name}' as name, count(*) as n, md5(coalesce(string_agg(t::text, '' order by t::text), '')) as digest"
    " from {name} as t"
)
_RANGE = {"minAmount": 0.003, "maxAmount": None}


class Outside:
    """The exchange, the Ethereum nodes and the alerts' webhook: one server, whose answer a test may replace."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.says: Callable[[Asked], Told | None] = calm
        self.server = FaultyServer(0, self._answer)

    def _answer(self, asked: Asked) -> Told | None:
        self.asked.append(asked)
        return self.says(asked)


def calm(asked: Asked) -> Told | None:
    """An exchange that knows no order, nodes that answer nothing, a webhook that accepts."""
    if asked.path.endswith("/exchange/range"):
        return told_json(_RANGE)
    if asked.path.endswith("/exchange/by-id"):
        return told_json({"error": "not_found", "message": "Transaction not found"}, 404)
    if b"jsonrpc" in asked.body:
        return told_json({"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "not now"}})
    return told_json({"ok": True})


@dataclass(frozen=True)
class Door:
    """One route by which one kind of token (None: no tokens) comes in."""

    service: str
    route: Route
    edge: Edge | None

    def __str__(self) -> str:
        """As it stands in a test's name."""
        return f"{self.service}{self.route.path}" + (f"[{self.edge.producer}]" if self.edge else "")


@dataclass(frozen=True)
class Standing:
    """Every row of every table as a number and a digest, and how many tasks were ever made."""

    rows: Mapping[str, tuple[int, str]]
    tasks: int

    def changed_tables(self, later: Standing) -> dict[str, int]:
        """The tables that differ, with how many rows came."""
        return {
            name: later.rows[name][0] - count
            for name, (count, digest) in self.rows.items()
            if later.rows[name][1] != digest
        }


@dataclass
class House:
    """All five services behind their real entrances. `rows` and `standing` look as the owner of the tables does."""

    world: World
    owner: Database
    issuer: IdentityService
    tasks: TaskService
    outside: Outside
    environments: dict[str, dict[str, str]]
    apps: dict[str, Flask]
    doors: list[Door]
    made: list[Task] = field(default_factory=list)
    emptied: list[str] = field(default_factory=list)
    _clients: dict[str, FlaskClient] = field(default_factory=dict)

    @property
    def who(self) -> Identities:
        return self.world.identities

    @property
    def keyring(self) -> Keyring:
        """The fleet's own secrets."""
        conductor = self.environments["GCHostPay1"]
        return Keyring([conductor["SUCCESS_URL_SIGNING_KEY"]], [conductor["TPS_HOSTPAY_SIGNING_KEY"]])

    def url(self, service: str) -> str:
        """The service's own URL, which is its audience."""
        return self.world.options.ports.url(service)

    def identity(self, email: str, service: str) -> dict[str, str]:
        """The header of a valid identity."""
        return {"Authorization": f"Bearer {self.issuer.key.mint(email, self.url(service))}"}

    def caller(self, door: Door) -> str:
        """Who may come in by this door."""
        allowed = door.route.callers if door.edge is None else door.route.callers_of_edge.get(door.edge)
        return next(iter(allowed or door.route.callers))

    def client(self, service: str) -> FlaskClient:
        if service not in self._clients:
            self._clients[service] = self.apps[service].test_client()
        return self._clients[service]

    def post(self, door: Door, body: bytes, headers: Mapping[str, str] | None = None, task: str = "") -> TestResponse:
        """POST at a door, by default as its rightful caller; `task`: as a delivery of the queue."""
        sent = dict(self.identity(self.caller(door), door.service) if headers is None else headers)
        if task:
            sent["X-CloudTasks-TaskName"] = task
        return self.client(door.service).post(door.route.path, data=body, headers=JSON_TYPE | sent)

    def rows(self, sql: str, **params: object) -> list[Any]:
        with self.owner.read() as conn:
            return list(conn.all(sql, **params))

    def standing(self) -> Standing:
        """Look at everything, in one statement."""
        with self.owner.read() as conn:
            rows = {str(row["name"]): (int(row["n"]), str(row["digest"])) for row in conn.all(_everything(conn))}
        return Standing(rows, len(self.made))

    @contextmanager
    def nothing_changes(self) -> Iterator[None]:
        """What happens inside leaves no row and makes no task."""
        before = self.standing()
        yield
        after = self.standing()
        assert before.changed_tables(after) == {}
        assert before.tasks == after.tasks, self.made[before.tasks :]

    def empty(self) -> None:
        """Take every row away; the outside is calm again."""
        self.outside.says = calm
        self.outside.asked.clear()
        self.made.clear()
        with self.owner.transaction() as conn:
            conn.script(f"TRUNCATE {', '.join(self.emptied)} RESTART IDENTITY")


@contextmanager
def a_house(
    postgres: Postgres, folder: Path, more: Callable[[str], Mapping[str, str]] = lambda _outside: {}
) -> Iterator[House]:
    """Everything is started; `more`, given the outside's address, replaces settings that a service has."""
    with ExitStack() as stack:
        issuer = stack.enter_context(IdentityService())
        tasks = stack.enter_context(TaskService(tokens=IdentityClient(issuer.url)))
        made = _paused_queues(tasks)
        outside = Outside()
        outside.server.start()
        stack.callback(outside.server.stop)
        name = postgres.lend()
        stack.callback(postgres.take_back, name)
        ports = replace(
            Ports.free(),
            identity=issuer.port,
            tasks=tasks.port,
            exchange=outside.server.port,
            chain=outside.server.port,
            chain_second=outside.server.port,
            postgres=postgres.server.port,
        )
        world = World(FleetOptions(logs=folder, ports=ports, alert_webhook=f"{outside.server.url}/hook"), USDT, FEED)
        environments = {service: _environment(world, service, name) for service in SERVICES}
        for environment in environments.values():
            known = {each.removesuffix("_PREVIOUS") for each in environment} | {"DATABASE_PASSWORD_SECRET"}
            told = more(outside.server.url).items()
            environment |= {each: value for each, value in told if each.removesuffix("_PREVIOUS") in known}
        stack.callback(forget_concealed)
        apps = {service: an_app(service, environment) for service, environment in environments.items()}
        owner = postgres.connect(name)
        stack.callback(owner.close)
        doors = [
            Door(service, route, edge)
            for service, app in apps.items()
            for route in description_of(app).routes
            for edge in (route.edges or (None,))
        ]
        yield House(
            world, owner, issuer, tasks, outside, environments, apps, doors, made=made, emptied=postgres.emptied
        )


def an_app(service: str, environment: Mapping[str, str]) -> Flask:
    """The service's application, as gunicorn makes it."""
    app: Flask = import_module(f"{service}.app").create_app(settings_from(service, environment))
    return app


def settings_from(service: str, environment: Mapping[str, str]) -> Any:
    """The service's settings as it reads them; SystemExit when they are wrong."""
    return import_module(f"{service}.app").load_settings(settings_class_of(service), environment)


def token_body(token: object) -> bytes:
    """`{"token": ...}` around anything."""
    return json.dumps({"token": token}).encode()


def message_kinds() -> list[tuple[Edge, type[Message]]]:
    """Every kind of message with the edge that carries it."""
    return [(edge, kind) for edge in ALL_EDGES for kind in edge.messages]


def _environment(world: World, service: str, database: str) -> dict[str, str]:
    environment = world.service(service) | {"TIME_SCALE": "1"}
    outside = world.options.ports.url("exchange")
    if "DATABASE_HOST" in environment:
        environment["DATABASE_NAME_SECRET"] = database
    if "ETHEREUM_RPC_URLS" in environment:
        environment["ETHEREUM_RPC_URLS"] = f"{outside}/node-one,{outside}/node-two"
    if service == "GCAccumulator":
        environment["UPSTREAM_SIGNING_KEY"] = UPSTREAM_SIGNING_KEY
    return environment


def _paused_queues(tasks: TaskService) -> list[Task]:
    """Queues that deliver nothing; the list grows by every task that is made."""
    for name in {edge.queue for edge in ALL_EDGES}:
        tasks.create_queue(Queue(name=f"{_QUEUES}/{name}"), time.time())
        tasks.store.set_running(f"{_QUEUES}/{name}", running=False)
    made: list[Task] = []
    add = tasks.store.add

    def added(queue: str, asked: Task, *more: Any, **named: Any) -> Task:
        accepted = add(queue, asked, *more, **named)  # which shows no body
        made.append(asked)
        return accepted

    tasks.store.add = added  # type: ignore[method-assign, assignment]
    return made


def _everything(conn: Connection) -> str:
    tables = [str(row["name"]) for row in conn.all(_TABLES)]
    assert len(tables) > 15, tables
    return " union all ".join(_WHOLE.format(name=name) for name in tables)


ROLES = (roles.INTAKE, roles.BATCHER, roles.CONDUCTOR, roles.EXECUTOR, roles.OPERATOR)
