"""The transfer whose bytes may be out, its nonce and its bytes: live again, for the executor to give it its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from shared.archive import request_hash
from shared.chain.address import same_address, to_checksum
from shared.lifecycle import Machine, TransferState
from shared.lifecycle import facts as f
from shared.money import Ether
from shared.ops.recovery.batches import adopt_for_batch, ensure_batch, void_transfer
from shared.ops.recovery.orders import ensure_order, ensure_request
from shared.ops.recovery.step import QUERIES, Step, Unexplained

if TYPE_CHECKING:
    from shared.archive import ArchivedAttempt, Head
    from shared.db import Row

_WITHOUT_EFFECT: Final = (TransferState.REVERTED, TransferState.CANCELLED, TransferState.FOREIGN)
_WITHOUT_NONCE: Final = (TransferState.CREATED, TransferState.APPROVED, TransferState.HELD)


def rebuild(step: Step, copies: Sequence[ArchivedAttempt], places: Mapping[str, Head], *, was_fenced: bool) -> None:
    """Everything that belongs to the copies of one nonce. A repeat finds it and changes nothing.

    `was_fenced`: the archive holds a later transfer of the same batch. Raises Unexplained; then nothing is written.
    """
    first = copies[0]
    owner = QUERIES.one(
        step.conn, "slot_at", account_address=step.account_address, chain_id=step.chain_id, nonce=first.nonce
    )
    if owner is not None and owner["unique_id"] != first.unique_id:
        raise Unexplained(
            f"nonce {first.nonce} belongs to {owner['unique_id']} here, and to {first.unique_id} in the archive"
        )
    if any(copy.unique_id != first.unique_id or copy.order.cn_api_id != first.order.cn_api_id for copy in copies):
        raise Unexplained(f"the archive holds bytes of different payments for nonce {first.nonce}")
    batch_id = None if first.batch is None else first.batch.batch_conversion_id
    if first.batch is not None:
        ensure_batch(step, first.batch, first.nonce)
    order_id = ensure_order(step, first.unique_id, first.order, batch_id, was_fenced=was_fenced)
    if batch_id is not None:
        adopt_for_batch(step, batch_id, order_id)
    ensure_request(step, first.unique_id, first.order, batch_id, order_id)
    _ensure_transfer(step, copies, batch_id, order_id)
    _ensure_slot(step, copies)
    for copy in copies:
        _ensure_attempt(step, copy, places[copy.tx_hash])


def _ensure_transfer(step: Step, copies: Sequence[ArchivedAttempt], batch_id: str | None, order_id: int) -> None:
    first = copies[0]
    order, to_address = first.order, to_checksum(first.order.payin_address)
    hashed = request_hash(Ether(order.amount_wei), order.payin_address, order.cn_api_id, order_id)
    row = QUERIES.one(step.conn, "lock_transfer", unique_id=first.unique_id)
    evidence = {
        "nonce": first.nonce,
        "tx_hashes": [copy.tx_hash for copy in copies],
        "finalized_number": first.reserved_under,
        "order": order.cn_api_id,
    }
    replaces = None if batch_id is None else _make_room(step, UUID(batch_id), first.unique_id)
    state = None if row is None else TransferState(row["transfer_status"])
    found = step.move(Machine.TRANSFER, state, f.TransferFoundSent(), first.unique_id, evidence)
    if row is None:
        QUERIES.run(
            step.conn,
            "insert_transfer",
            unique_id=first.unique_id,
            request_hash=hashed,
            context=order.context,
            batch_conversion_id=None if batch_id is None else UUID(batch_id),
            cn_api_id=order.cn_api_id,
            order_id=order_id,
            account_address=step.account_address,
            chain_id=step.chain_id,
            to_address=to_address,
            value_wei=order.amount_wei,
            supersedes=replaces,
            now=step.now,
            due_at=found.due_at,
        )
    else:
        _bind(step, row, first, order_id, hashed, to_address)
        if found.moved:
            _set_live(step, first.unique_id, found.due_at)
    if replaces is not None:
        QUERIES.run(step.conn, "supersede_transfer", unique_id=replaces, superseded_by=first.unique_id, now=step.now)
    if found.moved:
        was = "unknown" if state is None else state.value
        step.done.append(f"transfer {first.unique_id} of {Ether(order.amount_wei)} live again (it was {was})")


def _make_room(step: Step, batch_id: UUID, unique_id: str) -> str | None:
    """A batch has one transfer that can still move something: others are void, or replaced after their verdict."""
    replaces = None
    for other in QUERIES.all(step.conn, "lock_transfers_of", batch_conversion_id=batch_id):
        state = TransferState(other["transfer_status"])
        if other["unique_id"] == unique_id or state is TransferState.VOID or other["superseded_by"] is not None:
            continue
        if state in _WITHOUT_NONCE and not other["has_nonce"]:
            void_transfer(step, other, f"{unique_id} is the transfer that was sent, before the database was restored")
        elif state in _WITHOUT_EFFECT:
            replaces = str(other["unique_id"])
        else:
            raise Unexplained(
                f"transfer {unique_id} replaced {other['unique_id']}, which is {state.value} in this database: "
                "when the executor has given it its verdict, run this again"
            )
    return replaces


def _bind(step: Step, row: Row, first: ArchivedAttempt, order_id: int, hashed: str, to_address: str) -> None:
    """The transfer's own rows must be those of the bytes; without a nonce they can still be made so."""
    same = (
        row["order_id"] == order_id
        and row["value_wei"] == first.order.amount_wei
        and same_address(row["to_address"], to_address)
    )
    if same:
        return
    if row["has_nonce"] or row["value_wei"] != first.order.amount_wei:
        raise Unexplained(
            f"transfer {first.unique_id} pays another order in this database than its bytes in the archive"
        )
    QUERIES.run(
        step.conn,
        "bind_transfer",
        unique_id=first.unique_id,
        request_hash=hashed,
        cn_api_id=first.order.cn_api_id,
        order_id=order_id,
        to_address=to_address,
        now=step.now,
    )


def _set_live(step: Step, unique_id: str, due_at: object) -> None:
    QUERIES.run(
        step.conn,
        "set_transfer",
        unique_id=unique_id,
        transfer_status=TransferState.LIVE.value,
        reason=None,
        now=step.now,
        due_at=due_at,
    )


def _ensure_slot(step: Step, copies: Sequence[ArchivedAttempt]) -> None:
    first = copies[0]
    hold_wei = max(first.order.amount_wei + copy.gas_limit * copy.cap_wei for copy in copies)
    known = QUERIES.one(step.conn, "slot_of", unique_id=first.unique_id)
    if known is None:
        QUERIES.run(
            step.conn,
            "insert_slot",
            account_address=step.account_address,
            chain_id=step.chain_id,
            nonce=first.nonce,
            unique_id=first.unique_id,
            gas_limit=first.gas_limit,
            hold_wei=hold_wei,
            at=first.at,
        )
    elif known["nonce"] != first.nonce:
        raise Unexplained(
            f"{first.unique_id} has nonce {known['nonce']} in this database and nonce {first.nonce} in the archive"
        )
    else:
        QUERIES.run(step.conn, "raise_hold", unique_id=first.unique_id, hold_wei=hold_wei)


def _ensure_attempt(step: Step, copy: ArchivedAttempt, place: Head) -> None:
    where = {"account_address": step.account_address, "chain_id": step.chain_id, "nonce": copy.nonce}
    QUERIES.run(step.conn, "promise", **where, kind=copy.kind, to_address=copy.to, value_wei=copy.value_wei)
    if copy.cancels:
        reason = "a cancel was signed before the database was restored"
        QUERIES.run(
            step.conn,
            "request_cancel",
            **where,
            unique_id=copy.unique_id,
            requested_by=step.by,
            reason=reason,
            now=step.now,
        )
    kept = {"archive_number": place.number, "archive_hash": place.line_hash}
    sent = {"at": copy.at, "now": step.now, "first_block": copy.reserved_under}
    if QUERIES.run(step.conn, "note_sent", tx_hash=copy.tx_hash, **sent, **kept):
        return
    seq = QUERIES.only(step.conn, "next_seq", **where, seq=copy.seq)["seq"]
    QUERIES.run(
        step.conn,
        "insert_attempt",
        **where,
        seq=seq,
        kind=copy.kind,
        raw=copy.raw,
        tx_hash=copy.tx_hash,
        tip_wei=copy.tip_wei,
        cap_wei=copy.cap_wei,
        **sent,
        **kept,
    )
    step.done.append(f"{copy.kind} bytes {copy.tx_hash} restored at nonce {copy.nonce}")
