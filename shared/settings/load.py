"""The one way in which settings are read: all problems at once, one sentence each, none of which repeats a value."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, Final, NoReturn, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from shared.settings.environment import names_of, read_environment, rule_broken_by
from shared.settings.field import range_of
from shared.settings.google_secrets import Answer, Secret, Unreadable
from shared.settings.source import SecretsSettings, ask, manager_named_by, names_to_ask
from shared.telemetry import conceal

# sysexits.h EX_CONFIG: the environment is wrong, a restart with the same environment cannot help.
EXIT_CONFIGURATION: Final = 78

_kept: dict[str, Answer] = {}

S = TypeVar("S", bound=BaseSettings)


class SettingsWrong(Exception):
    """Settings are missing or refused."""

    def __init__(self, settings_class: type[BaseSettings], problems: list[tuple[str, str]]) -> None:
        where = settings_class.__module__.partition(".")[0]
        super().__init__(f"{where} cannot start: {len(problems)} setting(s) are wrong.")
        self.problems = problems

    @property
    def sentences(self) -> list[str]:
        """One per problem: the key and the rule it breaks, never the value."""
        return [f"{name} {rule}" if name else rule for name, rule in self.problems]


def load_settings(settings_class: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of a service, or end the process with exit code 78 after one sentence per problem.

    What is missing, blank, has blanks or a line end around it, is the path of a secret, or is out of its range, stops
    the start. No sentence ever repeats a value. Secrets that were read can no longer be printed by this process's log.
    """
    try:
        return read_settings(settings_class, environ)
    except SettingsWrong as wrong:
        _stop(wrong)


def read_settings(settings_class: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The same for a command that has its own way to end. Raises SettingsWrong with every problem."""
    environ = os.environ if environ is None else environ
    names = names_of(settings_class)
    values, problems = read_environment(names, environ)
    problems += _wrong_source(settings_class, environ)
    secrets = _secrets(settings_class, names, environ)
    for field, name in names.items():
        match secrets.get(name):
            case Secret(value):
                values[field] = value
            case Unreadable(rule):
                problems.append((name, rule))
    try:
        settings = _validated(settings_class, values)
    except ValidationError as error:
        problems += _problems(settings_class, error, already_told={name for name, _ in problems})
        raise SettingsWrong(settings_class, problems) from None  # its text repeats what was refused
    if problems:
        raise SettingsWrong(settings_class, problems)
    if isinstance(settings, SecretsSettings):
        settings.remember_source(frozenset(name for name, answer in secrets.items() if isinstance(answer, Secret)))
    conceal(_secrets_of(settings))
    return settings


def keep_for_children(answers: Mapping[str, Answer]) -> None:
    """What Secret Manager answered: this process and those that it forks do not ask again for their settings."""
    _kept.update(answers)


def whole_number_from(name: str, default: int, most: int) -> int:
    """A number from 1 to `most`, needed before the settings are read; anything else ends the process with 78."""
    text = text_from(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most):
        _end([f"{name} must be a whole number from 1 to {most}"])
    return int(text)


def text_from(name: str, default: str) -> str:
    """A text that is needed before the settings are read; one that no setting may be ends the process with 78."""
    text = os.environ.get(name, default)
    rule = rule_broken_by(text)
    if rule is not None:
        _end([f"{name} {rule}"])
    return text


def _secrets(
    settings_class: type[BaseSettings], names: Mapping[str, str], environ: Mapping[str, str]
) -> Mapping[str, Answer]:
    manager = manager_named_by(environ)
    wanted = [] if manager is None else names_to_ask(settings_class, names, environ)
    if manager is None or not wanted:
        return {}
    if environ is os.environ and _kept.keys() >= set(wanted):
        return _kept
    try:
        return ask(manager, wanted, names)
    finally:
        manager.close()


def _wrong_source(settings_class: type[BaseSettings], environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is wrong with the way to Secret Manager, for settings that do not name it among their own."""
    if issubclass(settings_class, SecretsSettings):
        return []
    values, problems = read_environment(names_of(SecretsSettings), environ)
    try:
        _validated(SecretsSettings, values)
    except ValidationError as error:
        problems += _problems(SecretsSettings, error, already_told={name for name, _ in problems})
    return problems


def _validated(settings_class: type[S], values: dict[str, str]) -> S:
    # BaseSettings would read the raw environment again, with its blanks and newlines; the plain model does not.
    settings = settings_class.__new__(settings_class)
    BaseModel.__init__(settings, **values)
    return settings


def _problems(
    settings_class: type[BaseSettings], error: ValidationError, already_told: set[str]
) -> list[tuple[str, str]]:
    names, told = names_of(settings_class), list[tuple[str, str]]()
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        field = str(problem["loc"][0]) if problem["loc"] else ""
        name = names.get(field, field.upper())
        # What was refused was left out: "missing", or a rule between it and another, would only confuse.
        if name in already_told or (not name and already_told):
            continue
        told.append((name, _rule(settings_class.model_fields.get(field), problem["type"], problem["msg"])))
    return told


def _rule(info: FieldInfo | None, kind: str, message: str) -> str:
    if kind == "missing":
        return "is missing"
    words = range_of(info) if info is not None and kind == "string_pattern_mismatch" else None
    return f"must be {words}" if words else message.removeprefix("Value error, ")


def _secrets_of(settings: BaseModel) -> list[str]:
    found: list[str] = []
    for value in dict(settings).values():
        found += secret_texts(value)
    return found


def secret_texts(value: Any) -> list[str]:
    """What of a setting must never be printed; nothing when it is no secret."""
    if isinstance(value, SecretStr):
        parts = [value.get_secret_value(), *value.get_secret_value().split(",")]
        # An HTTP client's error shows only the path of a URL, and a provider's key is in the path.
        parts += [part.partition("://")[2].partition("/")[2] for part in parts if "://" in part]
        return parts + [part.removeprefix("0x") for part in parts]
    if isinstance(value, list | tuple):
        return [text for item in value for text in secret_texts(item)]
    return []


def _stop(wrong: SettingsWrong) -> NoReturn:
    _end(wrong.sentences, str(wrong))


def _end(sentences: list[str], first: str | None = None) -> NoReturn:
    lines = ([first] if first else []) + [f"  {sentence}" for sentence in sentences]
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    raise SystemExit(EXIT_CONFIGURATION)
