"""The rows that a measurement begins with: finished payments behind it, and those that it is about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final
from uuid import UUID

from shared.db import Connection, Queries
from shared.lifecycle import BatchState, PaymentState
from shared.sandbox.bench.place import Place

QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
PER_BATCH: Final = 1_000
SHARE_UNITS: Final = 16_500_000
_WITHOUT_TRIGGERS: Final = "SET LOCAL session_replication_role = replica"


@dataclass
class Fill:
    """Makes rows at a place. Numbers of batches are given out once, and are the end of a batch's id."""

    place: Place
    now: datetime
    _next_batch: int = 1
    _kinds: Iterator[int] = field(default_factory=count)

    def finished(self, payments: int) -> None:
        """So many completed payments, with batches, memberships, the last move of their story and their books."""
        first = self._batches(max(payments // PER_BATCH, 1))
        with self._making() as conn:
            self._insert_batches(conn, first, self._next_batch - 1, PER_BATCH, BatchState.COMPLETED, finished=True)
            self._insert_payments(conn, payments, PaymentState.COMPLETED, first, PER_BATCH)
            span = {"first": first, "last": self._next_batch - 1}
            QUERIES.run(conn, "members", **span)
            move = {"from_state": "swapping", "to_state": "completed", "event": "share_credited"}
            QUERIES.run(conn, "story", **span, **move, now=self.now)
            QUERIES.run(conn, "books", **span, now=self.now)

    def pending(self, payments: int) -> None:
        """So many pending payments."""
        with self._making() as conn:
            self._insert_payments(conn, payments, PaymentState.PENDING, None, payments)

    def swapping(self, payments: int) -> UUID:
        """One batch of so many payments whose USDT has arrived and was not shared out; its id."""
        number = self._batches(1)
        with self._making() as conn:
            self._insert_batches(conn, number, number, payments, BatchState.SWAPPING)
            self._insert_payments(conn, payments, PaymentState.SWAPPING, number, payments)
            QUERIES.run(conn, "members", first=number, last=number)
            QUERIES.run(conn, "orders", first=number, last=number, members=payments, now=self.now)
            QUERIES.run(conn, "requests", first=number, last=number, now=self.now)
            QUERIES.run(
                conn, "arrivals", first=number, last=number, units=payments * SHARE_UNITS + payments // 2, now=self.now
            )
        return batch_id(number)

    def to_pay(self, transfers: int, account_address: str, chain_id: int) -> None:
        """So many approved transfers, each of a batch of its own; those made before hold nothing any more."""
        first = self._batches(transfers)
        last = self._next_batch - 1
        with self._making() as conn:
            QUERIES.run(conn, "forget_slots", now=self.now)
            self._insert_batches(conn, first, last, 1, BatchState.SWAPPING)
            QUERIES.run(conn, "orders", first=first, last=last, members=1, now=self.now)
            QUERIES.run(conn, "requests", first=first, last=last, now=self.now)
            QUERIES.run(conn, "make_payable", first=first, last=last)
            where = {"account_address": account_address, "chain_id": chain_id}
            QUERIES.run(conn, "transfers_to_pay", first=first, last=last, **where, now=self.now)

    def empty_batch(self) -> int:
        """The number of a batch that payments can be put into plainly."""
        number = self._batches(1)
        with self._making() as conn:
            self._insert_batches(conn, number, number, 1, BatchState.SWAPPING)
        return number

    def _batches(self, how_many: int) -> int:
        first = self._next_batch
        self._next_batch += how_many
        return first

    def _insert_batches(
        self, conn: Connection, first: int, last: int, members: int, status: BatchState, *, finished: bool = False
    ) -> None:
        units = members * SHARE_UNITS if finished else None
        span = {"first": first, "last": last}
        QUERIES.run(conn, "batches", **span, members=members, status=status.value, arrived_units=units, now=self.now)

    def _insert_payments(
        self, conn: Connection, payments: int, status: PaymentState, first_batch: int | None, members: int
    ) -> None:
        QUERIES.run(
            conn,
            "payments",
            kind=f"bench-{next(self._kinds)}",
            count=payments,
            members=members,
            first_batch=first_batch,
            status=status.value,
            share_units=SHARE_UNITS if status is PaymentState.COMPLETED else None,
            now=self.now,
        )

    @contextmanager
    def _making(self) -> Iterator[Connection]:
        with self.place.preparing() as database, database.transaction() as conn:
            conn.script(_WITHOUT_TRIGGERS)
            yield conn


def batch_id(number: int) -> UUID:
    """The id of the batch with this number."""
    return UUID(int=number)
