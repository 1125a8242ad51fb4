"""The shapes that a token's envelope may have, and how the fleet goes from one to the next while it runs.

A token says its format in its first byte. During a rolling deploy old and new revisions of a service answer side by
side, so a change of the envelope is three deploys, and none of them may be left out:

1. every service reads the new format beside the old one and still seals the old: `READS` grows at its end;
2. when no revision is left that reads the old one only, services seal the new: `SEALS` becomes the last of `READS`;
3. when the last token in the old format is older than its edge allows, the old one leaves `READS`.

Nobody ever seals what a revision beside it cannot read. What a body holds is not a matter of the format: a message that
changes gets a new type byte, which the consumer's edge takes one deploy before any producer makes it, so that messages
that already lie in an outbox stay what they are.
"""

from dataclasses import dataclass
from typing import Final

FIRST_BYTE_OF_ANOTHER_SYSTEM: Final = 0x20
"""Our formats are numbered below it; the predecessor's tokens begin with a printable character or a length."""


@dataclass(frozen=True, slots=True)
class Format:
    """One shape of the envelope: the first byte that names it, and how much of the MAC is kept."""

    version: int
    mac_bytes: int

    def __post_init__(self) -> None:
        if not 0 < self.version < FIRST_BYTE_OF_ANOTHER_SYSTEM:
            raise ValueError(f"a format's number is from 1 to {FIRST_BYTE_OF_ANOTHER_SYSTEM - 1}")
        if not 16 <= self.mac_bytes <= 32:
            raise ValueError("a MAC keeps 16 to 32 bytes of HMAC-SHA256")


FORMAT_1: Final = Format(version=1, mac_bytes=16)

READS: Final[tuple[Format, ...]] = (FORMAT_1,)
"""What this build opens, oldest first: one format, or two neighbours during a change."""
SEALS: Final[Format] = FORMAT_1
"""What this build seals: one that every revision that may run beside it opens."""
