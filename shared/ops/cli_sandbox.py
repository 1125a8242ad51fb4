"""The verbs of `gcpay` that need the sandbox: see it run, and prove it. `shared.ops.cli` takes them in."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from shared.ops.exits import Exit, Leave

ROOT = Path(__file__).resolve().parents[2]


@click.command()
@click.option(
    "--payments",
    "payments_file",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    help="JSON lines of webhook bodies. Default: three payments of 50, 30 and 20 USD.",
)
@click.option("--threshold", default="80", show_default=True, metavar="USD", help="Pending total that makes a batch.")
@click.option("--fee", default="15", show_default=True, metavar="PERCENT", help="What the platform keeps.")
@click.option(
    "--exchange-pays",
    metavar="USDT",
    help="Quote and payout of the first batch. Default: the sandbox's price less 3 %.",
)
@click.option(
    "--deliver",
    type=click.IntRange(1, 200),
    default=3,
    show_default=True,
    metavar="N",
    help="Post each payment N times at once.",
)
@click.option("--instant", is_flag=True, help="Also one instant payout, with a token as an upstream would send it.")
@click.option(
    "--chaos",
    type=click.IntRange(min=0),
    metavar="SEED",
    help="Break what this seed says meanwhile: processes, tasks, the database, a node, the exchange.",
)
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def demo(
    payments_file: Path | None,
    threshold: str,
    fee: str,
    exchange_pays: str | None,
    deliver: int,
    instant: bool,
    chaos: int | None,
    as_json: bool,
) -> None:
    """Take payments through the whole fleet to distributed USDT, and show every step.

    A real PostgreSQL, a real chain, five real services, on free ports; nothing is left behind. Several demos may run
    at once.
    """
    _require_sandbox("demo")
    from shared.sandbox.demo.options import DemoOptions

    options = DemoOptions.parse(
        payments_file=payments_file,
        threshold=threshold,
        fee=fee,
        exchange_pays=exchange_pays,
        deliver=deliver,
        instant=instant,
        chaos=chaos,
    )
    from shared.sandbox.demo.run import run_demo
    from shared.sandbox.processes import ended_once

    with ended_once():
        sys.exit(run_demo(ROOT, options, as_json=as_json))


@click.command()
@click.option("--port", type=click.IntRange(1024, 65000), default=8600, show_default=True, help="First port of all.")
@click.option("--threshold", default="20", show_default=True, metavar="USD", help="Pending total that makes a batch.")
@click.option("--fee", default="15", show_default=True, metavar="PERCENT", help="What the platform keeps.")
@click.option("--every", type=click.IntRange(0, 3600), default=30, show_default=True, metavar="SECONDS",
              help="How often the scheduler ticks; 0: only when told to.")  # fmt: skip
@click.option("--alerts", default="", metavar="URL", help="Where alerts go, in Slack's form. Default: nowhere.")
def up(port: int, threshold: str, fee: str, every: int, alerts: str) -> None:
    """Keep the sandbox running on fixed ports; print its URLs and ready-made commands. Ctrl-C ends it."""
    _require_sandbox("up")
    from shared.sandbox.processes import ended_once
    from shared.sandbox.up import UpOptions, run_up

    with ended_once():
        options = UpOptions.parse(first_port=port, threshold=threshold, fee=fee, tick_every_s=every, alerts=alerts)
        sys.exit(run_up(ROOT, options))


@click.command()
@click.argument(
    "place", required=False, metavar="[exchange|chain|tasks]", type=click.Choice(["exchange", "chain", "tasks"])
)
@click.argument("name", required=False)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--clear", is_flag=True, help="Take away what is pinned there.")
def fault(place: str | None, name: str | None, fields: tuple[str, ...], clear: bool) -> None:
    """Break the sandbox that gcpay up runs: the exchange, an Ethereum node, the task queues.

    Without a name: what is pinned there. Without a place: every fault there is, with its fields.
    """
    _require_sandbox("fault")
    from shared.sandbox.fault_verb import run_fault

    sys.exit(run_fault(ROOT, place, name, fields, clear=clear))


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--fast", is_flag=True, help="Only the tests that start no fleet; no checks before them.")
@click.argument("pytest_args", nargs=-1, type=click.UNPROCESSED)
def test(fast: bool, pytest_args: tuple[str, ...]) -> None:
    """Run the checks, then the tests on both cores; end with "N passed, N failed".

    Paths and options after the verb go to pytest: gcpay test tests/unit -k money
    """
    _require_sandbox("test")
    from shared.ops.tests import run_tests

    sys.exit(run_tests(ROOT, list(pytest_args), fast=fast))


@click.command()
@click.option("--fix", is_flag=True, help="Format the code and mend what ruff can mend safely, then check.")
def check(fix: bool) -> None:
    """Check format, lint, types, import directions and the project's own rules; one line each."""
    _require_sandbox("check")
    from shared.ops.checks import run_checks

    sys.exit(run_checks(ROOT, fix=fix))


@click.command()
@click.option(
    "--seeds", type=click.IntRange(1), default=200, show_default=True, metavar="N", help="Play seeds 0 to N-1."
)
@click.option("--seed", type=click.IntRange(0), metavar="K", help="Replay one seed and print its money story.")
@click.option("--until-failure", is_flag=True, help="Go on from seed 0 until a history fails.")
@click.option("--mutants", is_flag=True, help="Take one mechanism out at a time; each must be noticed. Exit 1 if not.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def sim(seeds: int, seed: int | None, until_failure: bool, mutants: bool, as_json: bool) -> None:
    """Play whole histories of the fleet with everything going wrong, each from a seed, and check every promise.

    The five services' own handlers on real SQL; chain, exchange and queue are models that lose, delay, repeat and lie.
    A seed gives the same history on every machine.
    """
    _require_sandbox("sim")
    from shared.sandbox.simulator.command import run_many, run_one

    if mutants:
        from shared.sandbox.simulator.mutants.verb import run_every_mutant

        sys.exit(run_every_mutant(as_json=as_json))
    if seed is not None:
        sys.exit(run_one(seed, as_json=as_json))
    sys.exit(run_many(seeds, until_failure=until_failure, as_json=as_json))


@click.command()
@click.argument("lines", nargs=-1, metavar="[LINE]... | soak")
@click.option("--quick", is_flag=True, help="Fewer rows and rounds: a first look in under a minute.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, writable=True, path_type=Path), metavar="FILE.png", help="Draw it too."
)
@click.option("--write-readme", is_flag=True, help="Put the whole run's table and picture into the README.")
@click.option("--minutes", type=click.FloatRange(0.2, 600), default=10, show_default=True, help="How long to soak.")
def bench(
    lines: tuple[str, ...], quick: bool, as_json: bool, plot: Path | None, write_readme: bool, minutes: float
) -> None:
    """Measure the fleet beside what the machine can do at all, and say which targets are reached.

    Lines are intake, pending, claim, distribution, reserve, start, demo and counts; all of them by default. Soak posts
    payments at 80 % of the measured rate while PostgreSQL is restarted once, and counts what was accepted.
    """
    _require_sandbox("bench")
    from shared.sandbox.processes import ended_once

    with ended_once():
        if lines == ("soak",):
            from shared.sandbox.bench.soak import run_soak

            sys.exit(run_soak(minutes, as_json=as_json))
        from shared.sandbox.bench.run import BenchOptions, run_bench

        sys.exit(run_bench(ROOT, BenchOptions(lines, quick, as_json, plot, write_readme)))


@click.group()
def drill() -> None:
    """Practise on the sandbox what must work on the worst day."""


@drill.command("restore")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def drill_restore(as_json: bool) -> None:
    """Set the database back to before a batch was paid; show that nothing is paid twice and the swap goes on.

    A real PostgreSQL, a real chain, five real services, on free ports; nothing is left behind.
    """
    _require_sandbox("drill")
    from shared.sandbox.drills.restore import drill_restore as run
    from shared.sandbox.processes import ended_once

    with ended_once():
        sys.exit(run(ROOT, as_json=as_json))


VERBS = (demo, up, fault, test, check, sim, bench, drill)


def _require_sandbox(verb: str) -> None:
    """Production has neither the sandbox nor the tools of the tests, and says so instead of a traceback."""
    if find_spec("shared.sandbox") is None:
        raise Leave(
            f"`gcpay {verb}` needs the sandbox, which is not part of a production image; run it in a checkout.",
            Exit.UNAVAILABLE,
        )
