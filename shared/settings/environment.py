"""The process's environment as values: what stands in it is taken as it is, or refused with the rule that it breaks.

Nothing is repaired. A blank or a line end around a value is somebody's slip, and the next reader of the same variable
may not strip it: two services would then seal with two keys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

BLANK: Final = "is blank: give it a value, or leave it out"
EDGES: Final = "has blanks or a line end around its value"
CONTROL: Final = "has a line end or another control character in its value"
PATH: Final = "holds the path of a secret where the secret's own value belongs"

# Such as projects/p/secrets/NAME/versions/latest: the path of a secret where its content belongs.
_SECRET_PATH: Final = re.compile(r"projects/[^/\s]+/(locations/[^/\s]+/)?secrets/[^/\s]+(/versions/[^/\s]+)?")


def environment_name(field: str, info: FieldInfo) -> str:
    """The name of the environment variable of a settings field."""
    alias = info.validation_alias
    return (alias if isinstance(alias, str) else field).upper()


def names_of(settings_class: type[BaseModel]) -> dict[str, str]:
    """The environment variable of each field, by the name under which the field takes its value."""
    return {
        info.validation_alias if isinstance(info.validation_alias, str) else field: environment_name(field, info)
        for field, info in settings_class.model_fields.items()
    }


def rule_broken_by(value: str) -> str | None:
    """The rule that a value in the environment breaks, whatever it is for; None when it breaks none."""
    if not value.strip():
        return BLANK
    if value != value.strip():
        return EDGES
    if not value.isprintable():
        return CONTROL
    return PATH if is_path_of_a_secret(value) else None


def is_path_of_a_secret(value: str) -> bool:
    """Whether this is where a secret lies in Secret Manager, and not what it says."""
    return _SECRET_PATH.fullmatch(value) is not None


def read_environment(
    names: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The values that stand in `environ` by field, and a (name, rule) for each that is refused."""
    values: dict[str, str] = {}
    problems: list[tuple[str, str]] = []
    for field, name in names.items():
        value = environ.get(name)
        if value is None:
            continue
        rule = rule_broken_by(value)
        if rule is None:
            values[field] = value
        else:
            problems.append((name, rule))
    return values, problems
