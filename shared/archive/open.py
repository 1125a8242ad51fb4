"""From the setting to the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from shared.archive.bucket import BucketLines
from shared.archive.chained import HashChainedArchive
from shared.archive.file import FileLines

_BUCKET: Final = "gs://"
_FILE: Final = "file://"


def archive_at(address: str) -> HashChainedArchive:
    """The archive at `gs://bucket/prefix`, or in the folder of an absolute path. Touches nothing yet.

    Raises ValueError for anything else: a relative path would mean another archive from another folder.
    """
    if address.startswith(_BUCKET):
        bucket, _, prefix = address.removeprefix(_BUCKET).partition("/")
        if not bucket:
            raise ValueError("must name a bucket: gs://bucket or gs://bucket/prefix")
        from shared.archive.google_bucket import GoogleBucket

        return HashChainedArchive(BucketLines(GoogleBucket(bucket), prefix))
    folder = Path(address.removeprefix(_FILE))
    if not folder.is_absolute():
        raise ValueError("must be gs://bucket/prefix, or the absolute path of a folder")
    return HashChainedArchive(FileLines(folder))
