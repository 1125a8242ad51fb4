"""Where secrets come from that do not stand in the environment: Secret Manager, when SECRETS_PROJECT_ID names one.

A secret of the environment always goes first, so that one can be set by hand. Of NAME_PREVIOUS no secret is read: while
NAME comes from Secret Manager, the version before its latest is what was valid before the last rotation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field, PrivateAttr
from pydantic_settings import BaseSettings

from shared.settings.field import Live, Range, marks_of
from shared.settings.google_secrets import Answer, Secret, SecretManager, Unreadable

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

PROJECT_VARIABLE: Final = "SECRETS_PROJECT_ID"
ENDPOINT_VARIABLE: Final = "SECRETS_ENDPOINT"
_PREVIOUS: Final = "_PREVIOUS"
_PROJECT: Final = re.compile(r"[a-z][a-z0-9-]{1,61}[a-z0-9]|[0-9]{1,20}")
_ENDPOINT: Final = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")


def _project(value: str) -> str:
    if value and _PROJECT.fullmatch(value) is None:
        raise ValueError("must be a project id, or a project's number")
    return value


def _endpoint(value: str) -> str:
    if value and _ENDPOINT.fullmatch(value) is None:
        raise ValueError("must be host:port, or absent for Google's own")
    return value


class SecretsSettings(BaseSettings):
    """Which Secret Manager holds the secrets that are not in the environment."""

    secrets_project_id: Annotated[str, AfterValidator(_project), Range("a project id or number")] = Field(
        default="", description="secrets that are not in the environment are read from this project's Secret Manager"
    )
    secrets_endpoint: Annotated[str, AfterValidator(_endpoint), Range("host:port")] = Field(
        default="", description="host:port of a local Secret Manager, spoken to without TLS; absent: Google's"
    )
    _from_secret_manager: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def from_secret_manager(self) -> frozenset[str]:
        """The settings that were read from Secret Manager, by the name of their secret; they may change there."""
        return self._from_secret_manager

    def remember_source(self, names: frozenset[str]) -> None:
        """Once, by whoever read the settings."""
        self._from_secret_manager = names

    def secret_manager(self) -> SecretManager | None:
        """The one that these settings name; None when all secrets stand in the environment."""
        return SecretManager(self.secrets_project_id, self.secrets_endpoint) if self.secrets_project_id else None


def kept_in_secret_manager(info: FieldInfo) -> bool:
    """Whether a setting that is not in the environment may be a secret's value."""
    return "Secret" in str(info.annotation) or any(isinstance(mark, Live) for mark in marks_of(info))


def manager_named_by(environ: Mapping[str, str]) -> SecretManager | None:
    """The Secret Manager that an environment names; None when it names none, or none that there can be."""
    project, endpoint = environ.get(PROJECT_VARIABLE, ""), environ.get(ENDPOINT_VARIABLE, "")
    usable = project and _PROJECT.fullmatch(project) and (not endpoint or _ENDPOINT.fullmatch(endpoint))
    return SecretManager(project, endpoint) if usable else None


def names_to_ask(settings_class: type[BaseModel], names: Mapping[str, str], environ: Mapping[str, str]) -> list[str]:
    """The secrets of a settings class that an environment does not hold itself."""
    known, fields = set(names.values()), settings_class.model_fields
    return [
        name
        for field, name in names.items()
        if name not in environ
        and field in fields
        and kept_in_secret_manager(fields[field])
        and not (name.endswith(_PREVIOUS) and name.removesuffix(_PREVIOUS) in known)
    ]


def ask(manager: SecretManager, wanted: list[str], names: Mapping[str, str]) -> dict[str, Answer]:
    """The latest version of each secret, and as NAME_PREVIOUS the version before it where there is such a setting."""
    rotated = {name for name in wanted if name + _PREVIOUS in names.values()}
    answers: dict[str, Answer] = {}
    for name, (latest, before) in manager.read_all(wanted, rotated=rotated).items():
        answers[name] = latest
        if name in rotated:
            answers[name + _PREVIOUS] = before
    return answers


def to_text(answers: Mapping[str, Answer]) -> str:
    """Answers as one line of text, to be handed from one process to another through a pipe."""
    return json.dumps({name: _plain(answer) for name, answer in answers.items()})


def from_text(text: str) -> dict[str, Answer]:
    """What `to_text` wrote."""
    return {name: _answer(plain) for name, plain in json.loads(text).items()}


def _plain(answer: Answer) -> Any:
    match answer:
        case Secret(value, version):
            return [value, version]
        case Unreadable(rule):
            return rule
        case None:
            return None


def _answer(plain: Any) -> Answer:
    if plain is None:
        return None
    return Unreadable(plain) if isinstance(plain, str) else Secret(*plain)
