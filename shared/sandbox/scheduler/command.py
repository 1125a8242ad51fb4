"""How to start the scheduler as a process."""

import sys
from collections.abc import Sequence
from pathlib import Path

from shared.sandbox.scheduler.job import Job


def command(
    jobs: Sequence[Job],
    identity_url: str,
    identity_email: str,
    port: int = 0,
    time_scale: int = 1,
    first_delay_s: float = 1.0,
    log: Path | None = None,
) -> list[str]:
    """The argv. The ready line has `port` and `control_url`. `first_delay_s` is not scaled."""
    argv = [sys.executable, "-m", "shared.sandbox.scheduler"]
    argv += ["--identity-url", identity_url, "--identity-email", identity_email, "--port", str(port)]
    argv += ["--time-scale", str(time_scale), "--first-delay", f"{first_delay_s:g}"]
    for job in jobs:
        argv += ["--job", str(job)]
    if log is not None:
        argv += ["--log", str(log.resolve())]
    return argv
