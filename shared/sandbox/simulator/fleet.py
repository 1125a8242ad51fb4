"""The five services, put together as their own app.py does, on the model's ports. The one place that knows their parts.

`replace` puts something else in the place of a part, by name. It is how a mutant is made: never by a branch in a
service. A replacement is a function of the world and of the part as it is, and gives what shall stand there instead.

| name                       | part                                                              |
|----------------------------|-------------------------------------------------------------------|
| `executor.chain`           | a port of one service: database, outbox, exchange, chain, signer, |
|                            | archive, sender, terms                                            |
| `executor /drive`          | the function behind one of its routes (`Route.handle`)            |
| `GCHostPay3.drive:settle`  | any attribute of a module, as long as the history lasts           |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any, Final
from uuid import UUID

from GCAccumulator.accept_payment import IntakeTerms
from GCAccumulator.routes import routes_of as intake_routes
from GCHostPay1.conductor import Conductor
from GCHostPay1.conductor import Terms as ConductorTerms
from GCHostPay1.routes import Callers
from GCHostPay1.routes import routes_of as conductor_routes
from GCHostPay2.routes import routes_of as watcher_routes
from GCHostPay3.executor import Executor
from GCHostPay3.policy import PayLimits
from GCHostPay3.promised import PromisedNonces
from GCHostPay3.routes import routes_of as executor_routes
from GCMicroBatchProcessor.batcher import Batcher
from GCMicroBatchProcessor.batcher import Terms as BatcherTerms
from GCMicroBatchProcessor.price_guard import GuardLimits
from GCMicroBatchProcessor.routes import routes_of as batcher_routes
from shared.chain import EthereumChain, LocalSigner
from shared.chain.careful import CarefulSigner
from shared.chain.quorum import Quorum
from shared.db import refusal_recorder
from shared.db.roles import BATCHER, CONDUCTOR, EXECUTOR, INTAKE
from shared.http import Route
from shared.http.routing import RefuseMessage
from shared.lifecycle import Limits
from shared.messages import ALL_EDGES, Keyring
from shared.money import Ether, Percent, Usd
from shared.queue import Destination, Outbox, Sealer
from shared.sandbox.chain.accounts import HOST_WALLET
from shared.sandbox.fakes_archive import fake_archive
from shared.sandbox.simulator.blocks import GWEI
from shared.sandbox.simulator.provider import ModelProvider

Replacement = Callable[[Any, Any], Any]
Replace = Mapping[str, Replacement]

CHAIN_ID: Final = 31_337
USDT: Final = "0xdAC17F958D2ee523a2206206994597C13D831ec7"
FEED: Final = "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"
WALLET: Final = HOST_WALLET.address
KEYRING: Final = Keyring(internal=["the secret of the model fleet"], external=["the secret of its upstream"])
SCHEDULER: Final = "scheduler@fleet.example"
UPSTREAM: Final = "upstream@fleet.example"
SERVICES: Final = {
    "intake": ("GCAccumulator", INTAKE),
    "batcher": ("GCMicroBatchProcessor", BATCHER),
    "conductor": ("GCHostPay1", CONDUCTOR),
    "watcher": ("GCHostPay2", ""),
    "executor": ("GCHostPay3", EXECUTOR),
}
SWEPT: Final = ("batcher", "conductor", "executor")

_LIMITS: Final = Limits()
_MOST: Final = Ether.parse("1")
INTAKE_TERMS: Final = IntakeTerms(Percent.parse("15"), "eth", Usd.parse("1000"), frozenset((WALLET, USDT)), _LIMITS)
BATCHER_TERMS: Final = BatcherTerms(
    threshold=Usd.parse("60"),
    funding="received",
    guard=GuardLimits(Percent.parse("5"), Percent.parse("10"), _MOST, Percent.parse("10"), Percent.parse("50")),
    result_band=Percent.parse("10"),
    exchange_decimals=8,
    gas_ceiling_wei=200 * GWEI,
    key_alias="primary",
    payout_address=WALLET,
    refund_address=WALLET,
    usdt_contract_address=USDT,
    price_feed_address=FEED,
    price_feed_max_age_s=3_600,
    limits=_LIMITS,
)
CONDUCTOR_TERMS: Final = ConductorTerms(USDT, WALLET, WALLET, _MOST, _MOST, "primary", _LIMITS)
PAY_LIMITS: Final = PayLimits(
    max_transfer=_MOST,
    max_daily=Ether.parse("5"),
    gas_reserve=Ether.parse("0.01"),
    max_fee_per_gas_wei=200 * GWEI,
    inflight_cap=4,
)


@cache
def the_signer() -> LocalSigner:
    """The wallet's key; deriving its address once is enough for a process."""
    return LocalSigner(HOST_WALLET.private_key)


def identity(role: str) -> str:
    """The service account of a service."""
    return f"{role}@fleet.example"


def base_url(role: str) -> str:
    return f"https://{role}.fleet.example"


@dataclass(frozen=True)
class Doors:
    """What a service offers to the outside: its routes by path, and how it stores a refusal."""

    service: str
    routes: Mapping[str, Route]
    refuse: RefuseMessage | None


@dataclass(frozen=True)
class Ports:
    """What the world gives to the services."""

    database: Callable[[str, str], Any]  # of a service (by role noun) and its database role
    sender: Any
    exchange: Any
    providers: Sequence[ModelProvider]
    quorum: int
    signer: Any
    new_id: Callable[[], UUID]
    batch_funding: str = "received"


class Fleet:
    """The services of one history. A service that was killed is started anew: what it kept in memory is gone."""

    def __init__(self, world: object, ports: Ports, replaced: Replace) -> None:
        self._world = world
        self._ports = ports
        self._replaced = replaced
        self._archive = fake_archive()  # it outlives every process of the history
        self._known: set[str] = set()
        self.doors: dict[str, Doors] = {}
        for role in SERVICES:
            self.start(role)
        unknown = [name for name in replaced if name not in self._known and ":" not in name]
        if unknown:
            raise ValueError(f"there is no such part: {', '.join(unknown)}; parts are {', '.join(sorted(self._known))}")

    def start(self, role: str) -> None:
        """Starts a service, as after it was killed."""
        database = self._part(role, "database", self._ports.database(role, SERVICES[role][1]))
        routes = {
            "intake": self._intake,
            "batcher": self._batcher,
            "conductor": self._conductor,
            "watcher": self._watcher,
            "executor": self._executor,
        }[role](database)
        named = {
            route.path: replace(route, handle=self._named(f"{role} {route.path}", route.handle)) for route in routes
        }
        refuse = None if role == "watcher" else refusal_recorder(database)
        self.doors[role] = Doors(SERVICES[role][0], named, refuse)

    # --- as each app.py -----------------------------------------------------------------------------------------------

    def _intake(self, database: Any) -> list[Route]:
        return intake_routes(database, self._part("intake", "terms", INTAKE_TERMS), [UPSTREAM], ())

    def _batcher(self, database: Any) -> list[Route]:
        terms = self._part("batcher", "terms", replace(BATCHER_TERMS, funding=self._ports.batch_funding))
        batcher = Batcher(
            database=database,
            outbox=self._outbox("batcher", database),
            exchange=self._part("batcher", "exchange", self._ports.exchange),
            chain=self._chain("batcher"),
            new_id=self._ports.new_id,
            terms=terms,
        )
        return batcher_routes(batcher, [SCHEDULER], [identity("conductor")], [identity("batcher")])

    def _conductor(self, database: Any) -> list[Route]:
        conductor = Conductor(
            database=database,
            outbox=self._outbox("conductor", database),
            exchange=self._part("conductor", "exchange", self._ports.exchange),
            chain=self._chain("conductor"),
            terms=self._part("conductor", "terms", CONDUCTOR_TERMS),
        )
        callers = Callers(
            upstream=[UPSTREAM],
            batcher=[identity("batcher")],
            watcher=[identity("watcher")],
            executor=[identity("executor")],
            conductor=[identity("conductor")],
            scheduler=[SCHEDULER],
        )
        return conductor_routes(conductor, callers)

    def _watcher(self, _: Any) -> list[Route]:
        return watcher_routes(
            self._part("watcher", "exchange", self._ports.exchange),
            self._part("watcher", "sender", self._ports.sender),
            _sealer("watcher"),
            [identity("conductor")],
        )

    def _executor(self, database: Any) -> list[Route]:
        executor = Executor(
            db=database,
            chain=self._chain("executor"),
            signer=self._part("executor", "signer", CarefulSigner(self._ports.signer, PromisedNonces(database))),
            outbox=self._outbox("executor", database),
            limits=self._part("executor", "terms", PAY_LIMITS),
            chain_id=CHAIN_ID,
            archive=self._part("executor", "archive", self._archive),
            new_id=self._ports.new_id,
        )
        return executor_routes(executor, [identity("conductor")], [identity("executor")], [SCHEDULER])

    # --- parts --------------------------------------------------------------------------------------------------------

    def _outbox(self, role: str, database: Any) -> Any:
        sender = self._part(role, "sender", self._ports.sender)
        return self._part(role, "outbox", Outbox(database, sender, _sealer(role), self._ports.new_id))

    def _chain(self, role: str) -> Any:
        return self._part(role, "chain", EthereumChain(Quorum(self._ports.providers, self._ports.quorum), CHAIN_ID))

    def _part(self, role: str, name: str, made: Any) -> Any:
        return self._named(f"{role}.{name}", made)

    def _named(self, name: str, made: Any) -> Any:
        self._known.add(name)
        replacement = self._replaced.get(name)
        return made if replacement is None else replacement(self._world, made)


@contextmanager
def attributes_replaced(world: object, replaced: Replace) -> Iterator[None]:
    """The replacements of the form `module:attribute`, in force until the block ends."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for name, replacement in replaced.items():
            module_name, colon, attribute = name.partition(":")
            if colon:
                module = import_module(module_name)
                made = getattr(module, attribute)
                before.append((module, attribute, made))
                setattr(module, attribute, replacement(world, made))
        yield
    finally:
        for module, attribute, made in reversed(before):
            setattr(module, attribute, made)


@cache
def _sealer(role: str) -> Sealer:
    edges = [edge for edge in ALL_EDGES if edge.producer == role]
    return Sealer(KEYRING, {edge: Destination(edge.queue, base_url(edge.consumer)) for edge in edges})
