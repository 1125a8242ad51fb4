"""`python -m shared.sandbox.secrets`: the secret service as a process of its own."""

import argparse
import json
import os

from shared.sandbox.lifetime import announce_ready, die_with_parent, listening, stop_on_signals
from shared.sandbox.secrets.command import VALUES_VARIABLE
from shared.sandbox.secrets.service import SecretService


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.secrets", description=__doc__)
    parser.add_argument("--project", default="sandbox", help="project of the secrets")
    parser.add_argument("--port", type=int, default=0, help="gRPC port; 0 takes a free one (default)")
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    with listening():
        service = SecretService(options.project, options.port)
    for name, value in json.loads(os.environ.pop(VALUES_VARIABLE, "{}")).items():
        service.store.add(name, value.encode())
    with service:
        announce_ready(port=service.port, endpoint=service.endpoint)
        stop.wait()


if __name__ == "__main__":
    main()
