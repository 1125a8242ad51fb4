"""`gcpay drill restore`: a batch is paid, its database is lost, and nothing is paid twice.

The backup is older than the batch, one of its payments, its order and its transfer: all of that is gone, while the ETH
is at the exchange. The fleet that starts on the backup sees payments that wait, and does its best to pay them.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from shared.archive import archive_at
from shared.db import Queries, Row, roles
from shared.lifecycle import Limits, TryLater
from shared.ops.books_report import reconcile
from shared.ops.exits import Exit, Leave
from shared.ops.recovery import Recovery, Report, recover
from shared.sandbox.chain import HOST_WALLET
from shared.sandbox.demo.readings import Seen, look
from shared.sandbox.fleet import Fleet, FleetNotStarted, FleetOptions
from shared.sandbox.fleet.places import new_run_folder
from shared.sandbox.fleet.set_back import restore_backup, take_backup
from shared.telemetry import new_trace

if TYPE_CHECKING:
    from shared.books import Report as BooksReport

LAST_LINE: Final = "resumed, nothing paid twice"
_PAYMENTS: Final = Path(__file__).parents[1] / "demo" / "payments.jsonl"
_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_LOOK_EVERY_S: Final = 0.2
_PATIENCE_S: Final = 60.0
# How long the frozen fleet is watched while it may try to pay again: two blocks of its chain.
_WATCHED_S: Final = 2.0
_Found = TypeVar("_Found")


class DrillFailed(Exception):
    """Something is not as it must be; the sentence says what."""


@dataclass
class _Told:
    """What a person sees, each line with the second in which it happened."""

    as_json: bool
    began: float = field(default_factory=time.monotonic)
    steps: list[dict[str, object]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def step(self, what: str) -> None:
        self.steps.append({"at_s": round(self.seconds, 1), "what": what})
        click.echo(f"{self.seconds:6.1f} s  {what}", err=self.as_json)

    def note(self, what: str) -> None:
        click.echo(f"{'':10}{what}", err=self.as_json)


def drill_restore(root: Path, *, as_json: bool) -> Exit:
    """Run the drill on a sandbox of its own. 0 and the last line only if every claim was checked and holds."""
    told = _Told(as_json)
    logs = new_run_folder(root)
    try:
        with Fleet.start(FleetOptions(logs=logs)) as fleet:
            told.step("the fleet is running")
            result = _Drill(fleet, told).play()
    except FleetNotStarted as error:
        raise Leave(f"The sandbox did not start: {error}\nAll logs: {logs}", Exit.UNAVAILABLE) from error
    except DrillFailed as failed:
        told.step(f"FAILED: {failed}")
        told.note(f"The logs of all processes are in {logs}")
        if as_json:
            click.echo(json.dumps({"ok": False, "message": str(failed), "steps": told.steps}, indent=2))
        return Exit.NO
    except (KeyboardInterrupt, SystemExit):
        shutil.rmtree(logs, ignore_errors=True)
        raise
    shutil.rmtree(logs, ignore_errors=True)
    click.echo(json.dumps(result, indent=2) if as_json else LAST_LINE)
    return Exit.OK


class _Drill:
    """The acts, in order."""

    def __init__(self, fleet: Fleet, told: _Told) -> None:
        self._fleet, self._told = fleet, told
        self._archive = archive_at(fleet.world.archive)

    def play(self) -> dict[str, object]:
        first, second, third = _PAYMENTS.read_text(encoding="utf-8").splitlines()[:3]
        nonce_before = self._nonce()
        self._deliver(first, second)
        take_backup(self._fleet)
        self._told.step("a backup is taken: two payments are pending, no batch exists")
        self._deliver(third)
        paid = self._have_a_batch_paid()
        restore_backup(self._fleet)
        self._told.step("the database is lost, and the backup is in its place; the services have started again")
        self._require(not look(self._fleet.database).batches, "the backup knows of a batch")
        lost_at = self._told.seconds
        again = self._try_to_pay_again(third, paid)
        report = self._recover()
        resumed_at = self._told.seconds
        seen = self._swap_to_its_end(paid)
        books = self._prove(paid, again, seen, nonce_before)
        return {
            "ok": True,
            "verdict": LAST_LINE,
            "seconds": round(self._told.seconds, 1),
            "stopped_for_s": round(resumed_at - lost_at, 1),
            "batch_conversion_id": paid["batch_conversion_id"],
            "eth_tx_hash": paid["tx_hash"],
            "wallet_transactions": self._nonce() - nonce_before,
            "second_batch": again,
            "recovery": report.as_json(),
            "shares": {row["payment_ref"]: str(row["converted_usdt_amount_units"]) for row in seen.payments},
            "books": books.as_json(),
            "steps": self._told.steps,
        }

    # --- before ---------------------------------------------------------------------------------------------------

    def _deliver(self, *bodies: str) -> None:
        for body in bodies:
            outcome = self._fleet.post_payment(body)
            self._require(outcome.ok, f"intake answered {outcome.status}: {outcome.body!r}")

    def _have_a_batch_paid(self) -> Row:
        tick = self._tick()
        self._require(bool(tick.get("batch_created")), f"no batch was formed: {tick}")
        batch = str(tick["batch_conversion_id"])
        self._told.step(f"a third payment makes batch {batch}; its order is opened and paid")
        transfer = self._until(
            "the batch's transfer is final", lambda: _settled(look(self._fleet.database).transfer_of_batch(batch))
        )
        self._told.step(f"its ETH left the wallet for good, in {transfer['tx_hash']} with nonce {transfer['nonce']}")
        return transfer

    # --- the restored database ------------------------------------------------------------------------------------

    def _try_to_pay_again(self, third: str, paid: Row) -> str:
        """Upstream repeats the lost webhook, and the scheduler ticks: the old database wants to pay a second time."""
        nonce = self._nonce()
        self._deliver(third)
        tick = self._tick()
        again = str(tick.get("batch_conversion_id") or "")
        self._require(bool(tick.get("batch_created")), f"the restored database was expected to form a batch: {tick}")
        self._told.step(f"the same payments make another batch, {again}: the restored database wants to pay them again")
        account = self._until("the wallet's account is frozen", self._frozen)
        self._told.step(f"the account is frozen: {account['reason']}")
        paused = self._tick()
        self._told.step(f"the scheduler ticks again, without a batch: {paused.get('message')}")
        time.sleep(_WATCHED_S)
        transfer = look(self._fleet.database).transfer_of_batch(again)
        state = "not even made" if transfer is None else transfer["transfer_status"]
        self._require(transfer is None or transfer["nonce"] is None, "the second transfer has a nonce")
        self._require(self._nonce() == nonce, "another transaction left the wallet")
        self._require(str(paid["batch_conversion_id"]) != again, "the lost batch was not lost")
        self._told.step(f"nothing leaves: the second transfer is {state}, the wallet's nonce is {nonce} as before")
        return again

    def _recover(self) -> Report:
        rehearsed = self._run_recovery(dry_run=True)
        self._told.step("gcpay recover-account --dry-run says:")
        self._show(rehearsed)
        self._require(self._frozen() is not None, "a dry run changed the account")
        report = self._run_recovery(dry_run=False)
        self._told.step("gcpay recover-account says:")
        self._show(report)
        self._require(report.resumed, "the account was not resumed")
        self._require(report.done == rehearsed.done, "the dry run said something else")
        return report

    def _run_recovery(self, *, dry_run: bool) -> Report:
        owner = self._fleet.parts.database(roles.OWNER)
        try:
            return self._until(
                "chain and archive can be read",
                lambda: recover(
                    Recovery(
                        database=owner,
                        chain=self._fleet.chain,
                        archive=self._archive,
                        by="the drill",
                        reason="the database was set back",
                        now=datetime.now(UTC),
                        trace=new_trace(),
                        dry_run=dry_run,
                        limits=Limits(self._fleet.options.time_scale),
                    )
                ),
            )
        finally:
            owner.close()

    def _show(self, report: Report) -> None:
        for line in report.lines():
            self._told.note(line)

    # --- after ----------------------------------------------------------------------------------------------------

    def _swap_to_its_end(self, paid: Row) -> Seen:
        def ended() -> Seen | None:
            seen = look(self._fleet.database)
            done = seen.batch(str(paid["batch_conversion_id"]))["conversion_status"] == "completed"
            return seen if done else None

        seen = self._until("the first batch is shared out", ended)
        self._told.step("the first batch's USDT arrived and is shared out over its three payments")
        return seen

    def _prove(self, paid: Row, again: str, seen: Seen, nonce_before: int) -> BooksReport:
        batch = seen.batch(str(paid["batch_conversion_id"]))
        mine = [row for row in seen.payments if row["batch_conversion_id"] == batch["batch_conversion_id"]]
        shares = sum(row["converted_usdt_amount_units"] or 0 for row in mine)
        self._require(len(mine) == len(seen.payments), "a payment is not in the batch that paid it")
        self._require(
            shares == batch["usdt_units"], f"shares of {shares} are not the {batch['usdt_units']} that arrived"
        )
        transfer = seen.transfer_of_batch(str(paid["batch_conversion_id"]))
        self._require(transfer is not None and transfer["tx_hash"] == paid["tx_hash"], "another transaction is booked")
        self._require(self._nonce() - nonce_before == 1, "more than one transaction left the wallet")
        self._require(seen.batch(again)["conversion_status"] == "released", "the second batch is not released")
        tick = self._tick()
        self._require(not tick.get("batch_created"), "the next tick formed a batch although nothing is pending")
        books = self._until("the books explain the wallet", self._balanced)
        self._told.step("one transaction left the wallet, the shares are what arrived, the books explain every unit")
        return books

    def _balanced(self) -> BooksReport | None:
        report = reconcile(self._fleet.database, self._fleet.chain, self._fleet.chain_settings)
        return report if report.everything_balances else None

    # --- readings -------------------------------------------------------------------------------------------------

    def _nonce(self) -> int:
        """How many transactions of the wallet are in the newest final block."""

        def count() -> tuple[int]:
            return (self._fleet.chain.nonce_at(HOST_WALLET.address, self._fleet.chain.agreed_finalized()),)

        return self._until("the endpoints agree on a final block", count)[0]

    def _frozen(self) -> Row | None:
        with self._fleet.database.read() as conn:
            return _QUERIES.one(conn, "frozen_account", address=HOST_WALLET.address)

    def _tick(self) -> Mapping[str, object]:
        def answered() -> Mapping[str, object] | None:
            tick = self._fleet.tick()
            return tick.body if tick.status == 200 and isinstance(tick.body, dict) else None

        return self._until("the batcher answers a tick", answered)

    def _until(self, what: str, found: Callable[[], _Found | None]) -> _Found:
        """Ask until there is an answer; what cannot be read now is asked again. Raises DrillFailed."""
        give_up_at = time.monotonic() + _PATIENCE_S
        while time.monotonic() < give_up_at:
            with suppress(TryLater):
                answer = found()
                if answer is not None:
                    return answer
            time.sleep(_LOOK_EVERY_S)
        raise DrillFailed(f"it did not happen within {_PATIENCE_S:.0f} s that {what}")

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            raise DrillFailed(otherwise)


def _settled(transfer: Row | None) -> Row | None:
    return transfer if transfer is not None and transfer["outcome"] == "settled" else None
