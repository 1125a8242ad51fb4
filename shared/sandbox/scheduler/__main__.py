"""`python -m shared.sandbox.scheduler`: the scheduler as a process of its own."""

import argparse
import contextlib
from pathlib import Path

from shared.sandbox.identity import IdentityClient
from shared.sandbox.journal import Journal
from shared.sandbox.lifetime import announce_ready, die_with_parent, listening, stop_on_signals
from shared.sandbox.scheduler.job import BadJob, Job
from shared.sandbox.scheduler.service import ATTEMPT_DEADLINE_S, Scheduler


def main() -> None:
    """Keep time until SIGTERM."""
    parser = _parser()
    options = parser.parse_args()
    die_with_parent()
    stop = stop_on_signals()
    with contextlib.closing(Journal(options.log)) as journal:
        try:
            with listening():
                scheduler = Scheduler(
                    [Job.parse(text) for text in options.job],
                    IdentityClient(options.identity_url),
                    options.identity_email,
                    port=options.port,
                    time_scale=options.time_scale,
                    first_delay_s=options.first_delay,
                    deadline_s=options.deadline,
                    journal=journal,
                )
        except BadJob as error:
            parser.error(str(error))
        with scheduler:
            announce_ready(port=scheduler.port, control_url=scheduler.url)
            stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.sandbox.scheduler", description=__doc__)
    parser.add_argument("--job", action="append", default=[], metavar="NAME,URL,EVERY_S", help="0 s: only on request")
    parser.add_argument("--identity-url", required=True, help="identity issuer that signs the calls")
    parser.add_argument("--identity-email", required=True, help="service account the calls are made as")
    parser.add_argument("--port", type=int, default=0, help="JSON control port; 0 takes a free one (default)")
    parser.add_argument("--time-scale", type=int, default=1, help="divides the intervals")
    parser.add_argument("--first-delay", type=float, default=1.0, help="seconds before the first tick, not scaled")
    parser.add_argument("--deadline", type=float, default=ATTEMPT_DEADLINE_S, help="seconds a target may take")
    parser.add_argument("--log", type=Path, help="append one JSON line per tick")
    return parser


if __name__ == "__main__":
    main()
