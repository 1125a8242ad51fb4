"""How to start the task service as a process."""

import sys
from collections.abc import Sequence
from pathlib import Path


def command(
    issuer_url: str,
    parent: str,
    queues: Sequence[str] = (),
    queues_file: Path | None = None,
    port: int = 0,
    control_port: int = 0,
    log: Path | None = None,
    time_scale: int = 1,
    workers: int = 32,
) -> list[str]:
    """The argv. The ready line has `port`, `endpoint` (host:port for CLOUD_TASKS_ENDPOINT), `control_port`,
    `control_url`. `parent` is "projects/P/locations/L"; `queues` are ids with default settings; `queues_file` is
    a JSON list of queues in the API's own JSON form (`name` may be an id)."""
    argv = [sys.executable, "-m", "shared.sandbox.tasks", "--issuer-url", issuer_url, "--parent", parent]
    argv += ["--port", str(port), "--control-port", str(control_port)]
    argv += ["--time-scale", str(time_scale), "--workers", str(workers)]
    for queue in queues:
        argv += ["--queue", queue]
    if queues_file is not None:
        argv += ["--queues", str(queues_file.resolve())]
    if log is not None:
        argv += ["--log", str(log.resolve())]
    return argv
