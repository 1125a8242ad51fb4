"""Rows that bind the executor beyond one step: what a person approved, which nonces are to be cancelled, and what the
key has promised. Written once, never changed; the queries stand in store.sql."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from shared.chain.careful import Kind, Promise

from .store import QUERIES

if TYPE_CHECKING:
    from shared.db import Connection

    from .records import Slot, Transfer

Action = Literal["cancel", "held", "repay", "void"]
CANCEL: Final[Action] = "cancel"
HELD: Final[Action] = "held"
REPAY: Final[Action] = "repay"
VOID: Final[Action] = "void"


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's decision about a transfer."""

    approved_by: str
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CancelRequest:
    """That a nonce is to be used for nothing."""

    requested_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What an operator asked about a transfer, and why that was held when the person looked."""

    ask_id: int
    action: Action
    unique_id: str
    seen_reason: str | None
    asked_by: str
    reason: str


def open_asks(conn: Connection) -> list[Asked]:
    """What nobody has answered yet, oldest first."""
    return [
        Asked(row["id"], row["action"], row["subject"], row["seen_reason"], row["asked_by"], row["reason"])
        for row in QUERIES.all(conn, "open_asks")
    ]


def answer_ask(conn: Connection, ask_id: int, outcome: Literal["done", "refused"], answer: str, now: datetime) -> bool:
    """Whether this call answered it; another one may have been faster."""
    return QUERIES.run(conn, "answer_ask", id=ask_id, outcome=outcome, answer=answer, now=now) == 1


def approve(conn: Connection, action: Action, unique_id: str, by: str, reason: str, now: datetime) -> None:
    QUERIES.run(conn, "insert_approval", action=action, subject=unique_id, approved_by=by, reason=reason, now=now)


def approval_of(conn: Connection, action: Action, unique_id: str) -> Approval | None:
    """The newest decision of this kind."""
    row = QUERIES.one(conn, "approval_of", action=action, subject=unique_id)
    return None if row is None else Approval(row["approved_by"], row["reason"], row["at"])


def is_approved(conn: Connection, action: Action, unique_id: str) -> bool:
    return approval_of(conn, action, unique_id) is not None


def request_cancel(conn: Connection, transfer: Transfer, slot: Slot, by: str, reason: str, now: datetime) -> bool:
    """Whether this call asked first. The caller holds the locks of account and transfer."""
    asked = QUERIES.run(
        conn,
        "request_cancel",
        account_address=transfer.account_address,
        chain_id=transfer.chain_id,
        nonce=slot.nonce,
        unique_id=transfer.unique_id,
        requested_by=by,
        reason=reason,
        now=now,
    )
    return asked == 1


def cancel_request(conn: Connection, account_address: str, chain_id: int, nonce: int) -> CancelRequest | None:
    row = QUERIES.one(conn, "cancel_request", account_address=account_address, chain_id=chain_id, nonce=nonce)
    return None if row is None else CancelRequest(row["requested_by"], row["reason"])


def is_to_be_cancelled(conn: Connection, transfer: Transfer, slot: Slot) -> bool:
    return cancel_request(conn, transfer.account_address, transfer.chain_id, slot.nonce) is not None


def promises(conn: Connection, account_address: str, chain_id: int, nonce: int) -> list[Promise]:
    """What the key was asked to sign for this nonce."""
    rows = QUERIES.all(conn, "promises", account_address=account_address, chain_id=chain_id, nonce=nonce)
    return [Promise(row["to_address"], int(row["value_wei"]), bytes(row["data"]), _kind(row["kind"])) for row in rows]


def promise(conn: Connection, account_address: str, chain_id: int, nonce: int, promised: Promise) -> None:
    """Remembers it; one of the same kind that is there already stays, whatever it says."""
    QUERIES.run(
        conn,
        "promise",
        account_address=account_address,
        chain_id=chain_id,
        nonce=nonce,
        kind=promised.kind,
        to_address=promised.to,
        value_wei=promised.value_wei,
        data=promised.data,
    )


def _kind(text: str) -> Kind:
    return "cancel" if text == "cancel" else "pay"
