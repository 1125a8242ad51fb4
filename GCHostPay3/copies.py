"""Copies of signed bytes outside the database: none of our bytes leave before their copy is kept.

A copy says what the bytes pay for, down to the batch's payments. If the database is set back to an older state, the
copies are what is left of the rest (gate.py notices, `gcpay recover-account` rebuilds).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shared.archive import ArchivedAttempt, ArchivedBatch, ArchivedMember, ArchivedOrder, Head
from shared.chain import decode_signed
from shared.db import Queries

from . import store
from .executor import SERVICE
from .records import slot_from

if TYPE_CHECKING:
    from datetime import datetime

    from shared.db import Connection

    from .executor import Executor, Task
    from .records import Account, Attempt, Slot, Transfer

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


def keep_copies(x: Executor, transfer: Transfer, task: Task) -> Mapping[str, Head]:
    """Keeps the bytes of this transfer of which no copy is noted; their places by hash. Harmless to repeat.

    Called outside of any transaction. Raises ArchiveUnavailable (TryLater) or ArchiveBroken: then nothing may be sent.
    """
    with x.db.read() as conn:
        slot = slot_from(QUERIES.only(conn, "slot_of", unique_id=transfer.unique_id))
        attempts = _without_copy(conn, transfer, slot)
        if not attempts:
            return {}
        known = newest_place(conn, transfer.account_address, transfer.chain_id)
        reserved_under = store.reserved_under(conn, transfer.unique_id)
        order, batch = _order_of(conn, transfer), _batch_of(conn, transfer)
    kept: dict[str, Head] = {}
    for attempt in attempts:
        copy = _copy(transfer, slot, attempt, order, batch, reserved_under, task.now)
        kept[attempt.tx_hash] = x.archive.keep(copy, known)
    return kept


def note_copy(conn: Connection, attempt: Attempt, kept: Mapping[str, Head]) -> bool:
    """Whether these bytes may be sent: their copy is kept, and its place is noted here; or they are out already."""
    place = kept.get(attempt.tx_hash)
    if place is None:
        return attempt.first_send_started_at is not None
    QUERIES.run(conn, "note_place", tx_hash=attempt.tx_hash, archive_number=place.number, archive_hash=place.line_hash)
    return True


def _without_copy(conn: Connection, transfer: Transfer, slot: Slot) -> list[Attempt]:
    of = {"account_address": transfer.account_address, "chain_id": transfer.chain_id, "nonce": slot.nonce}
    hashes = {row["tx_hash"] for row in QUERIES.all(conn, "without_copy", **of)}
    if not hashes:
        return []
    return [attempt for attempt in store.attempts(conn, transfer, slot) if attempt.tx_hash in hashes]


def newest_place(conn: Connection, account_address: str, chain_id: int) -> Head | None:
    """The newest copy that this database knows of."""
    row = QUERIES.one(conn, "newest_place", account_address=account_address, chain_id=chain_id)
    return None if row is None else Head(row["archive_number"], row["archive_hash"], row["tx_hash"])


def unknown_of(conn: Connection, heads: Sequence[Head]) -> list[Head]:
    """The copies whose bytes this database does not have."""
    rows = QUERIES.all(conn, "unknown_of", tx_hashes=[head.tx_hash for head in heads]) if heads else []
    unknown = {row["tx_hash"] for row in rows}
    return [head for head in heads if head.tx_hash in unknown]


def pause_batching(conn: Connection, account: Account, now: datetime) -> None:
    """New batches would take payments that older bytes have paid for: none is formed before the recovery."""
    reason = f"the wallet {account.address} is frozen, because this database is older than what it sent"
    QUERIES.run(conn, "pause_batching", reason=reason, paused_by=SERVICE, now=now)


def _copy(
    transfer: Transfer,
    slot: Slot,
    attempt: Attempt,
    order: ArchivedOrder,
    batch: ArchivedBatch | None,
    reserved_under: int,
    now: datetime,
) -> ArchivedAttempt:
    _, fields, _ = decode_signed(attempt.raw)
    return ArchivedAttempt(
        account=transfer.account_address,
        chain_id=transfer.chain_id,
        nonce=slot.nonce,
        seq=attempt.seq,
        kind=attempt.kind,
        unique_id=transfer.unique_id,
        to=fields.to,
        value_wei=fields.value_wei,
        raw=attempt.raw,
        tx_hash=attempt.tx_hash,
        gas_limit=fields.gas_limit,
        tip_wei=attempt.tip_wei,
        cap_wei=attempt.cap_wei,
        reserved_under=reserved_under,
        at=now,
        order=order,
        batch=batch,
    )


def _order_of(conn: Connection, transfer: Transfer) -> ArchivedOrder:
    row = dict(QUERIES.only(conn, "order_paid_by", order_id=transfer.order_id))
    del row["batch_conversion_id"]
    return ArchivedOrder(**row)


def _batch_of(conn: Connection, transfer: Transfer) -> ArchivedBatch | None:
    batch_id = transfer.batch_conversion_id
    if batch_id is None:
        return None
    row: dict[str, Any] = dict(QUERIES.only(conn, "batch_paid_for", batch_conversion_id=batch_id))
    row["batch_conversion_id"] = str(batch_id)
    members = QUERIES.all(conn, "members_paid_for", batch_conversion_id=batch_id)
    return ArchivedBatch(**row, members=tuple(ArchivedMember(**member) for member in members))
