"""What can happen: facts, in the past tense. A fact comes in; it is never made by `decide`.

A fact carries only what the decision needs; the evidence beside it is stored in history by the shell.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened."""


@dataclass(frozen=True, slots=True)
class BecauseOf(Fact):
    """A fact with a reason that a person will read."""

    reason: str


class RetryAsked(BecauseOf):
    """A person wants a parked row to go on, and it was checked that no money can leave a second time by it."""


class ReleaseAsked(BecauseOf):
    """A person gives a batch's payments back; it was checked that no order of it can be paid and no nonce was used."""


# --- payment -------------------------------------------------------------------------------------------------------
class PaymentAccepted(Fact):
    """Intake recorded a payment that can be batched."""


class PaymentUnusable(BecauseOf):
    """A payment was recorded, or is found at claim time, that cannot be batched as it stands."""


class PaymentClaimed(Fact):
    """A batch took the payment."""


class ShareCredited(Fact):
    """The payment's share of the arrival was written."""


class BatchReleased(Fact):
    """The payment's batch gave it back: its order was never funded, or the ETH came back."""


# --- batch ---------------------------------------------------------------------------------------------------------
class PaymentsClaimed(Fact):
    """Payments, batch and members were committed together."""


class OrderAdoptedForBatch(Fact):
    """The batch has its one order."""


class OrderRefusedForBatch(BecauseOf):
    """The exchange refused to open an order: nothing can ever be paid for this batch."""


class OrderAttemptsSpent(BecauseOf):
    """Too many attempts to open an order had an unclear answer."""


class UsdtDistributed(Fact):
    """The arrival was shared out over the members."""


class SwapStuck(BecauseOf):
    """The conductor reports that the swap did not end as ordered."""


class RefundProven(Fact):
    """The order's ETH was seen back at the host wallet in a finalized block."""


class BatchSuperseded(BecauseOf):
    """A recovery found that bytes which were sent before pay for its payments; for this batch nothing was ever sent."""


class BatchFoundPaid(Fact):
    """A recovery found bytes that pay for a batch which the restored database had given up."""


# --- order ---------------------------------------------------------------------------------------------------------
class OrderIntended(Fact):
    """The intent to open an order is committed; the exchange will be asked next."""


class OrderAnswered(Fact):
    """The exchange's answer is complete and agrees with the request field by field."""


class OrderAnsweredWrongly(BecauseOf):
    """The exchange's answer contradicts the request: never funded."""


class OrderRefused(BecauseOf):
    """The exchange refused the order."""


class OrderUnclear(BecauseOf):
    """No clear answer: the order may exist. It is never paid."""


class OrderAdopted(Fact):
    """The one order that may be paid for its batch or payout."""


class OrderReadAtExchange(Fact):
    """An instant payout's order was read at the exchange and agrees with the token and the limits."""


class OrderHeldByExchange(BecauseOf):
    """verifying or hold."""


class OrderFailedAtExchange(BecauseOf):
    """failed: a hint, polls go on."""


class OrderExpiredAtExchange(BecauseOf):
    """expired: a hint, polls go on."""


class OrderFenced(BecauseOf):
    """The executor has committed that the order's transfer moves nothing, now and for ever: another may be opened."""


class PayoutArrived(Fact):
    """The order's payout was seen on chain (batch), or the exchange finished it (instant)."""


# --- request -------------------------------------------------------------------------------------------------------
class RequestReceived(Fact):
    """The conductor accepted the job of having an order paid."""


class CheckAsked(Fact):
    """The watcher was asked to read the order."""


class OrderPayable(Fact):
    """The watcher found the order waiting and equal to ours."""


class OrderNotPayable(BecauseOf):
    """The watcher found the order not waiting, different from ours, or gone."""


class TransferSettledForRequest(Fact):
    """The executor proved the payment final."""


class TransferStuckForRequest(BecauseOf):
    """The executor's transfer is held, or ended in another way than settled."""


class OrderStuck(BecauseOf):
    """The exchange says verifying, hold, failed or expired after payment, or its payout cannot be matched on chain."""


class ResultReported(Fact):
    """The arrival (batch) or the finished order (instant) was committed and reported."""


class RefundReported(Fact):
    """The refund was committed and reported."""


# --- transfer ------------------------------------------------------------------------------------------------------
class TransferAsked(Fact):
    """A transfer row was made for an adopted order."""


class PolicyAllowed(Fact):
    """Address, amount, limits and the kill switch allow it."""


class PolicyForbade(BecauseOf):
    """A rule forbids it, or a person must decide."""


class VoidAsked(Fact):
    """The batch asks that this transfer never gets a nonce."""


class HoldApproved(Fact):
    """A person approved a transfer that a rule holds."""


class CancelRequested(BecauseOf):
    """A person, or an order that lapsed before its first send, wants the nonce used for nothing."""


class SlotReserved(Fact):
    """Nonce, slot and hold were committed together."""


class AttemptSigned(Fact):
    """Signed bytes were verified and stored."""


class SendStarted(Fact):
    """The intent to send the stored bytes is committed; they may be out from now on."""


class InclusionSeen(Fact):
    """Some provider shows the transaction in a block: progress, no verdict."""


class InclusionLost(Fact):
    """The block that had it is gone."""


class SettledFinally(Fact):
    """A finalized block has our pay transaction with status 1."""


class RevertedFinally(Fact):
    """A finalized block has our pay transaction with status 0."""


class CancelledFinally(Fact):
    """A finalized block has our cancel transaction at this nonce."""


class ForeignFinally(Fact):
    """A finalized block has a transaction at this nonce that is not ours."""


class TransferFoundSent(Fact):
    """A recovery found, outside of the database, bytes of this transfer that may have been sent."""


# --- account -------------------------------------------------------------------------------------------------------
class AccountOpened(Fact):
    """The wallet's finalized nonce was read and its row made."""


class FundsShort(BecauseOf):
    """Value, gas and reserve exceed what is free."""


class FundsSufficient(Fact):
    """The balance covers the next transfer again."""


class SigningRefused(BecauseOf):
    """The signer was asked for a second, different payment with a nonce: a bug, a tampered row, or a thief."""


class AccountRecovered(Fact):
    """Everything that left the wallet is in the database again, or a person has accepted it."""


class ChainContradicted(BecauseOf):
    """The finalized chain shows a transaction of this wallet that the database does not know."""
