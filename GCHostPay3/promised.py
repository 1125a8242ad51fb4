"""What the key has promised, nonce by nonce, in a table of its own: slashing protection for payments.

The promise is committed before the key is used. A second, different payment with a nonce is refused, and a cancel is
promised only for a nonce that somebody has asked to cancel (cancel.py, approvals.py): a bug that asks the signer alone
gets nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.chain.careful import Kind, Promise, equivocates
from shared.chain.trouble import Equivocation

from . import decisions, store

if TYPE_CHECKING:
    from shared.db import Connection, Database


class PromisedNonces:
    """`SigningRecord` in the table signed_nonce."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def remember(
        self, *, chain_id: int, account: str, nonce: int, to: str, value_wei: int, data: bytes, kind: Kind
    ) -> None:
        """As the protocol says. Under the account's lock, so that of two different promises one is refused."""
        asked = Promise(to, value_wei, data, kind)
        with self._db.transaction() as conn:
            store.lock_account(conn, account, chain_id)
            if self._contradicts(conn, chain_id, account, nonce, asked):
                raise Equivocation(chain_id, account, nonce)
            decisions.promise(conn, account, chain_id, nonce, asked)

    def _contradicts(self, conn: Connection, chain_id: int, account: str, nonce: int, asked: Promise) -> bool:
        if asked.kind == "cancel" and decisions.cancel_request(conn, account, chain_id, nonce) is None:
            return True
        return equivocates(decisions.promises(conn, account, chain_id, nonce), asked, account)
