"""What is asked before anything is written: the finalized chain, the archive, and what the database believes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.archive import Archive, ArchiveBroken, ArchivedAttempt, Head
from shared.ops.recovery.step import QUERIES

if TYPE_CHECKING:
    from shared.chain import Block, Chain, FinalConsumer
    from shared.db import Connection, Row

_NOT_SENT: Final = ("created", "approved", "held", "reserved", "signed", "void")
# One question to the chain reads a bounded number of blocks; so many are asked for one nonce in one recovery.
_SEARCHES: Final = 64


@dataclass(frozen=True, slots=True)
class Believed:
    """The database's own account of the wallet."""

    address: str
    chain_id: int
    status: str
    next_nonce: int
    opened_with: int
    opened_under: int
    slots: Sequence[Row]
    attempts: dict[str, Row]
    accepted: dict[int, bool]  # foreign nonces that earlier recoveries found: whether a person has accepted each
    place: Head | None

    @property
    def nonces(self) -> set[int]:
        return {row["nonce"] for row in self.slots}

    def lacks(self, copies: Sequence[ArchivedAttempt]) -> bool:
        """Whether something of these copies of one nonce is missing, or is not known to have been sent."""
        slot = next((row for row in self.slots if row["nonce"] == copies[0].nonce), None)
        if slot is None or slot["transfer_status"] in _NOT_SENT:
            return True
        known = [self.attempts.get(copy.tx_hash) for copy in copies]
        return any(row is None or not row["sent"] for row in known)

    def searched_from(self, nonce: int, copies: Sequence[ArchivedAttempt]) -> int:
        """A block before which this nonce cannot have been used: a lower one was still being given out under it."""
        told = [row["reserved_under"] or 0 for row in self.slots if row["nonce"] < nonce]
        told += [copy.reserved_under for copy in copies if copy.nonce < nonce]
        return max([self.opened_under, *told])


@dataclass(slots=True)
class Witnessed:
    """What the witnesses outside the database say."""

    block: Block
    nonce: int
    copies: dict[int, list[ArchivedAttempt]]
    places: dict[str, Head]
    archive_trouble: str | None = None
    lost_after: int | None = None  # the last number in the archive that the database may still rely on
    foreign: list[FinalConsumer] = field(default_factory=list)
    not_found: list[int] = field(default_factory=list)

    @property
    def all_copies(self) -> list[ArchivedAttempt]:
        return [copy for copies in self.copies.values() for copy in copies]

    @property
    def seen_up_to(self) -> int:
        """The nonce above everything that was used or signed."""
        return max([self.nonce, *(nonce + 1 for nonce in self.copies)])


def believed(conn: Connection, account: Row) -> Believed:
    """What the database says; `account` is its row."""
    address, chain_id = account["address"], account["chain_id"]
    of = {"account_address": address, "chain_id": chain_id}
    opened = QUERIES.one(conn, "opened_with", subject=f"{chain_id}:{address}")
    attempts = QUERIES.all(conn, "attempts", **of)
    foreign = QUERIES.all(conn, "foreign_nonces", **of)
    placed = [row for row in attempts if row["archive_number"] is not None]
    last = max(placed, key=lambda row: row["archive_number"], default=None)
    return Believed(
        address=address,
        chain_id=chain_id,
        status=account["account_status"],
        next_nonce=account["next_nonce"],
        opened_with=account["next_nonce"] if opened is None else opened["next_nonce"],
        opened_under=0 if opened is None else opened["finalized_number"],
        slots=QUERIES.all(conn, "slots", **of),
        attempts={row["tx_hash"]: row for row in attempts},
        accepted={row["nonce"]: row["accepted_by"] is not None for row in foreign},
        place=None if last is None else Head(last["archive_number"], last["archive_hash"], last["tx_hash"]),
    )


def ask(chain: Chain, archive: Archive, known: Believed) -> Witnessed:
    """Reads archive and chain. Raises TryLater where a witness cannot be asked now."""
    block = chain.agreed_finalized()
    seen = Witnessed(block, chain.nonce_at(known.address, block), {}, {})
    _read_archive(archive, known, seen)
    if seen.archive_trouble is None:
        _search_chain(chain, known, seen)
    return seen


def _read_archive(archive: Archive, known: Believed, seen: Witnessed) -> None:
    try:
        copies = archive.read(known.address, known.chain_id)
        heads = archive.after(known.address, known.chain_id, None)
    except ArchiveBroken as broken:
        seen.archive_trouble = broken.message
        return
    for copy in copies:
        group = seen.copies.setdefault(copy.nonce, [])
        if all(copy.tx_hash != other.tx_hash for other in group):
            group.append(copy)
    for group in seen.copies.values():
        group.sort(key=lambda copy: copy.seq)
    seen.places = {head.tx_hash: head for head in heads}
    place = known.place
    if place is not None and (len(heads) < place.number or heads[place.number - 1] != place):
        seen.lost_after = 0 if len(heads) >= place.number else len(heads)


def _search_chain(chain: Chain, known: Believed, seen: Witnessed) -> None:
    """Who used each nonce that this database does not know, or knows only by copies."""
    copies = seen.all_copies
    for nonce in range(min([known.opened_with, *seen.copies]), seen.nonce):
        group = seen.copies.get(nonce, [])
        if nonce in known.nonces and not (group and known.lacks(group)):
            continue
        hashes = [copy.tx_hash for copy in group]
        first_block = min([known.searched_from(nonce, copies), *(copy.reserved_under for copy in group)])
        consumer = _final_consumer(chain, known.address, nonce, hashes, first_block)
        if consumer is None:
            seen.not_found.append(nonce)
        elif consumer.tx_hash.lower() not in {tx_hash.lower() for tx_hash in hashes}:
            seen.foreign.append(consumer)


def _final_consumer(
    chain: Chain, address: str, nonce: int, hashes: Sequence[str], first_block: int
) -> FinalConsumer | None:
    for _ in range(_SEARCHES):
        consumer = chain.final_consumer(address, nonce, hashes, first_block)
        if consumer is not None:
            return consumer
    return None
