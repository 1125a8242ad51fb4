"""What every service needs from its environment."""

import re
from importlib import import_module
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode, SettingsConfigDict

from shared.settings import Range, SecretsSettings, Unit

_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_NAME = re.compile(r"[!-~]{1,300}")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _email(value: str) -> str:
    if _EMAIL.fullmatch(value) is None:
        raise ValueError("must be an e-mail address, as name@project.iam.gserviceaccount.com")
    return value


def _name(value: str) -> str:
    if _NAME.fullmatch(value) is None:
        raise ValueError("must be names of printable ASCII without blanks, comma-separated")
    return value


def _url(value: str) -> str:
    if _URL.fullmatch(value) is None:
        raise ValueError("must be an http(s) address without query, as https://service.example")
    return value.rstrip("/")


# An address of one of our services: no trailing slash, because it is also the audience of identity tokens.
ServiceUrl = Annotated[str, AfterValidator(_url), Range("http(s) address without query")]
Email = Annotated[str, AfterValidator(_email), Range("an e-mail address")]
# Comma-separated; NoDecode keeps pydantic-settings from reading it as JSON.
Emails = Annotated[
    tuple[Email, ...],
    NoDecode,
    BeforeValidator(_split),
    Field(min_length=1),
    Range("e-mail addresses, comma-separated"),
]
_Name = Annotated[str, AfterValidator(_name)]
Names = Annotated[
    tuple[_Name, ...],
    NoDecode,
    BeforeValidator(_split),
    Field(min_length=1),
    Range("names without blanks, comma-separated"),
]


class ServiceSettings(SecretsSettings):
    """The part of the environment that all five services share."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    service_url: ServiceUrl = Field(description="own URL; the audience that callers' identity tokens must name")
    service_identity: Email = Field(description="own service account; tasks that this service makes carry it")
    oidc_issuers: Names = Field(
        default=("https://accounts.google.com", "accounts.google.com"),
        description="accepted issuers of identity tokens",
    )
    oidc_certs_url: ServiceUrl = Field(
        default="https://www.googleapis.com/oauth2/v3/certs", description="where the issuer's public keys are read"
    )
    identity_checked_by: Literal["service", "cloud_run"] = Field(
        "service",
        description="cloud_run: its IAM checks every call and removes the token's signature; never for an open service",
    )
    log_format: Literal["json", "console"] = Field("json", description="json for Cloud Logging, console for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="lines below it are not written"
    )
    build_id: str = Field(default="unbuilt", pattern="^[!-~]{1,64}$", description="shown as version by /health")
    time_scale: Annotated[int, Unit("times")] = Field(
        default=1, ge=1, le=100_000, description="divides waits; 1 outside the sandbox"
    )
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576, description="largest accepted request body")


def settings_class_of(package: str) -> type[ServiceSettings]:
    """The one settings class that a service's settings.py defines. TypeError when there is none, or more than one."""
    module = import_module(f"{package}.settings")
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, ServiceSettings) and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define one settings class, not {len(found)}")
    return found[0]
