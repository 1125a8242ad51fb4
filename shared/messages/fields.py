"""The kinds of fields a message may have: their rules, and their bytes on the wire.

Text is a u16 length and UTF-8; a whole number is a u8 length and big-endian bytes without leading zeros. Each value
has exactly one encoding, and a value that breaks its rule can be neither written nor read.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

MAX_SENTENCE_LENGTH: Final = 300
MAX_WHOLE_BYTES: Final = 32  # an EVM word


class FieldRuleBroken(ValueError):
    """Inside this room only: a field breaks `rule`; the message adds its name."""

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


class Reader:
    """Takes bytes from the front of a body; running out is an error, not an empty answer."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._body[self._at : self._at + count]
        if len(taken) != count:
            raise FieldRuleBroken("is cut short")
        self._at += count
        return taken

    def left_over(self) -> int:
        return len(self._body) - self._at


class Field(Protocol):
    def check(self, value: object) -> None:
        """Raises FieldRuleBroken unless the value may stand in a message."""

    def encode(self, value: object) -> bytes:
        """The one encoding of a checked value."""

    def read(self, reader: Reader) -> object:
        """The value at the reader's place, not yet checked; refuses a second encoding of the same value."""


@dataclass(frozen=True)
class Text:
    """Text of ASCII characters that match `pattern` as a whole; `rule` says so in words."""

    pattern: re.Pattern[str]
    rule: str

    def check(self, value: object) -> None:
        if not isinstance(value, str):
            raise FieldRuleBroken("must be text")
        if self.pattern.fullmatch(value) is None:
            raise FieldRuleBroken(self.rule)

    def encode(self, value: object) -> bytes:
        return _text_bytes(value)

    def read(self, reader: Reader) -> str:
        return _read_text(reader)


@dataclass(frozen=True)
class Sentence:
    """Text for a person: printable, on one line, at most 300 characters, may be empty. Nothing is decided by it."""

    def check(self, value: object) -> None:
        if not isinstance(value, str):
            raise FieldRuleBroken("must be text")
        if len(value) > MAX_SENTENCE_LENGTH:
            raise FieldRuleBroken(f"must not be longer than {MAX_SENTENCE_LENGTH} characters")
        if not value.isprintable():
            raise FieldRuleBroken("must be printable text on one line")

    def encode(self, value: object) -> bytes:
        return _text_bytes(value)

    def read(self, reader: Reader) -> str:
        return _read_text(reader)


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int
    most: int

    def check(self, value: object) -> None:
        if type(value) is not int:
            raise FieldRuleBroken("must be a whole number")
        if value < self.least:
            raise FieldRuleBroken(f"must be at least {self.least}")
        if value > self.most:
            raise FieldRuleBroken("is too large")

    def encode(self, value: object) -> bytes:
        assert type(value) is int
        digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
        return bytes([len(digits)]) + digits

    def read(self, reader: Reader) -> int:
        length = reader.take(1)[0]
        if length > MAX_WHOLE_BYTES:
            raise FieldRuleBroken("is too large")
        digits = reader.take(length)
        if digits[:1] == b"\0":
            raise FieldRuleBroken("has leading zero bytes")
        return int.from_bytes(digits, "big")


def _text_bytes(value: object) -> bytes:
    assert isinstance(value, str)
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _read_text(reader: Reader) -> str:
    encoded = reader.take(int.from_bytes(reader.take(2), "big"))
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise FieldRuleBroken("must be UTF-8") from error


def one_of(*words: str) -> Text:
    return Text(re.compile("|".join(map(re.escape, words))), f"must be one of {', '.join(words)}")


def as_sentence(text: str) -> str:
    """Any text as a `Sentence` field takes it: one line, unprintable characters as "?", cut to 300 with "...".

    For third parties' words, so that an odd answer can always be reported.
    """
    line = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return line if len(line) <= MAX_SENTENCE_LENGTH else line[: MAX_SENTENCE_LENGTH - 3] + "..."


_UUID: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

UniqueId = Annotated[str, Text(re.compile("[0-9A-Za-z_-]{1,64}"), "must be 1 to 64 of 0-9 A-Z a-z _ -")]
OrderId = Annotated[str, Text(re.compile("[0-9A-Za-z_-]{1,64}"), "must be 1 to 64 of 0-9 A-Z a-z _ -")]
BatchId = Annotated[str, Text(re.compile(_UUID), "must be a UUID in lower case with dashes")]
Ticker = Annotated[str, Text(re.compile("[0-9a-z]{1,20}"), "must be 1 to 20 of 0-9 a-z")]
Address = Annotated[str, Text(re.compile("0x[0-9a-fA-F]{40}"), "must be 0x and 40 hex digits")]
# Where an instant payout's coin goes: any chain's address, compared with what the exchange shows and never paid by us.
PayoutAddress = Annotated[str, Text(re.compile("[!-~]{1,128}"), "must be 1 to 128 printable characters without blanks")]
TxHash = Annotated[str, Text(re.compile("0x[0-9a-f]{64}"), "must be 0x and 64 lower-case hex digits")]
TxHashOrNone = Annotated[str, Text(re.compile("(0x[0-9a-f]{64})?"), "must be empty or 0x and 64 lower-case hex digits")]
StatusWord = Annotated[str, Text(re.compile("[0-9a-z_-]{0,32}"), "must be at most 32 of 0-9 a-z _ -")]
PersonText = Annotated[str, Sentence()]
PositiveWei = Annotated[int, Whole(1, 2**256 - 1)]
PositiveUnits = Annotated[int, Whole(1, 2**256 - 1)]
ChainId = Annotated[int, Whole(1, 2**63 - 1)]
AlertId = Annotated[int, Whole(1, 2**63 - 1)]
PollNumber = Annotated[int, Whole(0, 2**31 - 1)]
