"""The operator log: who did what and why, each row bound to the one before by its hash.

The hash covers every field, so a row that is changed, taken out, or put in between breaks the chain where it was; rows
taken off the end are missed by the history and the asks that name them. Whoever keeps the last hash elsewhere (it is
in every operation's output) also notices a chain that was written anew as a whole.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from shared.db import Queries
from shared.lifecycle import Broken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.db import Connection, Row

_QUERIES: Final = Queries.load(Path(__file__).with_suffix(".sql"))
BEFORE_ALL: Final = "0" * 64


class ChainBroken(Broken):
    """The operator log is not as it was written; the sentence says where."""

    code: ClassVar[str] = "operator_log_broken"


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain: how many entries, and the hash of the last (`BEFORE_ALL` when there is none)."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What one operation says about itself."""

    at: datetime
    by: str
    reason: str
    action: str
    subject: str
    done: Sequence[str]
    trace: str


def lock(conn: Connection) -> int:
    """Takes the log for this transaction; the number that the next entry gets."""
    _QUERIES.only(conn, "lock_log")
    return _head(conn).number + 1


def append(conn: Connection, entry: Entry) -> Head:
    """Writes the entry as the new end of the chain. The caller holds the lock."""
    last = _head(conn)
    row = {
        "number": last.number + 1,
        "at": entry.at,
        "by_whom": entry.by,
        "database_role": _QUERIES.only(conn, "who")["database_role"],
        "reason": entry.reason,
        "action": entry.action,
        "subject": entry.subject,
        "done": "\n".join(entry.done),
        "trace": entry.trace,
        "previous_hash": last.hash,
    }
    row["hash"] = hash_of(row)
    _QUERIES.run(conn, "append", **row)
    return Head(last.number + 1, str(row["hash"]))


def hash_of(row: Row) -> str:
    """SHA-256 over every field but the hash itself, as JSON with sorted names and the time in UTC."""
    said = {name: value for name, value in row.items() if name != "hash"}
    said["at"] = row["at"].astimezone(UTC).isoformat()
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def entries(conn: Connection) -> list[Row]:
    """The whole log, oldest first."""
    return _QUERIES.all(conn, "entries")


def verify_chain(conn: Connection) -> Head:
    """The end of the chain, after every link was checked. Raises ChainBroken at the first that does not hold."""
    head = Head(0, BEFORE_ALL)
    for row in entries(conn):
        if row["number"] != head.number + 1:
            raise ChainBroken(f"The operator log misses entry {head.number + 1}: entry {row['number']} comes next.")
        if row["previous_hash"] != head.hash:
            raise ChainBroken(f"Entry {row['number']} of the operator log does not follow entry {head.number}.")
        if row["hash"] != hash_of(row):
            raise ChainBroken(f"Entry {row['number']} of the operator log was changed after it was written.")
        head = Head(row["number"], row["hash"])
    named = _QUERIES.only(conn, "named_elsewhere")["number"] or 0
    if named > head.number:
        raise ChainBroken(f"The operator log ends at entry {head.number}, and other rows name entry {named}.")
    return head


def _head(conn: Connection) -> Head:
    row = _QUERIES.one(conn, "last_entry")
    return Head(0, BEFORE_ALL) if row is None else Head(row["number"], row["hash"])
