"""The accounts of the books and the shape of a posting.

Debit is positive: what is held or was spent is positive, what is owed or belongs to the platform is negative. Ether and
Tether never meet in a sum; each posting balances to zero in each asset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from shared.lifecycle.reactions import Broken
from shared.money import Ether, Tether


class Account(StrEnum):
    """Where money stands. The comment says what the balance means, with the sign it normally has."""

    WALLET = "wallet"  # + what the host wallet holds on chain, as far as we know why
    GATEWAY_RECEIVABLE = (
        "gateway_receivable"  # + what the payment gateway took for us and has not been seen to hand over
    )
    CLIENTS_PENDING = "clients_pending"  # - ETH that belongs to clients and is not swapped yet
    CLIENTS_OWED = "clients_owed"  # - USDT that was shared out to clients
    PLATFORM_FEE = "platform_fee"  # - the platform's fees
    IN_TRANSIT = "in_transit"  # + ETH sent to the exchange; - USDT that arrived from it and is not shared out yet
    GAS = "gas"  # + what transactions cost; the platform bears it
    EXCHANGE_COST = "exchange_cost"  # + what a refund fell short of what was sent; the platform bears it
    DUST = "dust"  # - what the exchange's decimals cut off orders, carried to the next batch
    TREASURY = "treasury"  # - the platform's own capital in the wallet
    DISCREPANCY = "discrepancy"  # what a person booked because nothing else explains it


Amount = Ether | Tether


class UnbalancedPosting(Broken):
    """The entries of a posting do not sum to zero in an asset: the fact's amounts contradict each other."""

    code: ClassVar[str] = "posting_unbalanced"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: so much of one asset onto one account, debit positive."""

    account: Account
    amount: Amount

    @property
    def asset(self) -> str:
        return self.amount.SYMBOL


@dataclass(frozen=True, slots=True)
class Posting:
    """What one fact does to the books; (event, subject) is its identity and is posted once.

    Lines of zero are left out. A posting may be empty: then nothing moved and nothing is written.
    Raises `UnbalancedPosting`.
    """

    event: str
    subject: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        for asset, units in _sums(self.entries):
            if units != 0:
                raise UnbalancedPosting(f"{self.event} of {self.subject} is off by {units} base units of {asset}.")

    @classmethod
    def of(cls, event: str, subject: str, *lines: tuple[Account, Amount]) -> Posting:
        """A posting from (account, amount) pairs."""
        entries = tuple(Entry(account, amount) for account, amount in lines if not amount.is_zero())
        return cls(event, subject, entries)

    def columns(self) -> dict[str, list[int] | list[str]]:
        """The entries as arrays for `unnest(lines, assets, accounts, amounts)`; amounts in base units."""
        return {
            "lines": list(range(1, len(self.entries) + 1)),
            "assets": [entry.asset for entry in self.entries],
            "accounts": [entry.account.value for entry in self.entries],
            "amounts": [entry.amount.base_units for entry in self.entries],
        }


def _sums(entries: Iterable[Entry]) -> Iterator[tuple[str, int]]:
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.asset] = sums.get(entry.asset, 0) + entry.amount.base_units
    yield from sums.items()
