"""Runs `gcpay demo` as a person does, and looks after its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
BASE = ROOT / "shared" / "sandbox" / "demo" / "payments.jsonl"


@dataclass(frozen=True)
class Ended:
    """A demo that came to its end."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def told(self) -> Any:
        """What --json said, and nothing else stood on standard output."""
        return json.loads(self.out)


def start_demo(*arguments: str) -> subprocess.Popen[str]:
    """Start one and return at once."""
    env = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-P", "-m", "shared.ops.cli", "demo", *arguments]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of(demo: subprocess.Popen[str], timeout_s: float = 120) -> Ended:
    """Wait for its end."""
    started = time.monotonic()
    out, err = demo.communicate(timeout=timeout_s)
    return Ended(demo.returncode, out, err, time.monotonic() - started)


def run_demo(*arguments: str) -> Ended:
    """Run one to its end."""
    return end_of(start_demo(*arguments))


def processes_of(demo: subprocess.Popen[str], at_least: int, within_s: float = 40) -> list[psutil.Process]:
    """Its processes, as soon as there are that many."""
    parent = psutil.Process(demo.pid)
    give_up_at = time.monotonic() + within_s
    while time.monotonic() < give_up_at:
        children = parent.children(recursive=True)
        if len(children) >= at_least:
            return children
        time.sleep(0.1)
    raise AssertionError(f"the demo never had {at_least} processes")


def left_after(processes: list[psutil.Process], within_s: float = 10) -> list[str]:
    """What still runs when the time is over."""
    _gone, alive = psutil.wait_procs(processes, timeout=within_s)
    return [" ".join(each.cmdline()) for each in alive if each.status() != psutil.STATUS_ZOMBIE]


def payments_file(folder: Path, *bodies: dict[str, object] | str) -> Path:
    """A file of webhook bodies; text stands as it is."""
    path = folder / "payments.jsonl"
    path.write_text("".join((body if isinstance(body, str) else json.dumps(body)) + "\n" for body in bodies))
    return path


def a_payment(payment_id: object, **changed: object) -> dict[str, object]:
    """The first payment of the base file under another id, with some fields changed; None takes a field out."""
    body = json.loads(BASE.read_text().splitlines()[0]) | {"nowpayments_payment_id": payment_id} | changed
    return {name: value for name, value in body.items() if value is not None}
