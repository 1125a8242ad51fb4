"""What an import found and did, with the control totals by which a person compares it with the predecessor's database.

Sums are of the predecessor's column accumulated_amount_usdt, to its eighth decimal, so that they can be held against

    SELECT conversion_status, count(*), sum(accumulated_amount_usdt) FROM payout_accumulation GROUP BY 1;
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from shared.lifecycle import PaymentState
from shared.money import Ether, MoneyError, Percent, Usd
from shared.money.text import decimal_text, units_from_text
from shared.ops.upgrade.export import Export, Raw
from shared.ops.upgrade.old_payment import OldPayment, RowRefused

_DECIMALS: Final = 8


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known about the predecessor beside its rows.

    `expected_refusals`: how many rows the person has seen refused; `no_clients`: addresses that no client can have.
    """

    fee_rate: Percent
    outcome_currency: str = "eth"
    expected_refusals: int = 0
    no_clients: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not imported, and why."""

    row: str
    field: str
    rule: str

    @classmethod
    def of(cls, row: Raw, refused: RowRefused) -> Refusal:
        return cls(row["id"] or "without an id", refused.field, refused.rule)


@dataclass(slots=True)
class Total:
    """Rows and the sum of one column of theirs. `unread`: rows whose amount is no number and is not in the sum."""

    rows: int = 0
    units: int = 0
    unread: int = 0

    def add(self, row: Raw) -> None:
        self.rows += 1
        try:
            self.units += units_from_text(row["accumulated_amount_usdt"], _DECIMALS, cut=False, signed=True)
        except MoneyError:
            self.unread += 1

    @property
    def text(self) -> str:
        return decimal_text(self.units, _DECIMALS)

    def as_json(self) -> dict[str, object]:
        return {"rows": self.rows, "sum": self.text, "unread": self.unread}


@dataclass(frozen=True, slots=True)
class Stopped:
    """A payment of ours that the predecessor was swapping: delivered to the intake since, and not swapped here yet."""

    payment_id: int
    was: PaymentState
    payment: OldPayment


@dataclass
class Imported:
    """An import, or its rehearsal. `taken` are new here, `there` were imported before or delivered since."""

    export: Export
    taken: list[OldPayment] = field(default_factory=list)
    there: list[OldPayment] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left: int = 0

    def totals(self) -> Mapping[str, Total]:
        """By the predecessor's status, of all rows of the file."""
        return _totals(self.export.payments, "conversion_status")

    def totals_by_client(self) -> Mapping[str, Total]:
        """By client, of the open rows of the file."""
        open_rows = [row for row in self.export.payments if row["conversion_status"] != "completed"]
        return _totals(open_rows, "client_id")

    def worth(self, status: str) -> Usd:
        """What is taken, as it is pending here: digits beyond the sixth are cut."""
        return Usd.total(payment.pending for payment in self.taken if payment.status == status)

    def ether(self) -> Ether:
        """The clients' part of the ETH that came with what is taken."""
        return Ether.total(payment.net_eth for payment in self.taken if payment.net_eth is not None)

    def batches(self) -> Mapping[UUID, Sequence[OldPayment]]:
        """What is parked because it was swapping, by the predecessor's batch."""
        found: dict[UUID, list[OldPayment]] = {}
        for payment in (*self.taken, *(stopped.payment for stopped in self.stopped)):
            if payment.batch is not None:
                found.setdefault(payment.batch, []).append(payment)
        return found

    def lines(self) -> Iterator[str]:
        """For a person: control totals, what becomes of the rows, and each row that is refused."""
        for name, digest in self.export.hashes.items():
            yield f"{name}  sha256 {digest}"
        yield from _table("status", self.totals())
        yield from _table("client", self.totals_by_client())
        yield from self.sentences()
        without = sum(1 for payment in self.taken if payment.net_eth is None and payment.status == "pending")
        if without:
            yield f"{without} of the pending say no ETH that came: with BATCH_FUNDING=received the next tick parks them"
        for batch, payments in self.batches().items():
            yield self._batch_line(batch, payments)
        for refusal in self.refused:
            yield f"refused: row {refusal.row}: {refusal.field} {refusal.rule}"

    def sentences(self) -> Iterator[str]:
        """What stands in the operator log."""
        pending = sum(1 for payment in self.taken if payment.status == "pending")
        swapping = len(self.taken) - pending
        yield f"{len(self.export.payments)} row(s) in {self.export.hashes['payout_accumulation.csv']}"
        yield f"{pending} pending row(s) become pending payments worth {self.worth('pending')}"
        yield f"{swapping} swapping row(s) become parked payments worth {self.worth('swapping')}"
        yield f"the ETH that came with them, less fee, is {self.ether()}"
        if self.stopped:
            yield f"{len(self.stopped)} swapping row(s) were delivered to the intake since: those payments are parked"
        yield f"{len(self.there)} are here already, {self.left} are completed and stay with the predecessor"
        yield f"{len(self.refused)} are refused"

    def as_json(self) -> dict[str, object]:
        return {
            "files": dict(self.export.hashes),
            "by_status": {name: total.as_json() for name, total in self.totals().items()},
            "by_client": {name: total.as_json() for name, total in self.totals_by_client().items()},
            "taken": [
                {"row": payment.v1_row_id, "payment_ref": payment.payment_ref, "was": payment.status}
                for payment in self.taken
            ],
            "pending": self.worth("pending").decimal_text(),
            "parked": self.worth("swapping").decimal_text(),
            "net_wei": str(self.ether().wei),
            "stopped": [stopped.payment.v1_row_id for stopped in self.stopped],
            "there": [payment.v1_row_id for payment in self.there],
            "completed": self.left,
            "refused": [{"row": refusal.row, "field": refusal.field, "rule": refusal.rule} for refusal in self.refused],
        }

    def _batch_line(self, batch: UUID, payments: Sequence[OldPayment]) -> str:
        """How much of the batch is here: the predecessor marked rows as swapping that its order did not count."""
        told = self.export.batches[str(batch)]
        worth = Usd.total(payment.pending for payment in payments)
        return (
            f"batch {batch} ({told['conversion_status']}, order {told['cn_api_id'] or 'without an id'}): "
            f"{len(payments)} payment(s) worth {worth} of {told['total_eth_usd']} ordered, parked until somebody "
            f"knows whether that order was paid; if never: gcpay release-v1 {batch}"
        )


def _totals(rows: Sequence[Raw], column: str) -> dict[str, Total]:
    totals: dict[str, Total] = {}
    for row in rows:
        totals.setdefault(row[column] or "(none)", Total()).add(row)
    return dict(sorted(totals.items()))


def _table(heading: str, totals: Mapping[str, Total]) -> Iterator[str]:
    yield f"{heading:<20} {'rows':>6} {'accumulated_amount_usdt':>26}"
    for name, total in totals.items():
        unread = f"  ({total.unread} cannot be read)" if total.unread else ""
        yield f"{name:<20} {total.rows:>6} {total.text:>26}{unread}"
