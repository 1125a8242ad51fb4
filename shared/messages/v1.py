"""The predecessor's tokens ("v1") on the one edge where its upstream may still speak: T1, "pay this order".

    base64url without padding of
    unique_id, cut to 16 bytes and filled with NUL | cn_api_id | from_currency | from_network |
    amount | payin_address | issued_at u32 seconds | mac(16)

Text is a u8 length and UTF-8; an amount is a big-endian double. From 2025-11-02 on a second amount follows the first:
the first is what was received, the second, with the fee taken off, is what is to be paid. The predecessor guessed which
of the two layouts a token has and was always wrong about the older one; here its length says it, because an address has
42 characters. mac = first 16 bytes of HMAC-SHA256(the upstream's secret as it is, all bytes before it).

Nothing but T1 is read: a token of the predecessor's own services is sealed with another secret and is foreign here.
"""

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from shared.messages.double import DOUBLE_BYTES, text_of_double
from shared.messages.edges import UPSTREAM_TO_CONDUCTOR
from shared.messages.errors import (
    MessageInvalid,
    TokenExpired,
    TokenForeign,
    TokenMalformed,
    TokenVersionUnsupported,
)
from shared.messages.fields import FieldRuleBroken, Reader
from shared.messages.formats import FIRST_BYTE_OF_ANOTHER_SYSTEM
from shared.messages.kinds import InstantPayout
from shared.messages.sealing import Opened, fresh
from shared.messages.spelling import to_bytes
from shared.money import Ether, MoneyError

LONGEST_WINDOW: Final = timedelta(days=92)
_ID_BYTES: Final = 16
_ADDRESS_BYTES: Final = 42
_TIME_BYTES: Final = 4
_MAC_BYTES: Final = 16
_ONE_AMOUNT: Final = DOUBLE_BYTES + 1 + _ADDRESS_BYTES
_TWO_AMOUNTS: Final = DOUBLE_BYTES + _ONE_AMOUNT
_LEAST: Final = _ID_BYTES + 3 + _ONE_AMOUNT + _TIME_BYTES + _MAC_BYTES


@dataclass(frozen=True, slots=True)
class V1Window:
    """From when to when v1 tokens are accepted: the moment in which the predecessor stopped paying, and an end."""

    since: datetime
    until: datetime

    @classmethod
    def parse(cls, text: str) -> Self:
        """ "2026-12-01T09:00:00Z/2026-12-15T00:00:00Z" (ISO 8601). ValueError for anything else.

        Both with their zone, in order, and at most 92 days apart: a door that is forgotten closes by itself.
        """
        first, slash, second = text.partition("/")
        if not slash:
            raise ValueError("must be two times with a / between them, as 2026-12-01T09:00:00Z/2026-12-15T00:00:00Z")
        since, until = _moment(first), _moment(second)
        if not since < until <= since + LONGEST_WINDOW:
            raise ValueError(f"must end after it begins, at most {LONGEST_WINDOW.days} days later")
        return cls(since, until)


@dataclass(frozen=True, slots=True)
class V1Door:
    """Whether v1 tokens of the upstream are accepted, and the secrets that seal them. Shut unless a window is given.

    `secrets` is asked for each token, because keys are rotated while a process runs.
    """

    window: V1Window | None = None
    secrets: Callable[[], Sequence[bytes]] = field(default=tuple, repr=False)

    @staticmethod
    def is_for(text: object) -> bool:
        """Whether the token is none of ours but begins as the predecessor's do: our formats are numbered below that."""
        try:
            return isinstance(text, str) and to_bytes(text, least=1)[0] >= FIRST_BYTE_OF_ANOTHER_SYSTEM
        except TokenMalformed:
            return False

    def open(self, text: str, now: datetime) -> Opened:
        """The payout that the upstream asks for. Its message id is the token's mac, so that a repeat has the same.

        Harmless to repeat, because the conductor takes a request once. Raises TokenVersionUnsupported (the door is
        shut), TokenForeign, TokenExpired (see `_issued_at`), TokenMalformed. Nothing is parsed before the mac is good.
        """
        if self.window is None:
            raise TokenVersionUnsupported("v1 tokens are not accepted", field="token")
        if now >= self.window.until:
            raise TokenVersionUnsupported(
                f"v1 tokens are not accepted any more since {self.window.until.isoformat()}", field="token"
            )
        token = to_bytes(text, least=_LEAST)
        signed, mac = token[:-_MAC_BYTES], token[-_MAC_BYTES:]
        if not any(hmac.compare_digest(mac, _mac(secret, signed)) for secret in self.secrets()):
            raise TokenForeign(
                "this v1 token was not sealed by the upstream with a key that is valid here", field="token"
            )
        issued_at = self._issued_at(signed, now)
        try:
            message = InstantPayout(**_fields(signed[:-_TIME_BYTES]))
        except MessageInvalid as invalid:
            raise _malformed(invalid.field, invalid.rule) from invalid
        return Opened(UPSTREAM_TO_CONDUCTOR, message, mac, issued_at)

    def _issued_at(self, signed: bytes, now: datetime) -> datetime:
        """As fresh as every message of this edge must be, and not issued while the predecessor could pay it itself.

        The predecessor's window was 300 s, then two hours, and both lost payouts whose queue was late; ours covers
        the queue's whole retry time, because a repeat is harmless here. What it had issued before it stopped may have
        been paid by it, of which our rows know nothing: that is for a person.
        """
        assert self.window is not None
        issued_at = fresh(UPSTREAM_TO_CONDUCTOR, int.from_bytes(signed[-_TIME_BYTES:], "big"), now)
        if issued_at < self.window.since:
            raise TokenExpired(
                f"this v1 token was issued before {self.window.since.isoformat()}: the predecessor may have paid it",
                field="token",
                rule="is older than the time from which v1 tokens are accepted",
            )
        return issued_at


def _fields(body: bytes) -> dict[str, Any]:
    reader, at = Reader(body), "unique_id"
    try:
        fields: dict[str, Any] = {at: _text(reader.take(_ID_BYTES).rstrip(b"\0"))}
        for at in ("cn_api_id", "from_currency", "from_network"):
            fields[at] = _text(reader.take(reader.take(1)[0]))
        at = "body"
        _skip_to_amount(reader)
        at = "amount_wei"
        fields[at] = _wei(reader.take(DOUBLE_BYTES))
        at = "payin_address"
        fields[at] = _text(reader.take(reader.take(1)[0]))
    except FieldRuleBroken as broken:
        raise _malformed(at, broken.rule) from broken
    return fields | {name: fields[name].lower() for name in ("from_currency", "from_network")}


def _skip_to_amount(reader: Reader) -> None:
    """To the amount that is to be paid: the only one, or the second after what was received."""
    if reader.left_over() not in (_ONE_AMOUNT, _TWO_AMOUNTS):
        raise FieldRuleBroken("does not end with one or two amounts and an address of 42 characters")
    reader.take(reader.left_over() - _ONE_AMOUNT)


def _wei(wire: bytes) -> int:
    """Digits beyond the wei are cut, as everywhere (DESIGN 6); the order at the exchange must agree to the wei."""
    try:
        return Ether.parse_cut(text_of_double(wire)).wei
    except MoneyError as error:
        raise FieldRuleBroken(error.rule) from error


def _text(encoded: bytes) -> str:
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise FieldRuleBroken("must be UTF-8") from error


def _mac(secret: bytes, signed: bytes) -> bytes:
    return hmac.digest(secret, signed, "sha256")[:_MAC_BYTES]


def _malformed(field_name: str, rule: str) -> TokenMalformed:
    return TokenMalformed(f"this v1 token is not well-formed: {field_name} {rule}", field=field_name, rule=rule)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("must say the zone of each time, as in 2026-12-01T09:00:00Z")
    return moment
