"""The acts on rows that wait. Each finds its row, locks it, asks the rule, and changes rows as the services would.

No act moves money or asks the exchange or the chain anything: a batch that is pending again gets its order from the
batcher's sweep, a request that is to be checked its message from the conductor's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from shared.books import batch_released, post
from shared.db import ConstraintViolated, Queries
from shared.lifecycle import BatchState, Broken, Machine, PaymentState, RequestState
from shared.lifecycle import facts as f
from shared.messages import CONDUCTOR_TO_EXECUTOR, VoidTransfer
from shared.money import Ether, Usd
from shared.ops.acts import rules
from shared.ops.acts.perform import Acting, Step
from shared.ops.acts.rules import NotAllowed
from shared.ops.acts.standing import Found, Standing, find, lock_batch, lock_payment, lock_request, newest, stand
from shared.queue import keep_message

if TYPE_CHECKING:
    from shared.db import Row

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
Act = Callable[[Step], Acting]


class MembersDoNotAddUp(Broken):
    """A batch's payments are not all swapping: none was given back."""

    code: ClassVar[str] = "members_do_not_add_up"


def retry(name: str) -> Act:
    """A parked payment, batch or request goes on; a paid order is looked at sooner. `name` is any of its ids."""

    def act(step: Step) -> Acting:
        found = find(step.conn, name)
        match found.kind:
            case "payment":
                return _retry_payment(step, found)
            case "batch":
                return _retry_batch(step, found)
            case _:
                return _retry_request(step, found, name)

    return act


def release(name: str) -> Act:
    """A batch that can never be funded gives its payments back: they are pending again, with their wei."""

    def act(step: Step) -> Acting:
        found = find(step.conn, name)
        if found.kind != "batch" or found.batch is None:
            raise NotAllowed(f"{name} names a {found.kind}; a batch is released, by its own id.")
        lock_batch(step.conn, found.batch)
        s = stand(step.conn, found)
        require(f"Batch {found.batch} is not released", rules.against_release(s))
        assert s.batch is not None
        return _release(step, s.batch, found.batch)

    return act


def abandon_order(name: str) -> Act:
    """The fence is asked for: the executor is told that this unpaid order never gets a nonce, and answers."""

    def act(step: Step) -> Acting:
        s = _with_locked_request(step, find(step.conn, name))
        request = s.request
        require(f"The order of {name} is not given up", rules.against_abandon_order(s, request))
        assert request is not None
        message = VoidTransfer(request["unique_id"], request["cn_api_id"])
        keep_message(step.conn, step.new_id(), CONDUCTOR_TO_EXECUTOR, message, step.now)
        amount = Ether(request["amount_wei"])
        step.done.append(f"the executor is asked that order {request['cn_api_id']} over {amount} is never paid")
        step.done.append(
            "an instant payout: its upstream asks anew, with another order"
            if s.batch is None
            else "when its transfer is void, the batch is pending again and gets another order"
        )
        return "abandon-order", str(request["cn_api_id"])

    return act


def approve(action: str, name: str) -> Act:
    """Asks the executor for a decision about a transfer; its next sweep checks under its own locks, and answers."""

    def act(step: Step) -> Acting:
        s = stand(step.conn, find(step.conn, name))
        transfer = _the_transfer(s)
        against = rules.against_approval(action, transfer)
        if action == "repay" and s.batch is None:
            against = "it is an instant payout: its upstream asks for another order"
        require(f"{action} of {name} is not asked for", against)
        assert transfer is not None
        _ask(step, action, transfer)
        state = f"{transfer['transfer_status']}{': ' + transfer['reason'] if transfer['reason'] else ''}"
        subject, amount = str(transfer["unique_id"]), Ether(transfer["value_wei"])
        step.done.append(f"the executor is asked: {action} of {subject} over {amount}, which is {state}")
        step.done.append("it decides at its next sweep, within a minute; `gcpay explain` shows its answer")
        return f"approve {action}", subject

    return act


def require(otherwise: str, against: str | None) -> None:
    """Raises NotAllowed with the rule's reason, if there is one."""
    if against is not None:
        raise NotAllowed(f"{otherwise}: {against}.")


def _retry_payment(step: Step, found: Found) -> Acting:
    payment_id = int(found.key)
    lock_payment(step.conn, payment_id)
    payment = stand(step.conn, found).payment
    assert payment is not None
    name = str(payment["payment_ref"])
    require(f"Payment {name} is not tried again", rules.against_retry_of_payment(payment))
    moved = step.move(Machine.PAYMENT, PaymentState.PARKED, f.RetryAsked(step.reason), [str(payment_id)])
    _QUERIES.run(step.conn, "unpark_payment", id=payment_id, now=step.now, due_at=moved.due_at)
    step.done.append(f"payment {name} worth {Usd(payment['pending_usd_amount_micros'])} is pending again")
    if payment["net_wei"] is None:
        step.done.append("no ETH is known to have arrived for it: with BATCH_FUNDING=received it is parked anew")
    return "retry", name


def _retry_batch(step: Step, found: Found) -> Acting:
    assert found.batch is not None
    lock_batch(step.conn, found.batch)
    s = stand(step.conn, found)
    require(f"Batch {found.batch} is not tried again", rules.against_retry_of_batch(s))
    step.move(Machine.BATCH, BatchState.PARKED, f.RetryAsked(step.reason), [str(found.batch)])
    reason = f"{step.by} lets it try another order: {step.reason}"
    _set_batch(step, found.batch, BatchState.PENDING, reason, due=True)
    _QUERIES.run(step.conn, "forgive_attempts", batch_conversion_id=found.batch, attempts=len(s.orders))
    step.done.append(
        f"batch {found.batch} is pending again; {len(s.orders)} earlier attempt(s) are not counted any more"
    )
    step.done.append("the batcher's next sweep meets the market and opens an order")
    return "retry", str(found.batch)


def _retry_request(step: Step, found: Found, name: str) -> Acting:
    s = _with_locked_request(step, found)
    request = s.request
    if request is None:
        raise NotAllowed(f"There is no request for {name}: the batcher goes on with it.")
    unique_id = str(request["unique_id"])
    require(f"Request {unique_id} is not tried again", rules.against_retry_of_request(s, request))
    if request["eth_tx_hash"] is not None:
        _QUERIES.run(step.conn, "look_now", unique_id=unique_id, now=step.now)
        step.done.append(f"the conductor's next sweep looks at order {request['cn_api_id']} at the exchange")
        return "retry", unique_id
    step.move(Machine.REQUEST, RequestState.PARKED, f.RetryAsked(step.reason), [unique_id])
    _QUERIES.run(
        step.conn,
        "set_request",
        unique_id=unique_id,
        request_status=RequestState.CHECKING.value,
        reason=None,
        now=step.now,
        due_at=step.now,
    )
    step.done.append(f"request {unique_id} is checked again: the watcher reads order {request['cn_api_id']}")
    step.done.append("if it still waits for exactly this payment, it is paid; else the request parks anew")
    return "retry", unique_id


def _release(step: Step, batch: Row, batch_id: UUID) -> Acting:
    """As the batcher does it when an order was refused: payments, members, batch, story and books in one commit."""
    members = _QUERIES.all(step.conn, "members", batch_conversion_id=batch_id)
    if not members or any(row["conversion_status"] != PaymentState.SWAPPING.value for row in members):
        raise MembersDoNotAddUp(f"Not every payment of batch {batch_id} is swapping: none is given back.")
    subjects = [str(row["payment_id"]) for row in members]
    back = step.move(Machine.PAYMENT, PaymentState.SWAPPING, f.BatchReleased(), subjects)
    _QUERIES.run(step.conn, "release_payments", batch_conversion_id=batch_id, now=step.now, due_at=back.due_at)
    _QUERIES.run(step.conn, "release_members", batch_conversion_id=batch_id)
    step.move(Machine.BATCH, BatchState(batch["conversion_status"]), f.ReleaseAsked(step.reason), [str(batch_id)])
    _set_batch(step, batch_id, BatchState.RELEASED, f"{step.by} gave its payments back: {step.reason}", due=False)
    posting = batch_released(
        str(batch_id),
        received=Ether.total(Ether(row["net_wei"]) for row in members if row["net_wei"] is not None),
        members=Ether(batch["members_wei"]),
        dust_in=Ether(batch["dust_in_wei"]),
        dust_out=Ether(batch["dust_out_wei"]),
    )
    post(step.conn, posting, step.now, step.trace)
    worth = Usd(batch["total_pending_usd_micros"])
    step.done.append(f"batch {batch_id} is released: {len(members)} payment(s) worth {worth} are pending again")
    step.done.append("the next tick over the threshold takes them into another batch")
    return "release", str(batch_id)


def _set_batch(step: Step, batch_id: UUID, state: BatchState, reason: str, *, due: bool) -> None:
    _QUERIES.run(
        step.conn,
        "set_batch",
        batch_conversion_id=batch_id,
        conversion_status=state.value,
        reason=reason,
        now=step.now,
        due_at=step.now if due else None,
    )


def _with_locked_request(step: Step, found: Found) -> Standing:
    """How things stand after the request in question was locked; a batch names its newest request."""
    request = stand(step.conn, found).request
    if request is None:
        return stand(step.conn, found)
    lock_request(step.conn, request["unique_id"])
    return stand(step.conn, replace(found, kind="request", key=request["unique_id"], order_id=request["order_id"]))


def _the_transfer(s: Standing) -> Row | None:
    """The transfer that was named, or the newest of a batch."""
    named = [row for row in s.transfers if row["unique_id"] == s.found.key or row["order_id"] == s.found.order_id]
    return newest(named) or newest(s.transfers)


def _ask(step: Step, action: str, transfer: Row) -> None:
    """Of two operators at once one asks; `approval_is_asked_once` refuses the other."""
    try:
        _QUERIES.run(
            step.conn,
            "ask_approval",
            action=action,
            subject=transfer["unique_id"],
            seen_reason=transfer["reason"] if action == "held" else None,
            asked_by=step.by,
            reason=step.reason,
            now=step.now,
            log_number=step.number,
        )
    except ConstraintViolated as twice:
        if twice.constraint != "approval_is_asked_once":
            raise
        raise NotAllowed(
            f"{action} of {transfer['unique_id']} is asked for at this moment by another person."
        ) from twice
