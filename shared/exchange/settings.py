"""What a service that talks to the exchange needs from its environment."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.settings import Range, Unit

ApiKey = Annotated[SecretStr, Range("printable ASCII, at most 256 characters")]


class ExchangeSettings(BaseSettings):
    """CHANGENOW_API_KEY and where to use it. The key goes into one HTTP header and prints as stars."""

    # Without this, the message of a rejected value would repeat the secret.
    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)

    changenow_api_key: ApiKey = Field(description="the partner key of the exchange account")
    changenow_api_key_previous: ApiKey | None = Field(
        default=None, description="the partner key before the last rotation: orders made with it are read with it"
    )
    changenow_calls_per_minute: Annotated[int, Unit("calls a minute")] = Field(
        default=300, ge=6, le=1800, description="this process's share of the 1,800 calls a minute of the account"
    )
    changenow_api_url: Annotated[str, Range("https address; http on this machine only")] = Field(
        default="https://api.changenow.io/v2", description="the exchange's API, version 2"
    )
    changenow_timeout_s: int = Field(
        default=20, ge=1, le=60, description="how long one request to the exchange may take"
    )

    @field_validator("changenow_api_key", "changenow_api_key_previous")
    @classmethod
    def _fits_a_header(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value()
        if not 0 < len(key) <= 256 or not key.isascii() or not key.isprintable() or key != key.strip():
            raise ValueError("must be printable ASCII without blanks around it, at most 256 characters")
        return value

    @field_validator("changenow_api_url")
    @classmethod
    def _is_secure(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError("must be an http(s) address without query and user")
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError("must be https: the key would travel in the clear")
        return value.rstrip("/")
