"""The intake's composition root: builds its objects from the settings and hands them over. Nothing else."""

from __future__ import annotations

from flask import Flask

from shared.db import Database, refusal_recorder, schema_is_current
from shared.http import Component, create_service
from shared.settings import load_settings
from shared.telemetry import configure_logging

from .accept_payment import SERVICE
from .routes import routes_of
from .settings import IntakeSettings
from .watch_scheduler import SchedulerWatch


def create_app(settings: IntakeSettings | None = None) -> Flask:
    """The WSGI application. Settings are read from the environment unless given; connects to nothing yet."""
    settings = settings or load_settings(IntakeSettings)
    configure_logging(settings.log_format, settings.log_level, SERVICE)
    database = Database.from_settings(settings, SERVICE)
    return create_service(
        settings,
        "intake",
        routes_of(
            database,
            settings.terms(),
            settings.upstream_callers,
            settings.webhook_keys,
            SchedulerWatch(database),
        ),
        [Component("database", database.ping), Component("schema", lambda: schema_is_current(database))],
        refusal_recorder(database),
    )
