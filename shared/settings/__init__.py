"""How settings are read, by services and by commands alike: nothing is repaired, all problems are told at once.

`load_settings` (ends the process with `EXIT_CONFIGURATION`), `read_settings` (raises `SettingsWrong`),
`whole_number_from` and `text_from` for what is needed earlier, `environment_name`, `names_of`; `Unit` and `Range` for
what a field says of itself, read with `unit_of`, `range_of`, `marks_of`.
"""

from shared.settings.environment import environment_name, names_of
from shared.settings.field import Range, Unit, marks_of, range_of, unit_of
from shared.settings.load import (
    EXIT_CONFIGURATION,
    SettingsWrong,
    load_settings,
    read_settings,
    text_from,
    whole_number_from,
)

__all__ = [
    "EXIT_CONFIGURATION",
    "Range",
    "SettingsWrong",
    "Unit",
    "environment_name",
    "load_settings",
    "marks_of",
    "names_of",
    "range_of",
    "read_settings",
    "text_from",
    "unit_of",
    "whole_number_from",
]
