"""How settings are read, by services and by commands alike: nothing is repaired, all problems are told at once.

`load_settings` (ends the process with `EXIT_CONFIGURATION`; `load_settings_before_forking` for gunicorn's master),
`read_settings` (raises `SettingsWrong`), `whole_number_from` and `text_from` for what is needed earlier;
`environment_name`, `names_of`; `Unit`, `Range` and `Live` for what a field says of itself, read with `unit_of`,
`range_of`, `marks_of`. Secrets that are not in the environment come from Secret Manager: `SecretsSettings`,
`SecretManager`, whose answer is a `Secret`, an `Unreadable`, or None.
"""

from shared.settings.ahead import load_settings_before_forking
from shared.settings.environment import environment_name, names_of
from shared.settings.field import Live, Range, Unit, marks_of, range_of, unit_of
from shared.settings.google_secrets import Secret, SecretManager, Unreadable
from shared.settings.load import (
    EXIT_CONFIGURATION,
    SettingsWrong,
    load_settings,
    read_settings,
    text_from,
    whole_number_from,
)
from shared.settings.source import SecretsSettings

__all__ = [
    "EXIT_CONFIGURATION",
    "Live",
    "Range",
    "Secret",
    "SecretManager",
    "SecretsSettings",
    "SettingsWrong",
    "Unit",
    "Unreadable",
    "environment_name",
    "load_settings",
    "load_settings_before_forking",
    "marks_of",
    "names_of",
    "range_of",
    "read_settings",
    "text_from",
    "unit_of",
    "whole_number_from",
]
