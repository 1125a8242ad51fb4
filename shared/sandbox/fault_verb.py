"""`gcpay fault`: break the sandbox that `gcpay up` runs, one fault at a time, from the command line.

Every fault of the exchange simulator, of the task service and of the second Ethereum endpoint, by the names that their
control ports know; the task service's purge, pause and resume too.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import click

from shared.ops.exits import Exit, Leave
from shared.ops.where import OPERATOR_ENVIRONMENT
from shared.sandbox.chain.endpoint import KNOWN_FAULTS
from shared.sandbox.exchange.faults import KNOWN
from shared.sandbox.fleet import Ports
from shared.sandbox.loopback import Reply, call_json
from shared.sandbox.tasks.faults import Fault, FaultKind

FIRST_PORT = "SANDBOX_FIRST_PORT"
"""In the file that `gcpay up` writes: the first of its ports, from which the others follow."""

_FAULTS_AT = {
    "exchange": ("exchange", "/_sim/faults"),
    "chain": ("chain_second", "/_sim/faults"),
    "tasks": ("tasks_control", "/faults"),
}
PLACES = tuple(_FAULTS_AT)
_QUEUE_ACTS = ("purge", "pause", "resume")


def run_fault(root: Path, place: str | None, name: str | None, told: tuple[str, ...], *, clear: bool) -> Exit:
    """Pin a fault, list what is pinned, take all away, or (without a place) tell what there is.

    Leaves with 69 when no sandbox runs here, with 2 when the place does not know the fault or one of its fields.
    """
    if place is None:
        click.echo("\n".join(_what_there_is()))
        return Exit.OK
    port, path = _FAULTS_AT[place]
    url = _running_ports(root).url(port)
    if clear:
        reply = _call("DELETE", url + path)
    elif name is None:
        reply = _call("GET", url + path)
    elif place == "tasks" and name in _QUEUE_ACTS:
        reply = _call("POST", f"{url}/{name}", {"queue": _values(told).get("queue")})
    else:
        called = "kind" if place == "tasks" else "name"
        reply = _call("POST", url + path, {called: name} | _values(told))
    if reply.status != 200:
        raise Leave(f"{place}: {reply.body.get('error', f'status {reply.status}')}.", Exit.USAGE)
    click.echo(json.dumps(reply.body, indent=2))
    return Exit.OK


def _running_ports(root: Path) -> Ports:
    """Those of the sandbox that was started last."""
    path = root / OPERATOR_ENVIRONMENT
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        name, _, value = line.partition("=")
        if name == FIRST_PORT:
            return Ports(*range(int(value), int(value) + len(fields(Ports))))
    raise Leave("No sandbox to break: start one with `gcpay up`.", Exit.UNAVAILABLE)


def _call(method: str, url: str, body: Mapping[str, Any] | None = None) -> Reply:
    try:
        return call_json(method, url, body)
    except (OSError, http.client.HTTPException) as error:
        raise Leave("The sandbox does not answer; is `gcpay up` still running?", Exit.UNAVAILABLE) from error


def _values(told: tuple[str, ...]) -> dict[str, Any]:
    """`times=3 route=create`: a value that is JSON is meant as JSON, any other is text."""
    values: dict[str, Any] = {}
    for pair in told:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise Leave(f"{pair!r}: a field is NAME=VALUE, such as times=3.", Exit.USAGE)
        values[name] = _read(text)
    return values


def _read(text: str) -> Any:
    # Digits that are not JSON's (1_000, 0x10) stay text, and the control port refuses them by the field's name.
    try:
        return json.loads(text)
    except ValueError:
        return text


def _what_there_is() -> Iterator[str]:
    yield "gcpay fault exchange NAME [times=N|null] [per_mille=N] [route=ROUTE] [id=ORDER] [FIELD=VALUE ...]"
    yield from _lines(KNOWN)
    yield "\ngcpay fault chain NAME [times=N|null] [per_mille=N] [route=METHOD] [FIELD=VALUE ...]"
    yield from _lines(KNOWN_FAULTS)
    own = {field.name: field.default for field in fields(Fault) if field.default is not MISSING}
    yield f"\ngcpay fault tasks NAME [FIELD=VALUE ...]   fields: {_fields(own)}"
    yield from (f"  {kind}" for kind in FaultKind)
    yield f"\ngcpay fault tasks {'|'.join(_QUEUE_ACTS)} [queue=QUEUE]"


def _lines(known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, own in known.items():
        yield f"  {name:<24}{_fields({field: value for field, value in own.items() if field != 'id'})}".rstrip()


def _fields(own: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in own.items())
