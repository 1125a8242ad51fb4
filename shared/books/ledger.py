"""Writing postings, and asking the books whether everything is there.

A posting is written in the same commit as the fact it belongs to, once per (event, subject).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from shared.books.accounts import Account, Posting
from shared.db import Connection, Queries
from shared.lifecycle.reactions import Broken
from shared.money import Ether, Tether

_queries = Queries.load(Path(__file__).with_name("ledger.sql"))


class PostingContradicted(Broken):
    """The same fact was posted before with other amounts: one of the two is wrong, and neither is overwritten."""

    code: ClassVar[str] = "posting_contradicted"

    def __init__(self, posting: Posting) -> None:
        super().__init__(f"{posting.event} of {posting.subject} was posted before with other entries.")
        self.event = posting.event
        self.subject = posting.subject


@dataclass(frozen=True, slots=True)
class Balances:
    """The balance of every account, debit positive; accounts nobody used are zero."""

    eth: Mapping[Account, Ether]
    usdt: Mapping[Account, Tether]

    def eth_sum(self) -> Ether:
        """Zero, unless the books are broken."""
        return Ether.total(self.eth.values())

    def usdt_sum(self) -> Tether:
        """Zero, unless the books are broken."""
        return Tether.total(self.usdt.values())


@dataclass(frozen=True, slots=True)
class Report:
    """The books against the chain. Unexplained = what the wallet holds on chain less what the books say."""

    balances: Balances
    eth_sum: Ether
    usdt_sum: Tether
    eth_unexplained: Ether
    usdt_unexplained: Tether
    unbalanced_postings: tuple[int, ...]

    @property
    def everything_balances(self) -> bool:
        """Whether the books sum to zero and explain the wallet to the last unit."""
        sums = (self.eth_sum, self.usdt_sum, self.eth_unexplained, self.usdt_unexplained)
        return not self.unbalanced_postings and all(amount.is_zero() for amount in sums)

    def as_json(self) -> dict[str, str]:
        """Wei as whole numbers, USDT with six decimals, all as text."""
        return {
            "eth_sum_wei": str(self.eth_sum.wei),
            "usdt_sum": self.usdt_sum.decimal_text(),
            "eth_unexplained_wei": str(self.eth_unexplained.wei),
            "usdt_unexplained": self.usdt_unexplained.decimal_text(),
        }


def post(conn: Connection, posting: Posting, now: datetime, trace: str) -> bool:
    """Writes the posting; True when it is new. A repeat writes nothing and is False.

    Raises `PostingContradicted` when the same (event, subject) was posted with other entries. An empty posting is
    never written. A posting that does not balance is refused by the database at commit (`posting_balances`).
    """
    if not posting.entries:
        return False
    written = _queries.run(
        conn,
        "post",
        event=posting.event,
        subject=posting.subject,
        at=now,
        trace=trace,
        **posting.columns(),
    )
    if written:
        return True
    _refuse_another_content(conn, posting)
    return False


def totals(conn: Connection) -> Balances:
    """The balance of every account, from one statement and so from one moment."""
    eth = dict.fromkeys(Account, Ether.zero())
    usdt = dict.fromkeys(Account, Tether.zero())
    for row in _queries.all(conn, "totals"):
        account = Account(row["account"])
        if row["asset"] == Ether.SYMBOL:
            eth[account] = Ether(row["amount"])
        else:
            usdt[account] = Tether(row["amount"])
    return Balances(eth, usdt)


def check(conn: Connection, chain_wallet_eth: Ether, chain_wallet_usdt: Tether) -> Report:
    """Compares the wallet accounts with the chain at one finalized block.

    A transfer that is final on chain and not yet observed by the executor shows as unexplained until it is; use a
    `database.read()`, and look again before calling it a loss.
    """
    balances = totals(conn)
    unbalanced = tuple(row["posting_id"] for row in _queries.all(conn, "unbalanced"))
    return Report(
        balances=balances,
        eth_sum=balances.eth_sum(),
        usdt_sum=balances.usdt_sum(),
        eth_unexplained=chain_wallet_eth - balances.eth[Account.WALLET],
        usdt_unexplained=chain_wallet_usdt - balances.usdt[Account.WALLET],
        unbalanced_postings=unbalanced,
    )


def _refuse_another_content(conn: Connection, posting: Posting) -> None:
    rows = _queries.all(conn, "entries_of", event=posting.event, subject=posting.subject)
    before = sorted((row["asset"], row["account"], row["amount"]) for row in rows)
    again = sorted((entry.asset, entry.account.value, entry.amount.base_units) for entry in posting.entries)
    if before != again:
        raise PostingContradicted(posting)
