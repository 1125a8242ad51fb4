"""What can be, what can happen, and what follows: states, facts, transition tables and `decide`. Pure.

Public: the state enums and `Machine`; the facts (`shared.lifecycle.facts`); `decide`, `Decision`, `Limits`,
`IllegalTransition`; `Intent`; `next_poll`; `ALL_TRANSITIONS`, `TABLES`, `WAITING`, `FINAL`; the four error
reactions `Refused`, `TryLater`, `Unknown`, `Broken`.
"""

from shared.lifecycle.decide import Decision, IllegalTransition, Limits, decide, due_at
from shared.lifecycle.reactions import Broken, Reaction, Refused, TryLater, Unknown
from shared.lifecycle.schedule import next_poll
from shared.lifecycle.states import (
    FINAL,
    WAITING,
    AccountState,
    BatchState,
    Machine,
    OrderState,
    PaymentState,
    RequestState,
    State,
    TransferState,
    Waiting,
)
from shared.lifecycle.transitions import ALL_TRANSITIONS, TABLES, Intent, Stay, Step

__all__ = [
    "ALL_TRANSITIONS",
    "FINAL",
    "TABLES",
    "WAITING",
    "AccountState",
    "BatchState",
    "Broken",
    "Decision",
    "IllegalTransition",
    "Intent",
    "Limits",
    "Machine",
    "OrderState",
    "PaymentState",
    "Reaction",
    "Refused",
    "RequestState",
    "State",
    "Stay",
    "Step",
    "TransferState",
    "TryLater",
    "Unknown",
    "Waiting",
    "decide",
    "due_at",
    "next_poll",
]
