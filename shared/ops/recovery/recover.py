"""A frozen account is brought back to what really left the wallet, step by step, each step in one commit.

Everything outside is read first. Then, nonce by nonce and under the account's lock, what the copies say is rebuilt; the
executor gives each transfer its verdict afterwards, as always. The account resumes only if nothing is left that nobody
can explain. A repeat after an interruption finds what is done and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from shared.db import Connection, ConstraintViolated, evidence_text
from shared.lifecycle import AccountState, Limits, Machine, Refused
from shared.lifecycle import facts as f
from shared.ops.recovery.report import Report
from shared.ops.recovery.step import QUERIES, SERVICE, Step, Unexplained
from shared.ops.recovery.transfers import rebuild
from shared.ops.recovery.witnesses import Believed, Witnessed, ask, believed

if TYPE_CHECKING:
    from shared.archive import Archive
    from shared.chain import Chain, FinalConsumer
    from shared.db import Database, Row

_PAUSED_BY = ["GCHostPay3", SERVICE]


class AccountUnknown(Refused):
    """There is no such account, or more than one and none was named."""

    code: ClassVar[str] = "account_unknown"


class AccountNotFrozen(Refused):
    """Only a frozen account is recovered: nothing may move meanwhile."""

    code: ClassVar[str] = "account_not_frozen"


class _Rehearsed(Exception):
    """Takes everything back at the end of a dry run."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One run. `database` is connected as the owner of the tables; `account` None: the only one there is.

    `accept_foreign`: hashes of transactions that a person knows although the fleet does not. `accept_archive`: copies
    that are missing in the archive are given up. `on_step` hears each step's name before it is taken.
    """

    database: Database
    chain: Chain
    archive: Archive
    by: str
    reason: str
    now: datetime
    trace: str
    account: str | None = None
    chain_id: int | None = None
    dry_run: bool = False
    accept_foreign: tuple[str, ...] = ()
    accept_archive: bool = False
    limits: Limits = field(default_factory=Limits)
    on_step: Callable[[str], None] = lambda _name: None


def recover(r: Recovery) -> Report:
    """Rebuilds, and resumes if everything is explained. A dry run does the same and takes it all back.

    Raises AccountUnknown, AccountNotFrozen, and TryLater where chain, archive or database cannot be asked now.
    """
    with r.database.read() as conn:
        known = believed(conn, _account(conn, r))
    if known.status != AccountState.FROZEN.value:
        raise AccountNotFrozen(f"Account {known.address} is {known.status}; only a frozen one is recovered.")
    r.chain.check_chain_id()
    seen = ask(r.chain, r.archive, known)
    report = Report(known.address, known.chain_id, r.dry_run, seen.block.number, seen.nonce, known.next_nonce)
    report.copies = len(seen.places)
    report.next_nonce = max(known.next_nonce, seen.seen_up_to)
    try:
        with _transactions(r) as transaction:
            _Run(r, known, seen, report, transaction).all_steps()
    except _Rehearsed:
        report.resumed = False
    return report


@dataclass(slots=True)
class _Run:
    r: Recovery
    known: Believed
    seen: Witnessed
    report: Report
    transaction: Callable[[], AbstractContextManager[Connection]]

    def all_steps(self) -> None:
        trouble = self.seen.archive_trouble
        if trouble is not None:
            self.report.unexplained.append(
                f"{trouble} Find the archive as it was, or move the broken one away and run this with --accept-archive"
            )
        else:
            self._places()
            for nonce in sorted(self.seen.copies):
                if self.known.lacks(self.seen.copies[nonce]):
                    self._take(f"nonce {nonce}", lambda step, nonce=nonce: self._rebuild(step, nonce))  # type: ignore[misc]
            for consumer in self._foreign():
                self._take(f"foreign nonce {consumer.nonce}", lambda step, one=consumer: self._note_foreign(step, one))  # type: ignore[misc]
            self._gaps()
            self._take("next nonce", self._raise_next_nonce)
        self._take("end", self._end)

    def _take(self, name: str, act: Callable[[Step], None]) -> None:
        """One step in one commit, under the account's lock. What it cannot explain is told, and nothing of it done."""
        self.r.on_step(name)
        try:
            with self.transaction() as conn:
                step = Step(
                    conn,
                    self.known.address,
                    self.known.chain_id,
                    self.r.by,
                    self.r.now,
                    self.r.trace,
                    self.r.limits,
                )
                row = QUERIES.only(conn, "lock_account", address=self.known.address, chain_id=self.known.chain_id)
                if row["account_status"] != AccountState.FROZEN.value:
                    raise AccountNotFrozen(f"Account {self.known.address} was resumed by somebody else meanwhile.")
                act(step)
        except Unexplained as open_point:
            self.report.unexplained.append(str(open_point))
        except ConstraintViolated as violated:
            self.report.unexplained.append(
                f"{name}: the database refuses what the archive says ({violated.constraint})"
            )
        else:
            self.report.done += step.done

    # --- the steps ------------------------------------------------------------------------------------------------

    def _places(self) -> None:
        lost_after = self.seen.lost_after
        if lost_after is None:
            return
        if not self.r.accept_archive:
            self.report.unexplained.append(
                f"the archive does not hold what this database relies on after copy {lost_after}: find the archive as "
                "it was, or give those copies up with --accept-archive"
            )
            return

        def forget(step: Step) -> None:
            of = {"account_address": step.account_address, "chain_id": step.chain_id}
            forgotten = QUERIES.run(step.conn, "forget_places", **of, above=lost_after)
            step.done.append(f"{forgotten} place(s) in the archive forgotten: their copies are lost")

        self._take("places", forget)

    def _rebuild(self, step: Step, nonce: int) -> None:
        copies = self.seen.copies[nonce]
        batch = copies[0].batch
        later = batch is not None and any(
            copy.batch is not None and copy.batch.batch_conversion_id == batch.batch_conversion_id
            for copy in self.seen.all_copies
            if copy.nonce > nonce
        )
        rebuild(step, copies, self.seen.places, was_fenced=later)

    def _foreign(self) -> list[FinalConsumer]:
        """Also what the executor itself called foreign: it froze the account for that, and a person must know it."""
        for nonce in self.seen.not_found:
            self.report.unexplained.append(
                f"nonce {nonce} is used up, and the transaction that used it was not found yet: run this again"
            )
        for row in self.known.slots:
            if row["outcome"] == "foreign" and not self._is_accepted(row["nonce"], row["evidence"]["tx_hash"]):
                self._tell_foreign(row["nonce"], row["evidence"]["tx_hash"])
        return self.seen.foreign

    def _note_foreign(self, step: Step, consumer: FinalConsumer) -> None:
        of = {"account_address": step.account_address, "chain_id": step.chain_id, "nonce": consumer.nonce}
        QUERIES.run(
            step.conn,
            "insert_foreign",
            **of,
            tx_hash=consumer.tx_hash,
            evidence=evidence_text(consumer.evidence()),
            found_by=self.r.by,
            now=self.r.now,
        )
        if self._is_accepted(consumer.nonce, consumer.tx_hash):
            accepted = QUERIES.run(
                step.conn, "accept_foreign", **of, accepted_by=self.r.by, reason=self.r.reason, now=self.r.now
            )
            if accepted:
                step.done.append(f"foreign transaction {consumer.tx_hash} at nonce {consumer.nonce} accepted")
            return
        self._tell_foreign(consumer.nonce, consumer.tx_hash)

    def _is_accepted(self, nonce: int, tx_hash: str) -> bool:
        named = {each.lower() for each in self.r.accept_foreign}
        return self.known.accepted.get(nonce, False) or tx_hash.lower() in named

    def _tell_foreign(self, nonce: int, tx_hash: str) -> None:
        self.report.unexplained.append(
            f"nonce {nonce} was used by {tx_hash}, of which neither database nor archive knows: find out what it paid "
            "and who else holds the key, then name it with --accept-foreign"
        )

    def _gaps(self) -> None:
        explained = self.known.nonces | set(self.seen.copies)
        for nonce in range(self.seen.nonce, self.report.next_nonce):
            if nonce not in explained:
                self.report.unexplained.append(
                    f"nonce {nonce} is neither used nor signed, and later ones are: nothing after it can leave"
                )

    def _raise_next_nonce(self, step: Step) -> None:
        next_nonce = self.report.next_nonce
        of = {"address": step.account_address, "chain_id": step.chain_id}
        if QUERIES.run(step.conn, "raise_next_nonce", **of, next_nonce=next_nonce):
            step.done.append(f"next nonce raised from {self.known.next_nonce} to {next_nonce}")

    def _end(self, step: Step) -> None:
        subject = f"{step.chain_id}:{step.account_address}"
        if self.report.unexplained:
            reason = f"the recovery of {step.account_address} is not complete"
            QUERIES.run(step.conn, "pause_batching", reason=reason, paused_by=SERVICE, now=step.now)
            message = f"{reason}: {'; '.join(self.report.unexplained)}"
            step.tell("recovery_incomplete", subject, message, dedupe=step.now.isoformat())
            return
        evidence = {
            "by": self.r.by,
            "reason": self.r.reason,
            "done": self.report.done,
            "next_nonce": self.report.next_nonce,
            "finalized_number": self.seen.block.number,
            "finalized_hash": self.seen.block.hash,
            "copies": self.report.copies,
        }
        step.move(Machine.ACCOUNT, AccountState.FROZEN, f.AccountRecovered(), subject, evidence)
        of = {"address": step.account_address, "chain_id": step.chain_id}
        QUERIES.run(step.conn, "set_account", **of, account_status=AccountState.ACTIVE.value, reason=None)
        QUERIES.run(step.conn, "resume_batching", paused_by=_PAUSED_BY, now=step.now)
        message = f"the wallet {step.account_address} was recovered by {self.r.by}: {self.r.reason}"
        step.tell("account_recovered", subject, message, dedupe=step.now.isoformat())
        self.report.resumed = True


def _account(conn: Connection, r: Recovery) -> Row:
    rows = [
        row
        for row in QUERIES.all(conn, "accounts")
        if (r.account is None or row["address"].lower() == r.account.lower())
        and (r.chain_id is None or row["chain_id"] == r.chain_id)
    ]
    if len(rows) != 1:
        named = ", ".join(f"{row['address']} on chain {row['chain_id']}" for row in rows) or "none"
        raise AccountUnknown(f"Exactly one account must be meant; the database has: {named}.")
    return rows[0]


@contextmanager
def _transactions(r: Recovery) -> Iterator[Callable[[], AbstractContextManager[Connection]]]:
    """A commit per step; in a dry run one transaction for all of them, which is taken back."""
    if not r.dry_run:
        yield r.database.transaction
        return
    with r.database.transaction() as conn:

        @contextmanager
        def rehearsed() -> Iterator[Connection]:
            with conn.savepoint():
                yield conn

        yield rehearsed
        raise _Rehearsed
