"""What every service needs from its environment, and the one way in which settings are read: all problems at once."""

import os
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from shared.telemetry import conceal

# sysexits.h EX_CONFIG: the environment is wrong, a restart with the same environment cannot help.
EXIT_CONFIGURATION = 78

# Such as projects/p/secrets/NAME/versions/latest: the path of a secret where its content belongs.
_SECRET_PATH = re.compile(r"projects/[^/\s]+/secrets/[^/\s]+(/versions/[^/\s]+)?")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")

S = TypeVar("S", bound=BaseSettings)


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _email(value: str) -> str:
    if _EMAIL.fullmatch(value) is None:
        raise ValueError("must be an e-mail address, as name@project.iam.gserviceaccount.com")
    return value


def _url(value: str) -> str:
    if _URL.fullmatch(value) is None:
        raise ValueError("must be an http(s) address without query, as https://service.example")
    return value.rstrip("/")


# An address of one of our services: no trailing slash, because it is also the audience of identity tokens.
ServiceUrl = Annotated[str, AfterValidator(_url)]
Email = Annotated[str, AfterValidator(_email)]
# Comma-separated; NoDecode keeps pydantic-settings from reading it as JSON.
Emails = Annotated[tuple[Email, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)]


class ServiceSettings(BaseSettings):
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
    log_format: Literal["json", "console"] = Field("json", description="json for Cloud Logging, console for people")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="lines below it are not written"
    )
    build_id: str = Field(default="unbuilt", max_length=64, description="shown as version by /health")
    time_scale: int = Field(default=1, ge=1, le=100_000, description="divides waits; 1 outside the sandbox")
    max_body_bytes: int = Field(default=65_536, ge=1_024, le=1_048_576, description="largest accepted request body")


def load_settings(settings_class: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of a service, or end the process with exit code 78 after one sentence per problem.

    Trailing newlines are stripped, blank counts as missing, a Secret Manager path where a value belongs is refused. No
    sentence ever repeats a value. Secrets that were read can no longer be printed by this process's log.
    """
    values, problems = _read(settings_class, os.environ if environ is None else environ)
    settings: S | None = None
    try:
        settings = _validated(settings_class, values)
    except ValidationError as error:
        problems += _sentences(settings_class, error, already_told={name for name, _ in problems})
    if problems or settings is None:
        _stop(settings_class, problems)
    conceal(_secrets_of(settings))
    return settings


def whole_number_from(name: str, default: int, most: int) -> int:
    """A number from 1 to `most`, needed before the settings are read; anything else ends the process with 78."""
    text = os.environ.get(name, "").strip()
    if text and not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        sys.stderr.write(f"  {name} must be a whole number from 1 to {most}\n")
        raise SystemExit(EXIT_CONFIGURATION)
    return int(text or default)


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


def _read(settings_class: type[S], environ: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    values: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for field, info in settings_class.model_fields.items():
        name = environment_name(field, info)
        value = environ.get(name, "").strip()
        if not value:
            continue  # blank and absent are the same: an empty secret must not count as configured
        if _SECRET_PATH.fullmatch(value):
            problems.append((name, "holds the path of a secret where the secret's own value belongs"))
            continue
        values[info.validation_alias if isinstance(info.validation_alias, str) else field] = value
    return values, problems


def environment_name(field: str, info: FieldInfo) -> str:
    """The name of the environment variable of a settings field."""
    alias = info.validation_alias
    return (alias if isinstance(alias, str) else field).upper()


def _validated(settings_class: type[S], values: dict[str, str]) -> S:
    # BaseSettings would read the raw environment again, with its blanks and newlines; the plain model does not.
    settings = settings_class.__new__(settings_class)
    BaseModel.__init__(settings, **values)
    return settings


def _sentences(settings_class: type[S], error: ValidationError, already_told: set[str]) -> list[tuple[str, str]]:
    names = {field: environment_name(field, info) for field, info in settings_class.model_fields.items()}
    told: list[tuple[str, str]] = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        name = names.get(field, field.upper())
        if name in already_told:
            continue  # it was left out because of its first problem; "missing" would only confuse
        rule = "is missing" if problem["type"] == "missing" else problem["msg"].removeprefix("Value error, ")
        told.append((name, rule))
    return told


def _secrets_of(settings: BaseModel) -> list[str]:
    found: list[str] = []
    for value in dict(settings).values():
        found += _secret_texts(value)
    return found


def _secret_texts(value: Any) -> list[str]:
    if isinstance(value, SecretStr):
        parts = [value.get_secret_value(), *value.get_secret_value().split(",")]
        # An HTTP client's error shows only the path of a URL, and a provider's key is in the path.
        parts += [part.partition("://")[2].partition("/")[2] for part in parts if "://" in part]
        return parts + [part.removeprefix("0x") for part in parts]
    if isinstance(value, list | tuple):
        return [text for item in value for text in _secret_texts(item)]
    return []


def _stop(settings_class: type[BaseSettings], problems: list[tuple[str, str]]) -> NoReturn:
    where = settings_class.__module__.partition(".")[0]
    lines = [f"{where} cannot start: {len(problems)} setting(s) are wrong."]
    lines += [f"  {name} {rule}" if name else f"  {rule}" for name, rule in problems]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    raise SystemExit(EXIT_CONFIGURATION)
