"""Compares the books with the wallet on chain, once an hour at one finalized block: a wallet that is short is noticed.

The comparison is that of `gcpay books check`. It waits for a moment at which both must be equal: nothing of ours is on
its way, and the wallet's last posting is some minutes old, because providers lag. What the exchange owes may have
arrived and not be booked yet, so a surplus is told only while nothing is awaited; what is missing is told at once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from shared.books import Report, check
from shared.db import Alert, Connection, Queries, beat, raise_alert
from shared.lifecycle import TryLater
from shared.money import Ether
from shared.telemetry import get_logger

from .conductor import SERVICE, Conductor

log = get_logger()

_JOB: Final = "conductor compares the books"
_QUIET_FOR: Final = timedelta(minutes=5)
_LEAST_WAIT: Final = timedelta(minutes=1)  # whatever the sandbox's clock does

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def watch_books(conductor: Conductor, now: datetime) -> Report | None:
    """One comparison if it is due and the moment is good; None when it is not, or the chain cannot be read now."""
    every = conductor.books_every
    if every is None:
        return None
    with conductor.database.read() as conn:
        if not _is_due(conn, conductor, every, now):
            return None
    terms = conductor.terms
    try:
        block = conductor.chain.agreed_finalized()
        eth = Ether(conductor.chain.balance_wei(terms.eth_wallet, block))
        usdt = conductor.chain.usdt_balance(terms.usdt_wallet, block, terms.usdt_contract)
    except TryLater as away:
        log.warning("books_not_compared", reason=away.message)
        return None
    with conductor.database.transaction() as conn:
        if not _is_due(conn, conductor, every, now):
            return None  # something moved while the chain was read
        report = check(conn, eth, usdt)
        _tell(conn, conductor, report, block.number, now)
        beat(conn, _JOB, now, None)
    log.info("books_compared", block=block.number, eth=report.eth_unexplained, usdt=report.usdt_unexplained)
    return report


def _is_due(conn: Connection, conductor: Conductor, every: timedelta, now: datetime) -> bool:
    limits = conductor.terms.limits
    row = _QUERIES.only(conn, "moment", job=_JOB, quiet_since=now - max(limits.wait(_QUIET_FOR), _LEAST_WAIT))
    compared_at = row["compared_at"]
    due = compared_at is None or now - compared_at >= max(limits.wait(every), _LEAST_WAIT)
    return due and row["used"] and not row["moving"]


def _tell(conn: Connection, conductor: Conductor, report: Report, block_number: int, now: datetime) -> None:
    """A difference is told once; another one is other news."""
    awaited = _QUERIES.only(conn, "awaited")["orders"] > 0
    differs = [
        amount
        for amount in (report.eth_unexplained, report.usdt_unexplained)
        if amount.base_units < 0 or (amount.base_units > 0 and not awaited)
    ]
    if not differs and not report.unbalanced_postings:
        return
    figures = " and ".join(map(str, differs)) or f"postings {report.unbalanced_postings} do not sum to zero"
    message = f"the wallet on chain less the books is {figures} at block {block_number}: nothing of ours explains it"
    at_risk = [type(amount)(abs(amount.base_units)) for amount in differs]
    evidence = {"dedupe": figures, "eth_wei": str(report.eth_unexplained.wei), "usdt": str(report.usdt_unexplained)}
    raise_alert(conn, SERVICE, Alert("books_differ", conductor.terms.eth_wallet, message, evidence, at_risk), now)
