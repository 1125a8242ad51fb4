"""The line of the cold start: what importing a service costs, in a fresh process each time.

In seconds of the processor: an import waits for nothing, and what else the machine does must not count.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Final

from shared.sandbox.bench.report import Line, Round
from shared.sandbox.fleet.environment import process_environment
from shared.sandbox.processes import ROOT

NOT_SIGNING: Final = ("GCAccumulator", "GCMicroBatchProcessor", "GCHostPay1", "GCHostPay2")
_LIMIT: Final = (
    "flask, google.cloud.tasks_v2, google.cloud.secretmanager, google.cloud.kms, google.cloud.sql.connector, web3"
)
_TIMED: Final = "import time; began = time.process_time(); import {}; print(time.process_time() - began)"


def measure(rounds: int, services: Sequence[str] = NOT_SIGNING) -> Iterator[Line]:
    """Seconds of the slowest service that does not sign, beside I; each service's own beside it."""
    taken: dict[str, list[Round]] = {service: [] for service in services}
    for _ in range(rounds):
        for service, found in taken.items():
            found.append((_seconds_of(f"{service}.app"), _seconds_of(_LIMIT)))
    each = {service: median(ours for ours, _ in found) for service, found in taken.items()}
    slowest = max(each, key=lambda service: each[service])
    yield Line("start", taken[slowest], None, each, f"{slowest} is the slowest")


def _seconds_of(modules: str) -> float:
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TIMED.format(modules)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=process_environment(),
    )
    return float(done.stdout)
