"""The batcher's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from uuid import uuid4

from flask import Flask

from shared.chain import EthereumChain
from shared.db import Database, refusal_recorder
from shared.exchange import ETH_TO_USDT, ChangeNow
from shared.http import Component, create_service, load_settings
from shared.messages import BATCHER_TO_CONDUCTOR
from shared.queue import CloudTasksSender, Outbox, Sealer, destinations_from, keyring_from
from shared.telemetry import configure_logging

from .batcher import SERVICE, Batcher
from .routes import routes_of
from .settings import BatcherSettings


def create_app(settings: BatcherSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(BatcherSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    database = Database.from_settings(settings, SERVICE)
    keyring = keyring_from(settings)
    sender = CloudTasksSender.from_settings(settings, settings.service_identity)
    outbox = Outbox(database, sender, Sealer(keyring, destinations_from(settings, [BATCHER_TO_CONDUCTOR])), uuid4)
    chain = EthereumChain.from_settings(settings)
    exchange = ChangeNow(settings, [settings.host_wallet_eth_address, settings.host_wallet_usdt_address])
    batcher = Batcher(database, outbox, exchange, chain, uuid4, settings.terms())
    return create_service(
        settings,
        "batcher",
        routes_of(batcher, settings.scheduler_callers, settings.conductor_callers),
        [
            Component("database", database.ping),
            Component("chain", lambda: any(head.block is not None for head in chain.latest_heads()), vital=False),
            Component("exchange", lambda: exchange.range(ETH_TO_USDT).minimum.is_positive(), vital=False),
        ],
        refusal_recorder(database),
        keyring=keyring,
    )
