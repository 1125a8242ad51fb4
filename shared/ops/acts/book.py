"""What only a person can tell the books: how the wallet began, and whose money came or went beside the fleet.

Nothing moves money. Each amount was read from a final block, and none is booked beyond what the wallet really holds
more (or less) than the books say: so nothing can be counted twice, under whatever name it is told again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shared.books import (
    Amount,
    Posting,
    check,
    clients_paid,
    discrepancy_booked,
    gateway_settled,
    opening_balance,
    post,
    treasury_added,
)
from shared.db import Queries
from shared.money import Ether, Tether
from shared.ops.acts.act import Act, require

if TYPE_CHECKING:
    from shared.books import Report
    from shared.ops.acts.perform import Acting, Step

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


@dataclass(frozen=True, slots=True)
class Held:
    """What the wallet held on chain at one finalized block."""

    address: str
    block_number: int
    eth: Ether
    usdt: Tether


@dataclass(frozen=True, slots=True)
class Moved:
    """One final transaction and what it brought into the wallet, or (paid to clients) took out of it; above zero."""

    tx_hash: str
    amount: Amount


def book_opening(held: Held) -> Act:
    """What the wallet held before the fleet began is the platform's own. Once, before anything else is booked on it."""

    def act(step: Step) -> Acting:
        used = _QUERIES.only(step.conn, "wallet_is_used")["used"]
        require(
            "The wallet is not opened", "it is in use; what came since is booked by its transaction" if used else None
        )
        if held.eth.is_zero() and held.usdt.is_zero():
            require("The wallet is not opened", "it holds nothing yet")
        post(step.conn, opening_balance(held.address, held.eth, held.usdt), step.now, step.trace)
        step.done.append(f"{held.eth} and {held.usdt} at block {held.block_number} are the platform's own")
        return "book opening", held.address

    return act


def book_gateway(moved: Sequence[Moved], held: Held) -> Act:
    """The payment gateway handed over what it took for us."""
    return _book("gateway", moved, held, lambda one: gateway_settled(one.tx_hash, _ether(one)), sign=1)


def book_treasury(moved: Sequence[Moved], held: Held) -> Act:
    """The platform put its own money into the wallet, such as ETH for gas."""
    return _book("treasury", moved, held, lambda one: treasury_added(one.tx_hash, one.amount), sign=1)


def book_clients_paid(moved: Sequence[Moved], held: Held) -> Act:
    """USDT was paid out to clients."""
    return _book("clients-paid", moved, held, lambda one: clients_paid(one.tx_hash, _tether(one)), sign=-1)


def book_discrepancy(found: Amount, held: Held) -> Act:
    """A person accepts that nothing explains `found` (negative: missing): exactly the chain less the books."""

    def act(step: Step) -> Acting:
        report = _report(step, held)
        differs = report.eth_unexplained if isinstance(found, Ether) else report.usdt_unexplained
        against = None if found == differs else f"the wallet differs from the books by {differs} at this moment"
        require(f"A discrepancy of {found} is not booked", _in_flight(step) or against)
        require("A discrepancy is not booked", "there is none" if found.is_zero() else None)
        post(step.conn, discrepancy_booked(f"operator log {step.number}", found), step.now, step.trace)
        step.done.append(f"{found} at block {held.block_number} is accepted as a discrepancy that nothing explains")
        return "book discrepancy", found.SYMBOL

    return act


def _book(name: str, moved: Sequence[Moved], held: Held, posting_of: Callable[[Moved], Posting], *, sign: int) -> Act:
    def act(step: Step) -> Acting:
        new = _not_booked_before(step, name, moved)
        for one in new:
            known = _QUERIES.one(step.conn, "known_as", tx_hash=one.tx_hash)
            require(f"{one.tx_hash} is not booked", None if known is None else f"it is {known['what']}")
        require("Nothing is booked", None if new else "every transaction was booked before")
        require(f"{len(new)} transaction(s) are not booked", _beyond_the_wallet(step, new, held, sign))
        for one in new:
            post(step.conn, posting_of(one), step.now, step.trace)
            step.done.append(f"{one.amount} of {one.tx_hash} is booked as {posting_of(one).event}")
        return f"book {name}", new[0].tx_hash if len(new) == 1 else f"{len(new)} transactions"

    return act


def _not_booked_before(step: Step, name: str, moved: Sequence[Moved]) -> list[Moved]:
    """A repeat is left out and told; the same transaction under another name is refused."""
    rows = _QUERIES.all(step.conn, "booked_before", tx_hashes=[one.tx_hash for one in moved])
    before = {row["subject"]: row["event"] for row in rows}
    for one in moved:
        event = before.get(one.tx_hash)
        if event is not None:
            require(f"{one.tx_hash} is not booked as {name}", None if event == _EVENTS[name] else f"it is {event}")
            step.done.append(f"{one.tx_hash} was booked before")
    return [one for one in dict.fromkeys(moved) if one.tx_hash not in before]


def _beyond_the_wallet(step: Step, new: Sequence[Moved], held: Held, sign: int) -> str | None:
    """Why the wallet does not hold what is to be booked; None when it does."""
    report = _report(step, held)
    ether = Ether.total(one.amount for one in new if isinstance(one.amount, Ether))
    tether = Tether.total(one.amount for one in new if isinstance(one.amount, Tether))
    against = None
    if ether.is_positive() and ether.wei > sign * report.eth_unexplained.wei:
        against = f"they are {ether} in all, and chain less books is {report.eth_unexplained}"
    if tether.is_positive() and tether.units > sign * report.usdt_unexplained.units:
        against = f"they are {tether} in all, and chain less books is {report.usdt_unexplained}"
    if against is None:
        return None
    return _in_flight(step) or f"{against} at block {held.block_number}: a part of it is in the books already"


def _in_flight(step: Step) -> str | None:
    transfers = _QUERIES.only(step.conn, "in_flight")["transfers"]
    return (
        f"{transfers} transfer(s) are on their way, and the books follow in minutes: try again" if transfers else None
    )


def _report(step: Step, held: Held) -> Report:
    return check(step.conn, held.eth, held.usdt)


_EVENTS: Final = {"gateway": "gateway_settled", "treasury": "treasury_added", "clients-paid": "clients_paid"}


def _ether(one: Moved) -> Ether:
    assert isinstance(one.amount, Ether), "the gateway hands over ETH"
    return one.amount


def _tether(one: Moved) -> Tether:
    assert isinstance(one.amount, Tether), "clients are paid in USDT"
    return one.amount
