"""What the watcher needs from its environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from shared.exchange.settings import ExchangeSettings
from shared.http import Emails, ServiceSettings
from shared.queue.settings import ConductorResponseTarget, TasksSettings


class WatcherSettings(ServiceSettings, TasksSettings, ConductorResponseTarget, ExchangeSettings):
    """The watcher's environment."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    conductor_callers: Emails = Field(description="who may ask for an order to be read")
