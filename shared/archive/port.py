"""What the executor and the recovery ask of the archive, whatever keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from shared.lifecycle.reactions import Broken, TryLater

if TYPE_CHECKING:
    from shared.archive.record import ArchivedAttempt


class ArchiveUnavailable(TryLater):
    """The archive cannot be reached: nothing that needs a copy is sent until it can."""

    code: ClassVar[str] = "archive_unavailable"


class ArchiveBroken(Broken):
    """The archive does not hold what was written: a copy was changed, taken away or put in between."""

    code: ClassVar[str] = "archive_broken"


@dataclass(frozen=True, slots=True)
class Head:
    """One copy by its place: `number` counts from 1; `line_hash` covers it and every copy before it."""

    number: int
    line_hash: str
    tx_hash: str


class Archive(Protocol):
    """Copies per account and chain, in the order in which they were kept. Raises ArchiveUnavailable, ArchiveBroken.

    `known` is the newest place that the database relies on, None if it relies on none. It must be there as it was.
    """

    def keep(self, attempt: ArchivedAttempt, known: Head | None) -> Head:
        """The copy's place once it is durable. The same bytes again find their copy, or at worst add an equal one."""

    def after(self, account: str, chain_id: int, known: Head | None) -> Sequence[Head]:
        """The places after the known one, oldest first. Cheap, because a database that is not old knows nearly all."""

    def read(self, account: str, chain_id: int) -> Sequence[ArchivedAttempt]:
        """Every copy in full, oldest first, with the whole chain and every signature checked."""
