"""The watcher's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from typing import Final

from flask import Flask

from shared.exchange import ETH_TO_USDT, ChangeNow
from shared.http import Component, create_service
from shared.messages import WATCHER_TO_CONDUCTOR
from shared.queue import CloudTasksSender, Sealer, destinations_from, keyring_from
from shared.settings import load_settings
from shared.telemetry import configure_logging

from .routes import routes_of
from .settings import WatcherSettings

SERVICE: Final = "GCHostPay2"


def create_app(settings: WatcherSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(WatcherSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    keyring = keyring_from(settings)
    exchange = ChangeNow(settings)
    sender = CloudTasksSender.from_settings(settings, settings.service_identity)
    sealer = Sealer(keyring, destinations_from(settings, [WATCHER_TO_CONDUCTOR]))
    return create_service(
        settings,
        "watcher",
        routes_of(exchange, sender, sealer, settings.conductor_callers),
        # Reading orders is all it does: without the exchange it cannot do its job.
        [Component("exchange", lambda: exchange.range(ETH_TO_USDT).minimum.is_positive())],
        None,
        keyring=keyring,
    )
