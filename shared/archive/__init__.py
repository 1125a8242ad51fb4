"""Copies of everything that was signed, kept outside the database, so that a restored database cannot pay twice.

A copy is written after its bytes are signed and before they may be sent. It holds what the payment was for: order,
batch and members. Copies are only ever added, each chained to the one before it by its hash.

The copy:   `ArchivedAttempt` with `ArchivedOrder`, `ArchivedBatch`, `ArchivedMember`; `request_hash`.
The port:   `Archive` (`keep`, `heads`, `read`), `Head`; `ArchiveUnavailable` (TryLater), `ArchiveBroken` (Broken).
Real ones:  `HashChainedArchive` over `FileLines` (a file per account) or `BucketLines` (an object per copy);
            `archive_at(address)`, `ArchiveSettings` (SIGNED_BYTES_ARCHIVE).
"""

from shared.archive.bucket import Bucket, BucketLines
from shared.archive.chained import HashChainedArchive, LineStore
from shared.archive.file import FileLines
from shared.archive.open import archive_at
from shared.archive.port import Archive, ArchiveBroken, ArchiveUnavailable, Head
from shared.archive.record import (
    ArchivedAttempt,
    ArchivedBatch,
    ArchivedMember,
    ArchivedOrder,
    CopyUnreadable,
    request_hash,
)
from shared.archive.settings import ArchiveSettings

__all__ = [
    "Archive",
    "ArchiveBroken",
    "ArchiveSettings",
    "ArchiveUnavailable",
    "ArchivedAttempt",
    "ArchivedBatch",
    "ArchivedMember",
    "ArchivedOrder",
    "Bucket",
    "BucketLines",
    "CopyUnreadable",
    "FileLines",
    "HashChainedArchive",
    "Head",
    "LineStore",
    "archive_at",
    "request_hash",
]
