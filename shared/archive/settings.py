"""Where the signed bytes are kept. There is no default: without it a restored database could pay twice."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from shared.archive.open import archive_at
from shared.settings import Range


class ArchiveSettings(BaseSettings):
    """SIGNED_BYTES_ARCHIVE."""

    signed_bytes_archive: Annotated[str, Range("gs://bucket/prefix or an absolute path")] = Field(
        description="gs://bucket/prefix, or a folder that outlives the database; copies of all signed bytes"
    )

    @field_validator("signed_bytes_archive")
    @classmethod
    def _names_an_archive(cls, value: str) -> str:
        archive_at(value)
        return value
