"""The verbs of `gcpay` by which people look at the fleet and act on what waits. `shared.ops.cli` takes them in."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from shared.ops.acts import Act

ROOT = Path(__file__).resolve().parents[2]
_STAGE = click.Choice(["intake", "batching", "sending"])
_json = click.option("--json", "as_json", is_flag=True, help="Only JSON on standard output.")


def operation(verb: Callable[..., Any]) -> Callable[..., Any]:
    """The options of every verb that changes something."""
    for option in (
        _json,
        click.option("--yes", is_flag=True, help="Do it. Without it the act is rehearsed and changes nothing."),
        click.option("--reason", required=True, metavar="WHY", help="Why; kept in the operator log."),
        click.option("--by", required=True, metavar="WHO", help="Who does it; kept in the operator log."),
    ):
        verb = option(verb)
    return verb


@click.command()
@_json
def status(as_json: bool) -> None:
    """How is it doing? Pending total, open batches, what is late, alerts, pauses, wallet.

    Leaves with 1 when a person should look.
    """
    from shared.ops.operations import show_status

    sys.exit(show_status(ROOT, as_json=as_json))


@click.command()
@click.argument("name", metavar="ID")
@_json
def explain(name: str, as_json: bool) -> None:
    """What happened to it, where is the money, why does it wait, on whom, until when, what next?

    ID is a payment, a batch, an order, a request or a transaction.
    """
    from shared.ops.operations import show_explanation

    sys.exit(show_explanation(ROOT, name, as_json=as_json))


@click.command()
@_json
def parked(as_json: bool) -> None:
    """Everything that waits for a person: why, whose, since when, and what is allowed now.

    The acts that it names are those that would not be refused at this moment.
    """
    from shared.ops.operations import show_parked

    sys.exit(show_parked(ROOT, as_json=as_json))


@click.command()
@click.argument("name", metavar="ID")
@operation
def retry(name: str, **options: Any) -> None:
    """Let a parked payment, batch or request go on; look at a paid order now.

    A batch only when none of its orders can be funded any more, a request only while it is unpaid.
    """
    from shared.ops.acts import retry as act

    _operate(act(name), options)


@click.command()
@click.argument("name", metavar="BATCH")
@operation
def release(name: str, **options: Any) -> None:
    """Give the payments of a batch back to pending; the next tick takes them into another batch.

    Refused while any order of it can still be funded, and for ever once a nonce was used for it.
    """
    from shared.ops.acts import release as act

    _operate(act(name), options)


@click.command("abandon-order")
@click.argument("name", metavar="ORDER")
@operation
def abandon_order(name: str, **options: Any) -> None:
    """Give an unpaid order up: the executor commits that it is never paid, then another one is opened.

    Refused while its request goes on by itself, and once its transfer has a nonce.
    """
    from shared.ops.acts import abandon_order as act

    _operate(act(name), options)


@click.command()
@click.argument("action", type=click.Choice(["held", "cancel", "repay", "void"]))
@click.argument("name", metavar="ID")
@operation
def approve(action: str, name: str, **options: Any) -> None:
    """Decide about a transfer: let a held one leave, make it void, cancel its nonce, pay its batch anew.

    The executor's next sweep checks it under its own locks and answers; gcpay explain ID shows the answer.
    """
    from shared.ops.acts import approve as act

    _operate(act(action, name), options)


@click.command()
@click.argument("stage", type=_STAGE)
@click.option("--for", "span", metavar="SPAN", help="End by itself: 30m, 2h, 1d. Default: until somebody resumes it.")
@operation
def pause(stage: str, span: str | None, **options: Any) -> None:
    """Halt intake, batching or sending, and nothing else.

    What was sent already is watched to its end all the same.
    """
    from shared.ops.acts import pause as act
    from shared.ops.operations import until

    _operate(act(stage, until(span)), options)


@click.command()
@click.argument("stage", type=_STAGE)
@operation
def resume(stage: str, **options: Any) -> None:
    """Let a paused stage go on.

    Batching and sending are refused while the wallet is frozen: gcpay recover-account comes first.
    """
    from shared.ops.acts import resume as act

    _operate(act(stage), options)


@click.command("operator-log")
@_json
def operator_log(as_json: bool) -> None:
    """What people did, when and why; every link of the chain is checked.

    Leaves with 1 when an entry was changed, taken out or added by another way.
    """
    from shared.ops.operations import show_log

    sys.exit(show_log(ROOT, as_json=as_json))


VERBS = (status, explain, parked, retry, release, abandon_order, approve, pause, resume, operator_log)


def _operate(act: Act, options: dict[str, Any]) -> None:
    from shared.ops.operations import operate

    sys.exit(operate(ROOT, act, **options))
