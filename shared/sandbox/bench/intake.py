"""The intake's line: webhooks over HTTP against the real service, as production serves it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field
from functools import partial
from itertools import count
from statistics import median
from typing import Final

from shared.sandbox.bench.load import HOST, Orders, Outcome, UpstreamFailed, outcome_of, start_upstream
from shared.sandbox.bench.place import CLIENTS, LIMITS, Place
from shared.sandbox.bench.report import Line, Round
from shared.sandbox.fleet import FleetOptions
from shared.sandbox.fleet.environment import World, process_environment, service_command
from shared.sandbox.fleet.start import health_of
from shared.sandbox.identity import IdentityClient
from shared.sandbox.identity import command as identity_command
from shared.sandbox.lifetime import guarded
from shared.sandbox.processes import Process, ProcessGroup
from shared.sandbox.simulator.fleet import FEED, USDT

SERVICE: Final = "GCAccumulator"
INSTANCES: Final = min(os.cpu_count() or 1, 4)
"""One per core, each as in production: one process on one core, eight threads."""
_TABLES: Final = """
    CREATE TABLE payment (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payment_ref text NOT NULL UNIQUE,
        request_hash text NOT NULL,
        user_id bigint NOT NULL, client_id text NOT NULL, client_wallet_address text NOT NULL,
        client_payout_currency text NOT NULL, client_payout_network text NOT NULL, subscription_id bigint,
        payment_timestamp text NOT NULL, raw_amount_text text NOT NULL, payment_amount_usd_micros bigint NOT NULL,
        fee_rate_ppm integer NOT NULL, fee_usd_micros bigint NOT NULL, pending_usd_amount_micros bigint NOT NULL,
        gross_wei numeric(78, 0), fee_wei numeric(78, 0), net_wei numeric(78, 0), conversion_status text NOT NULL,
        created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL);
    CREATE TABLE outbox (
        id uuid PRIMARY KEY, service text NOT NULL, edge text NOT NULL, message_type smallint NOT NULL,
        message_id bytea NOT NULL, body bytea NOT NULL, trace text NOT NULL, created_at timestamptz NOT NULL,
        schedule_at timestamptz NOT NULL);
"""
_SCRIPT: Final = """
\\set a random(1, 9000000000000000000)
BEGIN;
INSERT INTO payment (payment_ref, request_hash, user_id, client_id, client_wallet_address, client_payout_currency,
    client_payout_network, subscription_id, payment_timestamp, raw_amount_text, payment_amount_usd_micros, fee_rate_ppm,
    fee_usd_micros, pending_usd_amount_micros, gross_wei, fee_wei, net_wei, conversion_status, created_at, updated_at)
VALUES (:a, '5d41402abc4b2a76b9719d911017c5925d41402abc4b2a76b9719d911017c592', 6271402111, '-1003296084379',
    'the wallet address of a client, 42 letters', 'usdt', 'eth', 101, '2026-11-20T20:17:00.000007', '20.00', 20000000,
    150000, 3000000, 17000000, 8000000000000000, 1200000000000000, 6800000000000000, 'pending',
    '2026-11-20T20:17:00Z', '2026-11-20T20:17:00Z');
INSERT INTO outbox (id, service, edge, message_type, message_id, body, trace, created_at, schedule_at)
VALUES (lpad(to_hex(:a), 32, '0')::uuid, 'GCAccumulator', 'intake>batcher', 1, '\\x00112233445566778899aabbccddeeff',
    decode(repeat('ab', 120), 'hex'), '0af7651916cd43dd8448eb211c80319c', '2026-11-20T20:17:00Z',
    '2026-11-20T20:17:00Z');
COMMIT;
"""


@dataclass
class Intake:
    """The running service, and an upstream that is allowed to post to it."""

    place: Place
    world: World
    group: ProcessGroup
    processes: list[Process]
    _prefixes: Iterator[int] = field(default_factory=count)

    def orders(self, seconds: float, **wishes: float) -> Orders:
        """What an upstream with a fresh identity token shall do; its payments have names that nobody used before."""
        issuer = IdentityClient(self.place.ports.url("identity"))
        token = issuer.mint(self.world.identities.upstream, self.place.ports.url(SERVICE))
        return Orders(
            _ports(self.place, len(self.processes)), token, f"load{next(self._prefixes)}", seconds, CLIENTS, **wishes
        )


@contextmanager
def serving(place: Place, instances: int = INSTANCES) -> Iterator[Intake]:
    """Instances of the intake under gunicorn with production's settings, and their issuer."""
    world = World(FleetOptions(logs=place.folder, ports=place.ports), USDT, FEED)
    url = place.ports.url(SERVICE)
    with ProcessGroup() as group:
        group.start(
            "identity", identity_command(place.ports.identity), process_environment(), place.folder / "identity.log"
        )
        processes = [
            group.start(
                f"{SERVICE} on {port}",
                guarded(service_command(SERVICE)),
                # All instances are one service: one address that tokens are for, whatever port each listens on.
                world.service(SERVICE) | {"PORT": str(port), "SERVICE_URL": url},
                place.folder / f"intake-{port}.log",
                partial(_answers, port),
            )
            for port in _ports(place, instances)
        ]
        yield Intake(place, world, group, processes)


def _ports(place: Place, instances: int) -> tuple[int, ...]:
    """Ports of services that do not run here serve as those of further instances."""
    return astuple(place.ports)[:instances]


def _answers(port: int) -> bool:
    return health_of(f"http://{HOST}:{port}") == "healthy"


def measure(place: Place, rounds: int, seconds: int) -> Iterator[Line]:
    """One line: requests per second that were answered 200, beside R; p50 and p99 beside it."""
    prepare_limit(place)
    with serving(place) as intake:
        _post(intake, 1)  # connections are open and statements prepared, as in a process that has answered before
        found = [_round(intake, seconds) for _ in range(rounds)]
    outcomes = [outcome for outcome, _ in found]
    beside = {
        "p50_ms": median(one.p50_ms for one in outcomes),
        "p99_ms": median(one.p99_ms for one in outcomes),
    }
    rates: list[Round] = [(outcome.per_second, limit) for outcome, limit in found]
    yield Line("intake", rates, None, beside, f"{INSTANCES} instances with 8 threads each, {CLIENTS} connections")


def prepare_limit(place: Place) -> None:
    """The tables of R. Repeating it begins them anew."""
    with place.preparing(LIMITS) as database, database.transaction() as conn:
        conn.script(f"DROP TABLE IF EXISTS payment, outbox; {_TABLES}")


def _round(intake: Intake, seconds: int) -> tuple[Outcome, float]:
    return _post(intake, seconds), intake.place.pgbench(_SCRIPT, seconds)


def _post(intake: Intake, seconds: float) -> Outcome:
    outcome = outcome_of(start_upstream(intake.orders(seconds)))
    if outcome.failures:
        raise UpstreamFailed(f"the intake was to be measured, and answered {outcome.failures[0][1]}")
    return outcome
