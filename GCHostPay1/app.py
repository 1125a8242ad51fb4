"""The conductor's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from uuid import uuid4

from flask import Flask

from shared.chain import EthereumChain
from shared.db import Database, refusal_recorder, schema_is_current
from shared.exchange import ETH_TO_USDT, ChangeNow
from shared.http import Component, create_service
from shared.messages import ALL_EDGES, V1Door
from shared.queue import CloudTasksSender, Outbox, Sealer, destinations_from, keyring_from
from shared.settings import load_settings
from shared.telemetry import configure_logging

from .conductor import BOOKS_EVERY, SERVICE, Conductor
from .routes import Callers, routes_of
from .settings import ConductorSettings


def create_app(settings: ConductorSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(ConductorSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    database = Database.from_settings(settings, SERVICE)
    keyring = keyring_from(settings)
    sender = CloudTasksSender.from_settings(settings, settings.service_identity)
    own_edges = [edge for edge in ALL_EDGES if edge.producer == "conductor"]
    outbox = Outbox(database, sender, Sealer(keyring, destinations_from(settings, own_edges)), uuid4)
    chain = EthereumChain.from_settings(settings)
    exchange = ChangeNow(settings, [settings.host_wallet_eth_address, settings.host_wallet_usdt_address])
    return create_service(
        settings,
        "conductor",
        routes_of(
            Conductor(database, outbox, exchange, chain, settings.terms(), BOOKS_EVERY),
            _callers(settings),
            V1Door(settings.v1_window(), keyring.upstream_secrets),
        ),
        [
            Component("database", database.ping),
            Component("schema", lambda: schema_is_current(database)),
            Component("chain", lambda: any(head.block is not None for head in chain.latest_heads()), vital=False),
            Component("exchange", lambda: exchange.range(ETH_TO_USDT).minimum.is_positive(), vital=False),
        ],
        refusal_recorder(database),
        keyring=keyring,
    )


def _callers(settings: ConductorSettings) -> Callers:
    return Callers(
        upstream=settings.upstream_callers,
        batcher=settings.batcher_callers,
        watcher=settings.watcher_callers,
        executor=settings.executor_callers,
        conductor=settings.conductor_callers,
        scheduler=settings.scheduler_callers,
    )
