"""Imports the predecessor's open rows: all of them in one transaction with the entry in the operator log, or none.

A pending row becomes a pending payment, with history and books as the intake writes them. A row that was swapping
becomes a parked payment: the predecessor's order for it may have been paid, and nothing here can see whether it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from shared.books import payment_received, post
from shared.db import Alert, Queries, raise_alert, record_decision
from shared.lifecycle import Broken, Machine, PaymentState, Refused, decide
from shared.lifecycle import facts as f
from shared.ops.upgrade.imported import Imported, Refusal, Stopped, Terms
from shared.ops.upgrade.old_payment import OldPayment, RowRefused, read_row

if TYPE_CHECKING:
    from shared.db import Row
    from shared.money import Ether
    from shared.ops.acts.perform import Acting, Step
    from shared.ops.upgrade.export import Export, Raw

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
SERVICE: Final = "gcpay import-v1"
# No payment is recorded, claimed or changed until the import is committed: what it counted is what is there.
_ALONE: Final = "SET LOCAL lock_timeout = '4s'; LOCK TABLE payout_accumulation IN SHARE ROW EXCLUSIVE MODE"


class RowsRefused(Refused):
    """Rows are refused whose number nobody has accepted; nothing was imported."""

    code: ClassVar[str] = "rows_refused"


class TotalsDiffer(Broken):
    """What stands in the table is not what was meant; nothing was imported."""

    code: ClassVar[str] = "import_totals_differ"


def import_v1(export: Export, terms: Terms, *, yes: bool, told: Callable[[Imported], None]) -> Callable[[Step], Acting]:
    """The act: takes every open row that is not here yet. `told` gets the control totals, also of a rehearsal.

    `yes` False: nothing is locked, for a rehearsal beside a running intake. If repeated: imports nothing. Raises
    RowsRefused when it is meant and other than the expected number of rows is refused.
    """

    def act(step: Step) -> Acting:
        if yes:
            step.conn.script(_ALONE)
        imported = _sorted_out(step, export, terms)
        told(imported)
        if yes and len(imported.refused) != terms.expected_refusals:
            raise RowsRefused(
                f"{len(imported.refused)} row(s) are refused, not {terms.expected_refusals}: "
                "read each, and say --refused with their number to leave them behind"
            )
        for payment in imported.taken:
            _take_in(step, payment, export)
        for stopped in imported.stopped:
            _stop(step, stopped, export)
        _compare(step, imported)
        step.done.extend(imported.sentences())
        return "import-v1", export.hashes["payout_accumulation.csv"]

    return act


def _sorted_out(step: Step, export: Export, terms: Terms) -> Imported:
    imported = Imported(export)
    readable = []
    for row in export.payments:
        if row["conversion_status"] == "completed":
            imported.left += 1
            continue
        try:
            known_as = read_row(row, export.batches, terms.fee_rate, terms.outcome_currency, terms.no_clients)
            readable.append((row, known_as))
        except RowRefused as refused:
            imported.refused.append(Refusal.of(row, refused))
    known = _Known.of(step, [payment for _, payment in readable])
    for row, payment in readable:
        try:
            known.sort(payment, imported)
        except RowRefused as refused:
            imported.refused.append(Refusal.of(row, refused))
    return imported


class _Known:
    """The payments that are here already, and those that the file has named so far."""

    def __init__(self, rows: list[Row]) -> None:
        self._by_row: Mapping[int, Row] = {row["v1_row_id"]: row for row in rows if row["v1_row_id"] is not None}
        self._by_ref: Mapping[str, Row] = {row["payment_ref"]: row for row in rows}
        self._rows: set[int] = set()
        self._named: dict[str, int] = {}

    @classmethod
    def of(cls, step: Step, payments: list[OldPayment]) -> _Known:
        return cls(
            _QUERIES.all(
                step.conn,
                "known",
                v1_row_ids=[payment.v1_row_id for payment in payments],
                payment_refs=[payment.payment_ref for payment in payments],
            )
        )

    def sort(self, payment: OldPayment, imported: Imported) -> None:
        """New here, or here already. RowRefused when it is here as another payment, or twice in the file."""
        self._require_new_name(payment)
        row = self._by_row.get(payment.v1_row_id) or self._by_ref.get(payment.payment_ref)
        if row is None:
            imported.taken.append(payment)
        elif (row["payment_ref"], row["request_hash"]) != (payment.payment_ref, payment.request_hash):
            raise RowRefused("id", f"is here as payment {row['id']} with another id, amount, client or wallet")
        elif row["v1_row_id"] is not None or payment.batch is None:
            imported.there.append(payment)
        else:
            was = PaymentState(row["conversion_status"])
            if was not in (PaymentState.PENDING, PaymentState.PARKED):
                raise RowRefused("conversion_status", f"is swapping, and {was.value} here as payment {row['id']}")
            imported.stopped.append(Stopped(row["id"], was, payment))

    def _require_new_name(self, payment: OldPayment) -> None:
        if payment.v1_row_id in self._rows:
            raise RowRefused("id", "stands twice in the file")
        self._rows.add(payment.v1_row_id)
        before = self._named.setdefault(payment.payment_ref, payment.v1_row_id)
        if before != payment.v1_row_id:
            raise RowRefused("nowpayments_payment_id", f"names the payment of row {before} again: it is counted once")


def _take_in(step: Step, payment: OldPayment, export: Export) -> None:
    reason = why_parked(payment, export.batches)
    fact = f.PaymentAccepted() if reason is None else f.PaymentUnusable(reason)
    decision = decide(Machine.PAYMENT, None, fact, step.now, step.limits)
    status = PaymentState.PENDING if reason is None else PaymentState.PARKED
    row = _QUERIES.only(
        step.conn,
        "insert_imported",
        payment_ref=payment.payment_ref,
        request_hash=payment.request_hash,
        user_id=payment.user_id,
        client_id=payment.client_id,
        client_wallet_address=payment.wallet_address,
        client_payout_currency=payment.payout_currency,
        client_payout_network=payment.payout_network,
        subscription_id=payment.subscription_id,
        payment_timestamp=payment.payment_timestamp,
        raw_amount_text=payment.amount_text,
        payment_amount_usd_micros=payment.amount.micros,
        fee_rate_ppm=payment.fee_rate.ppm,
        fee_usd_micros=payment.fee.micros,
        pending_usd_amount_micros=payment.pending.micros,
        nowpayments_payment_id=payment.gateway_payment_id,
        nowpayments_pay_address=payment.gateway_pay_address,
        raw_outcome_text=payment.outcome_text,
        outcome_currency=payment.outcome_currency,
        gross_wei=_wei(payment.gross_eth),
        fee_wei=_wei(payment.fee_eth),
        net_wei=_wei(payment.net_eth),
        conversion_status=status.value,
        parked_reason=reason,
        v1_row_id=payment.v1_row_id,
        v1_batch_conversion_id=payment.batch,
        now=step.now,
        due_at=decision.due_at,
    )
    evidence = _evidence(step, payment, export, reason)
    record_decision(step.conn, decision, str(row["id"]), step.now, step.trace, evidence)
    if payment.gross_eth is not None and payment.fee_eth is not None and payment.net_eth is not None:
        posting = payment_received(payment.payment_ref, payment.gross_eth, payment.fee_eth, payment.net_eth)
        post(step.conn, posting, step.now, step.trace)
    if reason is not None:
        _tell_parked(step, row["id"], payment, reason)


def _stop(step: Step, stopped: Stopped, export: Export) -> None:
    """It is parked as what it is; one that was parked already gets the better reason."""
    payment, subject = stopped.payment, str(stopped.payment_id)
    reason = why_parked(payment, export.batches)
    assert reason is not None, "only a payment that was swapping is stopped"
    decision = decide(Machine.PAYMENT, PaymentState.PENDING, f.PaymentUnusable(reason), step.now, step.limits)
    _QUERIES.run(
        step.conn,
        "park_delivered",
        id=stopped.payment_id,
        parked_reason=reason,
        v1_row_id=payment.v1_row_id,
        v1_batch_conversion_id=payment.batch,
        now=step.now,
        due_at=decision.due_at,
    )
    if stopped.was is PaymentState.PENDING:
        evidence = _evidence(step, payment, export, reason)
        record_decision(step.conn, decision, subject, step.now, step.trace, evidence)
    _tell_parked(step, stopped.payment_id, payment, reason)


def _tell_parked(step: Step, payment_id: int, payment: OldPayment, reason: str) -> None:
    message = f"payment {payment_id} ({payment.payment_ref}, {payment.pending}) is parked: {reason}"
    told = {"v1_row_id": str(payment.v1_row_id), "v1_batch": str(payment.batch or "")}
    alert = Alert("payment_parked", str(payment_id), message, told, (payment.pending,))
    raise_alert(step.conn, SERVICE, alert, step.now)


def why_parked(payment: OldPayment, batches: Mapping[str, Raw]) -> str | None:
    """Why it cannot be pending here; None when it can."""
    if payment.batch is not None:
        batch = batches[str(payment.batch)]
        order, address = batch["cn_api_id"] or "without an id", batch["payin_address"] or "an address that is not told"
        return (
            f"the predecessor was swapping it in batch {payment.batch}: its order {order} may have been paid "
            f"(to {address}); look at the exchange and at what the wallet sent before anybody releases it"
        )
    if payment.outcome_currency not in (None, "eth"):
        return f"nowpayments_outcome_currency is {payment.outcome_currency}: only ETH that arrived can be swapped"
    return None


def _evidence(step: Step, payment: OldPayment, export: Export, reason: str | None) -> dict[str, object]:
    batch = None if payment.batch is None else dict(export.batches[str(payment.batch)])
    return {
        "imported_from_v1_row": payment.v1_row_id,
        "file": export.hashes["payout_accumulation.csv"],
        "by": step.by,
        "operator_log": step.number,
        "payment_ref": payment.payment_ref,
        "was": payment.status,
        "amount": payment.amount,
        "fee": payment.fee,
        "pending": payment.pending,
        "pending_as_it_stood": payment.pending_text,
        "net_eth": payment.net_eth,
        "v1_batch": batch,
        "reason": reason,
    }


def _compare(step: Step, imported: Imported) -> None:
    """Reads back what was written: the control totals are of the table, not of what was meant for it."""
    row = _QUERIES.only(step.conn, "written", v1_row_ids=[payment.v1_row_id for payment in imported.taken])
    written = (row["payments"], row["pending_usd_micros"], row["net_wei"])
    meant = (
        len(imported.taken),
        imported.worth("pending").micros + imported.worth("swapping").micros,
        imported.ether().wei,
    )
    if written != meant:
        raise TotalsDiffer(f"The table has {written} payments, USD micros and wei for what was meant as {meant}.")


def _wei(amount: Ether | None) -> int | None:
    return None if amount is None else amount.wei
