"""`python -m shared.sandbox.identity --port P`: the issuer as a process of its own."""

import argparse

from shared.sandbox.identity.service import IdentityService
from shared.sandbox.lifetime import announce_ready, die_with_parent, listening, stop_on_signals


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.identity", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    with listening():
        service = IdentityService(options.port)
    with service:
        announce_ready(port=service.port, url=service.url, jwks_url=service.jwks_url)
        stop.wait()


if __name__ == "__main__":
    main()
