"""Which act is safe now. Pure: each rule takes rows and gives the reason against the act, or None where it is allowed.

The acts ask them under lock; the views ask them to say what a person may do. No rule may allow anything by which money
could leave twice: a batch is released, or tried again, only when none of its orders can be funded any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final

from shared.lifecycle import Refused

if TYPE_CHECKING:
    from shared.db import Row
    from shared.ops.acts.standing import Standing

APPROVALS: Final = ("held", "cancel", "repay", "void")
_NEVER_FUNDED: Final = frozenset({"unknown", "refused", "abandoned"})
_WITHOUT_NONCE: Final = ("created", "approved", "held")
_OPEN_NONCE: Final = ("reserved", "signed", "live", "included")
_WITHOUT_EFFECT: Final = ("reverted", "cancelled", "foreign")


class NotAllowed(Refused):
    """The act is not safe, or makes no sense, as things stand; nothing was changed. The message says why."""

    code: ClassVar[str] = "not_allowed"
    http_status: ClassVar[int] = 409


def moves_nothing(transfer: Row) -> bool:
    """Now and for ever: it never gets a nonce, or it ended without effect and a person approved another one."""
    without_effect: bool = transfer["transfer_status"] in _WITHOUT_EFFECT and transfer["repayable"]
    return transfer["transfer_status"] == "void" or without_effect


def is_to_be_repaid(transfer: Row) -> bool:
    """It ended without effect, and nobody has decided yet that the batch is paid anew."""
    return (
        transfer["transfer_status"] in _WITHOUT_EFFECT
        and not transfer["repayable"]
        and transfer["superseded_by"] is None
    )


def against_retry_of_payment(payment: Row) -> str | None:
    """A parked payment may be pending again: the next tick takes it, or parks it anew if it cannot be batched."""
    if payment["v1_batch_conversion_id"] is not None:
        return (
            "the predecessor was swapping it and may have paid for it: when somebody knows that it did not, "
            f"gcpay release-v1 {payment['v1_batch_conversion_id']}"
        )
    if payment["conversion_status"] == "parked":
        return _against_what_arrived(payment["outcome_currency"])
    if payment["conversion_status"] == "completed":
        return f"it is completed: its share of batch {payment['batch_conversion_id']} is credited"
    if payment["batch_conversion_id"] is not None:
        return f"it is {payment['conversion_status']} in batch {payment['batch_conversion_id']}: act on the batch"
    return f"it is {payment['conversion_status']}: only a parked payment is made pending again"


def _against_what_arrived(currency: str | None) -> str | None:
    """No setting and no second try makes ETH of another currency; with BATCH_FUNDING=quoted ours would pay for it."""
    if currency in (None, "eth"):
        return None
    return (
        f"{currency} arrived for it, and only ETH can be swapped. Whoever holds the {currency} pays it back, or pays "
        "the client, outside of the fleet; the payment stays parked, which pays nobody"
    )


def against_retry_of_batch(s: Standing) -> str | None:
    """A parked batch may try another order when none of its orders can be funded any more."""
    assert s.batch is not None
    if s.batch["conversion_status"] != "parked":
        return f"it is {s.batch['conversion_status']}, not parked: the sweep goes on with it"
    return _past_unknown(s.accounts) or _can_still_be_funded(s)


def against_release(s: Standing) -> str | None:
    """A batch gives its payments back when no order of it can be funded and no nonce was ever used for it."""
    if s.batch is None:
        return "only a batch is released; an instant payout's upstream asks anew"
    if s.batch["conversion_status"] not in ("parked", "pending"):
        return f"it is {s.batch['conversion_status']}: only a batch without an order is released"
    used = [row for row in s.transfers if row["nonce"] is not None]
    if used:
        row = used[-1]
        return (
            f"nonce {row['nonce']} was used for it ({row['unique_id']} is {row['transfer_status']}): "
            "its payments stay with it"
        )
    if s.arrivals:
        return f"USDT has arrived for it in {s.arrivals[0]['tx_hash']}"
    return _past_unknown(s.accounts) or _can_still_be_funded(s)


def against_retry_of_request(s: Standing, request: Row) -> str | None:
    """A parked request that is unpaid is checked again; one that is paid is only looked at sooner."""
    status = request["request_status"]
    if request["eth_tx_hash"] is not None and status in ("watching", "parked"):
        return None
    if status != "parked":
        return f"it is {status}: only a parked request is tried again, or one whose order is paid is looked at"
    transfer = s.transfer_of(request)
    if transfer is not None:
        return f"its transfer is {transfer['transfer_status']}: {_instead(transfer)}"
    order = next((row for row in s.orders if row["id"] == request["order_id"]), None)
    if order is None or order["order_status"] != "adopted":
        return f"its order is {'unknown' if order is None else order['order_status']} and is not paid any more"
    return _past_unknown(s.accounts)


def against_abandon_order(s: Standing, request: Row | None) -> str | None:
    """The fence may be asked for an order that is unpaid and whose transfer, if there is one, has no nonce."""
    if request is None:
        return "no request was made for its order; the batcher goes on with it"
    status = request["request_status"]
    if request["eth_tx_hash"] is not None:
        return f"its order is paid by {request['eth_tx_hash']}"
    transfer = s.transfer_of(request)
    if status in ("abandoned", "reported"):
        return f"its request is {status}: " + ("it is given up already" if status == "abandoned" else "it is over")
    if status != "parked":
        waits = transfer is not None and transfer["transfer_status"] in _WITHOUT_NONCE
        instead = f"; `gcpay approve void {request['unique_id']}` stops it before it has a nonce" if waits else ""
        return f"its request is {status}: it ends or parks by itself, and only a parked one is given up{instead}"
    if transfer is None or transfer["transfer_status"] in (*_WITHOUT_NONCE, "void"):
        return _past_unknown(s.accounts)
    return f"its transfer is {transfer['transfer_status']} with nonce {transfer['nonce']}: {_instead(transfer)}"


def against_approval(action: str, transfer: Row | None) -> str | None:
    """What the executor would answer now, as far as it can be seen from here. It decides by its own rules."""
    if transfer is None:
        return "it has no transfer"
    if action in str(transfer["asked"] or "").split(", "):
        return f"{action} was asked for already and the executor has not answered yet"
    return _AGAINST[action](transfer)


def _against_held(transfer: Row) -> str | None:
    return _unless(transfer, ("held",), "only a held transfer is approved")


def _against_void(transfer: Row) -> str | None:
    return _unless(transfer, _WITHOUT_NONCE, "only a transfer without a nonce is made void")


def _against_cancel(transfer: Row) -> str | None:
    if transfer["to_be_cancelled"]:
        return "its cancel was asked for before"
    return _unless(transfer, _OPEN_NONCE, "only a transfer with an open nonce is cancelled")


def _against_repay(transfer: Row) -> str | None:
    if transfer["superseded_by"] is not None:
        return f"{transfer['superseded_by']} has taken its place"
    if transfer["repayable"]:
        return "that it is repaid was approved before"
    return _unless(transfer, _WITHOUT_EFFECT, "only a transfer that ended without effect is repaid")


_AGAINST: Final[Mapping[str, Callable[[Row], str | None]]] = {
    "held": _against_held,
    "void": _against_void,
    "cancel": _against_cancel,
    "repay": _against_repay,
}


def _unless(transfer: Row, states: Sequence[str], otherwise: str) -> str | None:
    return None if transfer["transfer_status"] in states else f"it is {transfer['transfer_status']}: {otherwise}"


def against_resume(stage: str, pause: Row | None, accounts: Sequence[Row]) -> str | None:
    """A stage is resumed, but batching and sending not while the wallet's past is unknown."""
    if pause is None:
        return f"{stage} is not paused"
    return None if stage == "intake" else _past_unknown(accounts)


def allowed(s: Standing) -> Iterator[str]:
    """The commands that would be accepted now, for this matter, without --by, --reason and --yes."""
    if s.payment is not None and against_retry_of_payment(s.payment) is None:
        yield f"gcpay retry {s.payment['payment_ref']}"
    if s.payment is not None and s.payment["v1_batch_conversion_id"] is not None:
        yield f"gcpay release-v1 {s.payment['v1_batch_conversion_id']}"
    if s.batch is not None:
        batch = s.batch["batch_conversion_id"]
        if against_retry_of_batch(s) is None:
            yield f"gcpay retry {batch}"
        if against_release(s) is None:
            yield f"gcpay release {batch}"
    for request in s.requests:
        if against_retry_of_request(s, request) is None:
            yield f"gcpay retry {request['unique_id']}"
        if against_abandon_order(s, request) is None:
            yield f"gcpay abandon-order {request['cn_api_id']}"
    for transfer in s.transfers:
        for action in APPROVALS:
            if against_approval(action, transfer) is None and not (action == "repay" and s.batch is None):
                yield f"gcpay approve {action} {transfer['unique_id']}"


def _past_unknown(accounts: Sequence[Row]) -> str | None:
    """While an account is frozen this database may not know what was sent."""
    frozen = next((row for row in accounts if row["account_status"] == "frozen"), None)
    if frozen is None:
        return None
    return f"the wallet {frozen['address']} is frozen ({frozen['reason']}): `gcpay recover-account` comes first"


def _can_still_be_funded(s: Standing) -> str | None:
    """Why one of the batch's orders may still be paid; None when each of them never will be."""
    for order in s.orders:
        if order["order_status"] not in _NEVER_FUNDED:
            name = order["cn_api_id"] or f"attempt {order['attempt_no']}"
            first = "abandon-order comes first" if order["cn_api_id"] else "the batcher's next sweep decides about it"
            return f"its order {name} is {order['order_status']} and may be funded: {first}"
    for request in s.requests:
        if request["request_status"] != "abandoned":
            return f"its request {request['unique_id']} is {request['request_status']}: it may still be paid"
    for transfer in s.transfers:
        if not moves_nothing(transfer):
            return f"its transfer {transfer['unique_id']} is {transfer['transfer_status']}: {_instead(transfer)}"
    return None


def _instead(transfer: Row) -> str:
    """What a person does about a transfer in this state."""
    status = transfer["transfer_status"]
    if status == "held":
        return "approve held or void"
    if status in _WITHOUT_EFFECT:
        return "approve repay lets the batch be paid anew"
    if status in _OPEN_NONCE:
        return "the chain decides; approve cancel asks it to use the nonce for nothing"
    if status == "void":
        return "its order is given up, and the batch gets another one"
    return "the executor goes on with it" if status in ("created", "approved") else "it is final"
