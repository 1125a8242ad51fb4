"""How one matter stands: the rows of a payment, or of a batch or instant payout with everything that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final
from uuid import UUID

from shared.db import Queries
from shared.lifecycle import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Connection, Row

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
_LONGEST_NAME: Final = 100  # no id of ours or of the exchange comes near it


class NotKnown(Refused):
    """Nothing has this id."""

    code: ClassVar[str] = "id_not_known"
    http_status: ClassVar[int] = 404

    def __init__(self, name: str) -> None:
        shown = ascii(name) if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]!a} ..."
        super().__init__(f"Nothing is known by {shown}: name a payment, a batch, an order, a request or a transaction.")


@dataclass(frozen=True, slots=True)
class Found:
    """What an id names: `kind` payment, batch, order, request or transaction; `key` is its key in its own table."""

    kind: str
    key: str
    batch: UUID | None
    order_id: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """The rows as they are now. `payment` only if a payment was named, `batch` None for an instant payout."""

    found: Found
    payment: Row | None
    batch: Row | None
    orders: Sequence[Row]
    requests: Sequence[Row]
    transfers: Sequence[Row]
    arrivals: Sequence[Row]
    accounts: Sequence[Row]

    @property
    def request(self) -> Row | None:
        """The request that was named, or else the newest."""
        named = [row for row in self.requests if self.found.kind in ("request", "transaction") and self._is_named(row)]
        named = named or [row for row in self.requests if row["order_id"] == self.found.order_id]
        return newest(named) or newest(self.requests)

    @property
    def order(self) -> Row | None:
        """The order that was named, or else that of the request, or else the newest attempt."""
        wanted = self.found.order_id or (self.request["order_id"] if self.request is not None else None)
        named = [row for row in self.orders if row["id"] == wanted and self.found.kind != "batch"]
        return newest(named) or newest(self.orders)

    def transfer_of(self, request: Row | None) -> Row | None:
        """The executor's transfer for a request, which has the same name."""
        return next((row for row in self.transfers if request and row["unique_id"] == request["unique_id"]), None)

    def _is_named(self, row: Row) -> bool:
        return bool(row["unique_id"] == self.found.key)


def newest(rows: Sequence[Row]) -> Row | None:
    """The last of rows that are ordered by age."""
    return rows[-1] if rows else None


def find(conn: Connection, name: str) -> Found:
    """What the id names. Raises NotKnown."""
    wanted = name.strip()
    # Bytes that are no text, line ends and the like are in no id, and the database would not even take some of them.
    possible = wanted.isprintable() and len(wanted) <= _LONGEST_NAME
    row = _QUERIES.one(conn, "find", name=wanted) if possible else None
    if row is None:
        raise NotKnown(name)
    return Found(row["kind"], row["key"], row["batch"], row["order_id"])


def stand(conn: Connection, found: Found) -> Standing:
    """Its rows. Whoever acts on them holds the lock of the row that decides before reading."""
    of = {"batch_conversion_id": found.batch, "order_id": found.order_id}
    nothing = found.batch is None and found.order_id is None
    return Standing(
        found=found,
        payment=_QUERIES.only(conn, "payment", id=int(found.key)) if found.kind == "payment" else None,
        batch=None if found.batch is None else _QUERIES.only(conn, "batch", batch_conversion_id=found.batch),
        orders=[] if nothing else _QUERIES.all(conn, "orders", **of),
        requests=[] if nothing else _QUERIES.all(conn, "requests", **of),
        transfers=[] if nothing else _QUERIES.all(conn, "transfers", **of),
        arrivals=[] if found.batch is None else _QUERIES.all(conn, "arrivals", batch_conversion_id=found.batch),
        accounts=accounts(conn),
    )


def accounts(conn: Connection) -> Sequence[Row]:
    """The wallets as they stand."""
    return _QUERIES.all(conn, "accounts")


def lock_payment(conn: Connection, payment_id: int) -> None:
    _QUERIES.only(conn, "lock_payment", id=payment_id)


def lock_batch(conn: Connection, batch: UUID) -> None:
    _QUERIES.only(conn, "lock_batch", batch_conversion_id=batch)


def lock_request(conn: Connection, unique_id: str) -> None:
    _QUERIES.only(conn, "lock_request", unique_id=unique_id)
