"""`gcpay config check`: is everything there that a service needs, and is it what its code and its settings say?

Every dependency is asked a harmless question with the service's own settings and rights. Nothing is changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.ops.config_check_agreement import disagreements
from shared.ops.config_check_line import Line, tried
from shared.ops.exits import Exit, Leave
from shared.ops.settings_table import SERVICES
from shared.ops.where import SERVICE_ENVIRONMENT, is_sandbox
from shared.settings import SettingsWrong, read_settings

if TYPE_CHECKING:
    from shared.http import ServiceSettings

_NAMES_A_SERVICE = "SERVICE_URL"


def check_config(root: Path, service: str | None, *, as_json: bool) -> Exit:
    """Check, print one line per check, and leave with 1 when one is red."""
    if service is not None and service not in SERVICES:
        raise Leave(f"There is no service {service!r}; there are {', '.join(SERVICES)}.", Exit.USAGE)
    lines = check_services(_environments(root, service), datetime.now(UTC))
    well = all(line.ok for line in lines)
    if as_json:
        click.echo(json.dumps({"ok": well, "checks": [asdict(line) for line in lines]}, indent=2))
    else:
        for line in lines:
            word = click.style("ok    ", fg="green") if line.ok else click.style("NOT OK", fg="red", bold=True)
            click.echo(f"{line.service:<22}{line.check:<16}{word}  {line.says}")
    return Exit.OK if well else Exit.NO


def check_services(environments: Mapping[str, Mapping[str, str]], now: datetime) -> list[Line]:
    """Every check of each service that an environment is given for, and with several: that they fit each other."""
    lines: list[Line] = []
    loaded: dict[str, ServiceSettings] = {}
    for service, environ in environments.items():
        settings, line = _settings_of(service, environ)
        lines.append(line)
        if settings is not None:
            loaded[service] = settings
    for service, settings in loaded.items():
        lines += check_dependencies(service, settings, now)
    if len(environments) > 1:
        wrong = disagreements(loaded)
        lines.append(Line("fleet", "agreement", not wrong, "; ".join(wrong) or "what must be the same is the same"))
    return sorted(lines, key=lambda line: (*SERVICES, "fleet").index(line.service))


def check_dependencies(service: str, settings: Any, now: datetime) -> list[Line]:
    """What a service with complete settings meets outside. The questions are asked side by side."""
    from shared.ops import config_check_database as database
    from shared.ops import config_check_outside as outside

    asked: list[Callable[[], list[Line]]] = []
    if hasattr(settings, "database_host"):
        asked.append(lambda: database.check(service, settings))
    if hasattr(settings, "cloud_tasks_project_id"):
        asked.append(lambda: tried(service, "queues", lambda: outside.queues(settings)))
    if hasattr(settings, "chain_id"):
        asked.append(lambda: outside.check_chain(service, settings, now))
    if hasattr(settings, "changenow_api_url"):
        asked.append(lambda: tried(service, "exchange", lambda: outside.exchange(settings)))
    if hasattr(settings, "signed_bytes_archive"):
        asked.append(lambda: tried(service, "archive", lambda: outside.archive(settings)))
    with ThreadPoolExecutor(len(asked)) as pool:
        return [line for lines in pool.map(lambda ask: ask(), asked) for line in lines]


def _settings_of(service: str, environ: Mapping[str, str]) -> tuple[Any, Line]:
    from shared.http.settings import settings_class_of

    kind = settings_class_of(service)
    try:
        settings = read_settings(kind, environ)
    except SettingsWrong as wrong:
        return None, Line(service, "settings", False, "; ".join(wrong.sentences))
    secrets = len(settings.from_secret_manager)
    where = f", {secrets} of them from Secret Manager" if settings.secrets_project_id else ""
    return settings, Line(service, "settings", True, f"{len(kind.model_fields)} settings are complete{where}")


def _environments(root: Path, service: str | None) -> dict[str, Mapping[str, str]]:
    """This process's own environment when it is a service's; else those of the sandbox that runs here."""
    if _NAMES_A_SERVICE in os.environ or not is_sandbox():
        if service is None:
            raise Leave("Whose environment is this? Say --service and its name.", Exit.USAGE)
        return {service: os.environ}
    return {name: _written(root, name) for name in SERVICES if service in (None, name)}


def _written(root: Path, service: str) -> Mapping[str, str]:
    path = root / SERVICE_ENVIRONMENT.format(service=service)
    if not path.is_file():
        raise Leave(
            "No fleet to check: start one with `gcpay up`, or run this with the environment of a service and say "
            "--service.",
            Exit.UNAVAILABLE,
        )
    pairs = (line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if "=" in line)
    return dict(pairs)
