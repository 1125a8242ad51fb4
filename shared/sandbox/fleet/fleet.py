"""A running fleet: what tests, the demo and `gcpay up` do with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from shared.chain import ChainSettings
from shared.db import Database, roles
from shared.sandbox.chain import AnvilUnavailable
from shared.sandbox.fleet.environment import World
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.fleet.options import FleetOptions
from shared.sandbox.fleet.start import CHECK_JOB, Start, health_of
from shared.sandbox.identity import IdentityClient
from shared.sandbox.postgres import PostgresFailed
from shared.sandbox.postgres_proxy import PostgresProxy
from shared.sandbox.posting import Outcome, Posting
from shared.sandbox.processes import Process, StartFailed, undisturbed
from shared.sandbox.scheduler import SchedulerControl, Tick

if TYPE_CHECKING:
    from shared.chain import EthereumChain

_ANSWER_S = 60.0


class FleetNotStarted(Exception):
    """A part of the sandbox did not start; the message says which, and how its log ends."""


@dataclass
class Fleet:
    """The five services and their world; made by `start`, a context manager that stops everything.

    `database` reads as an operator does; `chain` is the fleet's own view of the chain; `urls` tells where everything
    answers; `world` holds keys and identities, for whoever speaks as somebody else.
    """

    options: FleetOptions
    world: World
    database: Database
    chain: EthereumChain
    chain_settings: ChainSettings
    identity: IdentityClient
    scheduler: SchedulerControl
    processes: dict[str, Process] = field(repr=False)
    parts: Start = field(repr=False)
    stack: ExitStack = field(repr=False)

    @classmethod
    def start(cls, options: FleetOptions, on_progress: Callable[[str], None] = lambda _part: None) -> Self:
        """Start everything; returns when all five services are healthy.

        `on_progress` hears what is ready, one name a part, also from other threads. On the main thread SIGTERM and
        SIGHUP then leave the block as Ctrl-C does. Raises FleetNotStarted, with nothing left running.
        """
        options.logs.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            start = Start(options, stack, on_progress)
            try:
                world = start.run()
            except (StartFailed, PostgresFailed, AnvilUnavailable) as error:
                raise FleetNotStarted(str(error)) from error
            from shared.chain import EthereumChain  # half a second of web3: not before the services have started

            database = start.database(roles.OPERATOR)
            stack.callback(database.close)
            stack.callback(start.stop_the_work)
            written = {name.lower(): value for name, value in world.chain().items()}
            settings = ChainSettings(**written)  # type: ignore[arg-type] # pydantic reads text
            return cls(
                options=options,
                world=world,
                database=database,
                chain=EthereumChain.from_settings(settings),
                chain_settings=settings,
                identity=IdentityClient(options.ports.url("identity")),
                scheduler=SchedulerControl(options.ports.url("scheduler")),
                processes=start.processes,
                parts=start,
                stack=stack.pop_all(),
            )

    @property
    def database_proxy(self) -> PostgresProxy | None:
        """What the services' way to the database can be broken with; None when they have a way of their own."""
        return self.parts.database_proxy

    @property
    def urls(self) -> dict[str, str]:
        """Where everything answers, by name; the services first."""
        return {name: self.options.ports.url(name) for name in vars(self.options.ports)}

    def post_payment(self, body: bytes | str | Mapping[str, object], email: str | None = None) -> Outcome:
        """Post a webhook body to intake as upstream does. Text is sent as it is: nonsense arrives as nonsense."""
        text = json.dumps(body) if isinstance(body, Mapping) else body
        return self.post("GCAccumulator", "/", text, email or self.world.identities.upstream)

    def post(self, service: str, path: str, body: bytes | str, email: str) -> Outcome:
        """Call a service with the identity of `email`."""
        token = self.identity.token(email, self.urls[service])
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        raw = body.encode() if isinstance(body, str) else body
        return Posting("POST", self.urls[service] + path, headers, raw, _ANSWER_S).perform()

    def tick(self) -> Tick:
        """Let the scheduler call /check-threshold now, and give what it was told."""
        return self.scheduler.run(CHECK_JOB)

    def health(self) -> dict[str, str]:
        """What each service says of itself: "healthy", "unhealthy", or "no answer"."""
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            return dict(zip(SERVICES, pool.map(lambda name: health_of(self.urls[name]), SERVICES), strict=True))

    def stop(self) -> None:
        """Stop everything, whatever signals come meanwhile. A repeat does nothing."""
        try:
            with undisturbed():
                self.stack.close()
        except (KeyboardInterrupt, SystemExit):  # it came in the moment before
            self.stop()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
