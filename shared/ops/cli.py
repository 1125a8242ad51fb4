"""`gcpay`: the command line of the fleet. Each verb says what it will do, does it, and leaves with a true exit code."""

import sys
import traceback
from pathlib import Path
from types import TracebackType

import click

from shared.lifecycle.reactions import Broken, Reaction, Refused
from shared.ops.cli_books import books
from shared.ops.cli_operate import VERBS
from shared.ops.cli_report import VERBS as REPORT_VERBS
from shared.ops.cli_sandbox import VERBS as SANDBOX_VERBS
from shared.ops.cli_upgrade import VERBS as UPGRADE_VERBS
from shared.ops.exits import Exit, Leave

ROOT = Path(__file__).resolve().parents[2]

_SECTIONS = {
    "See it run": ["demo", "up", "fault"],
    "Prove it": ["test", "check", "sim", "drill"],
    "Look at it": ["status", "report", "explain", "parked", "books", "verify-proof", "operator-log", "config"],
    "Operate it": ["retry", "release", "abandon-order", "approve", "pause", "resume", "recover-account"],
    "Take over": ["import-v1", "release-v1"],
}
_EXAMPLES = [
    ("gcpay demo", "three payments become one swap and three shares"),
    ("gcpay demo --deliver 12", "the same, every payment posted twelve times at once"),
    ("gcpay demo --chaos 7", "the same result, though everything is broken meanwhile"),
    ("gcpay demo --json | jq .books", "the result for a program"),
    ("gcpay up", "keep the sandbox running and print its URLs"),
    ("gcpay fault exchange rate_limited times=3", "what happens then? gcpay fault lists all"),
    ("gcpay test", "everything that has to be true, from lint to the whole fleet"),
    ("gcpay test tests/unit -k money", "some of the tests; what follows goes to pytest"),
    ("gcpay sim --seeds 1000", "a thousand histories with everything going wrong"),
    ("gcpay sim --seed 7", "one of them, told step by step"),
    ("gcpay sim --mutants", "one mechanism less at a time: each is noticed"),
    ("gcpay drill restore", "lose the database after a payment, and pay nothing twice"),
    ("gcpay config GCHostPay3", "the settings of one service"),
    ("gcpay config check --service GCHostPay3", "is all there that this environment needs?"),
    ("gcpay status", "how is it doing, and must a person look?"),
    ("gcpay report --since 2026-03-01 --csv", "where is all money, and what did the period bring and cost?"),
    ("gcpay explain 4479119533", "where is the money of this payment?"),
    ("gcpay release BATCH --by me --reason why", "what would it change? --yes does it"),
    ("gcpay import-v1 --from export --fee 15 --by me --reason why", "what would be imported? --yes does it"),
    ("gcpay books check", "do the books balance?"),
    ("gcpay books gateway TX --by me --reason payout", "the gateway's ETH is in the wallet: book it"),
    ("gcpay verify-proof ID --node URL", "did this transfer really end as it is written?"),
    ("gcpay recover-account --dry-run --by me --reason drill", "what would a recovery of the frozen wallet do?"),
]


class _Sections(click.Group):
    """Help in sections, with examples and the meaning of the exit codes."""

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(90)) for name in names])
        with formatter.section("Examples"):
            formatter.write_dl(_EXAMPLES)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code.value), code.meaning) for code in Exit])

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return [name for names in _SECTIONS.values() for name in names]


@click.group(
    cls=_Sections,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
@click.pass_context
def gcpay(ctx: click.Context) -> None:
    """Small crypto payments in, one swap, exact USDT shares out.

    Every verb explains itself: gcpay VERB --help.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@gcpay.command()
@click.argument("what", metavar="[SERVICE | check]", required=False)
@click.option("--service", metavar="SERVICE", help="check: whose environment this process has.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def config(what: str | None, service: str | None, as_json: bool) -> None:
    """List every setting: unit, range, default, what it is for; secrets are never shown.

    The column "now" tells what the environment of this command sets.

    With `check`, ask everything that a service needs whether it is there and is the right one: settings and Secret
    Manager, database, schema, grants, queues, chain, wallet, contracts, exchange. Leaves with 1 when something is not
    well. Of a service's own environment with --service; without, of the five services of `gcpay up`.
    """
    if what == "check":
        from shared.ops.config_check import check_config

        sys.exit(check_config(ROOT, service, as_json=as_json))
    from shared.ops.settings_table import show_settings

    show_settings(what or service, as_json=as_json)


@gcpay.command("verify-proof")
@click.argument("name", metavar="ID")
@click.option("--node", "nodes", multiple=True, metavar="URL", help="Ask this Ethereum node as well. Repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def verify_proof(name: str, nodes: tuple[str, ...], as_json: bool) -> None:
    """Check a stored verdict again: bytes, hash, signature and fields against the order, and the block at any node.

    ID is a request, an exchange order or a batch. Nothing is believed that the stored bytes do not show; a node that
    is asked must show the same transaction in a block that is canonical and final there.
    """
    from shared.ops.proof_report import verify_proof as verify

    sys.exit(verify(ROOT, name, nodes, as_json=as_json))


@gcpay.command("recover-account")
@click.option("--by", required=True, metavar="WHO", help="Who recovers; kept in the history.")
@click.option("--reason", required=True, metavar="WHY", help="Why; kept in the history.")
@click.option("--account", metavar="ADDRESS", help="Which account. Default: the only one.")
@click.option("--dry-run", is_flag=True, help="Say what would be done; change nothing.")
@click.option(
    "--accept-foreign", multiple=True, metavar="TX_HASH", help="You know what this foreign one was. Repeatable."
)
@click.option("--accept-archive", is_flag=True, help="Give up copies that the archive has lost.")
@click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")
def recover_account(
    by: str,
    reason: str,
    account: str | None,
    dry_run: bool,
    accept_foreign: tuple[str, ...],
    accept_archive: bool,
    as_json: bool,
) -> None:
    """Rebuild what a restored database has lost, from the chain and the archive of signed bytes, and resume.

    Only a frozen account. It resumes only if every nonce is explained; else it stays frozen and says why. A repeat is
    harmless. The database is used as the owner of the tables; no key is needed.
    """
    from shared.ops.recovery.command import recover_account as run

    sys.exit(
        run(
            ROOT,
            by=by,
            reason=reason,
            account=account,
            dry_run=dry_run,
            accept_foreign=accept_foreign,
            accept_archive=accept_archive,
            as_json=as_json,
        )
    )


for each in (*SANDBOX_VERBS, *VERBS, *REPORT_VERBS, books, *UPGRADE_VERBS):
    gcpay.add_command(each)


def main() -> None:
    """Run the command line and leave with an exit code of `Exit`."""
    sys.excepthook = _leave_with_70
    try:
        gcpay.main(prog_name="gcpay", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        sys.exit(leaving.exit_code)
    except click.ClickException as refusal:
        refusal.show()
        sys.exit(Exit.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(Exit.INTERRUPTED)
    except Leave as leaving:
        click.echo(leaving.sentence, err=True)
        sys.exit(leaving.code)
    except Reaction as reaction:
        click.echo(reaction.message, err=True)
        sys.exit(_exit_of(reaction))
    except BrokenPipeError:
        # The reader of our output has left (`gcpay books | head`); Python must not complain while it flushes.
        sys.stdout = None
        sys.exit(Exit.OK)


def _exit_of(reaction: Reaction) -> Exit:
    if isinstance(reaction, Refused):
        return Exit.USAGE
    return Exit.INTERNAL if isinstance(reaction, Broken) else Exit.TRY_LATER


def _leave_with_70(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback of a fault of our own and leave with its code; Python would say 1, which means "no" here."""
    traceback.print_exception(kind, error, trace)
    sys.exit(Exit.INTERNAL)


if __name__ == "__main__":
    main()
