"""`gcpay bench soak`: an hour of the intake in minutes, with its database restarted once on the way."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Final

import click
import psutil

from shared.ops.exits import Exit
from shared.sandbox.bench.intake import Intake, serving
from shared.sandbox.bench.load import Outcome, outcome_of, start_upstream
from shared.sandbox.bench.place import Place, durable_place
from shared.sandbox.bench.report import Json
from shared.sandbox.postgres import EmbeddedPostgres

_SHARE_OF_RATE: Final = 0.8
_RATE_TAKEN_S: Final = 5
_PATIENCE_S: Final = 60.0
_ERRORS_AFTER_S: Final = 5.0  # a connection's time-out, and a request that was under way
_GROWTH_AT_MOST: Final = 1.15
_SETTLED_AFTER: Final = 0.25  # of the time: connections are open and caches full
_LOOKS: Final = 60
_MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Soak:
    """What a soak found. The verdict is computed from it."""

    outcome: Outcome
    per_second: float
    rows: int
    distinct_accepted: int
    down_s: tuple[float, float]
    memory_mb: list[float]

    @property
    def errors_outside(self) -> int:
        """Failures at a time when the database was there."""
        gone, back = self.down_s
        return sum(not gone <= at <= back + _ERRORS_AFTER_S for at, _ in self.outcome.failures)

    @property
    def growth(self) -> float:
        """The workers' memory at the end against that after the first quarter."""
        settled = self.memory_mb[int(len(self.memory_mb) * _SETTLED_AFTER)]
        return self.memory_mb[-1] / settled

    def troubles(self) -> list[str]:
        """What is not as promised; empty: nothing."""
        found = []
        if self.rows != self.outcome.accepted or self.distinct_accepted != self.outcome.accepted:
            found.append(
                f"{self.outcome.accepted} payments were accepted, "
                f"{self.distinct_accepted} of them are among {self.rows} rows"
            )
        if self.outcome.never_accepted:
            found.append(f"{len(self.outcome.never_accepted)} payments were never accepted")
        if self.errors_outside:
            found.append(f"{self.errors_outside} errors while the database was there")
        if self.growth > _GROWTH_AT_MOST:
            found.append(f"the workers' memory grew {self.growth:.2f} times")
        return found

    def as_json(self) -> Json:
        return {
            "ok": not self.troubles(),
            "troubles": self.troubles(),
            "accepted": self.outcome.accepted,
            "rows": self.rows,
            "asked_per_second": round(self.per_second, 1),
            "seconds": round(self.outcome.seconds, 1),
            "p50_ms": round(self.outcome.p50_ms, 2),
            "p99_ms": round(self.outcome.p99_ms, 2),
            "database_down_s": [round(moment, 1) for moment in self.down_s],
            "errors_while_down": len(self.outcome.failures) - self.errors_outside,
            "errors_outside": self.errors_outside,
            "last_error_s": max((round(at, 1) for at, _ in self.outcome.failures), default=None),
            "memory_mb": [round(one, 1) for one in self.memory_mb],
            "memory_growth": round(self.growth, 3),
        }


def run_soak(minutes: float, *, as_json: bool) -> Exit:
    """Soaks and gives the verdict: 0 when everything held, 1 when not."""
    with durable_place() as place, serving(place) as intake:
        rate = outcome_of(start_upstream(intake.orders(_RATE_TAKEN_S))).per_second * _SHARE_OF_RATE
        found = soak(place, intake, minutes * 60, rate)
    troubles = found.troubles()
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        for name, figure in found.as_json().items():
            if name not in ("ok", "troubles", "memory_mb"):
                click.echo(f"{name:<20} {figure}")
        click.echo("NOT in order: " + "; ".join(troubles) if troubles else "every accepted payment is there once")
    return Exit.NO if troubles else Exit.OK


def soak(place: Place, intake: Intake, seconds: float, per_second: float) -> Soak:
    """Posts at this rate for so long; PostgreSQL is stopped and started again in the middle."""
    before = _rows(place)
    orders = intake.orders(seconds, per_second=per_second, patience_s=_PATIENCE_S)
    upstream = start_upstream(orders)
    memory: list[float] = []
    stopped = threading.Event()
    watch = threading.Thread(target=_watch, args=(intake, memory, seconds / _LOOKS, stopped), daemon=True)
    watch.start()
    try:
        time.sleep(seconds / 2)
        down_s = _restart(place.server)
        outcome = outcome_of(upstream)
    finally:
        stopped.set()
        watch.join()
        if upstream.poll() is None:
            upstream.kill()
    named = _rows(place, orders.prefix + "-")
    gone_s, back_s = (moment - outcome.began_s for moment in down_s)
    return Soak(outcome, per_second, _rows(place) - before, named, (gone_s, back_s), memory)


def _restart(server: EmbeddedPostgres) -> tuple[float, float]:
    """From when to when it was not there."""
    gone_s = time.monotonic()
    server.restart()
    return gone_s, time.monotonic()


def _rows(place: Place, prefix: str = "") -> int:
    with place.preparing() as database, database.read() as conn:
        row = conn.one("select count(distinct payment_ref) as n from payout_accumulation where payment_ref ^@ :prefix",
                       prefix=prefix)  # fmt: skip
        assert row is not None
        return int(row["n"])


def _watch(intake: Intake, memory: list[float], every_s: float, stopped: threading.Event) -> None:
    """What the instances hold of memory, all together, now and then."""
    guards = [psutil.Process(process.popen.pid) for process in intake.processes]
    while not stopped.wait(every_s):
        held = [child.memory_info().rss for guard in guards for child in guard.children(recursive=True)]
        memory.append(sum(held) / _MEGABYTE)
