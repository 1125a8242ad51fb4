"""What the database says at one moment, as an operator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared.db import Database, Queries, Row
from shared.money import Ether, Tether, Usd

_queries = Queries.load(Path(__file__).with_name("readings.sql"))


@dataclass(frozen=True)
class Seen:
    """One consistent snapshot; rows by their columns, amounts still in base units."""

    history: list[Row]
    payments: list[Row]
    batches: list[Row]
    transfers: list[Row]
    requests: list[Row]
    alerts: list[Row]

    def batch(self, batch_conversion_id: str) -> Row:
        """The batch of this id."""
        return next(row for row in self.batches if row["batch_conversion_id"] == batch_conversion_id)

    def transfer_of_batch(self, batch_conversion_id: str) -> Row | None:
        """The batch's transfer that is not void."""
        for row in self.transfers:
            if row["batch_conversion_id"] == batch_conversion_id and row["transfer_status"] != "void":
                return row
        return None


def look(database: Database) -> Seen:
    """Read everything in one transaction."""
    with database.read() as conn:
        return Seen(
            *(
                _queries.all(conn, name)
                for name in ("history", "payments", "batches", "transfers", "requests", "alerts")
            )
        )


def ether(value: object) -> Ether:
    """A column of wei."""
    assert isinstance(value, int)
    return Ether(value)


def usd(value: object) -> Usd:
    """A column of micro-dollars."""
    assert isinstance(value, int)
    return Usd(value)


def tether(value: object) -> Tether:
    """A column of USDT units."""
    assert isinstance(value, int)
    return Tether(value)
