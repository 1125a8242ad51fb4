"""`gcpay config`: every setting of every service, read from the classes that the services themselves start with."""

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click

from shared.ops.exits import Exit, Leave
from shared.ops.former_names import former_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

SERVICES = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2", "GCHostPay3")
_STARS = "********"
_UNITS = {
    "_s": "seconds", "_ms": "milliseconds", "_h": "hours", "_usd": "USD", "_eth": "ETH", "_wei": "wei",
    "_gwei": "gwei", "_percent": "percent", "_bytes": "bytes", "_url": "URL", "_urls": "URLs", "_decimals": "digits",
}  # fmt: skip
_WORDS = {"str": "text", "SecretStr": "text", "int": "whole number", "bool": "yes or no"}
_BOUNDS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "min_length": "length >=", "max_length": "length <=",
           "pattern": "matches"}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One row of the table. `default` is None when start-up fails without a value; `value` is masked if secret.

    `unit` is what a number counts, else the kind of text. `former`: its name in the system before this one.
    """

    service: str
    name: str
    unit: str
    range: str
    default: str | None
    secret: bool
    former: str | None
    purpose: str
    value: str | None


def show_settings(service: str | None, *, as_json: bool) -> None:
    """Print the settings of one service or of all; an unknown service is one clear sentence."""
    if service is not None and service not in SERVICES:
        raise Leave(f"There is no service {service!r}; there are {', '.join(SERVICES)}.", Exit.USAGE)
    settings = [each for name in SERVICES if service in (None, name) for each in settings_of(name)]
    if as_json:
        click.echo(json.dumps([asdict(each) for each in settings], indent=2))
    else:
        _print_table(settings)


def settings_of(service: str) -> list[Setting]:
    """Read what a service takes from its environment, in the order of its class."""
    from shared.http.settings import settings_class_of  # pydantic takes a third of a second

    found = settings_class_of(service)
    return [_setting(service, name, info) for name, info in found.model_fields.items()]


def _setting(service: str, name: str, info: "FieldInfo") -> Setting:
    from shared.settings import environment_name

    variable = environment_name(name, info)
    secret = "Secret" in str(info.annotation)
    value = os.environ.get(variable)
    return Setting(
        service=service,
        name=variable,
        unit=_unit(name, info),
        range=_range(info),
        default=None if info.is_required() else _default(info, secret=secret),
        secret=secret,
        former=former_name(variable),
        purpose=info.description or "",
        value=_STARS if secret and value else value,
    )


def _unit(name: str, info: "FieldInfo") -> str:
    """The unit that the field says or its name ends in, else the type in plain words."""
    from shared.settings import unit_of

    said = unit_of(info)
    if said is not None:
        return said
    for suffix in sorted(_UNITS, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return _UNITS[suffix]
    return _type_in_words(info.annotation)


def _type_in_words(annotation: Any) -> str:
    parts = [part for part in get_args(annotation) if part not in (type(None), Ellipsis)]
    match get_origin(annotation):
        case None:
            return _WORDS.get(getattr(annotation, "__name__", ""), str(annotation))
        case origin if origin is Literal:
            return "word"
        case origin if origin is tuple:
            return f"list of {_type_in_words(parts[0])}"
        case _:  # Annotated[kind, ...] and kind | None
            return _type_in_words(parts[0])


def _range(info: "FieldInfo") -> str:
    """In the field's own words, else its bounds, else the words of its choice."""
    from shared.settings import marks_of, range_of

    words = range_of(info)
    bounds = [
        f"{sign} {getattr(mark, name)}"
        for mark in marks_of(info)
        for name, sign in _BOUNDS.items()
        if getattr(mark, name, None) is not None
    ]
    return words or ", ".join(bounds) or _choice(info.annotation)


def _choice(annotation: Any) -> str:
    return ", ".join(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ""


def _default(info: "FieldInfo", *, secret: bool) -> str:
    value = info.get_default(call_default_factory=False)
    if value is None or value == "":
        return "(none)"
    return _STARS if secret else ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def _print_table(settings: list[Setting]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(soft_wrap=False)
    # In a pipe a row stays a row: nothing is cut or folded at 80 columns that nobody has.
    console = console if console.is_terminal else Console(width=240)
    for service in dict.fromkeys(each.service for each in settings):
        table = Table(
            *("setting", "unit or type", "range", "default", "now", "formerly", "what it is for"),
            title=service,
            title_justify="left",
        )
        for each in settings:
            if each.service == service:
                name = f"{each.name} (secret)" if each.secret else each.name
                default = "required" if each.default is None else each.default
                table.add_row(name, each.unit, each.range, default, each.value or "", each.former or "", each.purpose)
        console.print(table)
