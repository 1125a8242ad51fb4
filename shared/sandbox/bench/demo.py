"""The demo's own time: what it takes beyond the waits that its chain and its exchange impose."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from time import perf_counter
from typing import Final

from shared.sandbox.bench.report import Line
from shared.sandbox.fleet.environment import process_environment
from shared.sandbox.processes import ROOT

_LIMIT_S: Final = 10.0
_SENT: Final = re.compile(r"^ *([0-9.]+) s executor .* sent to 0x", re.MULTILINE)
_ARRIVED: Final = re.compile(r"^ *([0-9.]+) s conductor .* USDT seen arriving", re.MULTILINE)


class DemoFailed(Exception):
    """The demo did not end well; the message is the end of what it said."""


def measure(rounds: int) -> Iterator[Line]:
    """Whole runs of `gcpay demo`. From the moment the ETH is sent until the USDT is seen, chain and exchange decide."""
    found = [(_own_seconds(), _LIMIT_S) for _ in range(rounds)]
    yield Line("demo", found, None, {}, "wall seconds less those from ETH sent to USDT seen")


def _own_seconds() -> float:
    began_s = perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shared.ops.cli", "demo"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=process_environment({"COLUMNS": "200"}),
    )
    wall_s = perf_counter() - began_s
    if done.returncode != 0:
        raise DemoFailed(done.stdout[-1_000:] + done.stderr[-1_000:])
    return wall_s - imposed_seconds(done.stdout)


def imposed_seconds(told: str) -> float:
    """How long the demo waited for chain and exchange, read off its story."""
    sent, arrived = _SENT.search(told), _ARRIVED.search(told)
    if sent is None or arrived is None:
        raise DemoFailed(f"the story has no transfer or no arrival: {told[-1_000:]}")
    return float(arrived[1]) - float(sent[1])
