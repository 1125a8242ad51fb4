"""`python -m shared.sandbox.tasks`: the task service as a process of its own."""

import argparse
import contextlib
import json
import time
from pathlib import Path

from google.cloud.tasks_v2.types import Queue

from shared.sandbox.identity import IdentityClient
from shared.sandbox.journal import Journal
from shared.sandbox.lifetime import announce_ready, die_with_parent, listening, stop_on_signals
from shared.sandbox.tasks.service import TaskService


def main() -> None:
    """Serve until SIGTERM."""
    options = _options()
    die_with_parent()
    stop = stop_on_signals()
    journal = Journal(options.log)
    with contextlib.closing(journal):
        with listening():
            service = TaskService(
                port=options.port,
                control_port=options.control_port,
                tokens=IdentityClient(options.issuer_url) if options.issuer_url else None,
                time_scale=options.time_scale,
                workers=options.workers,
                deadline_scale=options.deadline_scale,
                journal=journal,
            )
        for queue in _queues(options):
            service.create_queue(queue, time.time())
        with service:
            announce_ready(
                port=service.port,
                endpoint=service.endpoint,
                control_port=service.control.port,
                control_url=service.control.url,
            )
            stop.wait()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.tasks", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="gRPC port; 0 takes a free one (default)")
    parser.add_argument("--control-port", type=int, default=0, help="JSON control port; 0 takes a free one (default)")
    parser.add_argument("--issuer-url", default="", help="identity issuer that signs the OIDC tokens of tasks")
    parser.add_argument("--log", type=Path, help="append one JSON line per created task and per attempt")
    parser.add_argument("--parent", default="projects/sandbox/locations/local", help="location of the queues below")
    parser.add_argument("--queue", action="append", default=[], metavar="ID", help="make this queue; repeatable")
    parser.add_argument("--queues", type=Path, metavar="FILE", help="JSON list of queues as the API writes them")
    parser.add_argument("--time-scale", type=int, default=1, help="divides back-offs, retry windows and name blocking")
    parser.add_argument("--deadline-scale", type=float, default=1.0, help="divides dispatch deadlines")
    parser.add_argument("--workers", type=int, default=32, help="most deliveries at one time")
    return parser.parse_args()


def _queues(options: argparse.Namespace) -> list[Queue]:
    described = json.loads(options.queues.read_text()) if options.queues else []
    queues = [Queue.from_json(json.dumps(one)) for one in [*described, *({"name": name} for name in options.queue)]]
    for queue in queues:
        if "/" not in queue.name:
            queue.name = f"{options.parent}/queues/{queue.name}"
    return queues


if __name__ == "__main__":
    main()
