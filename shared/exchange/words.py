"""Reads the exchange's JSON without believing more than it says: numbers stay text, nothing is guessed.

Amounts arrive as JSON numbers, as `1e-7`, or as strings; none of them may pass through a float. Duplicate keys, NaN and
nesting without end are refused, because two readers could understand two different orders.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn

from shared.exchange.port import RefusalKind, RefusedByExchange
from shared.exchange.wire import Answered

Json = dict[str, object]

_MOST_BRACKETS: Final = 500  # the largest documented answer has a dozen
_MOST_MESSAGE: Final = 200  # characters of the exchange's own text that are kept

_KINDS: Final = {
    "deposit_too_small": RefusalKind.TOO_SMALL,
    "max_amount_exceeded": RefusalKind.TOO_LARGE,
    "out_of_range": RefusalKind.OUT_OF_RANGE,
    "pair_is_inactive": RefusalKind.PAIR_INACTIVE,
    "not_valid_address": RefusalKind.BAD_PAYOUT_ADDRESS,
    "not_valid_refund_address": RefusalKind.BAD_REFUND_ADDRESS,
    "unauthorized": RefusalKind.KEY_REFUSED,
    "invalid_api_key": RefusalKind.KEY_REFUSED,
    "forbidden": RefusalKind.KEY_REFUSED,
}


class NumberText(str):
    """A JSON number, digit for digit as it was written."""

    __slots__ = ()


class Unreadable(ValueError):
    """An answer that cannot be read; the text says why and repeats nothing of it."""


def object_in(body: bytes) -> Json:
    """The JSON object in the body. Raises Unreadable for everything else."""
    # Counted, not left to RecursionError: libraries raise Python's limit so far that the stack would end first.
    if body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        raise Unreadable("the answer is nested too deeply")
    try:
        told = json.loads(
            body.decode("utf-8"),
            parse_float=NumberText,
            parse_int=NumberText,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_duplicates,
        )
    except UnicodeDecodeError:
        raise Unreadable("the answer is not UTF-8") from None
    except json.JSONDecodeError:
        raise Unreadable("the answer is not JSON") from None
    if not isinstance(told, dict):
        raise Unreadable("the answer is not a JSON object")
    return told


def text_in(told: Json, name: str) -> str | None:
    """The string under the name; None if it is absent, null or empty. Raises Unreadable for another type."""
    value = told.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or isinstance(value, NumberText):
        raise Unreadable(f"{name} is not a string")
    return value


def amount_text_in(told: Json, name: str) -> str | None:
    """The amount under the name, as written, number or string; None if absent, null or empty."""
    value = told.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Unreadable(f"{name} is not an amount")
    return str(value)


def plain_in(told: Json) -> Json:
    """The object with its numbers as plain text: what may be stored as evidence."""
    plain = _plain(told)
    assert isinstance(plain, dict)
    return plain


def refusal_in(answer: Answered) -> RefusedByExchange:
    """What a 4xx answer means: the HTTP status first, then the error code, never the message."""
    told: Json = {}
    try:
        told = object_in(answer.body)
    except Unreadable:
        message = answer.body.decode("utf-8", "replace")
    else:
        message = str(told.get("message") or told.get("error") or "")
    code = str(told.get("error") or "")
    message = " ".join(f"{code}: {message}".removeprefix(": ").split())[:_MOST_MESSAGE]
    if answer.status in (401, 403):
        return RefusedByExchange(RefusalKind.KEY_REFUSED, message)
    if answer.status == 429:
        return RefusedByExchange(RefusalKind.RATE_LIMITED, message)
    return RefusedByExchange(_KINDS.get(code, RefusalKind.BAD_REQUEST), message)


def is_refusal(status: int) -> bool:
    """Does this HTTP status prove that nothing was done? (408 and 425 say nothing about what was done.)"""
    return 400 <= status < 500 and status not in (408, 425)


def _without_duplicates(pairs: list[tuple[str, object]]) -> Json:
    told = dict(pairs)
    if len(told) != len(pairs):
        raise Unreadable("the answer names a field twice")
    return told


def _refuse_constant(_: str) -> NoReturn:
    raise Unreadable("the answer contains a number that is none")


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, NumberText) else value
