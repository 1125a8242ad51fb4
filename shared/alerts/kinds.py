"""Every kind of alert that the fleet raises, in one table: how bad it is, what it names, and what to do next.

A test compares the table with the code that raises alerts and with the runbooks, so neither can forget a kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

RUNBOOK_FOLDER: Final = "deploy/runbooks"

Severity = Literal["critical", "warning", "notice"]


@dataclass(frozen=True, slots=True)
class AlertKind:
    """One kind. `subject_is`: the noun of its subject, empty when the subject is no row of ours.

    `names_money`: whoever raises it knows an amount that is at risk and says it; otherwise no figure exists.
    """

    name: str
    severity: Severity
    subject_is: str
    names_money: bool
    next_step: str

    @property
    def runbook(self) -> str:
        """The page about it: a path in the repository."""
        return f"{RUNBOOK_FOLDER}/{self.name}.md"


def kind_of(name: str) -> AlertKind:
    """The kind; for a name that the table does not have, a kind that says so: an alert is never lost for its name."""
    known = ALERT_KINDS.get(name)
    return known or AlertKind(name, "warning", "", False, "read the message; this kind has no runbook")


_TABLE: Final = (
    # intake and payments
    AlertKind("payment_parked", "warning", "payment", True, "look at why it cannot be swapped, then decide"),
    AlertKind("payment_conflicted", "warning", "payment", True, "ask upstream which of the two deliveries is true"),
    AlertKind("payments_overdue", "warning", "", True, "see why no batch is formed: the last threshold checks say it"),
    # batch
    AlertKind("batch_held_back", "warning", "", False, "compare feed, quote and fees with the limits; payments wait"),
    AlertKind("batch_released", "notice", "batch", True, "nothing; its payments are pending again"),
    AlertKind("batch_parked", "critical", "batch", True, "read the reason, then explain its request and transfer"),
    AlertKind("batch_overdue", "warning", "batch", True, "explain the batch: it names what it waits for"),
    AlertKind("result_outside_band", "critical", "batch", True, "compare arrival and quote, then resume batching"),
    AlertKind("distribution_forbidden", "critical", "batch", True, "compare members, arrival and order of the batch"),
    # order
    AlertKind("order_abandoned", "warning", "order", True, "never paid; look at what the exchange answered"),
    AlertKind("order_overdue", "warning", "order", True, "look at the order at the exchange, and at its transfer"),
    # request
    AlertKind("request_parked", "critical", "request", True, "read the reason, then the order at the exchange"),
    AlertKind("request_overdue", "warning", "request", True, "explain the request: it names whom it waits for"),
    AlertKind("request_stuck", "critical", "request", True, "read the code; the request waits until its cause is gone"),
    AlertKind("deposit_is_not_ours", "critical", "request", True, "ask the exchange's support about the other deposit"),
    # transfer and wallet
    AlertKind("transfer_held", "warning", "transfer", True, "approve or void it"),
    AlertKind("transfer_overdue", "warning", "transfer", True, "explain the transfer: funds, fees or providers"),
    AlertKind("transfer_reverted", "critical", "transfer", True, "look at the deposit address; nothing arrived there"),
    AlertKind("transfer_cancelled", "warning", "transfer", True, "nothing was paid; decide whether it is paid anew"),
    AlertKind("transfer_foreign", "critical", "transfer", True, "find out who else holds the wallet's key"),
    AlertKind("attempt_at_ceiling", "warning", "transfer", True, "wait for lower fees, or raise the ceiling"),
    AlertKind("order_lapsed_before_send", "warning", "transfer", True, "nothing; its nonce is used for nothing"),
    AlertKind("pay_order_contradicts", "critical", "transfer", True, "find out who asked for it; nothing was paid"),
    AlertKind("approval_refused", "warning", "transfer", False, "read why; look at the transfer and ask again"),
    AlertKind("account_low_on_funds", "critical", "account", False, "top the wallet up and book it"),
    AlertKind("books_differ", "critical", "account", True, "book what people moved; else find out who moved it"),
    AlertKind("account_frozen", "critical", "account", False, "find the cause, then recover the account"),
    AlertKind("account_recovered", "notice", "account", False, "nothing; payments go on"),
    AlertKind("recovery_incomplete", "critical", "account", False, "read what is missing, then repeat the recovery"),
    AlertKind("providers_disagreed", "critical", "", False, "compare the providers; nothing is judged meanwhile"),
    # messages and the scheduler
    AlertKind("message_refused", "warning", "", False, "read the code; the message will not be delivered again"),
    AlertKind("scheduler_silent", "critical", "job", False, "look at Cloud Scheduler: is the job enabled and allowed?"),
)  # fmt: skip

ALERT_KINDS: Final[dict[str, AlertKind]] = {kind.name: kind for kind in _TABLE}
