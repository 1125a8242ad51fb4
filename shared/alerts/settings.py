"""Where alerts are delivered to, and how patient the fleet is with that place."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from shared.alerts.webhook import Webhook
from shared.settings import Range

_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?")


def _webhook_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    port = re.search(r"://[^/:]+:(\d+)", url)
    if _URL.fullmatch(url) is None or "#" in url or (port is not None and not 0 < int(port[1]) < 65_536):
        raise ValueError("must be an http(s) address without user and fragment, as a webhook of Slack")
    return value


_WebhookUrl = Annotated[SecretStr, AfterValidator(_webhook_url), Range("http(s) address without user")]


class AlertSettings(BaseSettings):
    """The webhook of the people on call. Its address is its password, so it is handled as a secret."""

    alert_webhook_url: _WebhookUrl | None = Field(
        default=None, description="Slack-compatible webhook; absent: alerts stay rows and nobody is called"
    )
    alert_webhook_timeout_s: int = Field(default=5, ge=1, le=30, description="seconds; for one whole call of it")

    def webhook(self) -> Webhook | None:
        """The sink; None when alerts are delivered nowhere."""
        if self.alert_webhook_url is None:
            return None
        return Webhook(self.alert_webhook_url.get_secret_value(), float(self.alert_webhook_timeout_s))
