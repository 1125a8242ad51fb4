"""The executor's only way to the database: one short function per query of store.sql; no decisions, no commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from shared.archive import request_hash as request_hash
from shared.chain import AnswerKind, Block, Included, SendAnswer, Signed, TransferFields, to_checksum
from shared.db import Connection, Queries, Row, evidence_text
from shared.lifecycle import AccountState, TransferState
from shared.money import Ether

from .records import (
    Account,
    Attempt,
    Holds,
    Open,
    OurRows,
    Slot,
    Transfer,
    account_from,
    attempt_from,
    our_rows_from,
    slot_from,
    transfer_from,
)

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))


class AnotherTransfer(Exception):
    """The order, or the batch, has a transfer under another name: nothing was written."""


# --- what others wrote ------------------------------------------------------------------------------------------------


def our_rows(conn: Connection, unique_id: str) -> OurRows | None:
    row = QUERIES.one(conn, "request_with_order", unique_id=unique_id)
    if row is None:
        return None
    return our_rows_from(row)


def checked_at(conn: Connection, order_id: int) -> datetime:
    """When the exchange was last seen waiting for the order's deposit, before it was to be paid."""
    at: datetime = QUERIES.only(conn, "order_now", order_id=order_id)["checked_at"]
    return at


def why_lapsed(conn: Connection, order_id: int, checked_after: datetime) -> str | None:
    """Why the order may not be paid any more; None if it may: adopted, and seen waiting since `checked_after`."""
    row = QUERIES.only(conn, "order_now", order_id=order_id)
    if row["order_status"] != "adopted":
        return f"order_is_{row['order_status']}"
    return "order_is_old" if row["checked_at"] < checked_after else None


def pause_reason(conn: Connection, now: datetime) -> str | None:
    """Why sending is paused, or None: it runs."""
    row = QUERIES.one(conn, "sending_pause", now=now)
    return None if row is None else f"paused by {row['paused_by']}: {row['reason']}"


def earmarked(conn: Connection) -> Ether:
    return Ether(QUERIES.only(conn, "earmarked")["earmarked_wei"])


# --- account ----------------------------------------------------------------------------------------------------------


def account(conn: Connection, address: str, chain_id: int) -> Account | None:
    row = QUERIES.one(conn, "account", address=address, chain_id=chain_id)
    return None if row is None else account_from(row)


def lock_account(conn: Connection, address: str, chain_id: int) -> Account:
    return account_from(QUERIES.only(conn, "lock_account", address=address, chain_id=chain_id))


def open_account(conn: Connection, address: str, chain_id: int, next_nonce: int, now: datetime) -> bool:
    """True if this call made the row."""
    made = QUERIES.run(
        conn,
        "open_account",
        address=address,
        chain_id=chain_id,
        account_status=AccountState.ACTIVE.value,
        next_nonce=next_nonce,
        now=now,
    )
    return made == 1


def set_account_state(conn: Connection, account: Account, state: AccountState, reason: str | None) -> None:
    QUERIES.run(
        conn,
        "set_account_status",
        address=account.address,
        chain_id=account.chain_id,
        account_status=state.value,
        reason=reason,
    )


def take_lease(conn: Connection, address: str, chain_id: int, lease: UUID, now: datetime, length: timedelta) -> bool:
    """Whether the caller drives the account now."""
    taken = QUERIES.run(
        conn, "take_lease", address=address, chain_id=chain_id, lease=lease, until=now + length, now=now
    )
    return taken == 1


def give_lease_back(conn: Connection, address: str, chain_id: int, lease: UUID, now: datetime) -> None:
    QUERIES.run(conn, "give_lease_back", address=address, chain_id=chain_id, lease=lease, now=now)


def is_stale_timer(conn: Connection, account: Account, outbox_id: UUID) -> bool:
    """Whether this message is a timer that an earlier drive set, and another drive has ended since and set its own.

    Without this every pay order would start a chain of timers of its own, and none of them would end before the other.
    """
    row = QUERIES.one(conn, "message_made", outbox_id=outbox_id)
    return row is not None and row["schedule_at"] > row["created_at"] and account.driven_at > row["created_at"]


def accounts_to_drive(conn: Connection, driven_before: datetime, due_before: datetime) -> list[tuple[str, int]]:
    rows = QUERIES.all(conn, "accounts_to_drive", driven_before=driven_before, due_before=due_before)
    return [(row["address"], row["chain_id"]) for row in rows]


# --- transfer ---------------------------------------------------------------------------------------------------------


def insert_transfer(
    conn: Connection,
    rows: OurRows,
    account: Account,
    hashed: str,
    state: TransferState,
    supersedes: str | None,
    now: datetime,
    due_at: datetime | None,
) -> Transfer | None:
    """The new transfer with the amount and address of our own rows; None if it was there already.

    Raises AnotherTransfer if the order, or the batch, has one under another name.
    """
    to_address, value = to_checksum(rows.payin_address), rows.amount
    made = QUERIES.run(
        conn,
        "insert_transfer",
        unique_id=rows.unique_id,
        request_hash=hashed,
        context=rows.context,
        batch_conversion_id=rows.batch_conversion_id,
        cn_api_id=rows.cn_api_id,
        order_id=rows.order_id,
        account_address=account.address,
        chain_id=account.chain_id,
        to_address=to_address,
        value_wei=value.wei,
        transfer_status=state.value,
        supersedes=supersedes,
        now=now,
        due_at=due_at,
    )
    transfer = lock_transfer(conn, rows.unique_id)
    if transfer is None:
        raise AnotherTransfer(rows.unique_id)
    return transfer if made else None


def lock_repayable(conn: Connection, batch_conversion_id: UUID) -> str | None:
    """The id of the batch's transfer that may be replaced, locked."""
    row = QUERIES.one(conn, "lock_repayable", batch_conversion_id=batch_conversion_id)
    return None if row is None else str(row["unique_id"])


def mark_superseded(conn: Connection, unique_id: str, superseded_by: str, now: datetime) -> None:
    QUERIES.run(conn, "mark_superseded", unique_id=unique_id, superseded_by=superseded_by, now=now)


def is_superseded(conn: Connection, unique_id: str) -> bool:
    return bool(QUERIES.only(conn, "is_superseded", unique_id=unique_id)["superseded"])


def lock_transfer(conn: Connection, unique_id: str) -> Transfer | None:
    row = QUERIES.one(conn, "lock_transfer", unique_id=unique_id)
    return None if row is None else transfer_from(row)


def transfers_in(conn: Connection, account: Account, state: TransferState) -> list[Transfer]:
    """Oldest first."""
    rows = QUERIES.all(
        conn,
        "transfers_in",
        account_address=account.address,
        chain_id=account.chain_id,
        transfer_status=state.value,
    )
    return [transfer_from(row) for row in rows]


def move_transfer(
    conn: Connection, transfer: Transfer, to: TransferState, reason: str | None, now: datetime, due_at: datetime | None
) -> bool:
    """Whether the row was still in the state that was decided on."""
    moved = QUERIES.run(
        conn,
        "move_transfer",
        unique_id=transfer.unique_id,
        from_status=transfer.state.value,
        to_status=to.value,
        reason=reason,
        now=now,
        due_at=due_at,
    )
    return moved == 1


def count_open(conn: Connection, account: Account) -> Open:
    row = QUERIES.only(conn, "count_open", account_address=account.address, chain_id=account.chain_id)
    return Open(row["with_nonce"], row["without_nonce"])


def spent_since(conn: Connection, account: Account, since: datetime) -> Ether:
    row = QUERIES.only(conn, "spent_since", account_address=account.address, chain_id=account.chain_id, since=since)
    return Ether(row["spent_wei"])


def begun_since(conn: Connection, account: Account, since: datetime) -> int:
    """How many nonces were given out since then."""
    row = QUERIES.only(conn, "begun_since", account_address=account.address, chain_id=account.chain_id, since=since)
    return int(row["begun"])


def overdue_transfers(conn: Connection, due_before: datetime) -> list[Row]:
    return QUERIES.all(conn, "overdue_transfers", due_before=due_before)


# --- slot -------------------------------------------------------------------------------------------------------------


def holds(conn: Connection, account: Account) -> Holds:
    row = QUERIES.only(conn, "holds", account_address=account.address, chain_id=account.chain_id)
    return Holds(Ether(row["held_wei"]), row["open_slots"], row["final_block"])


def take_nonce(conn: Connection, account: Account) -> int:
    """The next nonce, given out once. The caller holds the account's lock, so it is the one he read."""
    taken = QUERIES.run(
        conn, "take_nonce", address=account.address, chain_id=account.chain_id, nonce=account.next_nonce
    )
    assert taken == 1, "the account's row is locked by this transaction"
    return account.next_nonce


def insert_slot(conn: Connection, transfer: Transfer, nonce: int, gas_limit: int, hold: Ether, now: datetime) -> None:
    QUERIES.run(
        conn,
        "insert_slot",
        account_address=transfer.account_address,
        chain_id=transfer.chain_id,
        nonce=nonce,
        unique_id=transfer.unique_id,
        gas_limit=gas_limit,
        hold_wei=hold.wei,
        now=now,
    )


def open_slots(conn: Connection, account: Account) -> list[tuple[Slot, Transfer]]:
    """Lowest nonce first."""
    rows = QUERIES.all(conn, "open_slots", account_address=account.address, chain_id=account.chain_id)
    return [(slot_from(row), transfer_from(row)) for row in rows]


def lock_slot(conn: Connection, unique_id: str) -> Slot:
    return slot_from(QUERIES.only(conn, "lock_slot", unique_id=unique_id))


def reserved_under(conn: Connection, unique_id: str) -> int:
    """The finalized block under which the slot was reserved."""
    number: int = QUERIES.only(conn, "reserved_under", unique_id=unique_id)["finalized_number"]
    return number


def raise_hold(conn: Connection, transfer: Transfer, hold: Ether) -> None:
    QUERIES.run(conn, "raise_hold", unique_id=transfer.unique_id, hold_wei=hold.wei)


def close_slot(
    conn: Connection,
    transfer: Transfer,
    outcome: TransferState,
    evidence: Mapping[str, object],
    gas: Ether | None,
    now: datetime,
) -> None:
    """The slot's verdict; one that is there already stays."""
    QUERIES.run(
        conn,
        "close_slot",
        unique_id=transfer.unique_id,
        outcome=outcome.value,
        evidence=evidence_text(evidence),
        gas_wei=None if gas is None else gas.wei,
        now=now,
    )


# --- attempt ----------------------------------------------------------------------------------------------------------


def insert_attempt(
    conn: Connection, transfer: Transfer, fields: TransferFields, seq: int, kind: str, signed: Signed, now: datetime
) -> bool:
    """Whether these bytes are the slot's; False: another worker's are, and these must be discarded unsent."""
    stored = QUERIES.run(
        conn,
        "insert_attempt",
        account_address=transfer.account_address,
        chain_id=transfer.chain_id,
        nonce=fields.nonce,
        seq=seq,
        kind=kind,
        raw=signed.raw,
        tx_hash=signed.hash,
        tip_wei=fields.tip_wei,
        cap_wei=fields.cap_wei,
        now=now,
    )
    return stored == 1


def attempts(conn: Connection, transfer: Transfer, slot: Slot) -> list[Attempt]:
    """Oldest first."""
    rows = QUERIES.all(
        conn,
        "attempts",
        account_address=transfer.account_address,
        chain_id=transfer.chain_id,
        nonce=slot.nonce,
    )
    return [attempt_from(row) for row in rows]


def start_send(conn: Connection, attempt: Attempt, head: Block, now: datetime) -> None:
    QUERIES.run(conn, "start_send", tx_hash=attempt.tx_hash, first_block=head.number, now=now)


def mark_included(conn: Connection, attempt: Attempt, seen: Included | None) -> None:
    QUERIES.run(
        conn,
        "mark_included",
        tx_hash=attempt.tx_hash,
        block_number=None if seen is None else seen.block_number,
        block_hash=None if seen is None else seen.block_hash,
    )


def log_answer(conn: Connection, attempt: Attempt, answer: SendAnswer, now: datetime) -> None:
    QUERIES.run(
        conn,
        "log_answer",
        tx_hash=attempt.tx_hash,
        provider=answer.provider,
        answer_class=answer.kind.value,
        answer=answer.text,
        now=now,
    )


def last_answers(conn: Connection, attempt: Attempt) -> list[AnswerKind]:
    """What the providers answered to the last send of these bytes; a class of another release is unknown."""
    known = {kind.value: kind for kind in AnswerKind}
    rows = QUERIES.all(conn, "last_answers", tx_hash=attempt.tx_hash)
    return [known.get(row["answer_class"], AnswerKind.UNKNOWN) for row in rows]
