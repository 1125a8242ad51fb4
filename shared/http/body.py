"""Reading a request body: bounded before it is read, one JSON object, every number as the exact text it was sent as."""

import json
import re
from typing import Any, BinaryIO, NoReturn

from shared.http.errors import BodyIncomplete, BodyTooLarge, JsonMalformed, LengthMissing

MAX_DEPTH = 16
_CHUNK_BYTES = 16_384
# An unclosed text runs to the end, so that the scan stays linear whatever is sent.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


class JsonNumber(str):
    """A JSON number as it was written. Money is read from this text; it never was a float."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"JsonNumber({str.__repr__(self)})"


def announced_length(content_length: str | None, transfer_encoding: str | None, limit: int) -> int | None:
    """The length that may be read, None when there is no body at all.

    Raises LengthMissing for a chunked body (the server would hand it over silently cut) and BodyTooLarge for one
    that is over `limit`.
    """
    if transfer_encoding:
        raise LengthMissing("A body must announce its length: send Content-Length, not Transfer-Encoding.")
    if content_length is None:
        return None
    if not (content_length.isascii() and content_length.isdigit()):
        raise LengthMissing("Content-Length must be a whole number of bytes.")
    if len(content_length) > 18 or int(content_length) > limit:
        raise BodyTooLarge(f"The body is larger than {limit} bytes.", rule=f"at most {limit} bytes")
    return int(content_length)


def read_exactly(stream: BinaryIO, length: int) -> bytes:
    """Exactly `length` bytes, or BodyIncomplete when the caller stopped before."""
    parts: list[bytes] = []
    missing = length
    while missing > 0:
        part = stream.read(min(missing, _CHUNK_BYTES))
        if not part:
            raise BodyIncomplete("The body ended before its announced length.")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`; numbers come as `JsonNumber`. Raises JsonMalformed naming the broken rule."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("The body must be UTF-8.")
    _bound_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object_without_repeats,
            parse_float=JsonNumber,
            parse_int=JsonNumber,
            parse_constant=_Constant,
        )
    except json.JSONDecodeError as error:
        raise JsonMalformed("The body is not JSON.", rule="one JSON object") from error
    if not isinstance(value, dict):
        _refuse(f"The body must be a JSON object, not {_kind(value)}.")
    _refuse_unstorable(value)
    return value


def _refuse(sentence: str) -> NoReturn:
    raise JsonMalformed(sentence, rule="one JSON object")


def _bound_depth(text: str) -> None:
    # The parser is recursive: ten thousand brackets fit into a small body and would exhaust its stack.
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                _refuse(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif mark in "]}":
            depth -= 1


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            # Two readers of the same body could take two different amounts.
            raise JsonMalformed("A field is given twice.", field=_speakable(key), rule="each field once")
        if isinstance(value, _Constant):
            _refuse_constant(_speakable(key), value)
        found[key] = value
    return found


def _speakable(key: str) -> str:
    """The name of a field as it can be answered, logged and stored, which a sender's key need not be."""
    return "".join(letter if letter.isprintable() else "?" for letter in key[:64])


class _Constant(str):
    """NaN or an infinity, which JSON does not have but many writers write; never seen outside of this file."""

    __slots__ = ()


def _refuse_constant(field: str, name: str) -> NoReturn:
    raise JsonMalformed(f"The field {field} must be a finite number, not {name}.", field=field, rule="a finite number")


def _refuse_unstorable(value: Any) -> None:
    """PostgreSQL text holds no NUL, UTF-8 no lone surrogate; refused here, they never become a 500 further in."""
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_unstorable(key)
            _refuse_unstorable(item)
    elif isinstance(value, _Constant):
        _refuse_constant("in a list", value)
    elif isinstance(value, list):
        for item in value:
            _refuse_unstorable(item)
    elif isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
        _refuse("Texts may hold neither NUL nor half a surrogate pair.")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, JsonNumber):
        return "a number"
    return "a list" if isinstance(value, list) else "a text"
