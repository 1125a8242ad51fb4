"""`gcpay up`: the sandbox on fixed ports until Ctrl-C, with what a person needs to play with it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import urlsplit

import click

from shared.money import MoneyError, Percent, Usd
from shared.ops.exits import Exit, Leave
from shared.ops.where import OPERATOR_ENVIRONMENT, SERVICE_ENVIRONMENT
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.fault_verb import FIRST_PORT
from shared.sandbox.fleet import Fleet, FleetNotStarted, FleetOptions, PortInUse, Ports
from shared.sandbox.fleet.identities import SERVICES
from shared.sandbox.fleet.vault import written_environments

_LOOK_EVERY_S = 0.5
_PAYMENTS = Path(__file__).parent / "demo" / "payments.jsonl"


@dataclass(frozen=True)
class UpOptions:
    """The wishes, read and possible. `tick_every_s` is on the wall's clock."""

    first_port: int
    threshold: Usd
    fee: Percent
    tick_every_s: int
    alerts: str = ""

    @classmethod
    def parse(cls, *, first_port: int, threshold: str, fee: str, tick_every_s: int, alerts: str = "") -> Self:
        """Read the command line's texts. Leaves with 2 and a sentence for the first impossible one."""
        try:
            wanted = cls(first_port, Usd.parse(threshold), Percent.parse(fee), tick_every_s, alerts)
        except MoneyError as error:
            raise Leave(f"--threshold {threshold} --fee {fee}: {error}.", Exit.USAGE) from error
        if not wanted.threshold.is_positive() or wanted.fee.ppm > Percent.WHOLE_PPM:
            raise Leave("--threshold must be above 0 and --fee at most 100.", Exit.USAGE)
        if alerts and not _is_an_address(alerts):
            raise Leave("--alerts must be an address that begins with http:// or https://.", Exit.USAGE)
        return wanted


def _is_an_address(text: str) -> bool:
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    return (
        address.scheme in ("http", "https")
        and bool(address.hostname)
        and text.isascii()
        and text.isprintable()
        and not set("@#") & set(text)
    )


def run_up(root: Path, options: UpOptions) -> Exit:
    """Start, tell, wait, stop. Leaves with 69 when a port is taken or something does not start."""
    place = root / Path(OPERATOR_ENVIRONMENT).parent
    logs = place / f"logs-{options.first_port}"
    try:
        ports = Ports.in_a_row(options.first_port)
        # Only now: while the ports are taken, these logs are those of whoever runs there.
        shutil.rmtree(logs, ignore_errors=True)
        click.echo("Starting PostgreSQL, a chain, an exchange, queues and five services ...")
        fleet = Fleet.start(fleet_options(options, ports, logs), lambda part: click.echo(f"  {part} is ready"))
    except PortInUse as error:
        raise Leave(
            f"{error} Choose another first port: gcpay up --port {error.port + 100}", Exit.UNAVAILABLE
        ) from error
    except FleetNotStarted as error:
        raise Leave(f"The sandbox did not start: {error}\nAll logs: {logs}", Exit.UNAVAILABLE) from error
    with fleet:
        written = _write_environments(root, fleet, options.first_port)
        try:
            click.echo("\n".join(_what_to_do(fleet, logs)))
            _wait_until_something_ends(fleet)
        except KeyboardInterrupt:
            click.echo("\nStopping ...")
            return Exit.OK  # this is how it is meant to end
        finally:
            # `gcpay books` looks at the sandbox that was started last; that may be another one by now.
            for path, ours in written.items():
                if path.is_file() and path.read_text(encoding="utf-8") == ours:
                    path.unlink()


def _write_environments(root: Path, fleet: Fleet, first_port: int) -> dict[Path, str]:
    """What an operator's commands need to know of this fleet, and for `gcpay config check` what its services have."""
    secrets = f"127.0.0.1:{fleet.options.ports.secrets}"
    texts = {
        root / SERVICE_ENVIRONMENT.format(service=service): _as_lines(environment)
        for service, environment in written_environments(fleet.world, secrets).items()
    }
    texts[root / OPERATOR_ENVIRONMENT] = _as_lines(fleet.world.operator() | {FIRST_PORT: str(first_port)})
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return texts


def fleet_options(options: UpOptions, ports: Ports, logs: Path) -> FleetOptions:
    """The sandbox that is wished for; what cannot be wished for is as usual."""
    usual = FleetOptions(logs=logs, ports=ports)
    return FleetOptions(
        logs=logs,
        ports=ports,
        threshold=options.threshold,
        fee_percent=str(options.fee).removesuffix(" %"),
        tick_every_s=options.tick_every_s * usual.time_scale,
        alert_webhook=options.alerts,
    )


def _wait_until_something_ends(fleet: Fleet) -> NoReturn:
    """Until Ctrl-C; a process that ends by itself ends the sandbox, because half a fleet only confuses."""
    while True:
        for name, process in fleet.processes.items():
            if not process.running:
                raise Leave(f"{name} ended by itself; its log ends:\n{process.log_tail()}", Exit.UNAVAILABLE)
        time.sleep(_LOOK_EVERY_S)


def _what_to_do(fleet: Fleet, logs: Path) -> Iterator[str]:
    urls, who = fleet.urls, fleet.world.identities
    body = _PAYMENTS.read_text(encoding="utf-8").splitlines()[0]
    yield "\nThe fleet is running.\n"
    yield from (f"  {name:<24}{urls[name]}" for name in (*SERVICES, "exchange", "chain", "chain_second", "identity"))
    postgres = urls["postgres"].removeprefix("http://")
    yield f"  {'PostgreSQL':<24}psql postgresql://gcpay_operator@{postgres}/gcpay"
    yield f"  {'host wallet':<24}{HOST_WALLET.address}"
    yield "\nPost a payment, as upstream does (again and again: it counts once):\n"
    yield f"  {_post(urls['identity'], who.upstream, urls['GCAccumulator'], '/', body)}"
    yield "\nLet the batcher look now:\n"
    yield f"  {_post(urls['identity'], who.scheduler, urls['GCMicroBatchProcessor'], '/check-threshold', '{}')}"
    yield "\nAsk a service how it is, with an operator's identity as in production:\n"
    token = _token(urls["identity"], who.operator, urls["GCHostPay3"])
    yield f'  curl -s {urls["GCHostPay3"]}/health -H "Authorization: Bearer $({token})"'
    yield "\nThe books:\n\n  ./gcpay books check"
    yield "\nIs all there that the services need?\n\n  ./gcpay config check"
    yield "\nBreak something:\n\n  ./gcpay fault"
    yield f"\nLogs: {logs}\nCtrl-C ends everything."


def _post(issuer: str, email: str, service: str, path: str, body: str) -> str:
    token = f'-H "Authorization: Bearer $({_token(issuer, email, service)})"'
    return f"curl -s {service}{path} {token} -H 'Content-Type: application/json' -d '{body}'"


def _token(issuer: str, email: str, audience: str) -> str:
    """A command that prints an identity token; needs nothing but curl and sed."""
    wanted = json.dumps({"email": email, "audience": audience}, separators=(",", ":"))
    return f"curl -s {issuer}/token -d '{wanted}' | sed 's/.*: *\"//; s/\".*//'"


def _as_lines(environment: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in environment.items())
