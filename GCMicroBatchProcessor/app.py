"""The batcher's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from flask import Flask

from shared.chain import EthereumChain
from shared.db import Database, refusal_recorder, scheduler_runs, schema_is_current
from shared.exchange import ETH_TO_USDT, ChangeNow
from shared.http import Component, create_service, utc_now
from shared.messages import BATCHER_TO_BATCHER, BATCHER_TO_CONDUCTOR
from shared.queue import CloudTasksSender, Outbox, Sealer, destinations_from, keyring_from
from shared.settings import load_settings
from shared.telemetry import configure_logging, get_logger

from .batcher import SERVICE, Batcher, Terms
from .deliver_alert import Deliveries, alerts_are_heard
from .routes import routes_of
from .settings import BatcherSettings
from .threshold import SETTING, LiveThreshold

log = get_logger()


def create_app(settings: BatcherSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(BatcherSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    database = Database.from_settings(settings, SERVICE)
    keyring = keyring_from(settings)
    sender = CloudTasksSender.from_settings(settings, settings.service_identity)
    edges = [BATCHER_TO_CONDUCTOR, BATCHER_TO_BATCHER]
    outbox = Outbox(database, sender, Sealer(keyring, destinations_from(settings, edges)), uuid4)
    chain = EthereumChain.from_settings(settings)
    exchange = ChangeNow(settings, [settings.host_wallet_eth_address, settings.host_wallet_usdt_address])
    terms, webhook = settings.terms(), settings.webhook()
    deliveries = None if webhook is None else Deliveries(webhook)
    if deliveries is None:
        log.error("alerts_go_nowhere", setting="ALERT_WEBHOOK_URL", told="alerts are rows and lines of the log only")
    tick_every = timedelta(seconds=settings.check_threshold_every_s) if settings.check_threshold_every_s else None
    live = _live_threshold(settings, terms)
    batcher = Batcher(database, outbox, exchange, chain, uuid4, terms, deliveries, tick_every, live)

    def scheduler_is_heard() -> bool | None:
        with database.read() as conn:
            return scheduler_runs(conn, utc_now())

    def alerts_go_out() -> bool | None:
        return None if deliveries is None else alerts_are_heard(database, terms.limits, utc_now())

    return create_service(
        settings,
        "batcher",
        routes_of(batcher, settings.scheduler_callers, settings.conductor_callers, [settings.service_identity]),
        [
            Component("database", database.ping),
            Component("schema", lambda: schema_is_current(database)),
            Component("chain", lambda: any(head.block is not None for head in chain.latest_heads()), vital=False),
            Component("exchange", lambda: exchange.range(ETH_TO_USDT).minimum.is_positive(), vital=False),
            Component("scheduler", scheduler_is_heard, vital=False),
            Component("alerts", alerts_go_out, vital=False),
            Component("threshold", lambda: live is None or live.trouble is None, vital=False),
        ],
        refusal_recorder(database),
        keyring=keyring,
    )


def _live_threshold(settings: BatcherSettings, terms: Terms) -> LiveThreshold | None:
    """Only a threshold that the start read from Secret Manager is read there again; one of the environment is fixed."""
    manager = settings.secret_manager() if SETTING in settings.from_secret_manager else None
    return None if manager is None else LiveThreshold(lambda: manager.read(SETTING), terms.threshold, utc_now())
