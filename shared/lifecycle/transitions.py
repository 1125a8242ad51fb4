"""Every transition of every machine. No transition lives anywhere else.

The tables are data: `decide` reads them, the migration runner copies them into `allowed_transition`, and the README's
diagrams are drawn from them. An unlisted (state, fact) pair raises. A fact that is already absorbed is listed as a
`Stay`, so that "nothing to do" is always something somebody wrote down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.lifecycle import facts as f
from shared.lifecycle.states import (
    AccountState as A,
)
from shared.lifecycle.states import (
    BatchState as B,
)
from shared.lifecycle.states import (
    Machine,
    State,
)
from shared.lifecycle.states import (
    OrderState as O,
)
from shared.lifecycle.states import (
    PaymentState as P,
)
from shared.lifecycle.states import (
    RequestState as R,
)
from shared.lifecycle.states import (
    TransferState as T,
)


class Intent(StrEnum):
    """What is to be done because of a transition. The shell turns each into rows of the same commit."""

    OPEN_ORDER = "open_order"  # the batcher asks the exchange, after the commit
    ASK_CONDUCTOR = "ask_conductor"  # PayBatch
    ASK_WATCHER = "ask_watcher"  # CheckOrder
    ASK_EXECUTOR = "ask_executor"  # PayOrder
    DRIVE_ACCOUNT = "drive_account"  # DriveAccount
    REPORT_TRANSFER = "report_transfer"  # TransferFinal
    CHECK_ARRIVAL = "check_arrival"  # CheckArrival, delayed
    REPORT_SWAP_EXECUTED = "report_swap_executed"  # SwapExecuted
    REPORT_SWAP_FAILED = "report_swap_failed"  # SwapFailed
    POST_BOOKS = "post_books"  # a posting belongs to this fact
    RAISE_ALERT = "raise_alert"  # a person should know


@dataclass(frozen=True, slots=True)
class Step:
    """Where a fact leads, the event's name in history and log, and what is to be done about it."""

    to: State
    event: str
    intents: tuple[Intent, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """A fact that changes nothing here, and why it may come."""

    because: str


Table = Mapping[tuple[State | None, type[f.Fact]], Step | Stay]

_I = Intent

PAYMENT: Final[Table] = {
    (None, f.PaymentAccepted): Step(P.PENDING, "payment_recorded", (_I.POST_BOOKS,)),
    (None, f.PaymentUnusable): Step(P.PARKED, "payment_parked", (_I.RAISE_ALERT,)),
    (P.PENDING, f.PaymentUnusable): Step(P.PARKED, "payment_parked", (_I.RAISE_ALERT,)),
    (P.PENDING, f.PaymentClaimed): Step(P.SWAPPING, "payment_claimed"),
    (P.SWAPPING, f.ShareCredited): Step(P.COMPLETED, "share_credited"),
    (P.SWAPPING, f.BatchReleased): Step(P.PENDING, "payment_released"),
    (P.PARKED, f.RetryAsked): Step(P.PENDING, "payment_unparked"),
}

BATCH: Final[Table] = {
    (None, f.PaymentsClaimed): Step(B.PENDING, "batch_claimed", (_I.OPEN_ORDER, _I.POST_BOOKS)),
    (B.PENDING, f.OrderAdoptedForBatch): Step(B.SWAPPING, "batch_swapping", (_I.ASK_CONDUCTOR,)),
    (B.PENDING, f.OrderRefusedForBatch): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS, _I.RAISE_ALERT)),
    (B.PENDING, f.OrderAttemptsSpent): Step(B.PARKED, "batch_parked", (_I.RAISE_ALERT,)),
    (B.SWAPPING, f.UsdtDistributed): Step(B.COMPLETED, "batch_completed", (_I.POST_BOOKS,)),
    (B.SWAPPING, f.SwapStuck): Step(B.PARKED, "batch_parked", (_I.RAISE_ALERT,)),
    (B.SWAPPING, f.RefundProven): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS, _I.RAISE_ALERT)),
    **{
        (state, f.BatchSuperseded): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS, _I.RAISE_ALERT))
        for state in (B.PENDING, B.SWAPPING, B.PARKED)
    },
    (B.RELEASED, f.BatchFoundPaid): Step(B.SWAPPING, "batch_swapping", (_I.POST_BOOKS,)),
    (B.PARKED, f.SwapStuck): Stay("the conductor may report the same trouble again"),
    (B.PARKED, f.UsdtDistributed): Step(B.COMPLETED, "batch_completed", (_I.POST_BOOKS,)),
    (B.PARKED, f.RefundProven): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS, _I.RAISE_ALERT)),
    (B.SWAPPING, f.OrderFenced): Step(B.PENDING, "batch_reopened", (_I.OPEN_ORDER,)),
    (B.PARKED, f.OrderFenced): Step(B.PENDING, "batch_reopened", (_I.OPEN_ORDER,)),
    (B.PARKED, f.RetryAsked): Step(B.PENDING, "batch_reopened", (_I.OPEN_ORDER,)),
    (B.PENDING, f.ReleaseAsked): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS,)),
    (B.PARKED, f.ReleaseAsked): Step(B.RELEASED, "batch_released", (_I.POST_BOOKS,)),
    (B.COMPLETED, f.UsdtDistributed): Stay("the report may come twice, or late"),
    (B.COMPLETED, f.SwapStuck): Stay("a late report of trouble that solved itself"),
    (B.RELEASED, f.RefundProven): Stay("the report may come twice, or late"),
    (B.RELEASED, f.SwapStuck): Stay("a late report of trouble that solved itself"),
}

ORDER: Final[Table] = {
    (None, f.OrderIntended): Step(O.SENDING, "order_sending"),
    (None, f.OrderReadAtExchange): Step(O.ADOPTED, "order_adopted"),
    (O.SENDING, f.OrderAnswered): Step(O.CREATED, "order_created"),
    (O.SENDING, f.OrderAnsweredWrongly): Step(O.ABANDONED, "order_abandoned", (_I.RAISE_ALERT,)),
    (O.SENDING, f.OrderRefused): Step(O.REFUSED, "order_refused"),
    (O.SENDING, f.OrderUnclear): Step(O.UNKNOWN, "order_unclear"),
    (O.CREATED, f.OrderAdopted): Step(O.ADOPTED, "order_adopted"),
    (O.UNKNOWN, f.OrderUnclear): Stay("the attempt was already given up by a sweep"),
    (O.UNKNOWN, f.OrderAnswered): Step(O.ABANDONED, "order_abandoned"),
    (O.ADOPTED, f.PayoutArrived): Step(O.FINISHED, "order_finished"),
    (O.ADOPTED, f.OrderHeldByExchange): Step(O.HELD, "order_held", (_I.RAISE_ALERT,)),
    (O.ADOPTED, f.OrderFailedAtExchange): Step(O.FAILED, "order_failed", (_I.RAISE_ALERT,)),
    (O.ADOPTED, f.OrderExpiredAtExchange): Step(O.EXPIRED, "order_expired", (_I.RAISE_ALERT,)),
    (O.ADOPTED, f.RefundProven): Step(O.REFUNDED, "order_refunded"),
    (O.ADOPTED, f.OrderFenced): Step(O.ABANDONED, "order_abandoned"),
    (O.HELD, f.PayoutArrived): Step(O.FINISHED, "order_finished"),
    (O.HELD, f.RefundProven): Step(O.REFUNDED, "order_refunded"),
    (O.HELD, f.OrderHeldByExchange): Stay("polls see the same word again"),
    (O.HELD, f.OrderFailedAtExchange): Step(O.FAILED, "order_failed", (_I.RAISE_ALERT,)),
    (O.HELD, f.OrderExpiredAtExchange): Step(O.EXPIRED, "order_expired", (_I.RAISE_ALERT,)),
    (O.FAILED, f.PayoutArrived): Step(O.FINISHED, "order_finished"),
    (O.FAILED, f.RefundProven): Step(O.REFUNDED, "order_refunded"),
    (O.FAILED, f.OrderFailedAtExchange): Stay("polls see the same word again"),
    (O.FAILED, f.OrderHeldByExchange): Step(O.HELD, "order_held"),
    (O.FAILED, f.OrderExpiredAtExchange): Stay("both words say the same: look again"),
    (O.EXPIRED, f.PayoutArrived): Step(O.FINISHED, "order_finished"),
    (O.EXPIRED, f.RefundProven): Step(O.REFUNDED, "order_refunded"),
    (O.EXPIRED, f.OrderExpiredAtExchange): Stay("polls see the same word again"),
    (O.EXPIRED, f.OrderHeldByExchange): Step(O.HELD, "order_held"),
    (O.EXPIRED, f.OrderFailedAtExchange): Stay("both words say the same: look again"),
}

REQUEST: Final[Table] = {
    (None, f.RequestReceived): Step(R.RECEIVED, "request_received"),
    (R.RECEIVED, f.CheckAsked): Step(R.CHECKING, "request_checking", (_I.ASK_WATCHER,)),
    (R.CHECKING, f.OrderPayable): Step(R.PAYING, "request_paying", (_I.ASK_EXECUTOR,)),
    (R.CHECKING, f.OrderNotPayable): Step(R.PARKED, "request_parked", (_I.RAISE_ALERT, _I.REPORT_SWAP_FAILED)),
    (R.PAYING, f.OrderPayable): Stay("the watcher's answer came twice"),
    (R.PAYING, f.OrderNotPayable): Stay("a late second look, after payment was asked: only the chain decides now"),
    (R.PAYING, f.TransferSettledForRequest): Step(R.WATCHING, "request_watching", (_I.CHECK_ARRIVAL,)),
    (R.PAYING, f.TransferStuckForRequest): Step(R.PARKED, "request_parked", (_I.RAISE_ALERT, _I.REPORT_SWAP_FAILED)),
    (R.WATCHING, f.OrderPayable): Stay("the watcher's answer came late"),
    (R.WATCHING, f.OrderNotPayable): Stay("the watcher's answer came late"),
    (R.WATCHING, f.TransferSettledForRequest): Stay("the executor's report came twice"),
    (R.WATCHING, f.OrderStuck): Step(R.PARKED, "request_parked", (_I.RAISE_ALERT, _I.REPORT_SWAP_FAILED)),
    (R.WATCHING, f.ResultReported): Step(R.REPORTED, "request_reported", (_I.REPORT_SWAP_EXECUTED, _I.POST_BOOKS)),
    (R.WATCHING, f.RefundReported): Step(R.REPORTED, "request_refunded", (_I.REPORT_SWAP_FAILED, _I.POST_BOOKS)),
    (R.PARKED, f.OrderPayable): Stay("a late answer; a person decides now"),
    (R.PARKED, f.OrderNotPayable): Stay("a late answer; a person decides now"),
    (R.PARKED, f.TransferSettledForRequest): Step(R.WATCHING, "request_watching", (_I.CHECK_ARRIVAL,)),
    (R.PARKED, f.TransferStuckForRequest): Stay("the executor's report came twice"),
    (R.PARKED, f.OrderStuck): Stay("polls see the same word again"),
    (R.PARKED, f.ResultReported): Step(R.REPORTED, "request_reported", (_I.REPORT_SWAP_EXECUTED, _I.POST_BOOKS)),
    (R.PARKED, f.RefundReported): Step(R.REPORTED, "request_refunded", (_I.REPORT_SWAP_FAILED, _I.POST_BOOKS)),
    (R.PARKED, f.RetryAsked): Step(R.CHECKING, "request_checking", (_I.ASK_WATCHER,)),
    # A person asked for another check while the fence was on its way: the executor's word stands.
    (R.CHECKING, f.OrderFenced): Step(R.ABANDONED, "request_abandoned", (_I.REPORT_SWAP_FAILED,)),
    (R.PAYING, f.OrderFenced): Step(R.ABANDONED, "request_abandoned", (_I.REPORT_SWAP_FAILED,)),
    (R.PARKED, f.OrderFenced): Step(R.ABANDONED, "request_abandoned", (_I.REPORT_SWAP_FAILED,)),
    (R.ABANDONED, f.OrderFenced): Stay("the executor's word came twice"),
    (R.ABANDONED, f.OrderPayable): Stay("the watcher's answer came late"),
    (R.ABANDONED, f.OrderNotPayable): Stay("the watcher's answer came late"),
    (R.ABANDONED, f.TransferStuckForRequest): Stay("the executor's report came late"),
    (R.REPORTED, f.OrderPayable): Stay("the watcher's answer came late"),
    (R.REPORTED, f.OrderNotPayable): Stay("the watcher's answer came late"),
    (R.REPORTED, f.TransferSettledForRequest): Stay("the executor's report came late"),
    (R.REPORTED, f.TransferStuckForRequest): Stay("the executor's report came late"),
    (R.REPORTED, f.OrderStuck): Stay("a poll came late"),
    (R.REPORTED, f.ResultReported): Stay("a poll came late"),
    (R.REPORTED, f.RefundReported): Stay("a poll came late"),
}

_FINALS: Final[tuple[tuple[type[f.Fact], Step], ...]] = (
    (f.SettledFinally, Step(T.SETTLED, "transfer_settled", (_I.REPORT_TRANSFER, _I.POST_BOOKS))),
    (
        f.RevertedFinally,
        Step(T.REVERTED, "transfer_reverted", (_I.REPORT_TRANSFER, _I.POST_BOOKS, _I.RAISE_ALERT)),
    ),
    (
        f.CancelledFinally,
        Step(T.CANCELLED, "transfer_cancelled", (_I.REPORT_TRANSFER, _I.POST_BOOKS, _I.RAISE_ALERT)),
    ),
    (f.ForeignFinally, Step(T.FOREIGN, "transfer_foreign", (_I.REPORT_TRANSFER, _I.RAISE_ALERT))),
)

_WITH_A_NONCE: Final = (
    T.RESERVED,
    T.SIGNED,
    T.LIVE,
    T.INCLUDED,
    T.SETTLED,
    T.REVERTED,
    T.CANCELLED,
    T.FOREIGN,
)

TRANSFER: Final[Table] = {
    (None, f.TransferAsked): Step(T.CREATED, "transfer_created"),
    (T.CREATED, f.PolicyAllowed): Step(T.APPROVED, "transfer_approved", (_I.DRIVE_ACCOUNT,)),
    (T.CREATED, f.PolicyForbade): Step(T.HELD, "transfer_held", (_I.RAISE_ALERT, _I.REPORT_TRANSFER)),
    (T.APPROVED, f.PolicyForbade): Step(T.HELD, "transfer_held", (_I.RAISE_ALERT, _I.REPORT_TRANSFER)),
    (T.APPROVED, f.SlotReserved): Step(T.RESERVED, "slot_reserved", (_I.DRIVE_ACCOUNT,)),
    (T.CREATED, f.VoidAsked): Step(T.VOID, "transfer_voided"),
    (T.APPROVED, f.VoidAsked): Step(T.VOID, "transfer_voided"),
    (T.HELD, f.VoidAsked): Step(T.VOID, "transfer_voided"),
    (None, f.VoidAsked): Step(T.VOID, "transfer_voided"),
    (T.VOID, f.VoidAsked): Stay("the fence was asked for twice"),
    **{(state, f.VoidAsked): Stay("it has a nonce: only the chain ends it") for state in _WITH_A_NONCE},
    (T.HELD, f.HoldApproved): Step(T.APPROVED, "transfer_approved", (_I.DRIVE_ACCOUNT,)),
    **{
        (state, f.CancelRequested): Stay("the chain decides whether the payment or its cancel wins")
        for state in (T.RESERVED, T.SIGNED, T.LIVE, T.INCLUDED)
    },
    (T.RESERVED, f.AttemptSigned): Step(T.SIGNED, "attempt_signed", (_I.DRIVE_ACCOUNT,)),
    (T.SIGNED, f.SendStarted): Step(T.LIVE, "attempt_sent", (_I.DRIVE_ACCOUNT,)),
    (T.LIVE, f.SendStarted): Stay("bytes of the same nonce are sent again"),
    (T.LIVE, f.InclusionSeen): Step(T.INCLUDED, "transfer_included"),
    (T.INCLUDED, f.InclusionSeen): Stay("seen again"),
    (T.INCLUDED, f.InclusionLost): Step(T.LIVE, "transfer_inclusion_lost", (_I.DRIVE_ACCOUNT,)),
    **{
        (state, f.TransferFoundSent): Step(T.LIVE, "transfer_found_sent", (_I.DRIVE_ACCOUNT,))
        for state in (None, T.CREATED, T.APPROVED, T.HELD, T.RESERVED, T.SIGNED, T.VOID)
    },
    **{
        (state, f.TransferFoundSent): Stay("that it was sent is known")
        for state in (T.LIVE, T.INCLUDED, T.SETTLED, T.REVERTED, T.CANCELLED, T.FOREIGN)
    },
    # Only what can have left us can end as ours: bytes leave after `live` is committed, never before.
    **{(state, fact): step for state in (T.LIVE, T.INCLUDED) for fact, step in _FINALS},
    # A foreign transaction can take the nonce of a slot that was never sent.
    (T.RESERVED, f.ForeignFinally): _FINALS[3][1],
    (T.SIGNED, f.ForeignFinally): _FINALS[3][1],
}

ACCOUNT: Final[Table] = {
    (None, f.AccountOpened): Step(A.ACTIVE, "account_opened"),
    (A.ACTIVE, f.FundsShort): Step(A.LOW_FUNDS, "account_low_on_funds", (_I.RAISE_ALERT,)),
    (A.LOW_FUNDS, f.FundsShort): Stay("still short"),
    (A.LOW_FUNDS, f.FundsSufficient): Step(A.ACTIVE, "account_funded"),
    (A.ACTIVE, f.FundsSufficient): Stay("as before"),
    (A.ACTIVE, f.ChainContradicted): Step(A.FROZEN, "account_frozen", (_I.RAISE_ALERT,)),
    (A.LOW_FUNDS, f.ChainContradicted): Step(A.FROZEN, "account_frozen", (_I.RAISE_ALERT,)),
    (A.FROZEN, f.ChainContradicted): Stay("still frozen"),
    (A.FROZEN, f.AccountRecovered): Step(A.ACTIVE, "account_recovered", (_I.RAISE_ALERT,)),
    (A.ACTIVE, f.SigningRefused): Step(A.FROZEN, "account_frozen", (_I.RAISE_ALERT,)),
    (A.LOW_FUNDS, f.SigningRefused): Step(A.FROZEN, "account_frozen", (_I.RAISE_ALERT,)),
    (A.FROZEN, f.SigningRefused): Stay("still frozen"),
}

TABLES: Final[Mapping[Machine, Table]] = {
    Machine.PAYMENT: PAYMENT,
    Machine.BATCH: BATCH,
    Machine.ORDER: ORDER,
    Machine.REQUEST: REQUEST,
    Machine.TRANSFER: TRANSFER,
    Machine.ACCOUNT: ACCOUNT,
}

ALL_TRANSITIONS: Final[tuple[tuple[str, str, str, str], ...]] = tuple(
    sorted(
        {
            (machine.value, "" if state is None else state.value, step.to.value, step.event)
            for machine, table in TABLES.items()
            for (state, _), step in table.items()
            if isinstance(step, Step)
        }
    )
)
"""(machine, from_state, to_state, event) for the table `allowed_transition`; '' stands for "did not exist"."""
